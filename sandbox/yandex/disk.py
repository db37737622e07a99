"""Stand-in of cloud-api.yandex.net/v1/disk: authentication, locks, quotas and common rules.

https://yandex.ru/dev/disk-api/doc/en/
"""

import threading
import time
from dataclasses import dataclass

from sandbox.faults.plan import FaultPlan
from sandbox.http.message import Reply, Request
from sandbox.http.service import Service
from sandbox.storage.rate_limit import WriteRateLimiter
from sandbox.storage.tree import Content
from sandbox.yandex.disk_faults import DISK_ACTIONS
from sandbox.yandex.errors import ERRORS, ApiError, error_reply
from sandbox.yandex.items import Account, Item, new_id, now
from sandbox.yandex.links import Links
from sandbox.yandex.operations import Operations
from sandbox.yandex.paths import Path, write_path
from sandbox.yandex.routes import routes
from sandbox.yandex.tokens import Tokens

_JSON = ("application/json", "application/hal+json", "application/*", "*/*")


@dataclass(frozen=True)
class Caller:
    """Who asks: a guest's account, through a client, with rights."""

    account: Account
    client: str
    scopes: tuple[str, ...]


class Disk(Service):
    """Every guest's Disk. Thread-safe.

    Attributes:
        keep_bytes: Keep what is uploaded; without, only sizes and sums are known and nothing can be downloaded.
        upload_url: Where links lead to.
        link_seconds: How long an upload link is good.
        gone_status: What is answered where a link was.
        quota_at: Where a full account is found out: "link" or "put".
        defers: What is done later, after a 202: any of "upload", "delete", "move"; see `operations`.
        late_times: So many looks at a file are answered as if it was not there, right after it was uploaded.
        late_seconds: For so long, too.
        late_status: What they are answered: 404, 409, 423 or 500.
        lost_properties: So many changes of properties are confirmed and forgotten, right after an upload.
        slow_rate: Bytes a second at which videos, archives and databases are taken; None takes them as others. In
            reality about 131072: https://github.com/ivknv/yadisk/issues/57
        writes_per_second: Above this, for longer than a small burst, an account's writes are refused; None never.
        read_only: Technical works: nothing can be changed.
        max_items: Maximum page size of a list, whatever is requested; None: no maximum.
        accepts_bearer: Take tokens under the Bearer scheme, too.
        takes_chunked: Take uploads of unknown length.
        received: Bytes that were uploaded, those sent again included.
    """

    name = "yandex"
    throttles_with = (429, "TooManyRequestsError")

    def __init__(self, tokens: Tokens, faults: FaultPlan, violations: list[str], *, keep_bytes: bool = True):
        super().__init__(faults, violations)
        self.tokens = tokens
        self.keep_bytes = keep_bytes
        self.upload_url = ""
        # https://yandex.ru/dev/disk-api/doc/en/reference/upload: "The URL expires in 30 minutes"
        self.link_seconds = 1800.0
        self.gone_status = 410
        self.quota_at = "link"
        self.defers: set[str] = set()
        self.late_times = 0
        self.late_seconds = 0.0
        self.late_status = 404
        self.lost_properties = 0
        self.slow_rate: float | None = None
        self.writes_per_second: float | None = None
        self.read_only = False
        self.max_items: int | None = None
        self.accepts_bearer = False
        self.takes_chunked = False
        self.received = 0
        self.operations = Operations()
        self.links = Links()
        self.actions = dict(DISK_ACTIONS)
        self.routes = routes(self)
        self._pace = WriteRateLimiter()
        self._guard = threading.Lock()
        self._accounts: dict[str, Account] = {}

    def account(self, login: str = "guest") -> Account:
        """Return a guest's Disk; there is one for everybody."""
        with self._guard:
            return self._accounts.setdefault(login, Account(login))

    def refuse(self, status: int, reason: str = "", message: str = "") -> Reply:  # noqa: ARG002 - texts are Disk's own
        """Return an error of the API; a reason that is no name of its errors is passed over."""
        return error_reply(status, reason if reason in ERRORS or reason.startswith("Disk") else "")

    def answer_error(self, request: Request, error: ApiError) -> Reply:
        """Return the reply to a refusal, and remember what the client should have known."""
        if error.violation:
            self.record_violation(request, error.violation)
        return error.reply()

    def identify(self, request: Request, right: str) -> Caller:
        """Return who asks.

        Args:
            request: What is asked.
            right: The right it takes; empty for any.

        Raises:
            ApiError: There is no token, it is no good, it lacks the right, or the account has no Disk.
        """
        kind, _, text = (request.headers.get("Authorization") or "").partition(" ")
        if kind.lower() != "oauth" and not (kind.lower() == "bearer" and self.accepts_bearer):
            raise ApiError("UnauthorizedError", violation="no OAuth token")
        token = self.tokens.find(text.strip())
        if not token or not token.is_live():
            violation = "" if token else "a token nobody gave"
            if token and not (token.forced or token.revoked):
                violation = "use of a token after its expiry"
            raise ApiError("UnauthorizedError", violation=violation)
        if right not in token.scopes if right else not token.scopes:
            raise ApiError("ForbiddenError")
        account = self.account(token.login)
        if account.unsupported:
            raise ApiError("DiskUnsupportedUserAccountTypeError")
        if account.blocked:
            raise ApiError("UserIsBlockedError")
        return Caller(account, token.client, token.scopes)

    def count(self, received: int) -> None:
        """Count bytes that were uploaded."""
        with self._guard:
            self.received += received

    def check_form(self, request: Request) -> None:
        """Look at the media types of a request.

        Raises:
            ApiError: They are none of JSON's.
        """
        accepted = [each.partition(";")[0].strip() for each in (request.headers.get("Accept") or "*/*").split(",")]
        if not set(accepted) & set(_JSON):
            raise ApiError("NotAcceptableError", violation=f"Accept: {request.headers.get('Accept')}")
        kind = (request.headers.get("Content-Type") or "").partition(";")[0].strip()
        if request.content() and kind not in _JSON:
            raise ApiError("UnsupportedMediaTypeError", violation=f"Content-Type: {kind}")

    def check_write(self, caller: Caller) -> None:
        """Count a write.

        Raises:
            ApiError: Nothing can be written now, or not so fast.
        """
        if self.read_only:
            raise ApiError("DiskReadOnlyError")
        if self.writes_per_second and not self._pace.try_acquire(caller.account.login, self.writes_per_second):
            raise ApiError("TooManyRequestsError")

    def check_place(self, account: Account, path: Path, *, overwrite: bool) -> None:
        """Look whether a file may be made at a path.

        Raises:
            ApiError: There is one, or no folder for it.
        """
        with account.guard:
            if not path or account.find_folder(path) is not None:
                raise ApiError("DiskPathPointsToExistentDirectoryError", write_path(path))
            if account.find_folder(path[:-1]) is None:
                raise ApiError("DiskPathDoesntExistsError", write_path(path))
            if account.find(path) and not overwrite:
                raise ApiError("DiskResourceAlreadyExistsError", write_path(path))

    def make_file(self, account: Account, path: Path, content: Content, *, overwrite: bool) -> Item:
        """Make a file, or give one new content; for a while it may be hard to see.

        Raises:
            ApiError: As `check_place`; or there is no room.
        """
        with account.guard:
            self.check_place(account, path, overwrite=overwrite)
            if not account.holds(content.size):
                raise ApiError("DiskStorageQuotaExhaustedError")
            old = account.find(path)
            item = old or account.put(Item(new_id(), path[-1], account.find_folder(path[:-1]) or "", now(), now()))
            late = {"late_times": self.late_times, "late_until": time.monotonic() + self.late_seconds}
            late |= {"late_status": self.late_status, "unheard": self.lost_properties}
            return account.change(item.id, content=content, modified=now(), properties={}, **late)
