"""Methods of the Disk API that read: the disk, a resource, a download link, an operation."""

import urllib.parse
from typing import TYPE_CHECKING, Any

from sandbox.http.message import Reply, Request, json_reply
from sandbox.yandex import resource
from sandbox.yandex.errors import ApiError
from sandbox.yandex.items import GIB, Account, Item
from sandbox.yandex.paths import Path, read_path

if TYPE_CHECKING:
    from sandbox.yandex.disk import Caller, Disk

# How a file that was just stored is said not to be ready, by status.
LATE = {404: "DiskNotFoundError", 409: "DiskResourceConflictError", 423: "DiskResourceLockedError"}


def get_disk(_disk: "Disk", request: Request, caller: "Caller") -> Reply:
    """Tell how much room there is, and whose Disk it is."""
    account = caller.account
    with account.guard:
        trash = sum(each.size for each in account.items.values() if account.in_bin(each))
        content: dict[str, Any] = {
            "total_space": account.total(),
            "used_space": account.used(),
            "trash_size": trash,
            "max_file_size": account.max_file_size,
            "paid_max_file_size": 50 * GIB,
            "is_paid": False,
            "unlimited_autoupload_enabled": False,
            "revision": 1_700_000_000_000_000,
            "reg_time": "2012-04-05T00:00:00+00:00",
            "system_folders": {"applications": "disk:/Приложения", "downloads": "disk:/Загрузки/"},
            "user": {"country": "ru", "login": account.login, "display_name": account.login, "uid": "1000000000"},
        }
    return json_reply(resource.pick(content, request.query.get("fields")))


def get_resource(disk: "Disk", request: Request, caller: "Caller") -> Reply:
    """Tell about a file or a folder, and a page of what is in it."""
    path, account = read_path(request.query.get("path", "")), caller.account
    with account.guard:
        item = find_item(account, path)
        check_late(item)
        shown = resource.show(item, path)
        folder = account.find_folder(path)
        if folder is not None:
            shown["_embedded"] = resource.show_inside(account, folder, path, request.query, disk.max_items)
    return json_reply(resource.pick(shown, request.query.get("fields")))


def get_download_link(disk: "Disk", request: Request, caller: "Caller") -> Reply:
    """Tell where a file can be read."""
    item = find_item(caller.account, read_path(request.query.get("path", "")))
    if not item or item.is_folder:
        raise ApiError("FieldValidationError", "path")
    secret = urllib.parse.quote(item.id, safe="")
    href = f"{disk.upload_url}/disk/{caller.account.login}/{secret}?filename={urllib.parse.quote(item.name)}"
    return json_reply({"href": href, "method": "GET", "templated": False})


def get_operation(disk: "Disk", request: Request, caller: "Caller", id: str) -> Reply:  # noqa: A002 - Disk's own word
    """Tell how far an operation is."""
    content = {"status": disk.operations.status(id, caller.account.login)}
    return json_reply(resource.pick(content, request.query.get("fields")))


def check_late(item: Item | None) -> None:
    """Count a look at a file; raises Refused while it is not to be seen, or not to be touched."""
    if item and item.is_late():
        raise ApiError(LATE.get(item.late_status, "InternalServerError"))


def find_item(account: Account, path: Path) -> Item | None:
    """Return what stands at a path: None is the top folder."""
    item = account.find(path)
    if path and not item:
        raise ApiError("DiskNotFoundError")
    return item
