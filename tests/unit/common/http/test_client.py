"""The HTTP client against a small server on loopback: requests, answers, and failures."""

import socket
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st

from common.errors import Reason, SessionLost, Transient
from common.http import deadlines, pool
from common.http import requests_adapter as sessions
from common.http.client import Answer, HttpClient, StreamedAnswer
from common.http.network_policy import ANY_NETWORK
from common.http.requests_adapter import mount_client
from sandbox.http.message import Dropped, Reply, Request, text_reply
from tests.fakes.counted_server import CountedServer

SECRET = "upload_id=AHmUCY0secret"


@pytest.fixture
def server() -> Iterator[CountedServer]:
    """A server that the test controls."""
    server = CountedServer()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def http() -> HttpClient:
    """A client as the worker makes it."""
    return HttpClient(connections=2, policy=ANY_NETWORK, reason=Reason.CLOUD_UNAVAILABLE)


def drop(_request: Request) -> Reply:
    """Reset the connection."""
    raise Dropped


@contextmanager
def raw_server(answer: bytes, *, wait: float = 0.0) -> Iterator[str]:
    """Serve raw bytes, once for every connection, after the request's headers came."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.recv(65536)
                time.sleep(wait)
                connection.sendall(answer)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    # Wakes the thread, which `close` alone does not.
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(5)


def closed_port() -> str:
    """Return an address where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}"


def test_an_answer_comes_whole(server: CountedServer, http: HttpClient) -> None:
    """Status, headers in lower case, body."""
    server.reply = lambda _: Reply(201, b'{"a": 1}', {"X-Some-Header": "yes"})
    answer = http.request("POST", f"{server.url}/path?a=b", headers={"X-Mine": "1"}, body=b"content")
    assert (answer.status, answer.headers["x-some-header"], answer.json()) == (201, "yes", {"a": 1})
    (request,) = server.seen
    assert (
        request.method,
        request.target,
        request.content(),
        request.headers["X-Mine"],
    ) == ("POST", "/path?a=b", b"content", "1")
    assert request.headers["User-Agent"].startswith("cloud_archive/")


class RecordingObserver:
    """Observer that remembers what it sees."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, int, int]] = []
        self.received = 0

    def on_request(self, method: str, url: str, status: int, seconds: float, sent: int) -> None:
        """Remember a request."""
        assert seconds >= 0
        self.requests.append((method, url, status, sent))

    def on_received(self, count: int) -> None:
        """Add to the count of bytes."""
        self.received += count


def test_an_observer_sees_every_request(server: CountedServer, http: HttpClient) -> None:
    """Also failed ones, and those of sessions of requests; bytes both ways; over the same connections."""
    observer = RecordingObserver()
    watched = http.observed_by(observer)
    http.request("GET", server.url)
    watched.request("POST", f"{server.url}/a", body=b"12345")
    watched.request("PUT", f"{server.url}/b", headers={"Content-Length": "3"}, body=[memoryview(b"123")])
    block = memoryview(bytearray(3))
    incoming = watched.open("GET", f"{server.url}/c")
    assert incoming.read_into(block) == 3
    incoming.close()
    nobody = closed_port()
    with pytest.raises(Transient):
        watched.request("GET", nobody)
    with requests.Session() as session:
        mount_client(session, watched)
        session.get(f"{server.url}/d")
    assert observer.requests == [
        ("POST", f"{server.url}/a", 200, 5),
        ("PUT", f"{server.url}/b", 200, 3),
        ("GET", f"{server.url}/c", 200, 0),
        ("GET", nobody, 0, 0),
        ("GET", f"{server.url}/d", 200, 0),
    ]
    assert observer.received == 5 + 5 + 3 + 5
    assert server.accepted == 2


@pytest.mark.parametrize("status", [204, 301, 302, 303, 307, 308, 400, 401, 404, 410, 429, 499, 500, 503])
def test_every_status_is_an_answer(server: CountedServer, http: HttpClient, status: int) -> None:
    """Nothing is retried, nothing followed, whatever Location or Retry-After say."""
    server.reply = lambda _: Reply(status, b"", {"Location": f"{server.url}/elsewhere", "Retry-After": "0"})
    assert status == http.request("PUT", server.url, body=b"bytes").status
    assert len(server.seen) == 1


def test_connections_are_kept(server: CountedServer, http: HttpClient) -> None:
    """Many requests use one connection, also after a streamed body and after error statuses."""
    for status in (200, 404, 503, 200):
        server.reply = lambda _, status=status: Reply(status, b"x" * 100_000)
        http.request("POST", server.url, body=b"y" * 1000)
        incoming = http.open("GET", server.url)
        read_out(incoming)
        incoming.close()
    assert (len(server.seen), server.accepted) == (8, 1)


def test_a_second_close_takes_nobodys_connection(server: CountedServer, http: HttpClient) -> None:
    """By then the connection may carry somebody else's answer."""
    server.reply = lambda _: Reply(200, b"x" * 100_000)
    first = http.open("GET", server.url)
    read_out(first)
    first.close()
    second = http.open("GET", server.url)
    first.close()
    assert second.read(100_000) == b"x" * 100_000
    second.close()
    assert server.accepted == 1


