"""Wherever bytes trickle, a request ends by its deadlines, and within a second of being cancelled."""

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import requests
import trustme

from common.errors import Reason, Transient
from common.http import deadlines, pool
from common.http.client import HttpClient, StreamedAnswer
from common.http.connect import connect
from common.http.network_policy import ANY_NETWORK, NetworkPolicy
from common.http.requests_adapter import mount_client
from sandbox.http.message import Interim, Reply, text_reply
from tests.fakes.counted_server import CountedServer
from tests.fakes.strange_server import HEAD, Behaviour, drip, repeat, say_nothing, strange_server, take_slowly

LONG = 600.0  # nothing that is tested here may last so long
SOON = 5.0  # "within a second" on a machine that is busy
OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
INTERIM = [
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"HTTP/1.1 102 Processing\r\n\r\n",
    b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n",
]
MEGABYTES = 8 * 1024 * 1024  # more than the buffers of both sides take in


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """The authority that the client trusts."""
    return trustme.CA()


@pytest.fixture(params=["http", "https"])
def tls(request: pytest.FixtureRequest, authority: trustme.CA) -> ssl.SSLContext | None:
    """The server's TLS, or None: everything here holds with and without it."""
    if request.param == "http":
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


@pytest.fixture
def http(authority: trustme.CA, tmp_path: Path) -> HttpClient:
    """A client that keeps two connections."""
    bundle = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(bundle)
    return HttpClient(
        connections=2, policy=NetworkPolicy(allow_private=True, ca_bundle=str(bundle)), reason=Reason.CLOUD_UNAVAILABLE
    )


@pytest.fixture(autouse=True)
def poll_seconds(monkeypatch: pytest.MonkeyPatch) -> float:
    """Shorten the poll interval; return the real one."""
    usual = deadlines.POLL_SECONDS
    monkeypatch.setattr(deadlines, "POLL_SECONDS", 0.02)
    return usual


@pytest.fixture
def server() -> Iterator[CountedServer]:
    """A well-behaved server."""
    server = CountedServer()
    server.start()
    yield server
    server.stop()


HEADS: dict[str, Behaviour] = {
    "nothing": say_nothing,
    "status line": drip(b"HTTP/1.1 200 OK and so on"),
    "a header": drip(b"X: ", first=OK),
    "a header without end": drip(b"x", first=OK + b"X: ", again=True),
    "headers without end": drip(b"X: y\r\n", first=OK, again=True),
    "100 without end": repeat(INTERIM[0], seconds=0.01),
    "102 without end": repeat(INTERIM[1], seconds=0.01),
    "103 without end": repeat(INTERIM[2], seconds=0.01),
    "100, dripping": drip(INTERIM[0], again=True),
    "an empty line": drip(b"", first=OK + b"\r"),
}


@pytest.mark.parametrize("behaviour", HEADS.values(), ids=list(HEADS))
def test_headers_have_one_deadline(http: HttpClient, tls: ssl.SSLContext | None, behaviour: Behaviour) -> None:
    """From the last byte sent; nothing that comes in between moves it."""
    with strange_server(behaviour, tls) as url, pytest.raises(Transient, match="in its time") as raised:
        http.request("GET", url, read_seconds=0.15, body_seconds=LONG)
    assert raised.value.reason is Reason.CLOUD_UNAVAILABLE


@pytest.mark.parametrize(
    "behaviour",
    [
        *(repeat(interim) for interim in INTERIM),
        repeat(b"x" * 1000, first=OK + b"X: "),
        repeat(b"X: y\r\n" * 9, first=OK),
    ],
    ids=["100", "102", "103", "a header", "headers"],
)
def test_headers_have_a_bound(http: HttpClient, tls: ssl.SSLContext | None, behaviour: Behaviour) -> None:
    """A server that sends them without end does not keep a thread until the deadline."""
    with strange_server(behaviour, tls) as url, pytest.raises(Transient):
        http.request("GET", url, read_seconds=LONG)


@pytest.mark.parametrize("count", [1, 3, 50])
@pytest.mark.parametrize("interim", INTERIM, ids=["100", "102", "103"])
def test_answers_before_the_answer_are_passed_over(http: HttpClient, interim: bytes, count: int) -> None:
    """Any number of interim answers: RFC 9110, section 15.2."""
    with strange_server(repeat(interim, last=HEAD + b"hello", count=count)) as url:
        answer = http.request("GET", url)
    assert (answer.status, answer.body, "link" in answer.headers) == (200, b"hello", False)


