"""HTTP client: kept connections, a deadline for everything, our own exceptions.

Nothing here retries, follows a redirect, decodes a body, or reads proxies or passwords from the environment or a
`.netrc`: the caller decides. What breaks on the way is `Transient`; every status is an answer. Only public addresses
are connected to, unless the `NetworkPolicy` says otherwise.
"""

import http.client
import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

from common.errors import AddressRefused, Reason, Transient
from common.http.connect import NotPublic
from common.http.deadlines import Cancellation, TimedOut, never_cancelled
from common.http.network_policy import NetworkPolicy
from common.http.pool import Body, Connection, ConnectionPool, Origin, read_headers
from common.http.urls import DEFAULT_PORTS, LinkRefused, normalize_link
from common.telemetry.observer import NullObserver, RequestObserver
from common.untrusted_json import read_json

# How long an answer may take: Drive thinks for seconds after a large upload's last byte, not for minutes.
READ_SECONDS = 60.0
# An answer that is read whole is a small JSON or an error page; only the gallery's list may be longer (its own limit).
MAX_ANSWER_BYTES = 16 * 1024 * 1024
USER_AGENT = "cloud_archive/1 (+https://litegallery.io)"


@dataclass(frozen=True)
class Answer:
    """An answer read whole. Header names are lower-case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """Return the body as JSON; raises ValueError as `common.untrusted_json` does."""
        return read_json(self.body)

    def retry_after(self) -> float | None:
        """Return the seconds that the answer asks to wait, if it does."""
        return parse_retry_after(self.headers)


class HttpClient:
    """An HTTP client over a connection pool. Thread-safe.

    Args:
        policy: what may be connected to, and who is trusted.
        connections: how many unused ones are kept; as many as threads send requests at once.
        reason: what the errors raised here give as theirs.
    """

    def __init__(self, *, policy: NetworkPolicy, connections: int, reason: Reason) -> None:
        self._reason = reason
        self._pool = ConnectionPool(policy, max_idle=connections)
        self._observer: RequestObserver = NullObserver()
        self._check: Callable[[], None] = never_cancelled

    def observed_by(self, observer: RequestObserver) -> "HttpClient":
        """Return a client over the same pool whose requests an observer sees."""
        client = copy(self)
        client._observer = observer
        return client

    def cancelled_by(self, cancellation: Cancellation) -> "HttpClient":
        """Return a client over the same pool whose requests end within a second of being cancelled.

        Args:
            cancellation: its `check` is called before each wait; what it raises comes out as it is.
        """
        client = copy(self)
        client._check = cancellation.check
        return client

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: Body = None,
        max_bytes: int = MAX_ANSWER_BYTES,
        read_seconds: float = READ_SECONDS,
        body_seconds: float | None = None,
    ) -> Answer:
        """Send a request and return its whole answer, whatever the status.

        Connecting has a deadline of its own, and so has TLS. Bodies have a minimum speed, both ways.

        Args:
            method: as HTTP spells it.
            url: absolute.
            headers: sent as they are; a body of blocks needs its Content-Length here.
            body: bytes, or blocks that are sent one by one. What they raise comes out as it is.
            max_bytes: that the answer's body may have.
            read_seconds: from the last byte sent to the answer's end, or only to the end of its headers if
                `body_seconds` is given.
            body_seconds: for the answer's body.

        Raises:
            Transient: no answer, a broken one, or one that is too long, or too slow.
            AddressRefused: its host is not on the public internet.
        """
        answer = self.open(method, url, headers=headers, body=body, read_seconds=read_seconds)
        try:
            return Answer(answer.status, answer.headers, answer.read(max_bytes, body_seconds))
        finally:
            answer.close()

    def open(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: Body = None,
        read_seconds: float = READ_SECONDS,
    ) -> "StreamedAnswer":
        """Send a request and return its answer unread, to be closed; arguments and errors as in `request`.

        `read_seconds` is for its headers.
        """
        began = time.monotonic()
        try:
            with _as_transient(self._reason), self._connected(url) as (connection, target):
                own = {"User-Agent": USER_AGENT, **(headers or {})}
                response = connection.send_request(method, target, own, body, read_seconds, self._check)
                answer = StreamedAnswer(response, self._reason, connection, self._pool, self._observer)
        except Transient:
            self._observer.on_request(method, url, 0, time.monotonic() - began, 0)
            raise
        sent = len(body) if isinstance(body, bytes) else int((headers or {}).get("Content-Length", 0))
        self._observer.on_request(method, url, answer.status, time.monotonic() - began, sent)
        return answer

    @contextmanager
    def _connected(self, url: str) -> Iterator[tuple[Connection, str]]:
        """Take a connection to a URL's origin, and its request's target; the connection is closed on an exception."""
        origin, target = _read_url(url)
        connection = self._pool.acquire(origin, self._check)
        try:
            yield connection, target
        except BaseException:
            connection.close()
            raise


class StreamedAnswer:
    """An answer whose body is read as it comes, in the bytes that were sent. Used by one thread.

    Header names are lower-case.

    Args:
        response: unread.
        reason: what the errors raised here give as theirs.
        connection: what it comes over.
        pool: where the connection goes once the body was read.
        observer: sees the body's bytes.
    """

    def __init__(
        self,
        response: http.client.HTTPResponse,
        reason: Reason,
        connection: Connection,
        pool: ConnectionPool,
        observer: RequestObserver,
    ) -> None:
        self.status = response.status
        self.headers = read_headers(response)
        self._response = response
        self._reason = reason
        self._connection: Connection | None = connection
        self._pool = pool
        self._observer = observer

    def read_into(self, block: memoryview) -> int:
        """Fill a block and return its bytes; fewer than it holds only at the body's end.

        Raises:
            Transient: the connection broke or is too slow, or the body ended before its announced length.
        """
        with _as_transient(self._reason):
            self._expect_body(len(block), math.inf)
            count = self._response.readinto(block)
            self._observer.on_received(count)
            if count < len(block):
                self._check_complete()
        return count

    def read(self, max_bytes: int, seconds: float | None = None) -> bytes:
        """Return the rest of the body.

        Args:
            max_bytes: that it may have.
            seconds: that it may take; None leaves it what is left of those for the headers.

        Raises:
            Transient: it breaks, or has more bytes, or takes longer.
        """
        pieces, count = [], 0
        with _as_transient(self._reason):
            self._expect_body(max_bytes, None if seconds is None else time.monotonic() + seconds)
            # Only a read that returns nothing tells the end from a break.
            while piece := self._response.read(max_bytes + 1 - count):
                pieces.append(piece)
                count += len(piece)
            self._observer.on_received(count)
            if count <= max_bytes:
                self._check_complete()
        if count > max_bytes:
            raise Transient(self._reason, f"an answer of more than {max_bytes} bytes")
        # Most come in one piece, which `join` returns as it is: lists have megabytes.
        return b"".join(pieces)

    def close(self) -> None:
        """Release the connection when the body was read to its end, else close it: the rest would cost more."""
        # Once only: by the second time the connection may carry somebody else's answer.
        connection, self._connection = self._connection, None
        if connection is None:
            return
        is_reusable = self._response.isclosed() and not self._response.will_close
        self._response.close()
        if is_reusable:
            self._pool.release(connection)
        else:
            connection.close()

    def _expect_body(self, max_bytes: int, deadline: float | None) -> None:
        if self._connection:
            self._connection.timed_socket.expect_body(max_bytes, deadline=deadline)

    def _check_complete(self) -> None:
        if self._response.length:
            raise http.client.IncompleteRead(b"", self._response.length)


def parse_retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that Retry-After asks for, in either of its forms (RFC 9110, section 10.2.3)."""
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        seconds = parsedate_to_datetime(text).timestamp() - time.time()
    except (ValueError, OverflowError):
        return None
    return max(0.0, seconds)


def _read_url(url: str) -> tuple[Origin, str]:
    """Return the origin of a URL and the target of its request, read as `common.http.urls` reads what it checks."""
    parts = urlsplit(normalize_link(url))
    port = DEFAULT_PORTS[parts.scheme] if parts.port is None else parts.port
    origin = Origin(parts.scheme == "https", parts.hostname or "", port)
    return origin, (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


@contextmanager
def _as_transient(reason: Reason) -> Iterator[None]:
    try:
        yield
    except NotPublic:
        raise AddressRefused(reason) from None
    except TimedOut as error:
        raise Transient(reason, str(error)) from None
    except (http.client.HTTPException, LinkRefused, OSError) as error:
        # Only the error's class: its text may quote an address, and upload addresses are secrets.
        raise Transient(reason, f"no answer ({type(error).__name__})") from None