def test_an_answer_left_unread_costs_its_connection_only(server: CountedServer, http: HttpClient) -> None:
    """Its rest must not be taken for the next answer's beginning."""
    server.reply = lambda _: Reply(200, b"x" * 10_000_000)
    http.open("GET", server.url).close()
    server.reply = lambda _: text_reply("next")
    assert http.request("GET", server.url).body == b"next"
    assert server.accepted == 2


def test_a_body_of_blocks_goes_out_with_its_length(server: CountedServer, http: HttpClient) -> None:
    """Blocks share one buffer, which each overwrites; nothing is chunked."""
    buffer = bytearray(1000)

    def blocks() -> Iterator[memoryview]:
        for number in range(300):
            buffer[:] = bytes([number % 256]) * 1000
            yield memoryview(buffer)

    http.request("PUT", server.url, headers={"Content-Length": "300000"}, body=blocks())
    (request,) = server.seen
    assert (request.headers["Content-Length"], request.headers["Transfer-Encoding"]) == ("300000", None)
    assert b"".join(bytes([number % 256]) * 1000 for number in range(300)) == request.content()


@pytest.mark.parametrize("body", [b"", None])
def test_an_empty_body_is_never_chunked(server: CountedServer, http: HttpClient, body: bytes | None) -> None:
    """A status query and an empty photo have a length of 0."""
    http.request("PUT", server.url, headers={"Content-Length": "0"}, body=body)
    (request,) = server.seen
    assert (request.headers.get_all("Content-Length"), request.headers["Transfer-Encoding"]) == (["0"], None)


@pytest.mark.parametrize(
    "error", [SessionLost(Reason.WRONG_BYTES), KeyError("bug"), Transient(Reason.PHOTO_UNAVAILABLE)]
)
def test_what_the_blocks_raise_comes_out_as_it_is(server: CountedServer, http: HttpClient, error: Exception) -> None:
    """A source that breaks during an upload is not a cloud that breaks; the half-sent request is never continued."""

    def blocks() -> Iterator[memoryview]:
        yield memoryview(b"half")
        raise error

    with pytest.raises(type(error)) as raised:
        http.request("PUT", server.url, headers={"Content-Length": "8"}, body=blocks())
    assert error is raised.value
    assert http.request("GET", server.url).body == b"hello"
    assert server.accepted == 2


def test_an_answer_before_the_bodys_end_is_heard(server: CountedServer, http: HttpClient) -> None:
    """A server that refuses early and closes: its answer or a broken connection, never a hang."""
    server.reply = lambda _: Reply(403, b"no", early=True, close=True)
    blocks = (memoryview(bytes(1_000_000)) for _ in range(20))
    with suppress(Transient):
        assert http.request("PUT", server.url, headers={"Content-Length": "20000000"}, body=blocks).status == 403


