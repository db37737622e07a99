"""The line that can be cut: what passes, what does not, and what each side notices."""

import socket
import threading
from collections.abc import Iterator

import pytest

from sandbox.proxy import Proxy


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
    assert proxy.strand() == 1
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
    proxy.hold()
    client.settimeout(0.2)
    with pytest.raises(TimeoutError):
        ask(client, b"patience")
    proxy.release()
    client.settimeout(5)
    assert client.recv(100) == b"PATIENCE"


def test_without_a_server_the_client_is_hung_up_on():
    """A server that is away looks like one that is away."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with Proxy(port) as line, socket.create_connection(("127.0.0.1", line.port), timeout=5) as connection:
        assert connection.recv(100) == b""
