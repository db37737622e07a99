"""Faults of photos: bodies that break, lie, change or never end."""

import socket
import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from sandbox import Fault, World
from sandbox.gallery.pictures import Picture

DATA = bytes(range(256)) * 40


@pytest.fixture
def url(world: World) -> str:
    """The address of a photo."""
    return str(world.gallery.add("Test", [Picture("a.jpg", DATA)]).manifest[0]["url"])


def get(url: str, **headers: str) -> requests.Response:
    """Read without asking for anything special."""
    return requests.get(url, headers={"Accept-Encoding": "identity", **headers}, timeout=10, allow_redirects=False)


def test_drop_in_the_middle_of_a_photo(world: World, url: str) -> None:
    """The body breaks where told."""
    world.faults.add(Fault(on="photo", does="drop_midway", bytes=100))
    read: list[bytes] = []
    with requests.get(url, stream=True, timeout=10) as reply, pytest.raises(requests.exceptions.ChunkedEncodingError):
        read.extend(reply.iter_content(10))
    assert len(b"".join(read)) <= 100


@pytest.mark.parametrize(
    ("params", "read"),
    [
        ({"does": "corrupt", "at": 0}, lambda body: body[0] == 255 and body[1:] == DATA[1:]),
        ({"does": "truncate", "bytes": 10, "how": "smaller"}, lambda body: body == DATA[:10]),
        ({"does": "truncate", "bytes": 10, "how": "unsized"}, lambda body: body == DATA[:10]),
        ({"does": "longer", "bytes": 2}, lambda body: body == DATA + b"\0\0"),
        ({"does": "html"}, lambda body: body.startswith(b"<!DOCTYPE html>")),
        ({"does": "gzip"}, lambda body: body == DATA),
        ({"does": "drip", "rate": 1_000_000}, lambda body: body == DATA),
        ({"does": "stall", "seconds": 0.01}, lambda body: body == DATA),
        ({"does": "stall", "seconds": 0.01, "when": "after"}, lambda body: body == DATA),
    ],
)
def test_bodies_of_photos(world: World, url: str, params: dict[str, Any], read: Callable[[bytes], bool]) -> None:
    """What a careless reader takes for a photo; the next reading is right."""
    world.faults.add(Fault(on="photo", **params))
    assert read(get(url).content)
    assert get(url).content == DATA


def test_gzip_says_so(world: World, url: str) -> None:
    """The encoding is declared, though nobody asked for it."""
    world.faults.add(Fault(on="photo", does="gzip"))
    assert get(url).headers["Content-Encoding"] == "gzip"


def test_body_cut_short_of_its_length(world: World, url: str) -> None:
    """The length declared is the right one, the body is not."""
    world.faults.add(Fault(on="photo", does="truncate", bytes=10))
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        get(url)


@pytest.mark.parametrize(
    ("params", "status", "told"),
    [
        ({"does": "no_range_support"}, 200, None),
        ({"does": "wrong_range"}, 206, f"bytes 90-{len(DATA) - 1}/{len(DATA)}"),
        ({"does": "wrong_range", "how": "total"}, 206, f"bytes 100-{len(DATA) - 1}/{len(DATA) + 1000}"),
        ({"does": "wrong_range", "how": "multipart"}, 206, None),
    ],
)
def test_ranges_that_are_not_kept(
    world: World, url: str, params: dict[str, Any], status: int, told: str | None
) -> None:
    """A piece was asked for; something else comes."""
    world.faults.add(Fault(on="photo", **params))
    reply = get(url, Range="bytes=100-")
    assert (reply.status_code, reply.headers.get("Content-Range")) == (status, told)


def test_changed_etag(world: World, url: str) -> None:
    """A photo replaced between two readings: the tag of the first gets the whole of the second."""
    etag = get(url).headers["ETag"]
    world.faults.add(Fault(on="photo", does="change_etag"))
    reply = get(url, **{"Range": "bytes=100-", "If-Range": etag})
    assert reply.status_code == 200
    assert reply.headers["ETag"] != etag
    assert get(url).headers["ETag"] == reply.headers["ETag"]


def test_world_ends_in_the_middle_of_a_stall(url: str, world: World) -> None:
    """Nobody waits for a stalled request when the world is over."""
    world.faults.add(Fault(on="photo", does="stall", seconds=600))
    failures: list[Exception] = []

    def read() -> None:
        try:
            get(url)
        except requests.RequestException as failure:
            failures.append(failure)

    reader = threading.Thread(target=read)
    reader.start()
    while not world.faults.fired:
        reader.join(0.001)
    world.__exit__(None, None, None)
    reader.join(10)
    assert not reader.is_alive()


def raw_head(url: str) -> bytes:
    """Return an answer's status and headers as they come over the wire."""
    parts = urlsplit(url)
    with socket.create_connection((str(parts.hostname), parts.port or 80), 10) as line:
        line.sendall(f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: close\r\n\r\n".encode())
        return b"".join(iter(lambda: line.recv(65536), b"")).partition(b"\r\n\r\n")[0]


@pytest.mark.parametrize(
    ("params", "lines"),
    [
        ({"location": "/ф х.jpg"}, ["Location: /ф х.jpg".encode()]),
        ({"location": ["/a", "", "/a"]}, [b"Location: /a", b"Location: ", b"Location: /a"]),
    ],
)
def test_redirects_in_any_bytes(world: World, url: str, params: dict[str, Any], lines: list[bytes]) -> None:
    """Nothing is escaped, nothing joined."""
    world.faults.add(Fault(on="photo", does="redirect", **params))
    assert [line for line in raw_head(url).split(b"\r\n") if line.startswith(b"Location")] == lines


def test_answers_that_say_strange_things_of_themselves(world: World, url: str) -> None:
    """Another status, headers changed, taken away and told twice, another length; the bytes are the right ones."""
    strange = {"status": 203, "headers": {"Content-Type": "text/html", "ETag": None}, "length": "10240, 10240"}
    world.faults.add(Fault(on="photo", does="relabel", lines=[["X-A", "1"], ["X-A", "2"]], times=2, **strange))
    head = raw_head(url).split(b"\r\n")
    assert head[0].startswith(b"HTTP/1.1 203")
    assert {b"Content-Type: text/html", b"X-A: 1", b"X-A: 2", b"Content-Length: 10240, 10240"} <= set(head)
    assert not [line for line in head if line.startswith(b"ETag")]
    assert get(url).content == DATA
