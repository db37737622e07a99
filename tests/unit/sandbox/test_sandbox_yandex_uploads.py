"""The pretend Disk's uploads: links that are good once, bytes that are counted, answers that come late."""

import hashlib
import socket
import time
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from sandbox import Fault, World
from tests.unit.sandbox.bare_disk import DiskApi, error


def paths(world: World) -> list[str]:
    """The files there are."""
    return [path for path, _, _ in world.yandex.account().tree()]


def test_link_leads_to_another_host_and_tells_its_operation(world: World, disk_api: DiskApi) -> None:
    """An address without any need of a token, and an operation that is in progress until the bytes are there."""
    link = disk_api.open()
    assert {name: link[name] for name in ("method", "templated")} == {"method": "PUT", "templated": False}
    assert urlsplit(link["href"]).netloc != urlsplit(world.yandex.url).netloc
    assert [disk_api.status(link["operation_id"]) for _ in range(4)] == ["in-progress"] * 4
    reply = disk_api.put(link["href"], b"12345")
    assert (reply.status_code, reply.content) == (201, b"")
    assert disk_api.status(link["operation_id"]) == "success"
    assert world.yandex.account().tree() == [("a.jpg", 5, hashlib.md5(b"12345").hexdigest())]
    assert world.yandex.received == 5


def test_link_is_good_once(world: World, disk_api: DiskApi) -> None:
    """The second PUT is refused and noted, and changes nothing."""
    href = disk_api.open(overwrite="true")["href"]
    assert [disk_api.put(href, data).status_code for data in (b"one", b"two")] == [201, 410]
    assert world.yandex.account().files()[0].size == 3
    assert [breach.partition(":")[0] for breach in world.violations] == ["an upload link used twice"]


def test_link_is_good_for_a_while(world: World, disk_api: DiskApi) -> None:
    """Then it is gone: 410, or 404 if so wished."""
    world.yandex.link_seconds = 0
    href = disk_api.open()["href"]
    assert disk_api.put(href, b"1").status_code == 410
    world.yandex.gone_status = 404
    assert disk_api.put(href, b"1").status_code == 404
    assert (paths(world), world.violations) == ([], [])
    assert disk_api.put(href + "x", b"1").status_code == 404


def test_link_of_a_broken_upload_is_still_good(world: World, disk_api: DiskApi) -> None:
    """What broke off has left nothing; the same link takes the whole."""
    href = disk_api.open()["href"]
    parts = urlsplit(href)
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as wire:
        wire.sendall(f"PUT {parts.path} HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n12345".encode())
    deadline = time.monotonic() + 10
    while world.yandex.received < 5 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert (world.yandex.received, paths(world)) == (5, [])
    assert disk_api.put(href, b"1234567890").status_code == 201
    assert world.yandex.links.bytes_arriving() == 0


@pytest.mark.parametrize(
    ("path", "overwrite", "expected"),
    [
        ("disk:/a.jpg", "false", (409, "DiskResourceAlreadyExistsError")),
        ("disk:/B/a.jpg", "true", (409, "DiskPathDoesntExistsError")),
        ("disk:/A", "true", (409, "DiskPathPointsToExistentDirectoryError")),
        ("disk:/", "true", (409, "DiskPathPointsToExistentDirectoryError")),
    ],
)
def test_no_link_where_no_file_can_be(disk_api: DiskApi, path: str, overwrite: str, expected: tuple[int, str]) -> None:
    """A file, a folder, or no parent."""
    disk_api.upload()
    disk_api.mkdir("disk:/A")
    assert error(disk_api.link(path, overwrite=overwrite)) == expected


def test_overwriting_keeps_the_id_and_forgets_properties(world: World, disk_api: DiskApi) -> None:
    """The same resource, with other bytes."""
    disk_api.upload()
    before = disk_api.patch("disk:/a.jpg", {"custom_properties": {"k": "v"}}).json()
    assert disk_api.upload(data=b"more bytes", overwrite="true").status_code == 201
    after = disk_api.get("disk:/a.jpg").json()
    assert (after["resource_id"], after["size"]) == (before["resource_id"], 10)
    assert "custom_properties" not in after
    assert len(world.yandex.account().files()) == 1


