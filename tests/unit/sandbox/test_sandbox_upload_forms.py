"""Uploads in other forms than a plain session: totals told late, chunked bodies, replaced files, several parts."""

import hashlib
import random
import socket
import time
from urllib.parse import urlsplit

import pytest

from sandbox import World
from tests.unit.sandbox.bare_api import Api

UNIT = 256 * 1024
DATA = random.Random(7).randbytes(3 * UNIT + 1000)
TOTAL = len(DATA)


def test_total_told_with_the_last_chunk(api: Api) -> None:
    """A stream of unknown length says its total at the end."""
    session = api.open(fields="size")
    assert api.put(session, DATA[:UNIT], f"bytes 0-{UNIT - 1}/*").status_code == 308
    reply = api.put(session, DATA[UNIT : UNIT + 5], f"bytes {UNIT}-{UNIT + 4}/{UNIT + 5}")
    assert reply.json() == {"size": str(UNIT + 5)}


def test_query_with_the_stored_total_ends_an_undeclared_upload(api: Api) -> None:
    """A guess that happens to fit makes a file of what is there; a declared total protects from it."""
    undeclared, declared = api.open(fields="size"), api.open(TOTAL)
    for session in (undeclared, declared):
        api.put(session, DATA[:UNIT], f"bytes 0-{UNIT - 1}/*")
    assert api.put(undeclared, span=f"bytes */{UNIT}").json() == {"size": str(UNIT)}
    assert api.put(declared, span=f"bytes */{UNIT}").status_code == 308


def test_no_308_on_request(api: Api) -> None:
    """Who can't bear a 308 gets 200 and the truth in a header."""
    reply = api.put(api.open(TOTAL), DATA[:UNIT], f"bytes 0-{UNIT - 1}/{TOTAL}", **{"X-GUploader-No-308": "yes"})
    assert (reply.status_code, reply.headers["X-HTTP-Status-Code-Override"]) == (200, "308")


def test_chunked_body_is_a_violation_though_it_is_taken(api: Api, world: World) -> None:
    """Transfer-Encoding: chunked under a Content-Range is how a half-read file is sent again by mistake."""
    reply = api.put(api.open(1000, fields="size"), iter([DATA[:600], DATA[600:1000]]), "bytes 0-999/1000")
    assert reply.json() == {"size": "1000"}
    assert ["chunked upload body" in each for each in world.violations] == [True]


def test_chunked_body_of_another_length_is_400(api: Api) -> None:
    """What a chunked body lacks is found out at its end, and nothing is kept."""
    session = api.open(1000)
    assert api.put(session, iter([DATA[:600]]), "bytes 0-999/1000").status_code == 400
    assert "Range" not in api.put(session, span="bytes */1000").headers


def test_empty_body_under_a_content_range_is_a_violation(api: Api, world: World) -> None:
    """The other mistake with a half-read file."""
    assert api.put(api.open(1000), b"", "bytes 0-999/1000").status_code == 400
    assert any("empty body under a Content-Range" in each for each in world.violations)


@pytest.mark.parametrize(
    ("rest", "status"),
    [("\r\n", 411), ("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n", 400)],
)
def test_put_says_once_how_long_it_is(api: Api, rest: str, status: int) -> None:
    """Without any length, or with two, nothing is taken."""
    session = api.open(1)
    parts = urlsplit(session)
    with socket.create_connection((parts.hostname, parts.port)) as raw:
        raw.sendall(f"PUT {parts.path}?{parts.query} HTTP/1.1\r\nHost: x\r\n{rest}".encode())
        assert raw.recv(1000).startswith(f"HTTP/1.1 {status} ".encode())
    assert api.put(session, span="bytes */1").status_code == 308


