"""The resumable protocol, one test per fact."""

import hashlib
import random
import socket
from urllib.parse import parse_qs, urlsplit

import pytest

from sandbox import World
from tests.unit.sandbox.bare_api import Api

UNIT = 256 * 1024
DATA = random.Random(7).randbytes(3 * UNIT + 1000)
TOTAL = len(DATA)


def test_initiation_answers_an_empty_200_with_the_query_in_the_location(api: Api) -> None:
    """The session's address repeats the query and adds what only the server knows; no file exists yet."""
    reply = api.initiate(total=TOTAL, fields="id,size")
    query = parse_qs(urlsplit(reply.headers["Location"]).query)
    assert (reply.status_code, reply.content, reply.headers["Content-Type"]) == (200, b"", "text/plain; charset=utf-8")
    assert query["fields"] == ["id,size"]
    assert {"uploadType", "upload_id", "session_crd"} < set(query)
    assert api.files().json()["files"] == []


def test_initiation_refuses_what_is_not_json(api: Api) -> None:
    """A body that is no JSON is 400."""
    reply = api.call("POST", "/upload/drive/v3/files", {"uploadType": "resumable"}, data=b"{nonsense")
    assert reply.status_code == 400


def test_upload_without_its_type_is_a_violation(api: Api, world: World) -> None:
    """A request to the upload address must say how it uploads."""
    assert api.call("POST", "/upload/drive/v3/files", json={}).status_code == 400
    assert ["upload without uploadType" in each for each in world.violations] == [True]


def test_whole_file_in_one_put(api: Api, world: World) -> None:
    """Without a Content-Range the body is the file; the last reply has the fields asked for when it was opened."""
    reply = api.put(api.open(TOTAL, fields="name,size,md5Checksum"), DATA)
    md5 = hashlib.md5(DATA).hexdigest()
    assert (200, {"name": "a.jpg", "size": str(TOTAL), "md5Checksum": md5}) == (reply.status_code, reply.json())
    assert world.drive.account().tree() == [("a.jpg", TOTAL, md5)]
    assert world.drive.account().files()[0].content.data == DATA
    assert world.violations == []


def test_sums_are_those_of_the_bytes(api: Api) -> None:
    """All three sums are told, over chunks as over a whole."""
    session = api.open(TOTAL, fields="md5Checksum,sha1Checksum,sha256Checksum")
    api.put(session, DATA[:UNIT], f"bytes 0-{UNIT - 1}/{TOTAL}")
    reply = api.put(session, DATA[UNIT:], f"bytes {UNIT}-{TOTAL - 1}/{TOTAL}")
    expected = {f"{name}Checksum": hashlib.new(name, DATA).hexdigest() for name in ("md5", "sha1", "sha256")}
    assert expected == reply.json()


def test_new_session_stands_at_zero_without_a_range(api: Api) -> None:
    """Nothing stored is 308 without Range."""
    reply = api.put(api.open(TOTAL), span=f"bytes */{TOTAL}")
    assert (reply.status_code, reply.content) == (308, b"")
    assert not {"Range", "Location"} & set(reply.headers)


def test_chunk_is_acknowledged_from_zero(api: Api) -> None:
    """Range is cumulative and has no Location beside it."""
    session = api.open(TOTAL)
    api.put(session, DATA[:UNIT], f"bytes 0-{UNIT - 1}/{TOTAL}")
    reply = api.put(session, DATA[UNIT : 2 * UNIT], f"bytes {UNIT}-{2 * UNIT - 1}/{TOTAL}")
    assert (reply.status_code, reply.headers["Range"]) == (308, f"bytes=0-{2 * UNIT - 1}")
    assert "Location" not in reply.headers


def test_odd_chunk_is_kept_down_to_whole_units(api: Api) -> None:
    """300000 bytes that are not the last: 262144 are kept, without a word."""
    reply = api.put(api.open(TOTAL), DATA[:300_000], f"bytes 0-299999/{TOTAL}")
    assert (reply.status_code, reply.headers["Range"]) == (308, "bytes=0-262143")


def test_chunk_below_a_unit_is_not_kept_at_all(api: Api) -> None:
    """Less than a unit leaves the session where it was: without Range."""
    reply = api.put(api.open(TOTAL), DATA[:1000], f"bytes 0-999/{TOTAL}")
    assert (reply.status_code, reply.headers.get("Range")) == (308, None)


def test_broken_put_keeps_whole_units(api: Api) -> None:
    """A connection that ends in the middle leaves what had arrived, down to whole units."""
    session = api.open(TOTAL)
    parts = urlsplit(session)
    with socket.create_connection((parts.hostname, parts.port)) as raw:
        head = f"PUT {parts.path}?{parts.query} HTTP/1.1\r\nHost: x\r\nContent-Length: {TOTAL}\r\n\r\n"
        raw.sendall(head.encode() + DATA[: 2 * UNIT + 5000])
        raw.shutdown(socket.SHUT_WR)
        with pytest.raises(ConnectionResetError):
            raw.recv(100)
    assert api.put(session, span=f"bytes */{TOTAL}").headers["Range"] == f"bytes=0-{2 * UNIT - 1}"


def test_chunk_sent_twice_changes_nothing(api: Api, world: World) -> None:
    """A range that is stored already is acknowledged as it stands."""
    session = api.open(TOTAL)
    for _ in range(2):
        reply = api.put(session, DATA[:UNIT], f"bytes 0-{UNIT - 1}/{TOTAL}")
    assert (308, f"bytes=0-{UNIT - 1}") == (reply.status_code, reply.headers["Range"])
    assert world.violations == []


