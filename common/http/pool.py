"""HTTP connection pool: connections are kept, and carry one request after another.

Built on the standard library's `http.client`: it reads bodies straight into the caller's memory, and a request costs it
less than half of what it costs the libraries above it; a photo needs three. What is used of it beyond its documentation
are the attributes `sock`, `auto_open`, `default_port`, `response_class`, `length`, `chunked` and `will_close`, and that
`begin` may be called again: https://github.com/python/cpython/blob/3.13/Lib/http/client.py.
"""

import functools
import http.client
import select
import ssl
import threading
import weakref
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import certifi

from common.http.connect import clear_openssl_errors, connect, start_tls
from common.http.deadlines import Deadline, TimedSocket, never_cancelled
from common.http.network_policy import NetworkPolicy

# For resolving the name and connecting; and as long again for the TLS handshake.
CONNECT_SECONDS = 10.0

MAX_LENGTH_DIGITS = 18  # of a Content-Length; more than all storage there is

Body = bytes | Iterable[memoryview] | None


class Origin(NamedTuple):
    """Where a connection leads.

    Args:
        is_secure: whether by TLS.
        host: name or address, without brackets.
        port: TCP port.
    """

    is_secure: bool
    host: str
    port: int


class _Response(http.client.HTTPResponse):
    """A response that passes over all interim ones (1xx): RFC 9110, section 15.2."""

    def begin(self) -> None:
        super().begin()
        while 100 <= self.status < 200:
            if self.status == http.client.SWITCHING_PROTOCOLS:
                raise http.client.HTTPException("another protocol, which nobody asked for")
            # Python passes over `100 Continue` only, and takes any other for the final one.
            self.headers = None  # type: ignore[assignment]
            super().begin()


class Connection(http.client.HTTPConnection):
    """One connection to an origin. Used by one thread at a time.

    Args:
        origin: where it leads.
        sock: connected, and secure if the origin is.
        tls: what it was made secure with.
    """

    response_class = _Response
    auto_open = 0  # once closed it stays closed

    def __init__(self, origin: Origin, sock: TimedSocket, tls: ssl.SSLContext) -> None:
        self.default_port = http.client.HTTPS_PORT if origin.is_secure else http.client.HTTP_PORT
        super().__init__(origin.host, origin.port)
        self.origin = origin
        # http.client forgets its own, `sock`, as soon as an answer says that it is the last one; its body comes still.
        self.timed_socket = self.sock = sock
        self._tls = tls
        self._is_broken = False
        self._response: http.client.HTTPResponse | None = None

    def send_request(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str],
        body: Body,
        read_seconds: float,
        check: Callable[[], None],
    ) -> http.client.HTTPResponse:
        """Send a request and return its response, unread.

        Args:
            method: as HTTP spells it.
            target: path and query.
            headers: sent besides `Host` and, where it is known, `Content-Length`.
            body: bytes, or blocks that are sent one by one.
            read_seconds: from the last byte sent to the end of the response's headers.
            check: called before each wait; raises when the work is cancelled.

        Raises:
            OSError, HTTPException: the connection broke, or what came is no response.
        """
        self.timed_socket.begin_request(check)
        try:
            self.request(method, target, body, headers)
        except (BrokenPipeError, ConnectionResetError, ssl.SSLEOFError):
            # Who refuses a body may have answered before its end, and hung up.
            self._is_broken = True
            self._clear_errors()
        self.timed_socket.expect_headers(read_seconds)
        self._response = self.getresponse()
        return self._response

    def close(self) -> None:
        """Close the connection, and its response with it: one that ends with the connection holds the socket open."""
        super().close()
        if self._response:
            self._response.close()
        self._clear_errors()

    @property
    def is_reusable(self) -> bool:
        """Whether it may carry another request: nothing has come in unasked, not even its end."""
        if self.sock is None or self._is_broken:
            return False
        poll = select.poll()
        poll.register(self.sock, select.POLLIN)
        return not poll.poll(0)

    def _clear_errors(self) -> None:
        if self.origin.is_secure:
            clear_openssl_errors(self._tls)


class ConnectionPool:
    """The connections of one client. Thread-safe.

    Args:
        policy: what may be connected to, and who is trusted.
        max_idle: how many unused ones are kept, all origins together.
    """

    def __init__(self, policy: NetworkPolicy, *, max_idle: int) -> None:
        self._policy = policy
        self._max_idle = max_idle
        self._tls = _tls_context(policy.ca_bundle or certifi.where())
        self._idle: list[Connection] = []
        self._lock = threading.Lock()
        weakref.finalize(self, _close_all, self._idle)

    def acquire(self, origin: Origin, check: Callable[[], None]) -> Connection:
        """Return a kept or a new connection, for the caller alone until it is released or closed.

        Args:
            origin: where it leads.
            check: called before each wait; raises when the work is cancelled.

        Raises:
            OSError: the origin cannot be reached.
            NotPublic: the policy forbids it.
        """
        while connection := self._pop_idle(origin):
            if connection.is_reusable:
                return connection
            connection.close()
        return self._connect(origin, check)

    def release(self, connection: Connection) -> None:
        """Keep a connection whose last response was read to its end."""
        # What cancels its last request has no say in the next.
        connection.timed_socket.begin_request(never_cancelled)
        with self._lock:
            self._idle.append(connection)
            surplus = self._idle.pop(0) if len(self._idle) > self._max_idle else None
        if surplus:
            surplus.close()

    def _pop_idle(self, origin: Origin) -> Connection | None:
        with self._lock:
            # The one used last: it is the least likely to have been closed meanwhile.
            for index in reversed(range(len(self._idle))):
                if self._idle[index].origin == origin:
                    return self._idle.pop(index)
        return None

    def _connect(self, origin: Origin, check: Callable[[], None]) -> Connection:
        sock = connect(origin.host, origin.port, CONNECT_SECONDS, policy=self._policy, check=check)
        if origin.is_secure:
            sock = start_tls(sock, self._tls, origin.host, Deadline(CONNECT_SECONDS, check))
        return Connection(origin, TimedSocket(sock), self._tls)


def read_headers(response: http.client.HTTPResponse) -> dict[str, str]:
    """Return the headers under lower-case names; raises HTTPException when they do not tell where the body ends."""
    headers: dict[str, str] = {}
    for name, value in response.headers.items():
        key = name.lower()
        known = headers.get(key, "")
        # A header that comes twice with the same value, or once without any, counts once.
        headers[key] = f"{known}, {value}" if known and value not in ("", known) else known or value
    if "content-length" in headers:
        headers["content-length"] = length = _read_length(headers["content-length"])
        # http.client reads no length that comes twice, and would wait for the connection's end instead.
        if response.length is None and not response.chunked:
            response.length = int(length)
    return headers


def _read_length(text: str) -> str:
    """Return a Content-Length, which may come more than once: RFC 9110, section 8.6."""
    lengths = {part.strip() for part in text.split(",")}
    length = lengths.pop()
    if lengths or len(length) > MAX_LENGTH_DIGITS or not (length.isascii() and length.isdigit()):
        raise http.client.HTTPException("lengths that are none")
    return length


@functools.cache
def _tls_context(ca_bundle: str) -> ssl.SSLContext:
    """Return a context that trusts these authorities; one for all pools, since certifi's take most of a megabyte."""
    tls = ssl.create_default_context(cafile=ca_bundle)
    tls.set_alpn_protocols(["http/1.1"])
    return tls


def _close_all(connections: list[Connection]) -> None:
    while connections:
        connections.pop().close()
