"""Routes of the Disk API, each with its operation and the right it needs."""

import re
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from sandbox.http.message import Reply, Request
from sandbox.http.service import Route
from sandbox.yandex import reads, writes
from sandbox.yandex.errors import ApiError

if TYPE_CHECKING:
    from sandbox.yandex.disk import Disk

_RESOURCES = re.compile(r"/v1/disk/resources/?")
_COMMON = frozenset({"fields"})
_KNOWN: dict[str, frozenset[str]] = {
    "yandex_disk": frozenset(),
    "yandex_resource": frozenset({"path", "limit", "offset", "sort", "preview_size", "preview_crop"}),
    "yandex_mkdir": frozenset({"path"}),
    "yandex_patch": frozenset({"path"}),
    "yandex_delete": frozenset({"path", "permanently", "md5", "force_async"}),
    "yandex_move": frozenset({"from", "path", "overwrite", "force_async"}),
    "yandex_link": frozenset({"path", "overwrite"}),
    "yandex_download_link": frozenset({"path"}),
    "yandex_operation": frozenset(),
}
_READ, _WRITE, _INFO = "cloud_api:disk.read", "cloud_api:disk.write", "cloud_api:disk.info"


def routes(disk: "Disk") -> tuple[Route, ...]:
    """Return the routes of a Disk."""

    def method(verb: str, path: str, operation: str, answer: Callable[..., Reply], right: str) -> Route:
        guarded = _guarded(disk, partial(answer, disk), right)
        return Route(verb, re.compile(path), operation, guarded, subject=_subject)

    return (
        method("GET", r"/v1/disk/?", "yandex_disk", reads.get_disk, _INFO),
        method("GET", _RESOURCES.pattern, "yandex_resource", reads.get_resource, _READ),
        method("PUT", _RESOURCES.pattern, "yandex_mkdir", writes.make_folder, _WRITE),
        method("PATCH", _RESOURCES.pattern, "yandex_patch", writes.patch, _WRITE),
        method("DELETE", _RESOURCES.pattern, "yandex_delete", writes.delete, _WRITE),
        method("POST", r"/v1/disk/resources/move/?", "yandex_move", writes.move, _WRITE),
        method("GET", r"/v1/disk/resources/upload/?", "yandex_link", writes.get_upload_link, _WRITE),
        method("GET", r"/v1/disk/resources/download/?", "yandex_download_link", reads.get_download_link, _READ),
        method("GET", r"/v1/disk/operations/(?P<id>[^/]+)/?", "yandex_operation", reads.get_operation, ""),
    )


def _guarded(disk: "Disk", answer: Callable[..., Reply], right: str) -> Callable[..., Reply]:
    def guarded(request: Request, **groups: str) -> Reply:
        try:
            disk.check_form(request)
            caller = disk.identify(request, right)
            for name in sorted(set(request.query) - _COMMON - _KNOWN[request.operation]):
                disk.record_violation(request, f"unknown query parameter {name}")
            disk.operations.finish_due()
            if right == _WRITE:
                disk.check_write(caller)
            return answer(request, caller, **groups)
        except ApiError as error:
            return disk.answer_error(request, error)

    return guarded


def _subject(request: Request) -> str:
    return request.query.get("path", "").rstrip("/").rpartition("/")[2]
