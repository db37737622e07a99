"""Faults of the pretend Disk: every one does what it says."""

import hashlib
from typing import Any

import pytest
import requests

from sandbox import Fault, World
from sandbox.faults.actions import GENERIC_ACTIONS
from sandbox.faults.plan import ACTIONS
from sandbox.http.service import Service
from sandbox.yandex import YANDEX_DISK
from tests.unit.sandbox.bare_disk import DiskApi, error


def service_of(world: World, operation: str) -> Service:
    """The service that an operation is asked of."""
    if operation in ("yandex_upload", "yandex_download"):
        return world.yandex_uploader
    return world.yandex if operation in YANDEX_DISK.operations.api else world.yandex_accounts


@pytest.mark.parametrize("operation", sorted(YANDEX_DISK.operations.all))
def test_every_fault_that_fits_can_be_committed(world: World, operation: str) -> None:
    """The service asked knows every action that may be aimed at it."""
    fitting = {does for does, operations in ACTIONS.items() if operation in operations}
    assert fitting - set(GENERIC_ACTIONS) - set(service_of(world, operation).actions) == set()


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"status": 500}, (500, "InternalServerError")),
        ({"status": 503}, (503, "ServiceUnavailableError")),
        ({"status": 509}, (509, "BandwidthLimitExceededError")),
        ({"status": 423}, (423, "DiskResourceLockedError")),
        ({"status": 423, "reason": "DiskUploadTrafficLimitExceeded"}, (423, "DiskUploadTrafficLimitExceeded")),
        ({"status": 403, "reason": "DiskOfTomorrowError"}, (403, "DiskOfTomorrowError")),
        ({"status": 401}, (401, "UnauthorizedError")),
        ({"status": 507}, (507, "DiskStorageQuotaExhaustedError")),
    ],
)
def test_errors_have_the_form_of_the_api(
    world: World, disk_api: DiskApi, params: dict[str, Any], expected: tuple[int, str]
) -> None:
    """Message, description and name; the usual name for a status, or any."""
    world.faults.add(Fault(on="yandex_link", does="status", **params))
    assert error(disk_api.link("disk:/a.jpg")) == expected
    assert disk_api.link("disk:/a.jpg").status_code == 200


def test_throttle(world: World, disk_api: DiskApi) -> None:
    """429, with and without a time to wait."""
    world.faults.add(Fault(on="*", does="throttle", match="@yandex", retry_after=7), Fault("yandex_mkdir", "throttle"))
    replies = [disk_api.mkdir("disk:/A") for _ in range(3)]
    assert [reply.status_code for reply in replies] == [429, 429, 201]
    assert [reply.headers.get("Retry-After") for reply in replies] == ["7", None, None]
    assert error(replies[0]) == (429, "TooManyRequestsError")


@pytest.mark.parametrize("status", [404, 409, 413, 423, 429, 500, 503, 507])
def test_bytes_refused(world: World, disk_api: DiskApi, status: int) -> None:
    """Plain text, as where links lead there is no API; the link stays good."""
    world.faults.add(Fault(on="yandex_upload", does="status", status=status, match="a.jpg @yandex_uploader"))
    href = disk_api.open()["href"]
    reply = disk_api.put(href, b"12345")
    assert (reply.status_code, reply.headers["Content-Type"]) == (status, "text/plain; charset=utf-8")
    assert disk_api.put(href, b"12345").status_code == 201


@pytest.mark.parametrize(("does", "kept"), [("drop_before", 0), ("drop_midway", 0), ("drop_after", 1)])
def test_drops(world: World, disk_api: DiskApi, does: str, kept: int) -> None:
    """Before, in the middle of, and after the bytes."""
    world.faults.add(Fault(on="yandex_upload", does=does))
    with pytest.raises(requests.ConnectionError):
        disk_api.upload(data=b"x" * 100_000)
    assert len(world.yandex.account().files()) == kept
    assert world.yandex.received == {"drop_before": 0, "drop_midway": 50_000, "drop_after": 100_000}[does]