def break_short(_request: Request) -> Reply:
    """Announce more bytes than are sent."""
    return Reply(200, b"x" * 500, length=1000)


def break_in_the_middle(_request: Request) -> Reply:
    """Reset in the middle of the body."""
    return Reply(200, b"x" * 1000, cut=500)


@pytest.mark.parametrize("reply", [drop, break_short, break_in_the_middle])
def test_a_broken_line_is_transient(server: CountedServer, http: HttpClient, reply: Callable[[Request], Reply]) -> None:
    """A reset before, or an end or a reset in the middle of the answer."""
    server.reply = reply
    with pytest.raises(Transient) as raised:
        http.request("GET", f"{server.url}/?{SECRET}")
    check_silent(raised.value, Reason.CLOUD_UNAVAILABLE)


@pytest.mark.parametrize("reply", [break_short, break_in_the_middle])
def test_a_body_that_breaks_is_transient_bit_by_bit(
    server: CountedServer, http: HttpClient, reply: Callable[[Request], Reply]
) -> None:
    """What came before the break may be used; what is missing is never taken for an end."""
    server.reply = reply
    incoming = http.open("GET", f"{server.url}/?{SECRET}")
    with pytest.raises(Transient) as raised:
        read_out(incoming)
    incoming.close()
    check_silent(raised.value, Reason.CLOUD_UNAVAILABLE)


def read_out(incoming: StreamedAnswer) -> None:
    """Read a body to its end, in small blocks."""
    block = memoryview(bytearray(100))
    while incoming.read_into(block):
        pass


def test_blocks_are_filled(server: CountedServer, http: HttpClient) -> None:
    """Only the last block may be short, however the body arrives."""
    server.reply = lambda _: Reply(200, bytes(range(256)) * 1000)
    incoming = http.open("GET", server.url)
    block = memoryview(bytearray(100_000))
    sizes, content = [], b""
    while size := incoming.read_into(block):
        sizes.append(size)
        content += block[:size]
    incoming.close()
    assert sizes == [100_000, 100_000, 56_000]
    assert bytes(range(256)) * 1000 == content


def test_a_body_without_length_ends_with_its_connection(server: CountedServer, http: HttpClient) -> None:
    """Whether it is complete only the caller can know."""
    server.reply = lambda _: Reply(200, b"x" * 1000, length=None)
    assert http.request("GET", server.url).body == b"x" * 1000


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000 + b"\r\n\r\n",
    ],
    ids=["nothing", "no HTTP", "no status", "bad chunk", "many headers", "long header"],
)
def test_what_is_no_http_is_transient(http: HttpClient, answer: bytes) -> None:
    """Something else than the expected server answers there."""
    with raw_server(answer) as url, pytest.raises(Transient) as raised:
        http.request("GET", f"{url}/?{SECRET}")
    check_silent(raised.value, Reason.CLOUD_UNAVAILABLE)


def test_malformed_headers_put_no_address_into_the_log(http: HttpClient, caplog: pytest.LogCaptureFixture) -> None:
    """urllib3, which the OAuth libraries use by default, would log the whole URL; it is not used."""
    answer = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\nno header at all\r\n\r\nhi"
    with raw_server(answer) as url, requests.Session() as session:
        http.request("GET", f"{url}/?{SECRET}")
        mount_client(session, http)
        session.get(f"{url}/?{SECRET}")
    assert not [record for record in caplog.records if SECRET in record.getMessage()]


@pytest.mark.parametrize("length", [b"5, 6", b"5\r\nContent-Length: 6", b"-5", b"five"])
def test_a_length_that_is_none_is_transient(http: HttpClient, length: bytes) -> None:
    """Where the body ends cannot be known."""
    with (
        raw_server(b"HTTP/1.1 200 OK\r\nContent-Length: " + length + b"\r\n\r\nhello") as url,
        pytest.raises(Transient),
    ):
        http.request("GET", url)


