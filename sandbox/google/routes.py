"""Routes of the Drive API: about, files.* and uploads."""

import re
from collections.abc import Callable
from functools import partial, wraps
from typing import TYPE_CHECKING, Any

from sandbox.google import fields
from sandbox.google.caller import Caller
from sandbox.google.errors import ApiError
from sandbox.google.items import new_id
from sandbox.google.resource import check_metadata, show_user
from sandbox.http import ranges
from sandbox.http.message import Reply, Request, json_reply, text_reply
from sandbox.http.service import Route

if TYPE_CHECKING:
    from sandbox.google.drive import Drive

_FILES = re.compile(r"/drive/v3/files")
_FILE = re.compile(r"/drive/v3/files/(?P<id>[^/]+)")
_UPLOADS = re.compile(r"/upload/drive/v3/files")
_UPLOAD = re.compile(r"/upload/drive/v3/files/(?P<id>[^/]+)")
_COMMON = frozenset(["alt", "fields", "key", "prettyPrint", "quotaUser", "supportsAllDrives", "supportsTeamDrives"])
_WRITING = frozenset(
    ["enforceSingleParent", "ignoreDefaultVisibility", "keepRevisionForever", "useContentAsIndexableText"]
)
_KNOWN: dict[str, frozenset[str]] = {
    "about": frozenset(),
    "generate_ids": frozenset({"count", "space", "type"}),
    "files_list": frozenset({"corpora", "driveId", "includeItemsFromAllDrives", "orderBy", "pageSize"})
    | {"pageToken", "q", "spaces"},
    "files_get": frozenset({"acknowledgeAbuse"}),
    "files_create": _WRITING | {"uploadType"},
    "files_update": _WRITING | {"addParents", "removeParents", "uploadType"},
    "files_delete": frozenset({"enforceSingleParent"}),
    "initiate": _WRITING | {"uploadType", "addParents", "removeParents"},
}
_MOST_IDS = 1000


def routes(drive: "Drive") -> tuple[Route, ...]:
    """Return the routes of a Drive."""

    def method(answer: Callable[..., Reply], *, writes: bool = False) -> Callable[..., Reply]:
        return _guarded(drive, answer, writes=writes)

    opens = method(partial(_open_upload, drive), writes=True)
    named = partial(_session_name, drive)
    puts = _translated(drive, partial(_put, drive))
    return (
        Route("GET", re.compile(r"/drive/v3/about"), "about", method(_about)),
        Route("GET", re.compile(r"/drive/v3/files/generateIds"), "generate_ids", method(_generate_ids)),
        Route("GET", _FILES, "files_list", method(partial(_list, drive))),
        Route("POST", _FILES, "files_create", method(partial(_create, drive), writes=True), subject=_name),
        Route("GET", _FILE, "files_get", method(partial(_get, drive))),
        Route("PATCH", _FILE, "files_update", method(partial(_update, drive), writes=True), subject=_name),
        Route("DELETE", _FILE, "files_delete", method(_delete, writes=True)),
        # Bytes come by PUT as documented, or by POST as rclone sends them; the real one takes both.
        *(
            Route(verb, path, _putting, puts, streams=True, when=_has_session, subject=named)
            for path in (_UPLOADS, _UPLOAD)
            for verb in ("PUT", "POST")
        ),
        *(Route("POST", path, _opening, opens, subject=_name) for path in (_UPLOADS, _UPLOAD)),
        Route("PATCH", _UPLOAD, _opening, opens, subject=_name),
        *(Route("DELETE", path, "cancel", partial(_cancel, drive), subject=named) for path in (_UPLOADS, _UPLOAD)),
    )


def _translated(drive: "Drive", answer: Callable[..., Reply]) -> Callable[..., Reply]:
    @wraps(answer, assigned=())
    def translated(request: Request, **groups: str) -> Reply:
        try:
            return answer(request, **groups)
        except ApiError as error:
            return drive.answer_error(request, error)

    return translated


def _guarded(drive: "Drive", answer: Callable[..., Reply], *, writes: bool) -> Callable[..., Reply]:
    def guarded(request: Request, **groups: str) -> Reply:
        caller = drive.identify(request)
        for name in sorted(set(request.query) - _COMMON - _KNOWN[request.operation]):
            drive.record_violation(request, f"unknown query parameter {name}")
        if writes:
            drive.check_rate_limit(caller)
        return answer(request, caller, **groups)

    return _translated(drive, guarded)