@pytest.mark.parametrize(
    ("params", "stored"), [({"does": "corrupt", "at": 3}, b"123\xcb5"), ({"does": "partial", "bytes": 2}, b"12")]
)
def test_other_bytes_are_stored_and_honestly_told(
    world: World, disk_api: DiskApi, params: dict[str, Any], stored: bytes
) -> None:
    """One is flipped, or the end is missing: 201 all the same."""
    world.faults.add(Fault(on="yandex_upload", **params))
    assert disk_api.upload().status_code == 201
    told = disk_api.get("disk:/a.jpg").json()
    assert (told["size"], told["md5"]) == (len(stored), hashlib.md5(stored).hexdigest())


@pytest.mark.parametrize(("does", "name", "lie"), [("lie_md5", "md5", "0" * 32), ("lie_size", "size", 6)])
def test_lies(world: World, disk_api: DiskApi, does: str, name: str, lie: Any) -> None:
    """Another sum or size, of the same type."""
    disk_api.upload()
    world.faults.add(Fault(on="yandex_resource", does=does))
    assert disk_api.get("disk:/a.jpg").json()[name] == lie
    assert disk_api.get("disk:/a.jpg").json()[name] != lie


@pytest.mark.parametrize("what", ["yandex_upload", "yandex_delete", "yandex_move"])
def test_one_answer_later(world: World, disk_api: DiskApi, what: str) -> None:
    """A single 202 with its own number of polls and end."""
    calls = {
        "yandex_upload": lambda: disk_api.put(link["href"], b"1"),
        "yandex_delete": lambda: disk_api.delete("disk:/b.jpg"),
        "yandex_move": lambda: disk_api.move("disk:/b.jpg", "disk:/c.jpg"),
    }
    disk_api.upload("disk:/b.jpg")
    link = disk_api.open()
    world.faults.add(Fault(on=what, does="defer", polls=1, ends="failed"))
    reply = calls[what]()
    assert reply.status_code == 202
    operation = link["operation_id"] if what == "yandex_upload" else reply.json()["href"].rpartition("/")[2]
    assert [disk_api.status(operation) for _ in range(2)] == ["in-progress", "failed"]
    assert [path for path, _, _ in world.yandex.account().tree()] == ["b.jpg"]


def test_one_file_late(world: World, disk_api: DiskApi) -> None:
    """The others are there at once."""
    world.faults.add(Fault(on="yandex_upload", does="late", match="a.jpg", looks=1, status=500))
    for path in ("disk:/b.jpg", "disk:/a.jpg"):
        disk_api.upload(path)
    assert [disk_api.get(path).status_code for path in ("disk:/b.jpg", "disk:/a.jpg", "disk:/a.jpg")] == [200, 500, 200]


def test_one_link_ends(world: World, disk_api: DiskApi) -> None:
    """For good; another one is to be had."""
    world.faults.add(Fault(on="yandex_upload", does="expired_link"))
    href = disk_api.open()["href"]
    assert [disk_api.put(href, b"1").status_code for _ in range(2)] == [410, 410]
    assert disk_api.upload().status_code == 201


def test_one_change_lost(world: World, disk_api: DiskApi) -> None:
    """Confirmed and not kept."""
    disk_api.upload()
    world.faults.add(Fault(on="yandex_patch", does="lose_properties"))
    assert disk_api.patch("disk:/a.jpg", {"custom_properties": {"k": "v"}}).json()["custom_properties"] == {"k": "v"}
    assert "custom_properties" not in disk_api.get("disk:/a.jpg").json()


def test_token_ends_in_the_middle(world: World, disk_api: DiskApi) -> None:
    """401 now and from now on; the refresh token brings another, and links need none."""
    link = disk_api.open()
    world.faults.add(Fault(on="yandex_resource", does="expire_token"))
    assert [error(disk_api.get("disk:/")), error(disk_api.mkdir("disk:/A"))] == [(401, "UnauthorizedError")] * 2
    assert disk_api.put(link["href"], b"1").status_code == 201
    assert world.violations == []


def test_link_without_an_address(world: World, disk_api: DiskApi) -> None:
    """Fields can be left out of any answer; others are no JSON at all."""
    world.faults.add(Fault(on="yandex_link", does="drop_fields", fields=["href"]))
    assert "href" not in disk_api.open()
    world.faults.add(Fault(on="yandex_operation", does="html"))
    reply = disk_api.call("GET", "/operations/any")
    assert (reply.status_code, reply.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
