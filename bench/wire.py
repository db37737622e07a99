"""HTTP/1.1 server over TLS for the stand-ins: one thread per connection; received bytes are counted and dropped.

A thread that waits costs nothing, and OpenSSL works without Python's lock, so this is as cheap as an event loop here
(measured: 0.6 to 0.9 CPU seconds per GB either way) and reads like prose.
"""

import contextlib
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from io import BufferedReader
from typing import cast
from urllib.parse import parse_qs, urlsplit

# What one receiving takes and one sending gives: large enough that Python costs little beside TLS.
PIECE_BYTES = 256 * 1024
# So long a client may be silent. rclone's `copyurl` opens a connection for each address and leaves it: thousands of
# threads that all wake at its end would count as its time.
SILENCE = struct.pack("ll", 10, 0)


class Disconnected(Exception):
    """The connection is closed, or is to be closed without a reply."""


@dataclass
class Request:
    """A request whose body is still on the wire. Header names are lower-case; a parameter's first value counts."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    reader: BufferedReader

    def pieces(self) -> Iterator[memoryview]:
        """Yield the body in pieces, each good until the next."""
        room = memoryview(bytearray(PIECE_BYTES))
        if self.headers.get("transfer-encoding") == "chunked":
            while size := int(self.reader.readline().partition(b";")[0] or b"0", 16):
                yield from self._take(size, room)
                self.reader.readline()
            self.reader.readline()
        else:
            yield from self._take(int(self.headers.get("content-length", 0)), room)

    def read(self) -> bytes:
        """Return the whole body."""
        return b"".join(self.pieces())

    def _take(self, size: int, room: memoryview) -> Iterator[memoryview]:
        while size:
            count = self.reader.readinto(room[:size])
            if not count:
                raise Disconnected
            size -= count
            yield room[:count]


@dataclass
class Reply:
    """An answer.

    Args:
        status: of HTTP.
        body: what is sent, whole or in pieces.
        length: of the body; None when it is whole.
        headers: besides Content-Length.
    """

    status: int
    body: bytes | Iterable[memoryview] = b""
    length: int | None = None
    headers: dict[str, str] = field(default_factory=dict)

    def head(self) -> bytes:
        """Return what stands before the body."""
        length = len(self.body) if self.length is None and isinstance(self.body, bytes) else self.length
        lines = [f"HTTP/1.1 {self.status} {HTTPStatus(self.status).phrase}", f"Content-Length: {length}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        return ("\r\n".join(lines) + "\r\n\r\n").encode()


class Server:
    """Answers requests on one address. Its threads end with the process.

    Args:
        address: host and port to listen on; port 0: any.
        context: its certificate.
        answer: returns the reply to a request whose body it has read; may raise Gone.
        latency: seconds between a request's last byte and its reply's first.
    """

    def __init__(
        self, address: tuple[str, int], context: ssl.SSLContext, answer: Callable[[Request], Reply], latency: float
    ) -> None:
        self._listener = socket.create_server(address, backlog=256)
        self._context = context
        self._answer = answer
        self._latency = latency
        self._lock = threading.Lock()
        self.requests = 0
        self.connections = 0

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._listener.getsockname()[1])

    def serve(self) -> None:
        """Answer until the process ends."""
        while True:
            accepted, _ = self._listener.accept()
            self.connections += 1
            threading.Thread(target=self._talk, args=(accepted,), daemon=True).start()

    def _talk(self, accepted: socket.socket) -> None:
        with contextlib.suppress(OSError, Disconnected), accepted:
            accepted.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, SILENCE)
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._context.wrap_socket(accepted, server_side=True) as line:
                reader = cast(BufferedReader, line.makefile("rb", 16 * 1024))
                while request := _read_request(reader):
                    self._serve_one(line, request)

    def _serve_one(self, line: ssl.SSLSocket, request: Request) -> None:
        with self._lock:
            self.requests += 1
        reply = self._answer(request)
        time.sleep(self._latency)
        if isinstance(reply.body, bytes):
            line.sendall(reply.head() + (b"" if request.method == "HEAD" else reply.body))
            return
        line.sendall(reply.head())
        if request.method != "HEAD":
            for piece in reply.body:
                line.sendall(piece)


def _read_request(reader: BufferedReader) -> Request | None:
    first = reader.readline().split()
    if len(first) != 3:
        return None
    headers = {}
    while (header := reader.readline()) not in (b"\r\n", b""):
        name, _, value = header.decode("latin-1").partition(":")
        headers[name.lower()] = value.strip()
    parts = urlsplit(first[1].decode())
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    return Request(first[0].decode(), parts.path, query, headers, reader)


class Line:
    """Bandwidth limit shared by all connections. Thread-safe.

    Args:
        rate: bytes a second; 0: no limit.
    """

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._lock = threading.Lock()
        self._free_at = 0.0

    def throttle(self, pieces: Iterable[memoryview]) -> Iterator[memoryview]:
        """Yield pieces no faster than the bandwidth allows."""
        for piece in pieces:
            if self._rate:
                time.sleep(self._book(len(piece)))
            yield piece

    def _book(self, count: int) -> float:
        now = time.monotonic()
        with self._lock:
            self._free_at = max(self._free_at, now) + count / self._rate
            return self._free_at - now
