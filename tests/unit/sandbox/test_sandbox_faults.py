"""Faults: each does what it says, as often as it says, and to whom it says."""

import contextlib
import hashlib
import socket
import ssl
import time
from typing import Any

import pytest
import requests

from sandbox import Fault, World
from sandbox.clouds import CLOUDS
from sandbox.faults.actions import GENERIC_ACTIONS
from sandbox.faults.plan import ACTIONS, OPERATIONS
from sandbox.gallery.pictures import Picture
from tests.unit.sandbox.bare_api import FOLDER, Api

UNIT = 256 * 1024
DATA = bytes(range(256)) * 40
BIG = hashlib.sha256().digest() * (3 * UNIT // 32)


@pytest.fixture
def url(world: World) -> str:
    """The address of a photo."""
    return str(world.gallery.add("Test", [Picture("a.jpg", DATA)]).manifest[0]["url"])


def get(url: str, **headers: str) -> requests.Response:
    """Read without asking for anything special."""
    return requests.get(url, headers={"Accept-Encoding": "identity", **headers}, timeout=10, allow_redirects=False)


def test_unknown_or_unfitting_faults_are_refused() -> None:
    """A fault that could never strike is a mistake of its author."""
    for on, does in (("photo", "sing"), ("photo", "forget_session"), ("moon", "status"), ("done", "corrupt")):
        with pytest.raises(ValueError, match=does):
            Fault(on=on, does=does)


def test_every_action_is_done_by_somebody(world: World) -> None:
    """No action is only a name: every service that has an operation knows how to commit what may strike it."""
    services = (world.gallery, world.photos, world.drive, world.yandex, world.yandex_uploader)
    known = set(GENERIC_ACTIONS).union(*(each.actions for each in services))
    assert set(ACTIONS) == known
    assert set().union(*ACTIONS.values()) == OPERATIONS


def test_fault_counts_and_matches(world: World, url: str) -> None:
    """`after` lets pass, `times` ends, `match` picks by path, by query, by service."""
    world.faults.add(Fault(on="photo", does="status", status=500, times=2, after=1))
    assert [get(url).status_code for _ in range(4)] == [200, 500, 500, 200]
    world.faults.add(Fault(on="*", does="status", status=502, times=None, match="@photos"))
    path = url.split("/", 3)[3]
    assert [get(url).status_code, get(f"{world.gallery.url}/{path}").status_code, get(url).status_code] == [
        502,
        200,
        502,
    ]
    assert [(each.operation, each.fault.does) for each in world.faults.fired] == [("photo", "status")] * 4
    world.faults.clear()
    assert (get(url).status_code, world.faults.fired) == (200, [])


def test_fault_picks_a_file_by_name(world: World, api: Api) -> None:
    """Where the address does not tell, the file's name does."""
    world.faults.add(*(Fault(on=each, does="status", status=500, match="b.jpg") for each in ("initiate", "upload")))
    assert [api.initiate({"name": name}).status_code for name in ("a.jpg", "b.jpg")] == [200, 500]
    sessions = [api.open(1, {"name": name}) for name in ("a.jpg", "b.jpg")]
    assert [api.put(each, b"x").status_code for each in sessions] == [200, 500]


@pytest.mark.parametrize(
    ("params", "kind", "text"),
    [
        ({"status": 503}, "application/json", "Backend Error"),
        ({"status": 403, "reason": "dailyLimitExceeded"}, "application/json", "Daily Limit Exceeded"),
        ({"status": 429, "html": True}, "text/html", "We're sorry..."),
        ({"status": 502, "body": "<html>bad</html>"}, "text/html", "bad"),
        ({"status": 403, "body": ""}, "text/plain", ""),
        ({"status": 403, "body": {"error": {"code": 403}}}, "application/json", '{"error": {"code": 403}}'),
    ],
)
def test_status(world: World, api: Api, params: dict[str, Any], kind: str, text: str) -> None:
    """Errors in Google's words, pages, or whatever is given."""
    world.faults.add(Fault(on="files_list", does="status", headers={"Retry-After": "7"}, **params))
    reply = api.files()
    assert reply.status_code == params["status"]
    assert reply.headers["Content-Type"].startswith(kind)
    assert reply.headers["Retry-After"] == "7"
    assert text in reply.text


def test_status_in_the_middle_of_a_body(world: World, api: Api) -> None:
    """With `early` nothing is read: the client gets the answer, or a reset."""
    world.faults.add(Fault(on="upload", does="status", status=403, reason="storageQuotaExceeded", early=True))
    session = api.open(len(BIG))
    with contextlib.suppress(requests.ConnectionError):
        assert api.put(session, BIG).status_code == 403
    assert "Range" not in api.put(session, span=f"bytes */{len(BIG)}").headers


def test_throttle(world: World, api: Api) -> None:
    """403 in usageLimits; or 429 with a time to wait."""
    world.faults.add(Fault(on="initiate", does="throttle"))
    world.faults.add(Fault(on="initiate", does="throttle", status=429, reason="rateLimitExceeded", retry_after=3))
    first, second = api.initiate(), api.initiate()
    assert (first.status_code, first.json()["error"]["errors"][0]["domain"]) == (403, "usageLimits")
    assert (second.status_code, second.headers["Retry-After"]) == (429, "3")


@pytest.mark.parametrize(("does", "made"), [("drop_before", 0), ("drop_after", 1)])
def test_drops_of_a_request(world: World, api: Api, does: str, made: int) -> None:
    """The connection is reset; what was asked for happened or did not."""
    world.faults.add(Fault(on="files_create", does=does))
    with pytest.raises(requests.ConnectionError):
        api.create({"name": "F", "mimeType": FOLDER})
    assert len(world.drive.account().folders()) == made
    assert world.drive.requests[-1].status is None


def test_drop_in_the_middle_of_an_upload(world: World, api: Api) -> None:
    """What was taken stays, down to whole units."""
    world.faults.add(Fault(on="upload", does="drop_midway", bytes=UNIT + 5))
    session = api.open(len(BIG))
    with pytest.raises(requests.ConnectionError):
        api.put(session, BIG)
    assert api.put(session, span=f"bytes */{len(BIG)}").headers["Range"] == f"bytes=0-{UNIT - 1}"


def test_drop_after_the_last_byte(world: World, api: Api) -> None:
    """The file is there though nobody said so; the session tells it."""
    world.faults.add(Fault(on="upload", does="drop_after"))
    session = api.open(5, fields="size")
    with pytest.raises(requests.ConnectionError):
        api.put(session, b"12345")
    assert api.put(session, span="bytes */5").json() == {"size": "5"}
    assert len(world.drive.account().files()) == 1


def test_partial(world: World, api: Api) -> None:
    """The whole body is taken, a part of it kept, and the answer is 308 even to the last byte."""
    world.faults.add(Fault(on="upload", does="partial", bytes=UNIT + 99))
    session = api.open(len(BIG))
    reply = api.put(session, BIG)
    assert (reply.status_code, reply.headers["Range"]) == (308, f"bytes=0-{UNIT - 1}")
    assert api.put(session, BIG[UNIT:], f"bytes {UNIT}-{len(BIG) - 1}/{len(BIG)}").status_code == 200
    assert world.drive.account().files()[0].md5 == hashlib.md5(BIG).hexdigest()


def test_partial_never_keeps_everything(world: World, api: Api) -> None:
    """Had the last byte been stored, the file would be there."""
    world.faults.add(Fault(on="upload", does="partial", bytes=len(BIG)))
    reply = api.put(api.open(len(BIG)), BIG)
    assert (reply.status_code, reply.headers["Range"]) == (308, f"bytes=0-{len(BIG) - UNIT - 1}")


@pytest.mark.parametrize(("lose", "after"), [(False, f"bytes=0-{UNIT - 1}"), (True, None)])
def test_no_range(world: World, api: Api, lose: bool, after: str | None) -> None:
    """A 308 that does not tell where it stands: the bytes are there, or lost."""
    world.faults.add(Fault(on="upload", does="no_range", lose=lose))
    session = api.open(len(BIG))
    assert "Range" not in api.put(session, BIG[:UNIT], f"bytes 0-{UNIT - 1}/{len(BIG)}").headers
    assert api.put(session, span=f"bytes */{len(BIG)}").headers.get("Range") == after
    assert api.put(session, BIG).status_code == 200


def test_lie_range(world: World, api: Api) -> None:
    """More is acknowledged than was sent."""
    world.faults.add(Fault(on="upload", does="lie_range", bytes=10))
    reply = api.put(api.open(len(BIG)), BIG[:UNIT], f"bytes 0-{UNIT - 1}/{len(BIG)}")
    assert reply.headers["Range"] == f"bytes=0-{UNIT + 9}"


@pytest.mark.parametrize(
    ("does", "status"), [("forget_session", 404), ("gone_session", 410), ("cancelled_session", 499)]
)
@pytest.mark.parametrize("span", ["bytes */5", ""])
def test_sessions_end(world: World, api: Api, does: str, status: int, span: str) -> None:
    """From then on, whatever is sent; no file appears."""
    world.faults.add(Fault(on="query" if span else "upload", does=does))
    session = api.open(5)
    assert [api.put(session, b"" if span else b"12345", span).status_code for _ in range(2)] == [status, status]
    assert world.drive.account().files() == []


def test_corrupt_on_the_way_in_is_stored(world: World, api: Api) -> None:
    """The cloud has other bytes than were sent, and tells their true sum."""
    world.faults.add(Fault(on="upload", does="corrupt", at=3))
    told = api.put(api.open(5, fields="md5Checksum"), b"12345").json()["md5Checksum"]
    assert told == hashlib.md5(b"123\xcb5").hexdigest() == world.drive.account().files()[0].md5


@pytest.mark.parametrize("does", ["lie_md5", "lie_size", "drop_fields"])
def test_lies_about_what_is_stored(world: World, api: Api, does: str) -> None:
    """The reply lies or is silent; the next one is honest."""
    world.faults.add(Fault(on="upload", does=does))
    session = api.open(5, fields="id,size,md5Checksum")
    lie, truth = api.put(session, b"12345").json(), api.put(session, span="bytes */5").json()
    assert truth["md5Checksum"] == hashlib.md5(b"12345").hexdigest()
    changed = {name for name in truth if lie.get(name) != truth[name]}
    assert changed == {"size"} if does == "lie_size" else {"md5Checksum"}


@pytest.mark.parametrize(("does", "kind"), [("bad_json", "application/json"), ("html", "text/html")])
def test_200_that_is_no_json(world: World, api: Api, does: str, kind: str) -> None:
    """Cut JSON, or a captive portal's page."""
    world.faults.add(Fault(on="files_list", does=does))
    reply = api.files()
    assert (reply.status_code, reply.headers["Content-Type"].startswith(kind)) == (200, True)
    with pytest.raises(ValueError):
        reply.json()


def test_expire_token(world: World, api: Api) -> None:
    """401 now, and for this token from now on; the client did nothing wrong."""
    world.faults.add(Fault(on="initiate", does="expire_token"))
    assert [api.initiate().status_code, api.files().status_code] == [401, 401]
    assert world.violations == []


def test_ids_that_are_taken_or_unusable(world: World, api: Api) -> None:
    """409 and 400, without reason."""
    world.faults.add(Fault(on="initiate", does="id_in_use"), Fault(on="initiate", does="unusable_id"))
    assert [api.initiate().status_code for _ in range(3)] == [409, 400, 200]


def test_no_location(world: World, api: Api) -> None:
    """A session whose address is a secret."""
    world.faults.add(Fault(on="initiate", does="no_location"))
    reply = api.initiate()
    assert (reply.status_code, "Location" in reply.headers) == (200, False)


def test_redirects(world: World, api: Api, url: str) -> None:
    """A photo elsewhere; a 308 with a Location."""
    world.faults.add(Fault(on="photo", does="redirect", status=302, location="http://10.0.0.1/"))
    world.faults.add(Fault(on="upload", does="redirect", location="http://127.0.0.1:9/x"))
    assert (get(url).status_code, world.faults.fired[0].fault.get("location")) == (302, "http://10.0.0.1/")
    reply = api.put(api.open(5), b"12345")
    assert (reply.status_code, reply.headers["Location"]) == (308, "http://127.0.0.1:9/x")


def test_dripping_upload_arrives(world: World, api: Api) -> None:
    """A slow reader takes everything in the end."""
    world.faults.add(Fault(on="upload", does="drip", rate=1_000_000))
    assert api.put(api.open(5, fields="size"), b"12345").json() == {"size": "5"}


@pytest.mark.parametrize("status", [400, 403, 413])
@pytest.mark.parametrize("on", ["about", "files_list", "generate_ids", "files_get", "files_update", "files_delete"])
def test_any_call_can_be_refused_once_for_any_reason(api: Api, world: World, on: str, status: int) -> None:
    """One in capitals stands in an ErrorInfo, behind a "forbidden" that tells nothing."""
    file = api.create({"name": "a.jpg"}).json()["id"]
    calls = {
        "about": ("GET", "/drive/v3/about?fields=user"),
        "files_list": ("GET", "/drive/v3/files"),
        "generate_ids": ("GET", "/drive/v3/files/generateIds"),
        "files_get": ("GET", f"/drive/v3/files/{file}"),
        "files_update": ("PATCH", f"/drive/v3/files/{file}"),
        "files_delete": ("DELETE", f"/drive/v3/files/{file}"),
    }
    method, path = calls[on]
    world.faults.add(Fault(on, "status", status=status, reason="CONSUMER_SUSPENDED"))
    refused = api.call(method, path, json={})
    error = refused.json()["error"]
    assert (refused.status_code, error["errors"][0]["reason"]) == (status, "forbidden")
    assert [each["reason"] for each in error["details"]] == ["CONSUMER_SUSPENDED"]
    assert api.call(method, path, json={}).ok


def exchange(url: str, head: bytes, seconds: float = 0.5) -> bytes:
    """Send a head, and return what has come back after a while."""
    host, _, path = url.partition("//")[2].partition("/")
    name, _, port = host.partition(":")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    came, ends = b"", time.monotonic() + seconds
    plain = socket.create_connection((name, int(port)))
    with context.wrap_socket(plain) if url.startswith("https:") else plain as connection:
        connection.sendall(head.replace(b"PATH", b"/" + path.encode()))
        with contextlib.suppress(TimeoutError):
            while (left := ends - time.monotonic()) > 0:
                connection.settimeout(left)
                came += connection.recv(65536)
    return came


GET = b"GET PATH HTTP/1.1\r\nHost: h\r\n\r\n"


def test_headers_drip(world: World, url: str) -> None:
    """A byte at a time, and in the end all of it."""
    world.faults.add(Fault(on="photo", does="drip_headers", seconds=0.2))
    assert 1 <= len(exchange(url, GET)) <= 3
    world.faults.add(Fault(on="photo", does="drip_headers", seconds=0.0005))
    assert get(url).content == DATA


@pytest.mark.parametrize("status", [100, 102, 103])
def test_interim_answers(world: World, url: str, status: int) -> None:
    """So many and then the real one, or for ever."""
    line = f"HTTP/1.1 {status} ".encode()
    world.faults.add(Fault(on="photo", does="interim", status=status, count=3, seconds=0.001))
    came = exchange(url, GET)
    assert (came.count(line), came.count(b"HTTP/1.1 200 "), came.endswith(DATA)) == (3, 1, True)
    world.faults.add(Fault(on="photo", does="interim", status=status, seconds=0.01))
    came = exchange(url, GET)
    assert came.count(line) > 3
    assert b"HTTP/1.1 200 " not in came


def test_a_body_drips(world: World, url: str) -> None:
    """Less than a byte a second, if so wanted."""
    world.faults.add(Fault(on="photo", does="drip", rate=0.5))
    assert exchange(url, GET).endswith(b"\r\n\r\n" + DATA[:1])


def test_an_upload_that_nobody_takes(world: World, api: Api) -> None:
    """The connection stands, until it is reset; nothing was kept."""
    world.faults.add(Fault(on="upload", does="never_read", seconds=0.2))
    session = api.open(len(BIG))
    with pytest.raises(requests.ConnectionError):
        api.put(session, BIG)
    assert world.drive.account().files() == []


def test_every_operation_can_hang() -> None:
    """Whoever asks for anything must be shown that it may never come."""
    for does in ("stall", "drip", "drip_headers", "interim"):
        assert ACTIONS[does] == OPERATIONS
    assert ACTIONS["never_read"] == {cloud.operations.send for cloud in CLOUDS}
