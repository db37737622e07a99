"""A server that misbehaves below HTTP and below TLS."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"

Behaviour = Callable[[socket.socket, threading.Event], None]


@contextmanager
def strange_server(behaviour: Behaviour, tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """Serve every connection on a thread of its own; yield the server's URL.

    Args:
        behaviour: gets the connection, after its TLS handshake if there is one, and an event that ends with the test.
        tls: None for plain TCP.
    """
    listener, over = socket.create_server(("127.0.0.1", 0)), threading.Event()
    # What comes stays in the network: a body of a few hundred kilobytes is more than fits.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    threads: list[threading.Thread] = []

    def serve(connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            if tls is None:
                behaviour(connection, over)
                return
            with tls.wrap_socket(connection, server_side=True) as secure:
                behaviour(secure, over)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threads.append(threading.Thread(target=serve, args=[connection], daemon=True))
                threads[-1].start()

    accepting = threading.Thread(target=accept, daemon=True)
    accepting.start()
    try:
        yield f"http{'s' if tls else ''}://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        over.set()
        listener.shutdown(socket.SHUT_RDWR)  # wakes the thread, which `close` alone does not
        listener.close()
        for thread in (accepting, *threads):
            thread.join(5)


def drip(data: bytes, *, first: bytes = b"", again: bool = False, seconds: float = 0.01) -> Behaviour:
    """Read a request's headers, send `first` at once, then `data` a byte at a time, again and again if asked."""

    def behaviour(connection: socket.socket, over: threading.Event) -> None:
        connection.recv(65536)
        connection.sendall(first)
        while True:
            for byte in data:
                connection.sendall(bytes([byte]))
                if over.wait(seconds):
                    return
            if not again:
                over.wait()
                return

    return behaviour


def repeat(
    data: bytes, *, first: bytes = b"", last: bytes = b"", count: int | None = None, seconds: float = 0
) -> Behaviour:
    """Read a request's headers, send `first`, then `data` a number of times or for ever, then `last`."""

    def behaviour(connection: socket.socket, over: threading.Event) -> None:
        connection.recv(65536)
        connection.sendall(first)
        while count is None or count > 0:
            connection.sendall(data)
            if over.wait(seconds):
                return
            if count is not None:
                for _ in range(count - 1):
                    connection.sendall(data)
                break
        connection.sendall(last)
        over.wait()

    return behaviour


def say_nothing(_connection: socket.socket, over: threading.Event) -> None:
    """Accept, and do nothing."""
    over.wait()


def take_slowly(connection: socket.socket, over: threading.Event) -> None:
    """Receive a few bytes now and then."""
    while connection.recv(512) and not over.wait(0.01):
        pass
