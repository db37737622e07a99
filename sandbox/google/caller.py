"""The authenticated caller of a Drive request, and which items its scopes show.

https://developers.google.com/workspace/drive/api/guides/api-specific-auth
"""

from dataclasses import dataclass

from sandbox.google.errors import ApiError
from sandbox.google.items import FOLDER, Account, Item

FULL_SCOPE = "https://www.googleapis.com/auth/drive"
FILE_SCOPE = "https://www.googleapis.com/auth/drive.file"


@dataclass(frozen=True)
class Caller:
    """Caller of a request: the guest's account, the client, its scopes, and the Drive web address."""

    account: Account
    client: str
    scopes: tuple[str, ...]
    web_url: str

    @property
    def sees_everything(self) -> bool:
        """Whether the scope is more than drive.file, with which a client sees only what it made."""
        return FULL_SCOPE in self.scopes

    def sees(self, item: Item) -> bool:
        """Tell whether an item is visible to the client."""
        return self.sees_everything or item.app == self.client

    def find(self, id: str) -> Item:  # noqa: A002 - Drive's own word
        """Return an item by id.

        Raises:
            ApiError: It is not there, or not visible.
        """
        item = self.account.items.get(id)
        if id in ("root", self.account.root) and self.sees_everything:
            return root_of(self.account)
        if not item or not self.sees(item):
            raise ApiError("notFound", f"File not found: {id}.", "fileId")
        return item

    def find_own(self, id: str) -> Item:  # noqa: A002
        """Return an item that may be changed: any visible one but My Drive itself.

        Raises:
            ApiError: It is not there, not visible, or the root.
        """
        item = self.find(id)
        if not item.parent:
            raise ApiError("insufficientFilePermissions")
        return item

    def find_parent(self, parents: list[str]) -> str:
        """Return the id of the folder meant: none is My Drive's root.

        Raises:
            ApiError: It is not there, not visible, or no folder.
        """
        if not parents or parents[0] in ("root", self.account.root):
            return self.account.root
        if not self.find(parents[0]).is_folder:
            raise ApiError("parentNotAFolder")
        return parents[0]


def root_of(account: Account) -> Item:
    """Return My Drive itself as an item; it has no parent and stands in no list."""
    old = "2020-01-01T00:00:00.000Z"
    return Item(account.root, "My Drive", FOLDER, "", None, old, old)