def test_newer_request_takes_the_session_over(api: Api, world: World) -> None:
    """A PUT that hangs is cut off by the next one, whose bytes count."""
    session = api.open(TOTAL, fields="md5Checksum")
    parts = urlsplit(session)
    with socket.create_connection((parts.hostname, parts.port)) as raw:
        head = f"PUT {parts.path}?{parts.query} HTTP/1.1\r\nHost: x\r\nContent-Length: {TOTAL}\r\n\r\n"
        raw.sendall(head.encode() + bytes(1000))
        while world.drive.uploads.sessions()[0].length() < 1000:
            time.sleep(0.001)
        reply = api.put(session, DATA)
        raw.sendall(bytes(1000))
        with pytest.raises(ConnectionResetError):
            raw.recv(100)
    assert reply.json() == {"md5Checksum": hashlib.md5(DATA).hexdigest()}


def test_content_of_an_existing_file_is_replaced(api: Api, world: World) -> None:
    """PATCH to the upload address gives a file other bytes under the same id."""
    file = api.create({"name": "a.jpg", "mimeType": "image/jpeg"}).json()["id"]
    opened = api.call(
        "PATCH", f"/upload/drive/v3/files/{file}", {"uploadType": "resumable", "fields": "id,size"}, json={}
    )
    assert api.put(opened.headers["Location"], b"12345").json() == {"id": file, "size": "5"}
    assert [each.id for each in world.drive.account().files()] == [file]


def test_multipart_takes_metadata_and_bytes(api: Api, world: World) -> None:
    """Two parts in one request make a file."""
    body = (
        b'--b\r\nContent-Type: application/json\r\n\r\n{"name": "m.jpg"}\r\n'
        b"--b\r\nContent-Type: image/jpeg\r\n\r\nbytes\r\n\r\n--b--"
    )
    kind = {"Content-Type": "multipart/related; boundary=b"}
    reply = api.call("POST", "/upload/drive/v3/files", {"uploadType": "multipart"}, data=body, headers=kind)
    assert reply.status_code == 200
    assert world.drive.account().tree() == [("m.jpg", 7, hashlib.md5(b"bytes\r\n").hexdigest())]


def test_no_bytes_are_kept_when_told() -> None:
    """A large world remembers sums alone, and says so when asked for the bytes."""
    with World(keep_bytes=False) as small:
        api = Api(small)
        with api.session:
            file = api.put(api.open(TOTAL, fields="id,md5Checksum"), DATA).json()
            assert file["md5Checksum"] == hashlib.md5(DATA).hexdigest()
            assert small.drive.account().files()[0].content.data is None
            assert api.call("GET", f"/drive/v3/files/{file['id']}", {"alt": "media"}).status_code == 500


@pytest.mark.parametrize("span", ["bytes */0", ""])
def test_any_word_to_an_empty_upload_ends_it(api: Api, world: World, span: str) -> None:
    """The question as well as an empty body makes a file of nothing; asked again it tells of the file once more."""
    session = api.open(0, fields="id,size")
    first = api.put(session, span=span)
    assert (first.status_code, first.json()["size"]) == (200, "0")
    assert first.json() == api.put(session, span="bytes */0").json() == api.put(session, b"late").json()
    assert len(world.drive.account().files()) == 1


def test_an_empty_body_without_a_range_ends_an_upload_of_bytes(api: Api, world: World) -> None:
    """Whatever was announced; it is noted as the client's mistake."""
    assert api.put(api.open(TOTAL, fields="size")).json() == {"size": "0"}
    assert any("empty body for a file that is not" in each for each in world.violations)


def test_another_total_than_announced_is_taken(api: Api) -> None:
    """Comparing is the client's duty."""
    assert api.put(api.open(TOTAL, fields="size"), DATA[:10], "bytes 0-9/10").json() == {"size": "10"}


def test_a_cancelled_upload_makes_nothing(api: Api, world: World) -> None:
    """Not even one of nothing, and not when it is asked afterwards."""
    session = api.open(0)
    assert api.session.delete(session, timeout=10).status_code == 499
    assert api.put(session, span="bytes */0").status_code == 499
    assert world.drive.account().files() == []
