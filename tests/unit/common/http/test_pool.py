"""A broken connection must not affect others of the same thread."""

import _ssl
import ctypes
import errno
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from common.errors import Reason, SessionLost
from common.http.client import HttpClient
from common.http.network_policy import NetworkPolicy
from sandbox.http.message import Reply, Request, text_reply
from tests.fakes.counted_server import CountedServer

_OPENSSL = ctypes.CDLL(_ssl.__file__)
_SYSTEM = 2  # ERR_LIB_SYS


def leave_error() -> None:
    """Add to this thread's OpenSSL errors what Pythons of 2025 and later leave there when a connection breaks."""
    _OPENSSL.ERR_new()
    _OPENSSL.ERR_set_error(_SYSTEM, errno.EPIPE, None)


@pytest.fixture
def authority() -> trustme.CA:
    """The authority that the client trusts."""
    return trustme.CA()


@pytest.fixture
def server(authority: trustme.CA) -> Iterator[CountedServer]:
    """A server that answers after a while, so that there is nothing to read at first."""

    def answer(request: Request) -> Reply:
        time.sleep(0.05)
        if request.target == "/refused":
            return Reply(403, b"no", early=True, close=True)
        return text_reply("hello")

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    running = CountedServer(context)
    running.reply = answer
    running.start()
    yield running
    running.stop()


@pytest.fixture
def http(authority: trustme.CA, tmp_path: Path) -> HttpClient:
    """A client that keeps two connections."""
    bundle = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(bundle)
    return HttpClient(
        connections=2, policy=NetworkPolicy(allow_private=True, ca_bundle=str(bundle)), reason=Reason.CLOUD_UNAVAILABLE
    )


def test_a_broken_line_leaves_the_others_of_its_thread_alone(server: CountedServer, http: HttpClient) -> None:
    """Otherwise every kept connection breaks at its next use, and each photo of this thread fails."""
    for incoming in [http.open("GET", server.url) for _ in range(2)]:
        incoming.read(100)
        incoming.close()

    def blocks() -> Iterator[memoryview]:
        yield memoryview(b"half")
        leave_error()
        raise SessionLost(Reason.WRONG_BYTES)

    with pytest.raises(SessionLost):
        http.request("PUT", server.url, headers={"Content-Length": "8"}, body=blocks())
    assert http.request("GET", server.url).body == b"hello"
    assert server.accepted == 2


def test_an_answer_is_waited_for_on_a_line_that_takes_no_more(server: CountedServer, http: HttpClient) -> None:
    """A server that refuses a body may answer a little later than sending fails."""

    def blocks() -> Iterator[memoryview]:
        yield memoryview(b"half")
        leave_error()
        raise BrokenPipeError

    http.request("GET", server.url)
    answer = http.request("PUT", f"{server.url}/refused", headers={"Content-Length": "8"}, body=blocks())
    assert (answer.status, answer.body) == (403, b"no")