def test_place_is_looked_at_again_when_the_bytes_are_there(world: World, disk_api: DiskApi) -> None:
    """Two links for one path: who comes second gets 409 and may try again; a folder that is gone, too."""
    disk_api.mkdir("disk:/A")
    one, two, three = disk_api.open(), disk_api.open(), disk_api.open("disk:/A/a.jpg")
    assert [disk_api.put(each["href"], b"1").status_code for each in (one, two)] == [201, 409]
    disk_api.delete("disk:/A")
    assert disk_api.put(three["href"], b"1").status_code == 409
    assert paths(world) == ["a.jpg"]
    disk_api.delete("disk:/a.jpg")
    assert disk_api.put(two["href"], b"2").status_code == 201


@pytest.mark.parametrize(
    ("data", "headers", "status", "noted"),
    [
        (b"12345", {"Content-Type": "multipart/form-data; boundary=x"}, 400, True),
        (b"12345", {"Content-Range": "bytes 0-4/5"}, 412, False),
        (iter([b"123", b"45"]), {}, 411, True),
        (b"", {}, 201, False),
        (b"12345", {"Content-Type": "image/jpeg", "Expect": "100-continue"}, 201, False),
    ],
)
def test_only_raw_bytes_of_known_length(
    world: World, disk_api: DiskApi, data: Any, headers: dict[str, str], status: int, noted: bool
) -> None:
    """No form, no piece, no chunks; an empty file is one."""
    reply = disk_api.put(disk_api.open()["href"], data, **headers)
    assert (reply.status_code, bool(world.violations)) == (status, noted)
    assert paths(world) == (["a.jpg"] if status == 201 else [])


def test_unknown_length_can_be_allowed(world: World, disk_api: DiskApi) -> None:
    """As the real Disk does for rclone."""
    world.yandex.takes_chunked = True
    assert disk_api.put(disk_api.open()["href"], iter([b"123", b"45"])).status_code == 201
    assert world.yandex.account().files()[0].size == 5


def test_too_large(world: World, disk_api: DiskApi) -> None:
    """413, told by the length alone."""
    world.yandex.account().max_file_size = 4
    assert disk_api.upload(data=b"12345").status_code == 413
    assert disk_api.upload(data=b"1234").status_code == 201


@pytest.mark.parametrize("moment", ["link", "put"])
def test_full(world: World, disk_api: DiskApi, moment: str) -> None:
    """507 for a link when nothing fits, or only for the bytes; half of a file is never kept."""
    account = world.yandex.account()
    world.yandex.quota_at, account.limit = moment, 7
    assert disk_api.upload(data=b"12345678").status_code == 507
    assert disk_api.upload(data=b"1234567").status_code == 201
    reply = disk_api.link("disk:/b.jpg")
    if moment == "link":
        assert error(reply) == (507, "DiskStorageQuotaExhaustedError")
    else:
        assert disk_api.put(reply.json()["href"], b"1").status_code == 507
    assert paths(world) == ["a.jpg"]


@pytest.mark.parametrize("ends", ["success", "failed"])
def test_later(world: World, disk_api: DiskApi, ends: str) -> None:
    """202: the file is there when its operation says so, its path locked until then; or it is lost."""
    world.yandex.defers.add("upload")
    world.yandex.operations.ends = ends
    link = disk_api.open()
    assert disk_api.put(link["href"], b"12345").status_code == 202
    assert disk_api.get("disk:/a.jpg").status_code == 404
    assert error(disk_api.link("disk:/a.jpg")) == (423, "DiskResourceLockedError")
    assert [disk_api.status(link["operation_id"]) for _ in range(3)] == ["in-progress", "in-progress", ends]
    assert paths(world) == (["a.jpg"] if ends == "success" else [])
    assert disk_api.link("disk:/b.jpg").status_code == 200


def test_room_that_goes_meanwhile(world: World, disk_api: DiskApi) -> None:
    """What was taken to be stored later fails when there is no room any more."""
    world.yandex.defers.add("upload")
    world.yandex.operations.polls = 0
    link = disk_api.open()
    assert disk_api.put(link["href"], b"12345").status_code == 202
    world.yandex.account().limit = 4
    assert disk_api.status(link["operation_id"]) == "failed"
    assert paths(world) == []