@pytest.mark.parametrize(
    "url",
    ["http://a.invalid", "http://[::bad", "http://127.0.0.1:99999", "http://" + "a" * 70 + ".example", "gopher://x"],
)
def test_an_address_that_is_none_is_transient(http: HttpClient, url: str) -> None:
    """Photos' URLs come from others."""
    with pytest.raises(Transient) as raised:
        http.request("GET", f"{url}/?{SECRET}")
    check_silent(raised.value, Reason.CLOUD_UNAVAILABLE)


def test_nobody_listening_is_transient(http: HttpClient) -> None:
    """A refused connection."""
    with pytest.raises(Transient) as raised:
        http.request("GET", f"{closed_port()}/?{SECRET}")
    check_silent(raised.value, Reason.CLOUD_UNAVAILABLE)


def test_silence_is_transient(http: HttpClient) -> None:
    """An answer that does not come in time."""
    with (
        raw_server(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", wait=0.5) as url,
        pytest.raises(Transient) as raised,
    ):
        http.request("GET", f"{url}/?{SECRET}", read_seconds=0.05)
    check_silent(raised.value, Reason.CLOUD_UNAVAILABLE)


def test_a_body_that_stops_is_transient(http: HttpClient) -> None:
    """Headers and the beginning of a body, then nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        incoming = []

        def serve() -> None:
            connection, _ = listener.accept()
            incoming.append(connection)
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")

        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(Transient):
            http.request("GET", f"http://127.0.0.1:{listener.getsockname()[1]}", read_seconds=0.05)
        thread.join()
        incoming[0].close()


def test_a_body_that_drips_is_transient(
    server: CountedServer, http: HttpClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every byte comes within a socket's timeout, and the photo would take days."""
    monkeypatch.setattr(deadlines, "RECEIVE_WINDOW", 0.1)
    server.reply = lambda _: Reply(200, b"x" * 100_000, rate=200.0)
    incoming = http.open("GET", server.url)
    with pytest.raises(Transient, match="bytes in"):
        incoming.read_into(memoryview(bytearray(100_000)))
    incoming.close()


def test_a_slow_taker_is_no_slow_source(
    server: CountedServer, http: HttpClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only waiting for the body counts: a slow cloud does not cost the source its connection."""
    monkeypatch.setattr(deadlines, "RECEIVE_WINDOW", 0.1)
    server.reply = lambda _: Reply(200, b"x" * 1000)
    incoming = http.open("GET", server.url)
    block = memoryview(bytearray(500))
    assert incoming.read_into(block) == 500
    time.sleep(0.15)
    assert incoming.read_into(block) == 500
    assert incoming.read_into(block) == 0
    incoming.close()


def test_a_block_may_take_longer_to_leave_than_a_connection_to_stand(
    server: CountedServer, http: HttpClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a fresh connection and on a kept one."""
    monkeypatch.setattr(pool, "CONNECT_SECONDS", 0.4)

    def take_slowly(request: Request) -> Reply:
        time.sleep(0.6)
        return text_reply(str(len(request.content())))

    server.reply = take_slowly
    # More than the buffers of both sides take in.
    size = 16 * 1024 * 1024
    for _ in range(2):
        answer = http.request(
            "PUT", server.url, headers={"Content-Length": str(size)}, body=iter([memoryview(bytes(size))])
        )
        assert str(size).encode() == answer.body
    assert server.accepted == 1


def test_a_receiver_that_is_stuck_is_transient(http: HttpClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """A block that cannot be sent in time: a peer that never reads would hold a thread for ever."""
    monkeypatch.setattr(deadlines, "SEND_WINDOW", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as listener, pytest.raises(Transient):
        http.request("PUT", f"http://127.0.0.1:{listener.getsockname()[1]}", body=bytes(32 * 1024 * 1024))


def test_an_answer_may_be_too_long(server: CountedServer, http: HttpClient) -> None:
    """A body at the limit is read, one byte more is an error."""
    server.reply = lambda _: Reply(200, b"x" * 1001)
    assert len(http.request("GET", server.url, max_bytes=1001).body) == 1001
    with pytest.raises(Transient, match="more than 1000 bytes"):
        http.request("GET", f"{server.url}/?{SECRET}", max_bytes=1000)


def test_bodies_are_taken_as_they_are_sent(server: CountedServer, http: HttpClient) -> None:
    """Nothing is decompressed: sizes and checksums are those of the bytes sent."""
    server.reply = lambda _: Reply(200, b"\x1f\x8bpacked", {"Content-Encoding": "gzip"})
    assert http.request("GET", server.url).body == b"\x1f\x8bpacked"


def test_the_environment_has_no_say(
    server: CountedServer, http: HttpClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Neither proxies nor passwords of the machine are used, by the client or by the OAuth libraries' sessions."""
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, closed_port())
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret\ndefault login me password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(netrc))
    assert http.request("GET", server.url).body == b"hello"
    with requests.Session() as session:
        mount_client(session, http)
        assert session.get(server.url).text == "hello"
    assert [request.headers["Authorization"] for request in server.seen] == [None, None]


def test_an_equipped_session_does_not_wait_for_ever(http: HttpClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests has no timeout of its own; a call's own timeout wins."""
    monkeypatch.setattr(sessions, "READ_SECONDS", 0.05)
    with raw_server(b"", wait=0.5) as url, requests.Session() as session:
        mount_client(session, http)
        with pytest.raises(Transient, match=r"in its time"):
            session.get(url)
        monkeypatch.setattr(sessions, "READ_SECONDS", 60.0)
        with pytest.raises(Transient, match=r"in its time"):
            session.get(url, timeout=0.01)


@pytest.mark.parametrize(("text", "expected"), [("0", 0.0), ("17", 17.0), (" 3 ", 3.0), ("1000000", 1e6)])
def test_a_wait_in_seconds(text: str, expected: float) -> None:
    """The first form of Retry-After."""
    assert expected == Answer(503, {"retry-after": text}, b"").retry_after()


def test_a_wait_until_a_date() -> None:
    """The second form; one that has passed means now."""
    ahead = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    wait = Answer(503, {"retry-after": ahead}, b"").retry_after()
    assert wait is not None
    assert 90 < wait <= 100
    assert Answer(503, {"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, b"").retry_after() == 0.0


@pytest.mark.parametrize(
    "text",
    ["", "soon", "-1", "1.5", "१७", "Mon, 32 Jan 2001 00:00:00 GMT", "Mon, 01 Jan 2001 00:00:00 +99999999999999999999"],
)
def test_a_wait_nobody_understands_is_none(text: str) -> None:
    """Neither seconds nor a date."""
    assert None is Answer(503, {"retry-after": text}, b"").retry_after()
    assert None is Answer(503, {}, b"").retry_after()


@settings(deadline=None)
@given(
    st.one_of(
        st.text(),
        st.from_regex(
            r"[A-Z][a-z]{2}, \d{1,2} [A-Z][a-z]{2} \d{1,5} \d{1,3}:\d{1,3}:\d{1,3} ([+-]\d{1,30}|GMT)", fullmatch=True
        ),
    )
)
def test_any_wait_is_read(text: str) -> None:
    """Any text is parsed without an exception."""
    wait = Answer(503, {"retry-after": text}, b"").retry_after()
    assert wait is None or wait >= 0


@settings(deadline=None)
@given(st.binary(max_size=50))
def test_json_or_a_value_error(body: bytes) -> None:
    """No other exception comes out of a body."""
    with suppress(ValueError):
        Answer(200, {}, body).json()
    with pytest.raises(ValueError):
        Answer(200, {}, b"[" * 100_000).json()


def check_silent(error: Transient, reason: Reason) -> None:
    """Check the error's reason, and that nothing quotes the URL: upload URLs are secrets."""
    assert reason == error.reason
    told = "".join(traceback.format_exception(error)) + str(error) + repr(error)
    assert SECRET not in told
    assert "127.0.0.1" not in told.replace("test_httpclient", "")