def test_answers_before_the_answer_cost_no_connection(server: CountedServer, http: HttpClient) -> None:
    """The connection carries the next request."""
    server.reply = lambda _: Reply(200, b"hello", interim=Interim(103, 2, 0.0))
    assert [http.request("GET", server.url).body for _ in range(3)] == [b"hello"] * 3
    assert server.accepted == 1


def test_another_protocol_is_no_answer(http: HttpClient) -> None:
    """An upgrade that was not asked for is an error."""
    switch = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"
    with strange_server(repeat(switch, last=HEAD + b"hello", count=1)) as url, pytest.raises(Transient):
        http.request("GET", url)


BODIES: dict[str, Behaviour] = {
    "stops": repeat(b"", first=OK + b"Content-Length: 1000\r\n\r\nbegun", count=1),
    "drips": drip(b"x", first=OK + b"Content-Length: 1000000\r\n\r\n", again=True),
    "drips until the end": drip(b"x", first=OK + b"Connection: close\r\n\r\n", again=True),
    "chunks drip": drip(b"1\r\nx\r\n", first=CHUNKED, again=True),
    "a chunk's size drips": drip(b"0", first=CHUNKED, again=True),
    "a chunk's extension drips": drip(b"x", first=CHUNKED + b"5;", again=True),
    "a chunk's end drips": drip(b"", first=CHUNKED + b"5\r\nhello"),
    "trailers drip": drip(b"X: y\r\n", first=CHUNKED + b"5\r\nhello\r\n0\r\n", again=True),
    "an error's body drips": drip(b"x", first=b"HTTP/1.1 503 No\r\nContent-Length: 100000\r\n\r\n", again=True),
}


@pytest.mark.parametrize("behaviour", BODIES.values(), ids=list(BODIES))
def test_a_small_answer_has_one_deadline_to_its_end(
    http: HttpClient, tls: ssl.SSLContext | None, behaviour: Behaviour
) -> None:
    """However its body is framed, and with any status."""
    with strange_server(behaviour, tls) as url, pytest.raises(Transient, match="in its time"):
        http.request("GET", url, read_seconds=0.15)


@pytest.mark.parametrize("behaviour", BODIES.values(), ids=list(BODIES))
def test_a_long_answer_has_a_deadline_for_its_body(http: HttpClient, behaviour: Behaviour) -> None:
    """Besides the one for its headers."""
    with strange_server(behaviour) as url, pytest.raises(Transient, match="in its time"):
        http.request("GET", url, read_seconds=LONG, body_seconds=0.15)


def read_out(incoming: StreamedAnswer, size: int) -> None:
    """Read a body to its end, in blocks."""
    while incoming.read_into(memoryview(bytearray(size))):
        pass