def _about(request: Request, caller: Caller) -> Reply:
    asked = request.query.get("fields")
    # A dotted mask gets the same answer as none; whole objects are to be asked for.
    if not asked or "." in asked:
        text = "The 'fields' parameter is required for this method."
        raise ApiError("required", text, "fields", violation="about without fields")
    mask = fields.parse(asked, fields.ABOUT)
    account = caller.account
    quota = {"usage": account.used(), "usageInDrive": account.used() - account.used_elsewhere, "usageInDriveTrash": 0}
    if account.limit is not None:
        quota["limit"] = account.limit
    about: dict[str, Any] = {
        "kind": "drive#about",
        "user": show_user(account),
        "storageQuota": {name: str(value) for name, value in quota.items()},
        "maxUploadSize": "5497558138880",
        "importFormats": {},
        "exportFormats": {},
        "appInstalled": True,
        "canCreateDrives": False,
    }
    return json_reply(fields.pick(about, mask))


def _generate_ids(request: Request, caller: Caller) -> Reply:
    given = request.query.get("count", "10")
    if not given.isdigit() or not 1 <= int(given) <= _MOST_IDS:
        raise ApiError("invalid", location="count", violation=f"count {given}, not 1 to {_MOST_IDS}")
    ids = [new_id() for _ in range(int(given))]
    with caller.account.guard:
        caller.account.reserved.update(ids)
    mask = fields.parse(request.query.get("fields", "*"), fields.IDS)
    return json_reply(fields.pick({"kind": "drive#generatedIds", "space": "drive", "ids": ids}, mask))


def _list(drive: "Drive", request: Request, caller: Caller) -> Reply:
    with caller.account.guard:
        return json_reply(drive.listing.answer(request, caller))


def _create(drive: "Drive", request: Request, caller: Caller) -> Reply:
    return drive.show_file(drive.make_folder(caller, _read_json(request)), caller, request.query.get("fields"))


def _get(drive: "Drive", request: Request, caller: Caller, id: str) -> Reply:  # noqa: A002 - Drive's own word
    item = caller.find(id)
    if request.query.get("alt") != "media":
        return drive.show_file(item, caller, request.query.get("fields"))
    if not item.content:
        raise ApiError("fileNotDownloadable")
    if item.content.data is None:
        raise ApiError("internalError", "This sandbox keeps no bytes: keep_bytes is off.")
    modified = "Sat, 17 Aug 2024 09:54:32 GMT"
    return ranges.serve(request, item.content.data, item.mime, f'"{item.revision}"', modified)


def _update(drive: "Drive", request: Request, caller: Caller, id: str) -> Reply:  # noqa: A002
    meta = check_metadata(_read_json(request))
    with caller.account.guard:
        item = drive.change_item(caller, id, meta)
        _move(request, caller, id)
        return drive.show_file(item, caller, request.query.get("fields"))


def _move(request: Request, caller: Caller, id: str) -> None:  # noqa: A002
    added = [each for each in request.query.get("addParents", "").split(",") if each]
    removed = {each for each in request.query.get("removeParents", "").split(",") if each}
    if not added:
        return
    item = caller.account.items[id]
    removed = {caller.account.root if each == "root" else each for each in removed}
    if len(added) > 1 or item.parent not in removed:
        raise ApiError("cannotAddParent", violation="more than one parent")
    caller.account.move(id, caller.find_parent(added))


def _delete(_request: Request, caller: Caller, id: str) -> Reply:  # noqa: A002
    with caller.account.guard:
        caller.account.delete(caller.find_own(id).id)
    return text_reply("", 204, "text/html")


def _open_upload(drive: "Drive", request: Request, caller: Caller, id: str = "") -> Reply:  # noqa: A002
    kind = request.query.get("uploadType")
    if kind == "resumable":
        return drive.uploads.open(request, caller, id)
    if kind in ("multipart", "media"):
        return drive.uploads.upload_whole(request, caller, id)
    raise ApiError("badRequest", violation="upload without uploadType")


def _put(drive: "Drive", request: Request, **_id: str) -> Reply:
    if drive.checks_bearer_on_upload and request.headers.get("Authorization"):
        drive.identify(request)
    return drive.uploads.put(request)


def _cancel(drive: "Drive", request: Request, **_id: str) -> Reply:
    return drive.uploads.cancel(request)


def _opening(request: Request) -> str:
    if request.query.get("uploadType") in ("multipart", "media"):
        return "files_create" if request.method == "POST" else "files_update"
    return "initiate"


def _putting(request: Request) -> str:
    return "query" if "*/" in (request.headers.get("Content-Range") or "") else "upload"


def _has_session(request: Request) -> bool:
    return "upload_id" in request.query


def _name(request: Request) -> str:
    try:
        content = request.json()
    except ValueError:
        return ""
    return str(content.get("name", "")) if isinstance(content, dict) else ""


def _session_name(drive: "Drive", request: Request) -> str:
    session = drive.uploads.find(request)
    return str(session.plan.meta.get("name", "")) if session else ""


def _read_json(request: Request) -> Any:
    try:
        return request.json()
    except ValueError:
        raise ApiError("badRequest", "Parse Error") from None
