"""The line that can be cut: what passes, what does not, and what each side notices."""

import socket
import threading
from collections.abc import Iterator

import pytest

from sandbox.run.proxy import Proxy


def answer_all(listener: socket.socket) -> None:
    """Send back what comes, in capitals, to one client after another; return when nobody can come any more."""
    while True:
        try:
            client, _ = listener.accept()
        except OSError:
            return
        with client:
            while said := client.recv(100):
                client.sendall(said.upper())


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    """A proxy before a server that answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = threading.Thread(target=answer_all, args=(listener,))
        server.start()
        with Proxy(listener.getsockname()[1]) as line:
            yield line
        listener.shutdown(socket.SHUT_RDWR)
        server.join()


@pytest.fixture
def client(proxy: Proxy) -> Iterator[socket.socket]:
    """A connection through the proxy over which something passed already."""
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=5) as connection:
        assert ask(connection, b"hello") == b"HELLO"
        yield connection


def ask(connection: socket.socket, question: bytes) -> bytes:
    """Say something and return the answer."""
    connection.sendall(question)
    return connection.recv(100)


def test_a_cut_line_ends_for_the_client_and_the_next_one_passes(proxy, client):
    """Cutting ends what is open; whoever connects again is served."""
    assert proxy.cut() == 1
    assert client.recv(100) == b""
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=5) as again:
        assert ask(again, b"again") == b"AGAIN"


def test_a_stranded_line_is_silent_and_open_until_it_is_cut(proxy, client):
    """The client may go on talking and learns nothing; the server, free again, serves the next one."""
    assert proxy.make_half_open() == 1
    client.sendall(b"anybody there")
    client.settimeout(0.2)
    with pytest.raises(TimeoutError):
        client.recv(100)
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=5) as other:
        assert ask(other, b"other") == b"OTHER"
        assert proxy.cut() == 2
        assert other.recv(100) == b""
    assert client.recv(100) == b""


def test_what_is_held_comes_later(proxy, client):
    """Holding delays and loses nothing."""
    proxy.pause()
    client.settimeout(0.2)
    with pytest.raises(TimeoutError):
        ask(client, b"patience")
    proxy.resume()
    client.settimeout(5)
    assert client.recv(100) == b"PATIENCE"


def test_without_a_server_the_client_is_hung_up_on():
    """A server that is away looks like one that is away."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with Proxy(port) as line, socket.create_connection(("127.0.0.1", line.port), timeout=5) as connection:
        assert connection.recv(100) == b""


ACK = b"\x01\x00\x01\x00\x00\x00\x0d\x00\x3c\x00\x50" + bytes(8) + b"\x00\xce"


@pytest.mark.parametrize(("after", "heard"), [(False, b""), (True, ACK)])
def test_whoever_watches_may_end_a_line_right_before_or_after_a_moment(after, heard):
    """What was said up to that moment arrives, and nothing that was said behind it."""
    got: list[bytes] = []

    def listen(listener: socket.socket) -> None:
        client, _ = listener.accept()
        with client:
            while said := client.recv(1000):
                got.append(said)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = threading.Thread(target=listen, args=(listener,))
        server.start()
        with (
            Proxy(listener.getsockname()[1], lambda _moment, passed: passed is after) as line,
            socket.create_connection(("127.0.0.1", line.port), timeout=5) as client,
        ):
            client.sendall(ACK + ACK)
            server.join(5)
    assert not server.is_alive()
    assert b"".join(got) == heard


def test_whoever_watches_and_does_nothing_changes_nothing():
    """Everything passes as it came, in both directions."""
    seen: list[tuple[str, bool]] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = threading.Thread(target=answer_all, args=(listener,))
        server.start()
        with (
            Proxy(listener.getsockname()[1], lambda event, passed: seen.append((event.kind, passed))) as line,
            socket.create_connection(("127.0.0.1", line.port), timeout=5) as client,
        ):
            assert ask(client, ACK) == ACK.upper()
        listener.shutdown(socket.SHUT_RDWR)
        server.join()
    # What comes back is seen by another thread: its place among these is not settled.
    assert [each for each in seen if each[0] == "ack"][:2] == [("ack", False), ("ack", True)]
