"""What is on a guest's disk, by path: read, mark, make, remove. Thread-safe.

A path is the only name a resource has, and always begins with `disk:/`: without it a colon in a name would be read as
the end of such a prefix (https://github.com/ivknv/yadisk/issues/26).

https://yandex.com/dev/disk-api/doc/en/
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

from common.clouds.base import Wait
from common.clouds.yandex_disk.api import YandexApi, read_object
from common.clouds.yandex_disk.failures import read_failure, read_name
from common.errors import Reason, Throttled, Transient
from common.httpclient import Answer

ROOT = "disk:"
RESOURCES = "/resources"
FIELDS = "path,type,size,md5,created,custom_properties"
LIST_FIELDS = "_embedded.total," + ",".join(f"_embedded.items.{name}" for name in FIELDS.split(","))
PAGE = 1000  # items of a listing asked for at once; a shorter page ends nothing
# What was just stored may be unknown, broken or without its marks for a moment:
# https://github.com/rclone/rclone/blob/master/backend/yandex/yandex.go waits 1.5 to 3 s.
LOOK_WAITS = (1.5, 2.0, 3.0)
# Between two questions whether an operation has ended, in seconds: growing up to the longest.
FIRST_POLL, LONGEST_POLL = 0.5, 3.0
REMOVAL_SECONDS = 10.0
# The one conflict that is no resource of this name: the folder for it is not there.
_PARENT_MISSING = "DiskPathDoesntExistsError"


@dataclass(frozen=True)
class Resource:
    """A file or a folder.

    Args:
        path: from `disk:/` on.
        is_folder: whether it is one.
        size: in bytes; -1 when it is not told.
        md5: of a file, in hex; empty when it is not told.
        created: as Yandex writes it; sorts by time.
        marks: `custom_properties`, which any app and nobody in the guest's own interface can see.
    """

    path: str
    is_folder: bool
    size: int
    md5: str
    created: str
    marks: Mapping[str, str] = field(default_factory=dict)

    def bears(self, marks: Mapping[str, str]) -> bool:
        """Say whether it has these marks."""
        return marks.items() <= self.marks.items()


@dataclass(frozen=True)
class Link:
    """Where one file may be sent to, once, within half an hour. The address is a secret: it is the only credential.

    Args:
        address: for one PUT.
        operation: what to ask for when the answer is "accepted".
    """

    address: str = field(repr=False)
    operation: str


class Disk:
    """A guest's disk.

    Args:
        api: sends the requests.
        wait: lets time pass.
    """

    def __init__(self, api: YandexApi, wait: Wait) -> None:
        self._api = api
        self._wait = wait
        self._marked: dict[str, Mapping[str, str]] = {}

    def account(self) -> dict[str, Any]:
        """Return how much room there is, and how large a file may be."""
        return self._api.fetch("", {"fields": "total_space,used_space,max_file_size"})

    def find(self, path: str) -> Resource | None:
        """Return what is at a path now."""
        answer = self._api.call("GET", RESOURCES, {"path": path, "fields": FIELDS})
        return None if answer.status == 404 else _read_resource(answer, path)

    def await_file(self, path: str) -> Resource | None:
        """Return the file at a path, with patience for one that was just stored."""
        return self._patiently(lambda: _whole(self.find(path)))

    def items(self, path: str) -> Iterator[Resource]:
        """Yield what is in a folder; nothing when it went away. Marks that were set here and got lost are set again."""
        seen = 0
        known: set[str] = set()
        while True:
            query = {"path": path, "fields": LIST_FIELDS, "limit": str(PAGE), "offset": str(seen), "sort": "name"}
            answer = self._api.call("GET", RESOURCES, query)
            if answer.status == 404:
                return
            if answer.status != 200:
                raise read_failure(answer)
            items, total = _read_page(read_object(answer))
            yield from map(self._with_marks, items)
            seen += len(items)
            if not items or seen == total:
                return
            paths = {item.path for item in items}
            if paths <= known:
                raise Transient(Reason.CLOUD_UNAVAILABLE, "a listing that repeats itself")
            known |= paths

    def mark(self, path: str, marks: Mapping[str, str]) -> Resource | None:
        """Mark what is at a path, and return how it stands then; None when nothing is there.

        The answer is the resource itself, so that marking a photo and looking at its size and MD5 is one request. Marks
        may be confirmed and get lost all the same, if the file is new; the next listing shows that.
        https://yandex.com/dev/disk-api/doc/en/reference/meta-add
        """
        last: list[Resource] = []

        def try_once() -> Resource | None:
            query = {"path": path, "fields": FIELDS}
            answer = self._api.call("PATCH", RESOURCES, query, content={"custom_properties": dict(marks)})
            if answer.status == 404:
                return None
            resource = _read_resource(answer, path)
            last[:] = [resource]
            return _whole(resource) if resource.bears(marks) else None

        self._marked[path] = marks
        return self._patiently(try_once) or next(iter(last), None)

    def _with_marks(self, item: Resource) -> Resource:
        marks = self._marked.get(item.path)
        return self.mark(item.path, marks) or item if marks and not item.marks else item

    def make_folder(self, path: str) -> bool:
        """Make one folder; return false when something of that name is there.

        Raises:
            InventoryStale: the folder it belongs into went away.
        """
        answer = self._api.call("PUT", RESOURCES, {"path": path})
        return not _is_taken(answer, 201)

    def ask_link(self, path: str) -> Link | None:
        """Return where to send a file for a path; None when something is there, which is never overwritten.

        Raises:
            InventoryStale: the folder it belongs into went away.
        """
        answer = self._api.call("GET", f"{RESOURCES}/upload", {"path": path, "overwrite": "false"})
        if _is_taken(answer, 200):
            return None
        told = read_object(answer)
        return Link(self._api.check_upload(told.get("href")), str(told.get("operation_id") or ""))

    def await_operation(self, operation: str, seconds: float) -> bool | None:
        """Return whether an operation succeeded; None when it has not ended within so many seconds."""
        waited, pause = 0.0, FIRST_POLL
        while True:
            answer = self._api.call("GET", f"/operations/{quote(operation, safe='')}", {})
            if answer.status == 404:
                return True  # forgotten: what it left behind tells
            if answer.status != 200:
                raise read_failure(answer)
            status = read_object(answer).get("status")
            if status != "in-progress":
                return status == "success"
            if waited >= seconds:
                return None
            self._wait(pause)
            waited += pause
            pause = min(2 * pause, LONGEST_POLL)

    def _patiently(self, look: Callable[[], Resource | None]) -> Resource | None:
        for seconds in LOOK_WAITS:
            try:
                if seen := look():
                    return seen
            except Throttled:
                raise
            except Transient:
                pass  # a 500 for what was just stored is as usual as a 404
            self._wait(seconds)
        return look()

    def remove(self, path: str) -> None:
        """Remove a file for good; one that is gone already is fine. What is thrown away takes up room all the same."""
        answer = self._api.call("DELETE", RESOURCES, {"path": path, "permanently": "true"})
        if answer.status not in (202, 204, 404):
            raise read_failure(answer)
        if answer.status != 202:
            return
        if not self.await_operation(_read_operation(read_object(answer)), REMOVAL_SECONDS):
            raise Transient(Reason.CLOUD_UNAVAILABLE, "Yandex Disk did not remove the file yet")


def _is_taken(answer: Answer, success: int) -> bool:
    """Say whether a path is taken; whatever is neither that nor success is raised."""
    if answer.status == success:
        return False
    if answer.status == 409 and read_name(answer) != _PARENT_MISSING:
        return True
    raise read_failure(answer)


def _whole(resource: Resource | None) -> Resource | None:
    """Return a resource if all is known of it."""
    return resource if resource and (resource.is_folder or (resource.md5 and resource.size >= 0)) else None


def _read_resource(answer: Answer, path: str) -> Resource:
    if answer.status != 200:
        raise read_failure(answer)
    return _to_resource(read_object(answer), path)


def _read_page(told: dict[str, Any]) -> tuple[list[Resource], object]:
    """Return one page of a listing, and how many items all pages have."""
    embedded = told.get("_embedded")
    items = embedded.get("items") if isinstance(embedded, dict) else None
    if not isinstance(embedded, dict) or not isinstance(items, list):
        raise Transient(Reason.CLOUD_UNAVAILABLE, "a listing without items")
    return [_to_resource(item, "") for item in items], embedded.get("total")


def _to_resource(told: Any, path: str) -> Resource:
    if not isinstance(told, dict) or told.get("type") not in ("file", "dir"):
        raise Transient(Reason.CLOUD_UNAVAILABLE, "an answer that is not Yandex's")
    size, marks = told.get("size"), told.get("custom_properties")
    return Resource(
        path=str(told.get("path") or path),
        is_folder=told["type"] == "dir",
        size=size if isinstance(size, int) else -1,
        md5=str(told.get("md5") or ""),
        created=str(told.get("created") or ""),
        marks={str(key): str(value) for key, value in marks.items()} if isinstance(marks, dict) else {},
    )


def _read_operation(link: Mapping[str, Any]) -> str:
    """Return the operation that a link leads to, in either of the forms that were seen."""
    try:
        parts = urlsplit(str(link.get("href", "")))
    except ValueError:
        raise Transient(Reason.CLOUD_UNAVAILABLE, "an operation without an address") from None
    return parse_qs(parts.query).get("id", [""])[0] or parts.path.rpartition("/")[2]
