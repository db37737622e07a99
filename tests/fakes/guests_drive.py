"""A guest's pretend Drive, opened by the real storage without a wire."""

from typing import Any

from common.clouds.google_drive import storage
from common.clouds.grant import Grant, SharedGrant
from common.clouds.photos import Folder, Photo
from common.crypto.sealing import Secret
from common.errors import Reason
from sandbox.faults.plan import Fault, FaultPlan
from sandbox.google.drive import Drive
from sandbox.google.items import Item
from sandbox.google.tokens import Token, Tokens
from tests.fakes.clock import Clock
from tests.fakes.in_process import InProcessHttp

ADDRESS = "https://drive.example"
CLIENT, SCOPE = "client", "https://www.googleapis.com/auth/drive.file"


class GuestsDrive:
    """A Drive with one guest, and the storage that was opened with their grant.

    Args:
        chunk: bytes of an upload request.
        faults: what goes wrong; shared with other stand-ins.
        violations: what the client must not have done; shared likewise.

    Attributes:
        drive: the stand-in.
        account: what is in it.
        http: every request sent to it.
        storage: the real thing.
        ever: the MD5 of every file that ever came to be there.
        folder: one to put photos into.
    """

    def __init__(
        self, *, chunk: int = 256 * 1024, faults: FaultPlan | None = None, violations: list[str] | None = None
    ) -> None:
        self._tokens = Tokens()
        self.faults = FaultPlan() if faults is None else faults
        self.violations: list[str] = [] if violations is None else violations
        self.drive = Drive(self._tokens, self.faults, self.violations)
        self.drive.url = ADDRESS
        self.account = self.drive.account()
        self.ever: list[str] = []
        self._put = self.account.put
        self.account.put = self._record  # type: ignore[method-assign]
        self.folder = Folder(self.account.add_folder("Gallery", app=CLIENT).id, "")
        self.http = InProcessHttp({ADDRESS: self.drive.answer}, Reason.CLOUD_UNAVAILABLE)
        self.storage = self.open(chunk)

    def open(self, chunk: int = 256 * 1024) -> storage.DriveStorage:
        """Open it once more, as another run does."""
        settings = {"GOOGLE_API_URL": Secret(ADDRESS)}
        return storage.DriveStorage(settings, self.http, self._grant(), chunk, Clock().sleep)  # type: ignore[arg-type]

    def break_it(self, on: str, does: str, **how: Any) -> None:
        """Let something go wrong; see `sandbox.faults.plan.Fault`."""
        self.faults.add(Fault(on, does, **how))

    def files(self) -> dict[str, bytes | None]:
        """Return the bytes of every file that is not in the bin, by what the storage calls it."""
        return {item.id: item.content.data for item in self.account.files() if item.content}

    def contents(self) -> list[bytes | None]:
        """Return the bytes of every file that is not in the bin."""
        return list(self.files().values())

    def methods(self) -> list[str]:
        """Return the method of every request sent."""
        return [method for method, _, _ in self.http.sent]

    def begin(self, photo: Photo) -> Any:
        """Open a session of the storage."""
        return self.storage.begin("archive", photo, self.folder)

    def expire_tokens(self) -> None:
        """End the guest's access tokens as if their hour was over."""
        self._tokens.expire()

    def _record(self, item: Item) -> Item:
        if not item.is_folder:
            self.ever.append(item.md5)
        return self._put(item)

    def _grant(self) -> SharedGrant:
        token, lasting = self._tokens.grant(CLIENT, "guest", (SCOPE,))

        def in_use(token: Token) -> Grant:
            return Grant(Secret(lasting), Secret(token.text), 2.0**40)

        return SharedGrant(in_use(token), lambda _: in_use(self._tokens.refresh(lasting, CLIENT)))
