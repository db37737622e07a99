"""Stand-in of www.googleapis.com/drive/v3 and /upload/drive/v3: authentication, quotas and common rules.

https://developers.google.com/workspace/drive/api/reference/rest/v3
"""

import threading
from typing import Any

from sandbox.faults.plan import FaultPlan
from sandbox.google import fields
from sandbox.google.caller import FILE_SCOPE, FULL_SCOPE, Caller
from sandbox.google.drive_faults import DRIVE_ACTIONS
from sandbox.google.errors import ApiError, error_reply, unauthenticated
from sandbox.google.items import Account, Item, new_id, now
from sandbox.google.listing import Listing
from sandbox.google.resource import check_metadata, make_item, show, write_properties
from sandbox.google.routes import routes
from sandbox.google.tokens import Tokens
from sandbox.google.uploads import UploadPlan, Uploads
from sandbox.http.message import Reply, Request, json_reply
from sandbox.http.service import Service
from sandbox.storage.rate_limit import WriteRateLimiter
from sandbox.storage.tree import Content

DEFAULT_FIELDS = "kind,id,name,mimeType"
_DRIVE_SCOPES = {FILE_SCOPE, FULL_SCOPE}


class Drive(Service):
    """The Drive API for all guests. Thread-safe.

    Attributes:
        keep_bytes: Keep what is uploaded; without, only sizes and sums are known and nothing can be downloaded.
        writes_per_second: Above this, for longer than a small burst, an account's writes are refused; None never.
        refuses_writes_with: Status and reason of that.
        conflict_at: Where an id that is taken is found out: "initiate" or "final", the last PUT.
        quota_at: Where a full account is found out: "initiate" or "final".
        bury_ids: Ids of files deleted for good stay taken.
        web_url: Where guests see their Drive: what links in answers begin with.
        checks_bearer_on_upload: A stale token on a session's request is refused, though the session needs none.
    """

    name = "drive"

    def __init__(self, tokens: Tokens, faults: FaultPlan, violations: list[str], *, keep_bytes: bool = True):
        super().__init__(faults, violations)
        self.tokens = tokens
        self.keep_bytes = keep_bytes
        self.writes_per_second: float | None = None
        self.refuses_writes_with = (403, "userRateLimitExceeded")
        self.conflict_at = "initiate"
        self.quota_at = "initiate"
        self.bury_ids = True
        self.checks_bearer_on_upload = True
        self.web_url = "https://drive.google.com"
        self.uploads = Uploads(self)
        self.listing = Listing()
        self.actions = dict(DRIVE_ACTIONS)
        self.routes = routes(self)
        self._pace = WriteRateLimiter()
        self._guard = threading.Lock()
        self._accounts: dict[str, Account] = {}

    def account(self, login: str = "guest") -> Account:
        """Return a guest's Drive; there is one for everybody."""
        with self._guard:
            return self._accounts.setdefault(login, Account(login))

    def owner(self, id: str) -> Account | None:  # noqa: A002 - Drive's own word
        """Return the guest's Drive that an item stands in, if there is one."""
        with self._guard:
            return next((each for each in self._accounts.values() if id in each.items), None)

    def refuse(self, status: int, reason: str = "", message: str = "") -> Reply:
        """Return an error of the API."""
        return error_reply(status, reason, message, "Authorization" if reason == "authError" else "")

    def answer_error(self, request: Request, error: ApiError) -> Reply:
        """Return the reply to a refusal, and remember what the client should have known."""
        if error.violation:
            self.record_violation(request, error.violation)
        if error.reason == "required" and not error.location:
            return unauthenticated(missing=True)
        return error.reply()

    def origin(self, request: Request) -> str:
        """Return scheme and host as the client named them."""
        return f"{self.url.partition('://')[0]}://{request.headers.get('Host')}"

    def identify(self, request: Request) -> Caller:
        """Return who asks.

        Raises:
            ApiError: There is no token, it is no good, or it does not reach to Drive.
        """
        given = request.bearer()
        if given is None:
            raise ApiError("required", violation="no bearer token")
        token = self.tokens.find(given)
        if not token or not token.is_live():
            violation = "" if token else "a token nobody gave"
            if token and not (token.forced or token.revoked):
                violation = "use of a token after its expiry"
            raise ApiError("authError", location="Authorization", violation=violation)
        if not _DRIVE_SCOPES & set(token.scopes):
            raise ApiError("insufficientPermissions")
        return Caller(self.account(token.login), token.client, token.scopes, self.web_url)

    def check_rate_limit(self, caller: Caller) -> None:
        """Count a write.

        Raises:
            ApiError: The account writes too fast.
        """
        if self.writes_per_second and not self._pace.try_acquire(caller.account.login, self.writes_per_second):
            status, reason = self.refuses_writes_with
            raise ApiError(reason, status=status)

    def check_plan(self, plan: UploadPlan, size: int, moment: str) -> None:
        """Look at a new file before it is made.

        Args:
            plan: What is to be made.
            size: Bytes as far as they are known.
            moment: "initiate" or "final".

        Raises:
            ApiError: Its place, its id or its size are not acceptable.
        """
        account = plan.caller.account
        with account.guard:
            if plan.replaces:
                plan.caller.find(plan.replaces)
            else:
                plan.caller.find_parent(plan.meta.get("parents", []))
                self._check_id(plan, moment)
            if moment in (self.quota_at, "final") and not account.holds(size):
                raise ApiError("storageQuotaExceeded")

    def make_file(self, plan: UploadPlan, content: Content) -> Item:
        """Make the file, or give one new content.

        Raises:
            ApiError: As `check_plan`, with which it is one step.
        """
        account = plan.caller.account
        with account.guard:
            self.check_plan(plan, content.size, "final")
            if plan.replaces:
                return self.change_item(plan.caller, plan.replaces, plan.meta, content)
            item = make_item(plan.meta, plan.caller, plan.meta.get("id") or new_id(), plan.media_type, now())
            item.content = content
            return account.put(item)

    def make_folder(self, caller: Caller, content: Any) -> Item:
        """Make an item from metadata alone: a folder, or an empty file.

        Raises:
            ApiError: As for files.
        """
        meta = check_metadata(content)
        plan = UploadPlan(caller, meta, media_type="", replaces="", fields=None)
        with caller.account.guard:
            self.check_plan(plan, 0, "final")
            item = make_item(meta, caller, meta.get("id") or new_id(), "", now())
            item.content = None if item.mime.startswith("application/vnd.google-apps.") else Content.of(b"")
            return caller.account.put(item)

    def change_item(self, caller: Caller, id: str, meta: dict[str, Any], content: Content | None = None) -> Item:  # noqa: A002
        """Write metadata, and content if there is any, to an item that exists.

        Raises:
            ApiError: A field can't be written.
        """
        forbidden = {"id", "createdTime", "parents"} & set(meta)
        if forbidden:
            raise ApiError("fieldNotWritable", location=sorted(forbidden)[0])
        with caller.account.guard:
            item = caller.find_own(id)
            write_properties(item, meta, caller)
            named = {"name": "name", "mimeType": "mime", "modifiedTime": "modified", "description": "description"}
            named |= {"trashed": "trashed", "starred": "starred"}
            values = {attribute: meta[name] for name, attribute in named.items() if name in meta}
            if content:
                values = {"modified": now(), **values, "content": content, "revision": new_id()}
            return caller.account.change(id, **values)

    def show_file(self, item: Item, caller: Caller, asked: str | None) -> Reply:
        """Return an item, with the fields asked for."""
        mask = fields.parse(DEFAULT_FIELDS if asked is None else asked, fields.FILE)
        with caller.account.guard:
            return json_reply(fields.pick(show(item, caller), mask))

    def _check_id(self, plan: UploadPlan, moment: str) -> None:
        account, wanted = plan.caller.account, plan.meta.get("id")
        if not wanted:
            return
        if wanted not in account.reserved:
            raise ApiError("fileIdNotUsable", location="file.id")
        taken = wanted in account.items or (self.bury_ids and wanted in account.buried)
        if taken and moment in (self.conflict_at, "final"):
            raise ApiError("fileIdInUse")
