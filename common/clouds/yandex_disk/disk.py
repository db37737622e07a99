"""Files and folders of a guest's disk, by path: list, look up, describe, make, remove. Thread-safe.

A path is the only name a resource has, and always begins with `disk:/`: without it a colon in a name would be read as
the end of such a prefix (https://github.com/ivknv/yadisk/issues/26).

https://yandex.com/dev/disk-api/doc/en/
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from common.clouds.base import Sleep
from common.clouds.yandex_disk.api import YandexApi, read_object
from common.clouds.yandex_disk.failures import is_missing, read_failure, read_name, read_refusal
from common.clouds.yandex_disk.resource import (
    FIELDS,
    LIST_FIELDS,
    Link,
    Resource,
    read_operation,
    read_page,
    read_resource,
)
from common.errors import Reason, Refused, Throttled, Transient
from common.http.client import Answer

ROOT = "disk:"
RESOURCES = "/resources"
PAGE = 1000  # items of a listing asked for at once; a shorter page ends nothing
# What was just stored may be unknown, locked, broken or without its properties for a moment; most of it for a fraction
# of a second. rclone waits 1.5 to 3 s, and that three times:
# https://github.com/rclone/rclone/blob/master/backend/yandex/yandex.go
LOOK_DELAYS = (0.25, 0.5, 1.0, 2.0, 3.0)
# Between two polls of an operation, in seconds: doubled each time, up to the maximum.
FIRST_POLL_SECONDS, MAX_POLL_SECONDS = 0.5, 3.0
REMOVAL_SECONDS = 10.0
# The one conflict that is no resource of this name: the folder for it is not there.
_PARENT_MISSING = "DiskPathDoesntExistsError"
_OTHER_BYTES = "MD5DifferError"


def look_delays() -> Iterator[float]:
    """Yield the seconds between one look at what was just stored and the next, as many as are worth it."""
    yield from LOOK_DELAYS


def poll_delays(seconds: float) -> Iterator[float]:
    """Yield the seconds between one poll of an operation and the next, for so many seconds together."""
    waited, pause = 0.0, FIRST_POLL_SECONDS
    while waited < seconds:
        yield pause
        waited += pause
        pause = min(2 * pause, MAX_POLL_SECONDS)


def is_worth_another_look(error: Transient) -> bool:
    """Tell whether a failure is usual for what was just stored: the next look may succeed. Others are raised."""
    return not isinstance(error, Throttled | Refused)


class Disk:
    """Files and folders of one guest's disk.

    Args:
        api: sends the requests.
        sleep: waits so many seconds.
    """

    def __init__(self, api: YandexApi, sleep: Sleep) -> None:
        self._api = api
        self._sleep = sleep
        self._properties_set: dict[str, tuple[Mapping[str, str], str]] = {}

    def account(self) -> dict[str, Any]:
        """Return how much room there is, and how large a file may be."""
        return self._api.fetch("", {"fields": "total_space,used_space,max_file_size"})

    def find(self, path: str) -> Resource | None:
        """Return what is at a path now."""
        return _read_one(self._api.call("GET", RESOURCES, {"path": path, "fields": FIELDS}), path)

    def items(self, path: str) -> Iterator[Resource]:
        """Yield what is in a folder; nothing when it went away. Properties set here that got lost are set again."""
        seen = 0
        known: set[str] = set()
        while True:
            query = {"path": path, "fields": LIST_FIELDS, "limit": str(PAGE), "offset": str(seen), "sort": "name"}
            answer = self._api.call("GET", RESOURCES, query)
            if is_missing(answer):
                return
            if answer.status != 200:
                raise read_refusal(answer)
            items, total = read_page(read_object(answer))
            yield from map(self._restore_properties, items)
            seen += len(items)
            if not items or seen == total:
                return
            paths = {item.path for item in items}
            if paths <= known:
                raise Transient(Reason.CLOUD_UNAVAILABLE, "a listing that repeats itself")
            known |= paths

    def set_properties(self, path: str, properties: Mapping[str, str]) -> Resource | None:
        """Set properties of what is at a path, and return the resource; None when nothing is there.

        The answer is the resource itself, so that one request sets them and tells size and MD5. Properties of a new
        file may be confirmed and get lost all the same; the next listing shows that.
        https://yandex.com/dev/disk-api/doc/en/reference/meta-add
        """
        query = {"path": path, "fields": FIELDS}
        answer = self._api.call("PATCH", RESOURCES, query, content={"custom_properties": dict(properties)})
        resource = _read_one(answer, path)
        if resource and resource.is_whole:
            self._properties_set[path] = (properties, resource.md5)
        return resource

    def set_properties_and_wait(self, path: str, properties: Mapping[str, str]) -> Resource | None:
        """Set properties of what was just made, until they are seen; arguments and result as in `set_properties`."""
        last: Resource | None = None
        for seconds in look_delays():
            try:
                last = self.set_properties(path, properties) or last
            except Transient as error:
                if not is_worth_another_look(error):
                    raise
            if last and last.is_whole and last.has_properties(properties):
                return last
            self._sleep(seconds)
        return self.set_properties(path, properties) or last

    def with_lost_properties(self, item: Resource) -> Resource:
        """Return an item with the properties that were set here and got lost; they speak for these very bytes alone."""
        properties, md5 = self._properties_set.get(item.path, ({}, ""))
        return replace(item, properties=properties) if properties and not item.properties and item.md5 == md5 else item

    def _restore_properties(self, item: Resource) -> Resource:
        had = self.with_lost_properties(item)
        return item if had is item else self.set_properties_and_wait(item.path, had.properties) or item

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

    def ask_operation(self, operation: str) -> bool | None:
        """Return whether an operation succeeded; None as long as it goes on."""
        answer = self._api.call("GET", f"/operations/{quote(operation, safe='')}", {})
        if is_missing(answer):
            return True  # forgotten: what it left behind tells
        if answer.status != 200:
            raise read_refusal(answer)
        status = read_object(answer).get("status")
        return None if status == "in-progress" else status == "success"

    def begin_removal(self, path: str, md5: str) -> str:
        """Remove a file for good, if it has this MD5; what is gone, or has other bytes by now, is left as it is.

        What lies in the bin takes up room all the same. `md5` is a condition, and only the Russian documentation knows
        it: https://yandex.ru/dev/disk-api/doc/ru/reference/delete

        Returns:
            The operation that removes it, if that takes a while.
        """
        answer = self._api.call("DELETE", RESOURCES, {"path": path, "permanently": "true", "md5": md5})
        if answer.status == 202:
            return read_operation(read_object(answer))
        if answer.status == 204 or is_missing(answer) or read_name(answer) == _OTHER_BYTES:
            return ""
        raise read_refusal(answer)

    def remove(self, path: str, md5: str) -> None:
        """Remove a file for good, as `begin_removal`, and see it done."""
        operation = self.begin_removal(path, md5)
        for seconds in poll_delays(REMOVAL_SECONDS) if operation else ():
            if (succeeded := self.ask_operation(operation)) is not None:
                operation = "" if succeeded else operation
                break
            self._sleep(seconds)
        if operation:
            raise Transient(Reason.CLOUD_UNAVAILABLE, "Yandex Disk did not remove the file yet")


def _is_taken(answer: Answer, success: int) -> bool:
    """Tell whether a path is taken; whatever is neither that nor success is raised."""
    if answer.status == success:
        return False
    if answer.status == 409 and read_name(answer) != _PARENT_MISSING:
        return True
    raise read_failure(answer)


def _read_one(answer: Answer, path: str) -> Resource | None:
    """Return the resource that was asked for; None when nothing is there."""
    if is_missing(answer):
        return None
    if answer.status != 200:
        raise read_refusal(answer)
    return read_resource(read_object(answer), path)
