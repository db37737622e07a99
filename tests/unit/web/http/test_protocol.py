"""Deadlines for slow clients before, in and after a request, and the limit of connections."""

import asyncio
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing

import pytest
import uvicorn

from web.http import protocol as http_protocol
from web.http.protocol import MAX_HEAD_BYTES, ConnectionLimit, make_protocol

Receive = Callable[[], Awaitable[dict[str, object]]]
Send = Callable[[dict[str, object]], Awaitable[None]]
SOON = 0.3
HEAD = b"GET / HTTP/1.1\r\nHost: us\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: us\r\nContent-Length: 5\r\n\r\n"


class Site:
    """Reads a body, waits as long as the path says, and answers with as much as it says."""

    def __init__(self, limit: ConnectionLimit) -> None:
        self.heard: list[str] = []
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.address = self._socket.getsockname()
        config = uvicorn.Config(
            self._answer,  # type: ignore[arg-type]
            http=make_protocol(limit),
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            h11_max_incomplete_event_size=MAX_HEAD_BYTES,
            timeout_keep_alive=60,
            timeout_graceful_shutdown=1,
        )
        self._uvicorn = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._uvicorn.run, args=([self._socket],))

    def __enter__(self) -> "Site":
        self._thread.start()
        while not self._uvicorn.started:
            time.sleep(0.01)
        return self

    def __exit__(self, *_: object) -> None:
        self._uvicorn.should_exit = True
        self._thread.join()
        self._socket.close()

    def connect(self, *sent: bytes) -> socket.socket:
        """Connect and send."""
        connection = socket.create_connection(self.address, timeout=20)
        for each in sent:
            connection.sendall(each)
        return connection

    def ask(self) -> bytes:
        """Return the status line of an honest request."""
        with closing(self.connect(HEAD)) as connection:
            return connection.recv(15)

    async def _answer(self, scope: dict[str, object], receive: Receive, send: Send) -> None:
        if scope["path"] != "/early":
            while (message := await receive()).get("more_body"):
                pass
            self.heard.append(str(message["type"]))
        if scope["path"] == "/slow":
            # Far longer than a request may take to arrive.
            for _ in range(8):
                await asyncio.sleep(SOON / 2)
        body = b"x" * (50_000_000 if scope["path"] == "/large" else 2)
        headers = [(b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is waited for long."""
    for name in ("HEAD_SECONDS", "BODY_SECONDS", "UNREAD_SECONDS"):
        monkeypatch.setattr(http_protocol, name, SOON)


@pytest.fixture
def site() -> Iterator[Site]:
    """A server."""
    with Site(ConnectionLimit()) as running:
        yield running


def is_closed(connection: socket.socket) -> bool:
    """Say whether the other side closes, after whatever it has to say; within the test's patience."""
    try:
        while connection.recv(1 << 16):
            pass
    except ConnectionResetError:
        pass
    except TimeoutError:
        return False
    return True


@pytest.mark.parametrize(
    "sent",
    [
        [],
        [b"G"],
        [b"\r\n"],
        [b"GET / HTTP/1.1\r\n"],
        [b"GET / HTTP/1.1\r\nHost: us\r\nA: b"],
        [POST],
        [POST, b"1234"],
        [b"POST / HTTP/1.1\r\nHost: us\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n"],
        [POST.replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n")],
        [b"POST /early HTTP/1.1\r\nHost: us\r\nContent-Length: 9\r\n\r\n", b"a"],
        [HEAD],
        [HEAD, b"GET / HTT"],
        [HEAD, POST],
        [HEAD * 3],
    ],
    ids=repr,
)
def test_who_sends_half_is_not_waited_for(site: Site, sent: list[bytes]) -> None:
    """Nothing, half a head, half a body, or half a second request: the connection is closed."""
    with closing(site.connect(*sent)) as connection:
        assert is_closed(connection)
    assert site.ask() == b"HTTP/1.1 200 OK"


@pytest.mark.parametrize("first", [b"", b"GET / HTTP/1.1\r\n", POST, POST.replace(b"/", b"/early", 1)], ids=repr)
def test_bytes_that_drip_put_nothing_off(site: Site, first: bytes) -> None:
    """One now and then, each well before the deadline: it is the whole that must arrive in time."""
    piece = b"a" if b"\r\n\r\n" in first else b"Header-That-Drips: 1\r\n"
    with closing(site.connect(first)) as connection:
        began = time.monotonic()
        with pytest.raises(OSError):  # noqa: PT012 - a reset by whoever does not read any more
            while time.monotonic() - began < 20:
                connection.sendall(piece if time.monotonic() - began < 0.1 else piece[:1])
                time.sleep(SOON / 6)
        assert time.monotonic() - began < 19


def test_a_body_that_ends_early_is_told_to_the_application(site: Site) -> None:
    """As a client that left, not as a body."""
    with closing(site.connect(POST, b"1234")) as connection:
        assert is_closed(connection)
    deadline = time.monotonic() + 10
    while not site.heard and time.monotonic() < deadline:
        time.sleep(0.01)
    assert site.heard == ["http.disconnect"]


def test_answers_may_take_longer_than_requests(site: Site) -> None:
    """Who has sent a request whole is waited for by us, not the other way round: streams and slow answers live on."""
    with closing(site.connect(HEAD.replace(b"/", b"/slow", 1))) as connection:
        assert connection.recv(15) == b"HTTP/1.1 200 OK"


def test_a_kept_connection_serves_on(site: Site) -> None:
    """Each of its requests has its own deadline."""
    with closing(site.connect()) as connection:
        for _ in range(6):
            time.sleep(SOON / 2)
            connection.sendall(POST + b"12345")
            answer = connection.recv(1 << 16)
            while not answer.endswith(b"xx"):
                answer += connection.recv(1 << 16)
            assert answer.startswith(b"HTTP/1.1 200 OK")


def test_an_answer_that_nobody_reads_is_not_kept(site: Site) -> None:
    """Who reads slowly gets it whole; who does not read at all is closed."""
    large = HEAD.replace(b"/", b"/large", 1)
    with closing(site.connect(large)) as unread, closing(site.connect(large)) as slow:
        got = 0
        while got < 50_000_000:
            piece = slow.recv(1 << 20)
            assert piece, "it was closed while it read"
            got += len(piece)
        time.sleep(4 * SOON)
        assert is_closed(unread)


def test_a_head_has_a_greatest_length(site: Site) -> None:
    """16 KiB of headers are more than anybody sends us."""
    with closing(site.connect(b"GET / HTTP/1.1\r\nHost: us\r\nA: " + b"a" * (MAX_HEAD_BYTES + 100))) as connection:
        assert connection.recv(12) == b"HTTP/1.1 400"


def test_there_are_never_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """A flood of idle ones pushes its own oldest out; a newcomer with a request is served, and so is who waits."""
    monkeypatch.setattr(http_protocol, "HEAD_SECONDS", 60.0)
    with Site(ConnectionLimit(max_connections=5)) as site:
        busy = site.connect(HEAD.replace(b"/", b"/slow", 1))
        while not site.heard:
            time.sleep(0.01)
        flood = [site.connect() for _ in range(20)]
        assert [site.ask() for _ in range(3)] == [b"HTTP/1.1 200 OK"] * 3
        for each in flood[:10]:
            assert is_closed(each)
        assert busy.recv(15) == b"HTTP/1.1 200 OK"
        for each in (*flood, busy):
            each.close()


def test_who_finds_no_room_at_all_is_closed() -> None:
    """All places are taken by requests under way; afterwards there is room again."""
    with Site(ConnectionLimit(max_connections=2)) as site:
        busy = [site.connect(HEAD.replace(b"/", b"/slow", 1)) for _ in range(2)]
        while len(site.heard) < 2:
            time.sleep(0.01)
        with closing(site.connect(HEAD)) as late:
            assert is_closed(late)
        assert [each.recv(15) for each in busy] == [b"HTTP/1.1 200 OK"] * 2
        for each in busy:
            each.close()
        deadline = time.monotonic() + 10
        while site.ask() != b"HTTP/1.1 200 OK":
            assert time.monotonic() < deadline


def test_few_files_are_few_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system allows fewer files than connections, the rest of the process still has some."""
    monkeypatch.setattr(http_protocol.resource, "getrlimit", lambda _: (256, 256))
    limit = ConnectionLimit()
    assert [limit.add() for _ in range(57)] == [True] * 56 + [False]
