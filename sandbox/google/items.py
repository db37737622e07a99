"""Files and folders of one guest's Drive.

https://developers.google.com/workspace/drive/api/reference/rest/v3/files
"""

import secrets
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from sandbox.storage import tree
from sandbox.storage.tree import Content

FOLDER = "application/vnd.google-apps.folder"


@dataclass
class Item:
    """A file or a folder.

    Attributes:
        app: The OAuth client that made it; None when the guest did so by hand.
        app_properties: By the client they belong to.
        content: None for folders.
        order: Counts up with every item made.
    """

    id: str
    name: str
    mime: str
    parent: str
    app: str | None
    created: str
    modified: str
    order: int = 0
    trashed: bool = False
    starred: bool = False
    description: str = ""
    content: Content | None = None
    properties: dict[str, str] = field(default_factory=dict)
    app_properties: dict[str | None, dict[str, str]] = field(default_factory=dict)
    version: int = 1
    revision: str = ""
    arrived: float = 0.0

    @property
    def size(self) -> int:
        """Bytes; a folder has none."""
        return self.content.size if self.content else 0

    @property
    def md5(self) -> str:
        """The MD5 in hex; empty for folders."""
        return self.content.md5 if self.content else ""

    @property
    def is_folder(self) -> bool:
        """Tell a folder from a file."""
        return self.mime == FOLDER


def now() -> str:
    """Return the moment as Drive writes it: RFC 3339, UTC, to 1 ms."""
    return stamp(datetime.now(UTC))


def stamp(moment: datetime) -> str:
    """Return a moment as Drive writes it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


class Account(tree.Account[Item]):
    """One guest's Drive. Thread-safe.

    Attributes:
        reserved: Ids handed out by generateIds.
        buried: Ids of items that were deleted for good.
        lag: Seconds that lists stay behind: what came less long ago is not in them yet.
    """

    def __init__(self, login: str):
        super().__init__(login, "0A" + secrets.token_urlsafe(12) + "PVA")
        self.reserved: set[str] = set()
        self.buried: set[str] = set()
        self.lag = 0.0

    def put(self, item: Item) -> Item:
        """Add an item."""
        item.revision = item.revision or secrets.token_urlsafe(12)
        item.arrived = time.monotonic()
        return super().put(item)

    def is_listed(self, item: Item) -> bool:
        """Tell whether lists show an item by now."""
        return time.monotonic() - item.arrived >= self.lag

    def copy(self, id: str, parent: str | None = None, name: str | None = None) -> Item:  # noqa: A002
        """Copy a file, or a folder with all that is in it, as the guest does; what apps left with it is copied too.

        Args:
            id: Of the original.
            parent: The folder to put it into; where the original is when not given.
            name: Of the copy; when not given, that of the original.
        """
        with self.guard:
            original = self.items[id]
            copy = replace(
                original,
                id=new_id(),
                name=name or original.name,
                parent=parent or original.parent,
                created=now(),
                properties=dict(original.properties),
                app_properties={app: dict(kept) for app, kept in original.app_properties.items()},
                version=1,
                revision="",
            )
            inside = self.below(id)
            self.put(copy)
            for each in inside:
                self.copy(each.id, copy.id)
            return copy

    def overwrite(self, id: str, data: bytes) -> Item:  # noqa: A002
        """Give a file other bytes, as the guest does by hand ("manage versions"); what apps left with it stays."""
        with self.guard:
            return self.change(id, content=Content.of(data), modified=now())

    def add(self, name: str, data: bytes = b"", parent: str | None = None, *, app: str | None = None) -> Item:
        """Put a file in, as the guest does by hand; `app` makes it some client's."""
        content = Content.of(data)
        return self.put(Item(new_id(), name, "image/jpeg", parent or self.root, app, now(), now(), content=content))

    def add_folder(self, name: str, parent: str | None = None, *, app: str | None = None) -> Item:
        """Make a folder, as the guest does by hand; `app` makes it some client's."""
        return self.put(Item(new_id(), name, FOLDER, parent or self.root, app, now(), now()))

    def delete(self, id: str) -> None:  # noqa: A002 - Drive's own word
        """Delete for good, with everything in it."""
        with self.guard:
            super().delete(id)
            self.buried.add(id)


def new_id() -> str:
    """Return an id that looks like Drive's: 33 characters."""
    return "1" + secrets.token_urlsafe(24)