@pytest.mark.parametrize("size", [1, 100, 100_000])
@pytest.mark.parametrize("behaviour", BODIES.values(), ids=list(BODIES))
def test_a_body_has_a_floor_of_speed(
    http: HttpClient, tls: ssl.SSLContext | None, behaviour: Behaviour, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In blocks of any size; a photo may take long, but not for ever."""
    monkeypatch.setattr(deadlines, "RECEIVE_WINDOW", 0.1)
    with strange_server(behaviour, tls) as url:
        incoming = http.open("GET", url)
        with pytest.raises(Transient, match="bytes in"):
            read_out(incoming, size)
        incoming.close()


@pytest.mark.parametrize(
    "behaviour",
    [repeat(b"X: y\r\n" * 9, first=CHUNKED + b"1\r\nx\r\n0\r\n"), repeat(b";" * 999, first=CHUNKED + b"5;")],
)
def test_what_stands_around_a_body_has_a_bound(http: HttpClient, behaviour: Behaviour) -> None:
    """Endless trailers and chunk extensions that come fast."""
    with strange_server(behaviour) as url:
        incoming = http.open("GET", url)
        with pytest.raises(Transient):
            incoming.read_into(memoryview(bytearray(100)))
        incoming.close()


def test_a_body_in_the_smallest_chunks_arrives(http: HttpClient) -> None:
    """Six bytes for one byte of body are legitimate."""
    with strange_server(repeat(b"1\r\nx\r\n" * 1000, first=CHUNKED, last=b"0\r\n\r\n", count=200)) as url:
        assert http.request("GET", url).body == b"x" * 200_000
    with strange_server(repeat(b"1\r\nx\r\n" * 1000, first=CHUNKED, last=b"0\r\n\r\n", count=200)) as url:
        incoming, block = http.open("GET", url), memoryview(bytearray(512 * 1024))
        assert incoming.read_into(block) == 200_000
        incoming.close()


def blocks() -> Iterator[memoryview]:
    """Give a body in blocks."""
    for _ in range(MEGABYTES // 65536):
        yield memoryview(bytes(65536))


SENDS: dict[str, Callable[[], Any]] = {"blocks": blocks, "bytes": lambda: bytes(MEGABYTES)}


@pytest.mark.parametrize("body", SENDS.values(), ids=list(SENDS))
@pytest.mark.parametrize("behaviour", [say_nothing, take_slowly])
def test_an_upload_has_a_floor_of_speed(
    http: HttpClient,
    tls: ssl.SSLContext | None,
    behaviour: Behaviour,
    body: Callable[[], Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A receiver that takes nothing, or a few bytes now and then, within any socket timeout."""
    monkeypatch.setattr(deadlines, "SEND_WINDOW", 0.3)
    monkeypatch.setattr(deadlines, "MIN_BYTES_PER_SECOND", 50 * MEGABYTES)
    with strange_server(behaviour, tls) as url, pytest.raises(Transient, match="bytes in"):
        http.request("PUT", url, headers={"Content-Length": str(MEGABYTES)}, body=body())


def begin_handshake(connection: socket.socket, over: threading.Event) -> None:
    """Send the beginning of a handshake, a byte at a time."""
    connection.recv(65536)
    for byte in b"\x16\x03\x03\x40\x00" + b"\x02\x00\x3f\xfc" + bytes(1000):
        connection.sendall(bytes([byte]))
        if over.wait(0.01):
            return


@pytest.mark.parametrize("behaviour", [say_nothing, begin_handshake])
def test_a_handshake_has_a_deadline(http: HttpClient, behaviour: Behaviour, monkeypatch: pytest.MonkeyPatch) -> None:
    """One deadline for the whole handshake."""
    monkeypatch.setattr(pool, "CONNECT_SECONDS", 0.15)
    with strange_server(behaviour) as url, pytest.raises(Transient, match=r"nothing in 0\.15 seconds"):
        http.request("GET", url.replace("http:", "https:"))


@pytest.fixture
def full_port() -> Iterator[int]:
    """A port whose backlog is full: connecting to it waits."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        waiting = [socket.socket() for _ in range(3)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(address)
        yield address[1]
        for each in waiting:
            each.close()


def test_a_connection_has_a_deadline(http: HttpClient, full_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server neither accepts nor refuses."""
    monkeypatch.setattr(pool, "CONNECT_SECONDS", 0.1)
    with pytest.raises(Transient, match="nothing in"):
        http.request("GET", f"http://127.0.0.1:{full_port}")


def test_a_silent_address_leaves_time_for_the_next(full_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """All addresses of a name share one deadline."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", full_port))] * 2
        found.append((socket.AF_INET, socket.SOCK_STREAM, 6, "", listener.getsockname()))
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_: found)
        began = time.monotonic()
        connect("name", 80, 1.5, policy=ANY_NETWORK).close()
        assert time.monotonic() - began < SOON


def test_a_name_has_a_deadline(http: HttpClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Resolvers have timeouts of their own, which add up to minutes."""
    monkeypatch.setattr(pool, "CONNECT_SECONDS", 0.1)
    over = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: over.wait(LONG))
    with pytest.raises(Transient, match="nothing in"):
        http.request("GET", "http://name.example")
    over.set()


class Cancelled(Exception):
    """The work was cancelled."""


class CancellableWork:
    """See `common.http.deadlines.Cancellation`."""

    def __init__(self) -> None:
        self.cancelled = threading.Event()

    def check(self) -> None:
        """Raise once it is cancelled."""
        if self.cancelled.is_set():
            raise Cancelled


def read_on(http: HttpClient, url: str) -> None:
    """Read an answer in small blocks."""
    incoming = http.open("GET", url, read_seconds=LONG)
    try:
        read_out(incoming, 10)
    finally:
        incoming.close()


def ask(http: HttpClient, url: str) -> None:
    """Read an answer whole."""
    http.request("GET", url, read_seconds=LONG, body_seconds=LONG)


def send(http: HttpClient, url: str) -> None:
    """Send a body."""
    http.request("PUT", url, headers={"Content-Length": str(MEGABYTES)}, body=blocks(), read_seconds=LONG)


def ask_as_library(http: HttpClient, url: str) -> None:
    """Send a request as the OAuth libraries do."""
    with requests.Session() as session:
        mount_client(session, http)
        session.post(url, data={"code": "x"}, timeout=LONG)


WAITS = {
    **{f"headers: {name}": (ask, behaviour) for name, behaviour in HEADS.items()},
    **{f"body: {name}": (ask, behaviour) for name, behaviour in BODIES.items()},
    **{f"body, bit by bit: {name}": (read_on, behaviour) for name, behaviour in BODIES.items()},
    "a library: nothing": (ask_as_library, say_nothing),
    "a library: drips": (ask_as_library, BODIES["drips"]),
    "sending: nothing is taken": (send, say_nothing),
    "sending: little is taken": (send, take_slowly),
}


@pytest.fixture
def no_deadlines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make deadlines longer than any test."""
    for module, name in ((pool, "CONNECT_SECONDS"), (deadlines, "RECEIVE_WINDOW"), (deadlines, "SEND_WINDOW")):
        monkeypatch.setattr(module, name, LONG)


def cancel_soon(work: CancellableWork, act: Callable[[], None]) -> float:
    """Cancel the work during a call, and return how many seconds later the call ended."""
    cancelled_at: list[float] = []

    def cancel() -> None:
        cancelled_at.append(time.monotonic())
        work.cancelled.set()

    timer = threading.Timer(0.1, cancel)
    timer.start()
    with pytest.raises(Cancelled):
        act()
    return time.monotonic() - cancelled_at[0]


@pytest.mark.usefixtures("no_deadlines")
@pytest.mark.parametrize(("act", "behaviour"), WAITS.values(), ids=list(WAITS))
def test_every_wait_ends_with_the_work(
    http: HttpClient, tls: ssl.SSLContext | None, act: Callable[[HttpClient, str], None], behaviour: Behaviour
) -> None:
    """Wherever it waits; what the check raises comes out as it is."""
    work = CancellableWork()
    with strange_server(behaviour, tls) as url:
        assert cancel_soon(work, partial(act, http.cancelled_by(work), url)) < SOON


@pytest.mark.usefixtures("no_deadlines")
@pytest.mark.parametrize("behaviour", [say_nothing, begin_handshake])
def test_a_handshake_ends_with_the_work(http: HttpClient, behaviour: Behaviour) -> None:
    """Before there is anything to read."""
    work = CancellableWork()
    with strange_server(behaviour) as url:
        assert cancel_soon(work, partial(ask, http.cancelled_by(work), url.replace("http:", "https:"))) < SOON


@pytest.mark.usefixtures("no_deadlines")
def test_connecting_ends_with_the_work(http: HttpClient, full_port: int) -> None:
    """Before there is a connection."""
    work = CancellableWork()
    assert cancel_soon(work, partial(ask, http.cancelled_by(work), f"http://127.0.0.1:{full_port}")) < SOON


@pytest.mark.usefixtures("no_deadlines")
def test_looking_a_name_up_ends_with_the_work(http: HttpClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before there is an address."""
    work, over = CancellableWork(), threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: over.wait(LONG))
    assert cancel_soon(work, partial(ask, http.cancelled_by(work), "http://name.example")) < SOON
    over.set()


