"""Lines to other hosts: connections that are kept, carry one request after another, and are watched while read.

Built on the standard library's `http.client`: it reads bodies straight into the caller's memory, and a request costs it
less than half of what it costs the libraries above it; a photo needs three.
"""

import contextlib
import functools
import http.client
import io
import select
import socket
import ssl
import threading
import time
import weakref
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import certifi

from common.connections import connect

CONNECT_SECONDS = 10.0
# One block of a body must leave within this time. Without it a stuck receiver would hold a thread for ever.
SEND_SECONDS = 60.0
# A body that comes slower than so many bytes a second, for so many seconds, is as good as stuck: a socket's timeout
# never ends one that drips.
SLOWEST, WATCH_SECONDS = 4 * 1024, 30.0

Body = bytes | Iterable[memoryview] | None


class TooSlow(OSError):
    """A body drips."""


class Origin(NamedTuple):
    """Where a line leads.

    Args:
        is_secure: whether by TLS.
        host: name or address, without brackets.
        port: of it.
    """

    is_secure: bool
    host: str
    port: int


class _Inflow(io.RawIOBase):
    """The bytes that come in. Only the time spent waiting for them counts: whoever takes them may be slow.

    Args:
        sock: where they come from.
        source: its file, which keeps it open.
    """

    def __init__(self, sock: socket.socket, source: io.RawIOBase) -> None:
        self._sock = sock
        self._source = source
        self._waited = 0.0
        self._counted = 0
        self.is_watched = False

    def readable(self) -> bool:
        return True

    def readinto(self, block: Any) -> int:
        """Fill a large block, which TLS gives in pieces of 16 KiB; of a small one as much as there is."""
        room = memoryview(block)
        is_large = len(room) > io.DEFAULT_BUFFER_SIZE
        began = time.monotonic()
        count = got = self._sock.recv_into(room)
        while is_large and got and count < len(room):
            if time.monotonic() - began > WATCH_SECONDS:
                break
            got = self._sock.recv_into(room[count:])
            count += got
        if self.is_watched:
            self._watch(count, time.monotonic() - began)
        return count

    def _watch(self, count: int, seconds: float) -> None:
        self._waited += seconds
        self._counted += count
        if self._waited < WATCH_SECONDS:
            return
        if self._counted < SLOWEST * self._waited:
            raise TooSlow(f"only {self._counted} bytes in {self._waited:.0f} seconds")
        self._waited, self._counted = 0.0, 0

    def close(self) -> None:
        self._source.close()
        super().close()


class _Response(http.client.HTTPResponse):
    """An answer whose body is watched; until it begins, its sender may think as long as the timeout allows."""

    def __init__(self, sock: socket.socket, *args: Any, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        self._inflow = _Inflow(sock, self.fp.detach())
        self.fp = io.BufferedReader(self._inflow)

    def begin(self) -> None:
        super().begin()
        self._inflow.is_watched = True


class Line(http.client.HTTPConnection):
    """One connection, made when it is first used. Used by one thread at a time.

    Args:
        origin: where it leads.
        tls: how it is made secure, if it is.
        local: connect to any address, not only to public ones.
    """

    response_class = _Response

    def __init__(self, origin: Origin, tls: ssl.SSLContext, *, local: bool) -> None:
        self.default_port = http.client.HTTPS_PORT if origin.is_secure else http.client.HTTP_PORT
        super().__init__(origin.host, origin.port)
        self.origin = origin
        self._tls = tls
        self._local = local
        self._is_broken = False
        self._answer: http.client.HTTPResponse | None = None

    def connect(self) -> None:
        """Connect; raises OSError or NotPublic."""
        fresh = connect(self.origin.host, self.origin.port, CONNECT_SECONDS, local=self._local)
        if not self.origin.is_secure:
            self.sock = fresh
            return
        try:
            self.sock = self._tls.wrap_socket(fresh, server_hostname=self.origin.host)
        except BaseException:
            fresh.close()
            raise

    def ask(
        self, method: str, target: str, headers: Mapping[str, str], body: Body, read_seconds: float
    ) -> http.client.HTTPResponse:
        """Send a request and return its answer, unread; arguments as in `HttpClient.request`.

        Raises:
            OSError, HTTPException: the line broke, or what came is no answer.
            NotPublic: the host is not to be connected to.
        """
        if self.sock is None:
            self.connect()
        self.sock.settimeout(SEND_SECONDS)
        try:
            self.request(method, target, body, headers)
        except (BrokenPipeError, ConnectionResetError, ssl.SSLEOFError):
            # Who refuses a body may have answered before its end, and hung up.
            self._is_broken = True
            self._forget_errors()
        self.sock.settimeout(read_seconds)
        self._answer = self.getresponse()
        return self._answer

    def close(self) -> None:
        """Let it go, and its answer with it: one that ends with the line holds the socket open."""
        super().close()
        if self._answer:
            self._answer.close()
        self._forget_errors()

    def _forget_errors(self) -> None:
        """Empty the list in which OpenSSL keeps what went wrong on this thread.

        Python leaves there why a line broke, and takes it for what becomes of the thread's next line, again and again:
        https://github.com/python/cpython/issues/148594. A handshake begins with an empty list, even one with nobody.
        """
        if self.origin.is_secure:
            with contextlib.suppress(ssl.SSLWantReadError):
                nobody = self._tls.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname="nobody.invalid")
                nobody.do_handshake()

    @property
    def is_quiet(self) -> bool:
        """Whether it may carry another request: nothing comes in that nobody asked for, not even its end."""
        if self.sock is None or self._is_broken:
            return False
        watch = select.poll()
        watch.register(self.sock, select.POLLIN)
        return not watch.poll(0)


class Lines:
    """The lines of one client. Thread-safe.

    Args:
        kept: how many are kept while nobody uses them, all hosts together.
        ca_bundle: path of the authorities to trust instead of certifi's.
        local: connect to any address, not only to public ones.
    """

    def __init__(self, *, kept: int, ca_bundle: str | None, local: bool) -> None:
        self._kept = kept
        self._local = local
        self._tls = _trust(ca_bundle or certifi.where())
        self._idle: list[Line] = []
        self._lock = threading.Lock()
        weakref.finalize(self, _close, self._idle)

    def take(self, origin: Origin) -> Line:
        """Return a line that is nobody else's until it is given back."""
        while line := self._take_idle(origin):
            if line.is_quiet:
                return line
            line.close()
        return Line(origin, self._tls, local=self._local)

    def give_back(self, line: Line) -> None:
        """Keep a line whose last answer was read to its end."""
        with self._lock:
            self._idle.append(line)
            spare = self._idle.pop(0) if len(self._idle) > self._kept else None
        if spare:
            spare.close()

    def _take_idle(self, origin: Origin) -> Line | None:
        with self._lock:
            # The one used last: it is the least likely to have been closed meanwhile.
            for index in reversed(range(len(self._idle))):
                if self._idle[index].origin == origin:
                    return self._idle.pop(index)
        return None


@functools.cache
def _trust(ca_bundle: str) -> ssl.SSLContext:
    """Return what checks certificates; one for all clients, since certifi's authorities take most of a megabyte."""
    tls = ssl.create_default_context(cafile=ca_bundle)
    tls.set_alpn_protocols(["http/1.1"])
    return tls


def _close(lines: list[Line]) -> None:
    while lines:
        lines.pop().close()