def test_overlap_keeps_what_is_stored_and_takes_the_rest(api: Api, world: World) -> None:
    """A body that begins inside the stored bytes ends the file all the same; equal bytes are no breach."""
    session = api.open(TOTAL, fields="md5Checksum")
    api.put(session, DATA[: 2 * UNIT], f"bytes 0-{2 * UNIT - 1}/{TOTAL}")
    reply = api.put(session, DATA[1000:], f"bytes 1000-{TOTAL - 1}/{TOTAL}")
    assert reply.json() == {"md5Checksum": hashlib.md5(DATA).hexdigest()}
    assert world.violations == []


def test_overlap_with_other_bytes_is_a_violation(api: Api, world: World) -> None:
    """Who sends a stored range again must send the same."""
    session = api.open(TOTAL)
    api.put(session, DATA[:UNIT], f"bytes 0-{UNIT - 1}/{TOTAL}")
    api.put(session, bytes(UNIT), f"bytes 0-{UNIT - 1}/{TOTAL}")
    assert ["differ" in each for each in world.violations] == [True]


def test_gap_is_503_in_googles_words(api: Api) -> None:
    """Bytes beyond the stored ones are refused for ever, as a server's error; a query tells the truth."""
    session = api.open(TOTAL)
    api.put(session, DATA[:UNIT], f"bytes 0-{UNIT - 1}/{TOTAL}")
    reply = api.put(session, DATA[2 * UNIT : 3 * UNIT], f"bytes {2 * UNIT}-{3 * UNIT - 1}/{TOTAL}")
    assert reply.status_code == 503
    assert reply.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert reply.text == (
        "Invalid request.  According to the Content-Range header, the upload offset is 524288 byte(s), "
        "which exceeds already uploaded size of 262144 byte(s)."
    )
    assert api.put(session, span=f"bytes */{TOTAL}").headers["Range"] == f"bytes=0-{UNIT - 1}"


def test_body_of_another_length_is_400(api: Api, world: World) -> None:
    """The words count the bytes there were and those there should have been."""
    reply = api.put(api.open(TOTAL), DATA[:1000], f"bytes 0-{UNIT - 1}/{TOTAL}")
    assert reply.status_code == 400
    assert reply.text == (
        "There were 1000 byte(s) in the request body.  There should have been 262144 byte(s) "
        "(starting at offset 0 and ending at offset 262143) according to the Content-Range header."
    )
    assert ["1000 bytes under bytes 0-262143" in each for each in world.violations] == [True]


@pytest.mark.parametrize("span", ["*/1000", "bytes 0--1/0", "bytes 0-0/0", "bytes 5-4/10", "bytes 0-10/5", "0-9/10"])
def test_unreadable_content_range_is_400_and_kills_the_session(api: Api, world: World, span: str) -> None:
    """What can't be read ends the session; even a status query without its unit."""
    session = api.open()
    reply = api.put(session, b"", span)
    assert (reply.status_code, reply.text) == (400, "Failed to parse Content-Range header.")
    assert api.put(session, span="bytes */*").status_code == 410
    assert world.violations != []


def test_completed_session_tells_the_file_again(api: Api) -> None:
    """A query and any other request after the last byte answer 200 with the same JSON; no second file appears."""
    session = api.open(1000, fields="id,size")
    first = api.put(session, DATA[:1000]).json()
    assert api.put(session, span="bytes */1000").json() == first
    assert api.put(session, b"other").json() == first
    assert len(api.files().json()["files"]) == 1


def test_zero_byte_file(api: Api) -> None:
    """An empty file needs an empty PUT without Content-Range."""
    reply = api.put(api.open(0, fields="size,md5Checksum"))
    assert reply.json() == {"size": "0", "md5Checksum": "d41d8cd98f00b204e9800998ecf8427e"}


def test_unknown_session_is_404(api: Api) -> None:
    """A session nobody knows is gone for good."""
    session = api.open(10)
    assert api.put(session.replace("upload_id=", "upload_id=x"), b"x").status_code == 404


def test_cancelled_session_is_499(api: Api) -> None:
    """DELETE answers 499 with JSON, and so does everything later."""
    session = api.open(10)
    cancelled = api.session.delete(session)
    assert (cancelled.status_code, cancelled.json()["error"]["errors"][0]["reason"]) == (499, "clientClosedRequest")
    assert api.put(session, span="bytes */10").status_code == 499


@pytest.mark.parametrize("size", [UNIT - 1, UNIT, UNIT + 1, 2 * UNIT])
def test_sizes_around_a_unit_end_with_their_last_byte(api: Api, size: int) -> None:
    """The request with the last byte ends the file, whatever its length."""
    session, last = api.open(size, fields="size"), size - min(size, UNIT)
    if last:
        assert api.put(session, DATA[:UNIT], f"bytes 0-{UNIT - 1}/{size}").status_code == 308
    start = UNIT if last else 0
    reply = api.put(session, DATA[start:size], f"bytes {start}-{size - 1}/{size}")
    assert (200, {"size": str(size)}) == (reply.status_code, reply.json())


def test_stale_token_on_a_session_is_401_and_none_is_fine(api: Api, world: World) -> None:
    """The address is the credential; but who shows a token must show a live one."""
    session = api.open(10)
    world.accounts.expire_tokens()
    stale = api.put(session, DATA[:10], Authorization=f"Bearer {api.token.text}")
    assert (stale.status_code, stale.json()["error"]["errors"][0]["reason"]) == (401, "authError")
    assert api.put(session, DATA[:10]).status_code == 200
    assert world.violations == []