def test_the_work_is_looked_at_often_enough(
    http: HttpClient, poll_seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the real poll interval."""
    assert poll_seconds <= 0.5
    monkeypatch.setattr(deadlines, "POLL_SECONDS", poll_seconds)
    work = CancellableWork()
    with strange_server(say_nothing) as url:
        assert cancel_soon(work, partial(ask, http.cancelled_by(work), url)) < SOON


def test_an_end_is_nobody_elses(server: CountedServer, http: HttpClient) -> None:
    """Other work's requests use the connection that the cancelled work used last; its own do not begin."""
    work = CancellableWork()
    mine = http.cancelled_by(work)
    mine.request("GET", server.url)
    work.cancelled.set()
    with pytest.raises(Cancelled):
        mine.request("GET", server.url)
    assert http.request("GET", server.url).body == b"hello"
    assert len(server.seen) == 2


def test_an_end_leaves_kept_connections_alone(server: CountedServer, http: HttpClient) -> None:
    """A kept connection serves the next request."""
    work = CancellableWork()
    http.cancelled_by(work).request("GET", server.url)
    work.cancelled.set()
    http.request("GET", server.url)
    assert server.accepted == 1


def test_an_answer_that_takes_many_looks_comes(server: CountedServer, http: HttpClient) -> None:
    """Many polls make one wait."""
    work = CancellableWork()

    def answer(_request: object) -> Reply:
        time.sleep(0.1)
        return text_reply("late")

    server.reply = answer
    assert http.cancelled_by(work).request("GET", server.url).body == b"late"
    assert server.accepted == 1


@pytest.mark.parametrize("length", ["5, 5", "5,5", "5\r\nContent-Length: 5"])
def test_a_length_told_twice_is_one(http: HttpClient, length: str) -> None:
    """If both are the same: RFC 9110, section 8.6. The body ends there, not with the connection."""
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n".encode()
    with strange_server(repeat(head + b"hello", count=1)) as url:
        answer = http.request("GET", url)
    assert (answer.body, answer.headers["content-length"]) == (b"hello", "5")
