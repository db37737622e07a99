"""A guest's pretend Yandex Disk, opened by the real storage without a wire."""

from collections.abc import Callable
from typing import Any

from common.clouds.grant import Grant, SharedGrant
from common.clouds.photos import Folder, Photo
from common.clouds.yandex_disk.storage import YandexStorage
from common.crypto.sealing import Secret
from common.errors import Reason
from sandbox.faults.plan import Fault, FaultPlan
from sandbox.yandex.accounts import RIGHTS
from sandbox.yandex.disk import Disk
from sandbox.yandex.items import Item
from sandbox.yandex.tokens import Tokens
from sandbox.yandex.uploader import Uploader
from tests.fakes.clock import Clock
from tests.fakes.in_process import InProcessHttp

ADDRESS, UPLOADER = "https://disk.example", "https://uploader.example"
CLIENT = "client"


class GuestsDisk:
    """A Disk with one guest, and the storage that was opened with their grant.

    Args:
        faults: what goes wrong; shared with other stand-ins.
        violations: what the client must not have done; shared likewise.
        sleep: lets time pass for the storage; by itself on a clock that only sleeping moves.

    Attributes:
        disk: the stand-in.
        account: what is in it.
        http: every request sent to it.
        storage: the real thing.
        ever: the MD5 of everything that ever was the content of a file.
        folder: one to put photos into.
    """

    def __init__(
        self,
        faults: FaultPlan | None = None,
        violations: list[str] | None = None,
        sleep: Callable[[float], None] | None = None,
    ) -> None:
        self._tokens = Tokens()
        self.faults = FaultPlan() if faults is None else faults
        self.violations: list[str] = [] if violations is None else violations
        self.disk = Disk(self._tokens, self.faults, self.violations)
        self.disk.url, self.disk.upload_url = ADDRESS, UPLOADER
        uploader = Uploader(self.disk, self.faults, self.violations)
        self.account = self.disk.account()
        self.ever: list[str] = []
        self._change = self.account.change
        self.account.change = self._record  # type: ignore[method-assign]
        self.account.add_folder("Gallery")
        self.folder = Folder("disk:/Gallery", "")
        services = {ADDRESS: self.disk.answer, UPLOADER: uploader.answer}
        self.http = InProcessHttp(services, Reason.CLOUD_UNAVAILABLE)
        settings = {"YANDEX_API_URL": Secret(ADDRESS)}
        self.storage = YandexStorage(settings, self.http, self._grant(), 1, sleep or Clock().sleep)  # type: ignore[arg-type]

    def break_it(self, on: str, does: str, **how: Any) -> None:
        """Let something go wrong; see `sandbox.faults.plan.Fault`."""
        self.faults.add(Fault(on, does, **how))

    def files(self) -> dict[str, bytes | None]:
        """Return the bytes of every file that is not in the bin, by what the storage calls it."""
        return {f"disk:/{self.account.path(item)}": item.content.data for item in self.account.files() if item.content}

    def contents(self) -> list[bytes | None]:
        """Return the bytes of every file that is not in the bin."""
        return list(self.files().values())

    def begin(self, photo: Photo) -> Any:
        """Open a session of the storage."""
        return self.storage.begin("archive", photo, self.folder)

    def _record(self, id: str, **values: Any) -> Item:  # noqa: A002 - as the account calls it
        if content := values.get("content"):
            self.ever.append(content.md5)
        return self._change(id, **values)

    def _grant(self) -> SharedGrant:
        token, lasting = self._tokens.grant(CLIENT, "guest", RIGHTS, "device")

        def refresh(grant: Grant) -> Grant:
            fresh, following, _ = self._tokens.refresh(grant.refresh_token.reveal(), CLIENT)
            return Grant(Secret(following), Secret(fresh.text), 2.0**40)

        return SharedGrant(Grant(Secret(lasting), Secret(token.text), 2.0**40), refresh)
