"""Methods of the Disk API that write: folders, properties, deletion, moves, upload links."""

import json
import urllib.parse
from collections.abc import Callable
from typing import TYPE_CHECKING

from sandbox.http.message import Reply, Request, json_reply, text_reply
from sandbox.yandex import resource
from sandbox.yandex.errors import ApiError
from sandbox.yandex.items import Account, Item, kind_of, new_id, now
from sandbox.yandex.paths import Path, read_path, write_path
from sandbox.yandex.reads import check_late, find_item

if TYPE_CHECKING:
    from sandbox.yandex.disk import Caller, Disk

# Of all custom properties together, as JSON: https://yandex.ru/dev/disk-api/doc/en/reference/meta-add
_PROPERTIES_CHARACTERS = 1024
# The types that are taken slowly: https://github.com/ivknv/yadisk/issues/57
_SLOW_KINDS = ("video", "compressed", "data")


def make_folder(disk: "Disk", request: Request, caller: "Caller") -> Reply:
    """Create a folder in an existing one."""
    path, account = read_path(request.query.get("path", "")), caller.account
    with account.guard:
        disk.operations.check_lock(account.login, path)
        parent = account.find_folder(path[:-1])
        if account.find_folder(path) is not None:
            raise ApiError("DiskPathPointsToExistentDirectoryError", write_path(path))
        if parent is None:
            raise ApiError("DiskPathDoesntExistsError", write_path(path))
        if account.find(path):
            raise ApiError("DiskResourceAlreadyExistsError", write_path(path))
        account.put(Item(new_id(), path[-1], parent, now(), now()))
    return _link(disk, request, path)


def patch(_disk: "Disk", request: Request, caller: "Caller") -> Reply:
    """Change the custom properties of a file or a folder."""
    path, account = read_path(request.query.get("path", "")), caller.account
    given = _read_properties(request)
    with account.guard:
        item = find_item(account, path)
        if not item:
            raise ApiError("DiskNotFoundError")
        check_late(item)
        properties = {name: value for name, value in {**item.properties, **given}.items() if value is not None}
        if len(json.dumps(properties, ensure_ascii=False, separators=(",", ":"))) > _PROPERTIES_CHARACTERS:
            raise ApiError(
                "FieldValidationError", "custom_properties", violation="more than 1024 characters of properties"
            )
        shown = resource.show(item, path) | {"custom_properties": properties}
        if item.unheard:
            item.unheard -= 1
        elif not _has_fault(request, "lose_properties"):
            account.change(item.id, properties=properties)
    return json_reply(resource.pick(shown, request.query.get("fields")))


def _read_properties(request: Request) -> dict[str, object]:
    if not request.content():
        raise ApiError("DiskNoContentError", violation="PATCH without a body")
    try:
        body = request.json()
    except ValueError:
        raise ApiError("FieldValidationError", "body", violation="PATCH without JSON") from None
    if not isinstance(body, dict) or set(body) != {"custom_properties"}:
        raise ApiError("FieldValidationError", "body", violation="a field that can't be written")
    if not isinstance(body["custom_properties"], dict):
        raise ApiError("FieldValidationError", "custom_properties", violation="custom_properties that are no object")
    return dict(body["custom_properties"])


def delete(disk: "Disk", request: Request, caller: "Caller") -> Reply:
    """Delete a file or a folder, to the bin or permanently, at once or as an operation."""
    path, account, query = read_path(request.query.get("path", "")), caller.account, request.query
    for_good = query.get("permanently") == "true"

    def remove() -> None:
        with account.guard:
            if item := account.find(path):
                (account.delete if for_good else account.trash)(item.id)

    with account.guard:
        disk.operations.check_lock(account.login, path, below=True)
        item = find_item(account, path)
        if not item:
            raise ApiError("FieldValidationError", "path", violation="removal of the top folder")
        if query.get("md5", item.md5) != item.md5:
            raise ApiError("MD5DifferError")
        if _is_deferred(disk, request, "delete"):
            return _start_operation(disk, request, account, path, remove)
        remove()
    return text_reply("", 204)


def move(disk: "Disk", request: Request, caller: "Caller") -> Reply:
    """Move a file or a folder, at once or as an operation."""
    query, account = request.query, caller.account
    source, path = read_path(query.get("from", ""), "from"), read_path(query.get("path", ""))
    overwrite = query.get("overwrite") == "true"

    def put() -> None:
        with account.guard:
            item, parent = account.find(source), account.find_folder(path[:-1])
            if not item or not parent:
                raise ApiError("DiskNotFoundError")
            if old := account.find(path):
                account.delete(old.id)
            account.change(item.id, parent=parent, name=path[-1])

    with account.guard:
        for each in (source, path):
            disk.operations.check_lock(account.login, each, below=True)
        if not find_item(account, source) or path[: len(source)] == source:
            raise ApiError("FieldValidationError", "from", violation="a folder moved into itself")
        disk.check_place(account, path, overwrite=overwrite)
        if _is_deferred(disk, request, "move"):
            return _start_operation(disk, request, account, path, put)
        put()
    return _link(disk, request, path)


def get_upload_link(disk: "Disk", request: Request, caller: "Caller") -> Reply:
    """Return a link to upload one file to, once."""
    path, account = read_path(request.query.get("path", "")), caller.account
    overwrite = request.query.get("overwrite") == "true"
    with account.guard:
        disk.operations.check_lock(account.login, path)
        disk.check_place(account, path, overwrite=overwrite)
        if disk.quota_at == "link" and not account.holds(1):
            raise ApiError("DiskStorageQuotaExhaustedError")
        operation = disk.operations.open(account.login, path)
        link = disk.links.open(account, path, operation, disk.link_seconds, overwrite=overwrite)
    link.is_slow = kind_of(path[-1]) in _SLOW_KINDS
    if (request.headers.get("User-Agent") or "").startswith("Yandex.Disk"):
        disk.record_violation(request, "a pretended User-Agent")
        link.is_slow = False
    href = f"{disk.upload_url}/upload-target/{link.id}"
    link_json = {"operation_id": operation.id, "href": href, "method": "PUT", "templated": False}
    return json_reply(resource.pick(link_json, request.query.get("fields")))


def _has_fault(request: Request, does: str) -> bool:
    return request.fault is not None and request.fault.does == does


def _is_deferred(disk: "Disk", request: Request, what: str) -> bool:
    asked = request.query.get("force_async") == "true"
    return asked or what in disk.defers or _has_fault(request, "defer")


def _start_operation(disk: "Disk", request: Request, account: Account, path: Path, finish: Callable[[], None]) -> Reply:
    operation = disk.operations.open(account.login, path)
    params = request.fault.params if _has_fault(request, "defer") else {}
    disk.operations.begin(operation, finish, polls=params.get("polls"), ends=params.get("ends", ""))
    href = f"{_origin(disk, request)}/v1/disk/operations/{operation.id}"
    return json_reply({"href": href, "method": "GET", "templated": False}, 202)


def _link(disk: "Disk", request: Request, path: Path) -> Reply:
    href = f"{_origin(disk, request)}/v1/disk/resources?path={urllib.parse.quote(write_path(path), safe='')}"
    return json_reply({"href": href, "method": "GET", "templated": False}, 201)


def _origin(disk: "Disk", request: Request) -> str:
    return f"{disk.url.partition('://')[0]}://{request.headers.get('Host')}"