@pytest.mark.parametrize(
    ("status", "name"),
    [
        (404, "DiskNotFoundError"),
        (409, "DiskResourceConflictError"),
        (423, "DiskResourceLockedError"),
        (500, "InternalServerError"),
    ],
)
def test_metadata_comes_late(world: World, disk_api: DiskApi, status: int, name: str) -> None:
    """After the 201, looks and changes fail for a while, lists are without it; yet its path is taken."""
    world.yandex.late_times, world.yandex.late_status = 3, status
    disk_api.upload()
    assert disk_api.get("disk:/").json()["_embedded"]["items"] == []
    assert error(disk_api.link("disk:/a.jpg")) == (409, "DiskResourceAlreadyExistsError")
    assert error(disk_api.get("disk:/a.jpg")) == (status, name)
    assert error(disk_api.patch("disk:/a.jpg", {"custom_properties": {"k": "v"}})) == (status, name)
    assert disk_api.get("disk:/a.jpg").json()["size"] == 5


def test_metadata_comes_late_by_the_clock(world: World, disk_api: DiskApi) -> None:
    """However often one looks."""
    world.yandex.late_seconds = 1000
    disk_api.upload()
    assert [disk_api.get("disk:/a.jpg").status_code for _ in range(5)] == [404] * 5
    world.yandex.account().files()[0].late_until = 0
    assert disk_api.get("disk:/a.jpg").status_code == 200


def test_first_properties_are_lost(world: World, disk_api: DiskApi) -> None:
    """Confirmed, and forgotten; the next stay."""
    world.yandex.lost_properties = 1
    disk_api.upload()
    told = [disk_api.patch("disk:/a.jpg", {"custom_properties": {"k": "v"}}).json() for _ in range(2)]
    assert [each["custom_properties"] for each in told] == [{"k": "v"}] * 2
    disk_api.upload("disk:/b.jpg")
    disk_api.patch("disk:/b.jpg", {"custom_properties": {"k": "v"}})
    items = disk_api.get("disk:/").json()["_embedded"]["items"]
    assert [each.get("custom_properties") for each in items] == [{"k": "v"}, None]


def test_some_types_are_taken_slowly(world: World, disk_api: DiskApi, monkeypatch: pytest.MonkeyPatch) -> None:
    """By their names, when the link is asked for; who pretends to be Yandex's program is quick, and found out."""
    slept: list[float] = []
    monkeypatch.setattr(world.faults.stopped, "wait", slept.append)
    world.yandex.slow_rate = 1000.0
    for name, seconds in {"a.jpg": 0, "a.mp4": 0.5, "A.ZIP": 0.5, "a.db": 0.5, "a": 0}.items():
        slept.clear()
        assert disk_api.upload(f"disk:/{name}", b"x" * 500).status_code == 201
        assert (name, round(sum(slept), 6)) == (name, seconds)
    disk_api.upload("disk:/neutral", b"x" * 500)
    assert disk_api.move("disk:/neutral", "disk:/b.mp4").status_code == 201
    slept.clear()
    assert world.violations == []
    disk_api.session.headers["User-Agent"] = 'Yandex.Disk {"os":"windows"}'
    disk_api.upload("disk:/c.mp4", b"x" * 500)
    assert slept == []
    assert [breach.partition(":")[0] for breach in world.violations] == ["a pretended User-Agent"]


def test_downloads(world: World, disk_api: DiskApi) -> None:
    """A link without a token, whole or a piece; a folder has none."""
    disk_api.upload(data=b"0123456789")
    href = disk_api.call("GET", "/resources/download", {"path": "disk:/a.jpg"}).json()["href"]
    assert requests.get(href, timeout=10).content == b"0123456789"
    assert requests.get(href, headers={"Range": "bytes=2-4"}, timeout=10).content == b"234"
    assert disk_api.call("GET", "/resources/download", {"path": "disk:/"}).status_code == 400


def test_sums_without_bytes() -> None:
    """A world that keeps no bytes still knows their sums."""
    with World(keep_bytes=False) as world:
        api = DiskApi(world)
        with api.session:
            api.upload(data=b"12345")
            told = api.get("disk:/a.jpg").json()
    content = world.yandex.account().files()[0].content
    assert content is not None
    assert (content.data, told["md5"]) == (None, hashlib.md5(b"12345").hexdigest())
    assert (content.sha1, content.size) == (hashlib.sha1(b"12345").hexdigest(), 5)


def test_upload_whose_reply_is_lost_has_landed(world: World, disk_api: DiskApi) -> None:
    """The file is there though nobody said so."""
    world.faults.add(Fault(on="yandex_upload", does="drop_after"))
    with pytest.raises(requests.ConnectionError):
        disk_api.upload()
    assert disk_api.get("disk:/a.jpg").json()["size"] == 5
