"""Threaded HTTP/1.1 server that can reset connections, send slowly and send malformed replies."""

import contextlib
import io
import itertools
import socket
import ssl
import struct
import sys
import threading
import time
from collections.abc import Callable
from email.utils import formatdate
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from sandbox.http.message import PIECE, Body, Dropped, Interim, Reply, Request

# close() then sends RST instead of FIN: socket(7), SO_LINGER, on with a timeout of zero.
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
# What is left of a body after the reply is decided is still read up to here, so that the reply is not lost in a reset.
_DRAIN_LIMIT = 64 * 1024 * 1024

Answer = Callable[[Request], Reply]


class _ConnectionHandler(BaseHTTPRequestHandler):
    """Handler of one connection: reads requests, calls the server's `answer`, sends the replies."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: "Server"

    def setup(self) -> None:
        """Do the TLS handshake on the connection's own thread, so that a slow peer delays nobody else."""
        if isinstance(self.request, ssl.SSLSocket):
            self.request.do_handshake()
        super().setup()

    def handle(self) -> None:
        """Serve requests until the connection ends, however it ends."""
        try:
            super().handle()
        except Dropped:
            self._reset()
        except OSError:
            self.close_connection = True  # the peer is gone

    def __getattr__(self, name: str) -> Any:
        """Serve every method alike: the base class looks for `do_<METHOD>`."""
        if name.startswith("do_"):
            return self._exchange
        raise AttributeError(name)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Log nothing: each service keeps its own list of requests."""

    def _exchange(self) -> None:
        chunked = "chunked" in (self.headers.get("Transfer-Encoding") or "").lower()
        length = self.headers.get("Content-Length") or ""
        body = Body(self.rfile, int(length) if length.isdigit() else None, chunked=chunked)
        request = Request(self.command, self.path, self.headers, body)
        reply = self.server.answer(request)
        if not reply.early:
            self._drain(body)
        self._send(reply, body)

    def _drain(self, body: Body) -> None:
        while not body.ended and body.taken < _DRAIN_LIMIT:
            body.read()

    def _send(self, reply: Reply, body: Body) -> None:
        head = self._build_head(reply, body)
        if reply.interim:
            self._send_interim(reply.interim)
        self._write_slowly(head, reply.head_rate)
        if self.command != "HEAD" and reply.status != 204:
            self._write_slowly(memoryview(reply.body)[: reply.cut], reply.rate)
            if reply.cut is not None:
                raise Dropped

    def _build_head(self, reply: Reply, body: Body) -> bytes:
        """Return status and headers as they are sent."""
        wire, self.wfile = self.wfile, (head := io.BytesIO())
        self.send_response_only(reply.status)
        self.send_header("Date", formatdate(usegmt=True))
        for name, value in (*reply.headers.items(), *reply.lines):
            self.send_header(name, value)
        length = len(reply.body) if reply.length == "true" else reply.length
        if length is not None and reply.status != 204:
            self.send_header("Content-Length", str(length))
        promised = length is not None and (length == len(reply.body) or self.command == "HEAD")
        self.close_connection = self.close_connection or reply.close or not promised or not body.ended
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile = wire
        return head.getvalue()

    def _send_interim(self, interim: Interim) -> None:
        often = itertools.repeat(None) if interim.count is None else itertools.repeat(None, interim.count)
        for _ in often:
            self.wfile.write(f"HTTP/1.1 {interim.status} {HTTPStatus(interim.status).phrase}\r\n\r\n".encode())
            self._wait(interim.seconds)

    def _write_slowly(self, data: bytes | memoryview, rate: float | None) -> None:
        # A drip is felt every tenth of a second; below ten bytes a second it is one byte at a time.
        step = max(1, int(rate / 10)) if rate else PIECE
        for start in range(0, len(data), step):
            piece = data[start : start + step]
            self.wfile.write(piece)
            if rate:
                self._wait(len(piece) / rate)

    def _wait(self, seconds: float) -> None:
        if self.server.stopped.wait(seconds):
            raise Dropped

    def _reset(self) -> None:
        with contextlib.suppress(OSError):
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        for file in (self.rfile, self.wfile, self.connection):
            with contextlib.suppress(OSError, ValueError):
                file.close()


class Server(ThreadingHTTPServer):
    """A server on one port, a thread per connection.

    Args:
        answer: Turns a request into a reply; called on many threads at once.
        host: The address to listen on.
        port: 0 takes a free one.
        public_host: How others reach it.
        tls: The context to serve https with; None serves http.
    """

    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def __init__(
        self, answer: Answer, host: str, port: int = 0, *, public_host: str = "", tls: ssl.SSLContext | None = None
    ):
        self.answer = answer
        self._tls = tls
        self._connections: set[socket.socket] = set()
        self._guard = threading.Lock()
        super().__init__((host, port), _ConnectionHandler)
        scheme = "https" if tls else "http"
        self.url = f"{scheme}://{public_host or host}:{self.server_address[1]}"
        self.stopped = threading.Event()
        self._thread = threading.Thread(target=self._accept, name=f"sandbox {self.url}", daemon=True)

    def start(self) -> None:
        """Serve on a thread of its own."""
        self._thread.start()

    def stop(self) -> None:
        """Close the port and every connection."""
        self.stopped.set()
        self.socket.shutdown(socket.SHUT_RDWR)  # ends the accept at once, where the base class would poll
        self._thread.join()
        self.server_close()
        deadline = time.monotonic() + 2
        while (connections := self._open_connections()) and time.monotonic() < deadline:
            for connection in connections:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            time.sleep(0.005)

    def server_bind(self) -> None:
        """Bind without the base class's look-up of the host's name, which may take seconds."""
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accept a connection and remember it."""
        connection, address = super().get_request()
        if self._tls:
            connection = self._tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        with self._guard:
            self._connections.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        """Forget a connection that is over, and close it."""
        super().shutdown_request(request)
        with self._guard:
            self._connections.discard(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Show a bug of the sandbox; a peer that went away is none."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)

    def _accept(self) -> None:
        while not self.stopped.is_set():
            with contextlib.suppress(OSError):
                self.process_request(*self.get_request())

    def _open_connections(self) -> list[socket.socket]:
        with self._guard:
            return list(self._connections)
