"""Connection pool: HTTP connections that are kept, and carry one request after another.

Built on the standard library's `http.client`: it reads bodies straight into the caller's memory, and a request costs it
less than half of what it costs the libraries above it; a photo needs three.
"""

import contextlib
import functools
import http.client
import select
import ssl
import threading
import weakref
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import certifi

from common.http.connect import connect, start_tls
from common.http.deadlines import Deadline, TimedSocket, never_cancelled
from common.http.network_policy import NetworkPolicy

# For the name and the connection; and as long again for the handshake.
CONNECT_SECONDS = 10.0

MAX_LENGTH_DIGITS = 18  # digits; more than all storage there is

Body = bytes | Iterable[memoryview] | None


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


class _Response(http.client.HTTPResponse):
    """An answer; those before it, which only say that it is to come (RFC 9110, section 15.2), are passed over."""

    def begin(self) -> None:
        super().begin()
        while 100 <= self.status < 200:
            if self.status == http.client.SWITCHING_PROTOCOLS:
                raise http.client.HTTPException("another protocol, which nobody asked for")
            # Python passes over `100 Continue` only, and takes any other for the answer.
            self.headers = None  # type: ignore[assignment]
            super().begin()


class Connection(http.client.HTTPConnection):
    """One connection, made when it is first used. Used by one thread at a time.

    Args:
        origin: where it leads.
        tls: how it is made secure, if it is.
        policy: whether its address may be private.
    """

    response_class = _Response
    auto_open = 0  # nobody but `ask` connects

    def __init__(self, origin: Origin, tls: ssl.SSLContext, policy: NetworkPolicy) -> None:
        self.default_port = http.client.HTTPS_PORT if origin.is_secure else http.client.HTTP_PORT
        super().__init__(origin.host, origin.port)
        self.origin = origin
        self._tls = tls
        self._policy = policy
        self._is_broken = False
        self._answer: http.client.HTTPResponse | None = None
        self.wire: TimedSocket | None = None

    def ask(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str],
        body: Body,
        read_seconds: float,
        check: Callable[[], None],
    ) -> http.client.HTTPResponse:
        """Send a request and return its answer, unread; arguments as in `HttpClient.request`.

        `check` is called before each wait; what it raises comes out as it is.

        Raises:
            OSError, HTTPException: the line broke, or what came is no answer.
            NotPublic: the host is not to be connected to.
        """
        # `sock` is http.client's own name for it, forgotten when an answer says that the connection ends with it.
        wire = self.wire = self.sock = self.wire or self._connect(check)
        wire.begin(check)
        try:
            self.request(method, target, body, headers)
        except (BrokenPipeError, ConnectionResetError, ssl.SSLEOFError):
            # Who refuses a body may have answered before its end, and hung up.
            self._is_broken = True
            self._clear_openssl_errors()
        wire.expect_headers(read_seconds)
        self._answer = self.getresponse()
        return self._answer

    def expect_body(self, most: int, *, until: float | None = None) -> None:
        """Allow so much more of the answer's body; arguments as in `TimedSocket.expect_body`."""
        if self.wire:
            self.wire.expect_body(most, until=until)

    def rest(self) -> None:
        """Forget whose request it carried last."""
        if self.wire:
            self.wire.begin(never_cancelled)

    def _connect(self, check: Callable[[], None]) -> TimedSocket:
        fresh = connect(self.origin.host, self.origin.port, CONNECT_SECONDS, policy=self._policy, check=check)
        if self.origin.is_secure:
            fresh = start_tls(fresh, self._tls, self.origin.host, Deadline(CONNECT_SECONDS, check))
        return TimedSocket(fresh)

    def close(self) -> None:
        """Let it go, and its answer with it: one that ends with the line holds the socket open."""
        super().close()
        if self._answer:
            self._answer.close()
        self._clear_openssl_errors()

    def _clear_openssl_errors(self) -> None:
        """Empty the list in which OpenSSL keeps what went wrong on this thread.

        Python leaves there why a line broke, and takes it for what becomes of the thread's next line, again and again:
        https://github.com/python/cpython/issues/148594. A handshake begins with an empty list, even one with nobody.
        """
        if self.origin.is_secure:
            with contextlib.suppress(ssl.SSLWantReadError):
                nobody = self._tls.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname="nobody.invalid")
                nobody.do_handshake()

    @property
    def is_reusable(self) -> bool:
        """Whether it may carry another request: nothing comes in that nobody asked for, not even its end."""
        if self.sock is None or self._is_broken:
            return False
        watch = select.poll()
        watch.register(self.sock, select.POLLIN)
        return not watch.poll(0)


class ConnectionPool:
    """The pool of one client. Thread-safe.

    Args:
        policy: what may be connected to, and who is trusted.
        max_idle: how many are kept while nobody uses them, all hosts together.
    """

    def __init__(self, policy: NetworkPolicy, *, max_idle: int) -> None:
        self._policy = policy
        self._max_idle = max_idle
        self._tls = _tls_context(policy.ca_bundle or certifi.where())
        self._idle: list[Connection] = []
        self._lock = threading.Lock()
        weakref.finalize(self, _close, self._idle)

    def acquire(self, origin: Origin) -> Connection:
        """Return a line that is nobody else's until it is given back."""
        while line := self._pop_idle(origin):
            if line.is_reusable:
                return line
            line.close()
        return Connection(origin, self._tls, self._policy)

    def release(self, line: Connection) -> None:
        """Keep a line whose last answer was read to its end."""
        line.rest()
        with self._lock:
            self._idle.append(line)
            spare = self._idle.pop(0) if len(self._idle) > self._max_idle else None
        if spare:
            spare.close()

    def _pop_idle(self, origin: Origin) -> Connection | None:
        with self._lock:
            # The one used last: it is the least likely to have been closed meanwhile.
            for index in reversed(range(len(self._idle))):
                if self._idle[index].origin == origin:
                    return self._idle.pop(index)
        return None


def read_headers(response: http.client.HTTPResponse) -> dict[str, str]:
    """Return the headers under lower-case names; raises HTTPException when they do not tell where the body ends."""
    headers: dict[str, str] = {}
    for name, value in response.headers.items():
        key = name.lower()
        said = headers.get(key, "")
        # What is said twice in the same words, or once and once not at all, is said once.
        headers[key] = f"{said}, {value}" if said and value not in ("", said) else said or value
    if "content-length" in headers:
        headers["content-length"] = length = _read_length(headers["content-length"])
        # http.client reads no length that is told twice, and would wait for the connection's end instead.
        if response.length is None and not response.chunked:
            response.length = int(length)
    return headers


def _read_length(text: str) -> str:
    """Return a body's length, which may be told more than once: RFC 9110, section 8.6."""
    lengths = {part.strip() for part in text.split(",")}
    length = lengths.pop()
    if lengths or len(length) > MAX_LENGTH_DIGITS or not (length.isascii() and length.isdigit()):
        raise http.client.HTTPException("lengths that are none")
    return length


@functools.cache
def _tls_context(ca_bundle: str) -> ssl.SSLContext:
    """Return what checks certificates; one for all clients, since certifi's authorities take most of a megabyte."""
    tls = ssl.create_default_context(cafile=ca_bundle)
    tls.set_alpn_protocols(["http/1.1"])
    return tls


def _close(pool: list[Connection]) -> None:
    while pool:
        pool.pop().close()
