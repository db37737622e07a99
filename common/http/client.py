"""Outgoing HTTP: one client per process with timeouts, kept connections and our errors. Knows no vendor.

Nothing here retries, follows a redirect, or reads proxies or passwords from the environment or a `.netrc`: who calls
decides. What breaks on the wire becomes `Transient`; every status is an answer. Only public addresses are connected to.
Nothing is waited for without end, whatever trickles: see `HttpClient.request` for what has which deadline.
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
        """Return the body as JSON; raises ValueError when it is not, or holds what nobody can use."""
        return read_json(self.body)

    def retry_after(self) -> float | None:
        """Return the seconds that the answer asks to wait, if it does."""
        return parse_retry_after(self.headers)


class HttpClient:
    """Sends requests over kept connections. Thread-safe.

    Args:
        connections: kept while nobody uses them; as many as threads use them at once.
        reason: what a broken line is called in the errors raised here.
        policy: what may be connected to, and who is trusted.
    """

    def __init__(self, *, policy: NetworkPolicy, connections: int, reason: Reason) -> None:
        self.reason = reason
        self._lines = ConnectionPool(policy, max_idle=connections)
        self.observer: RequestObserver = NullObserver()
        self._check: Callable[[], None] = never_cancelled

    def observed_by(self, observer: RequestObserver) -> "HttpClient":
        """Return a client over the same connections, whose requests somebody counts."""
        client = copy(self)
        client.observer = observer
        return client

    def cancelled_by(self, end: Cancellation) -> "HttpClient":
        """Return a client over the same connections, whose requests end within a second when the work does.

        Args:
            end: what it raises comes out of whatever is under way, as it is.
        """
        client = copy(self)
        client._check = end.check
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

        To connect there is a deadline of its own, and another for TLS. Bodies go out and come in at a floor of speed.

        Args:
            method: as HTTP spells it.
            url: absolute.
            headers: sent as they are; a body of blocks needs its Content-Length here.
            body: bytes, or blocks that are sent one by one. What they raise comes out as it is.
            max_bytes: bytes an answer may have.
            read_seconds: from the last byte sent to the answer's end, or only to the end of its headers if
            body_seconds: for the rest of it are given.

        Raises:
            Transient: no answer, a broken one, or one that is too long, or too slow.
            AddressRefused: its host is not on the public internet.
        """
        incoming = self.open(method, url, headers=headers, body=body, read_seconds=read_seconds)
        try:
            return Answer(incoming.status, incoming.headers, incoming.read(max_bytes, body_seconds))
        finally:
            incoming.close()

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
            incoming = self._open(method, url, headers or {}, body, read_seconds)
        except Transient:
            self.observer.on_request(method, url, 0, time.monotonic() - began, 0)
            raise
        sent = len(body) if isinstance(body, bytes) else int((headers or {}).get("Content-Length", 0))
        self.observer.on_request(method, url, incoming.status, time.monotonic() - began, sent)
        return incoming

    def _open(
        self, method: str, url: str, headers: Mapping[str, str], body: Body, read_seconds: float
    ) -> "StreamedAnswer":
        with _translated(self.reason):
            origin, target = _read_url(url)
            line = self._lines.acquire(origin)
            try:
                own = {"User-Agent": USER_AGENT, **headers}
                response = line.ask(method, target, own, body, read_seconds, self._check)
                return StreamedAnswer(response, self.reason, line, self._lines, self.observer)
            except BaseException:
                line.close()
                raise


class StreamedAnswer:
    """An answer whose body is read bit by bit, as it was sent: nothing is unpacked. Used by one thread.

    Header names are lower-case.

    Args:
        response: the answer, unread.
        reason: what a broken line is called in the errors raised here.
        line: what it comes over.
        pool: where the line goes back to, once nothing more comes.
        observer: told of the body's bytes as they come.
    """

    def __init__(
        self,
        response: http.client.HTTPResponse,
        reason: Reason,
        line: Connection,
        pool: ConnectionPool,
        observer: RequestObserver,
    ) -> None:
        self.status = response.status
        self.headers = read_headers(response)
        self._response = response
        self._reason = reason
        self._line: Connection | None = line
        self._lines = pool
        self._witness = observer

    def read_into(self, block: memoryview) -> int:
        """Fill a block and return its bytes; fewer than it holds only at the body's end.

        Raises:
            Transient: the line broke, drips, or the body ended before its announced length.
        """
        with _translated(self._reason):
            self._expect(len(block), math.inf)
            count = self._response.readinto(block)
            self._witness.on_received(count)
            if count < len(block):
                self._demand_end()
        return count

    def read(self, max_bytes: int, seconds: float | None = None) -> bytes:
        """Return the rest of the body.

        Args:
            max_bytes: bytes that it may have.
            seconds: that it may take; None leaves it what is left of those for the headers.

        Raises:
            Transient: it breaks, or has more bytes, or takes longer.
        """
        pieces, count = [], 0
        with _translated(self._reason):
            self._expect(max_bytes, None if seconds is None else time.monotonic() + seconds)
            # Only a read that finds nothing more tells an end from a break.
            while more := self._response.read(max_bytes + 1 - count):
                pieces.append(more)
                count += len(more)
            self._witness.on_received(count)
            if count <= max_bytes:
                self._demand_end()
        if count > max_bytes:
            raise Transient(self._reason, f"an answer of more than {max_bytes} bytes")
        # Most come in one piece, which is given out as it is: lists have megabytes.
        return b"".join(pieces)

    def close(self) -> None:
        """Give the connection back when the body was read to its end; an unread rest would cost more than a new one."""
        # Once only: by the second time the line may be carrying somebody else's answer.
        line, self._line = self._line, None
        if line is None:
            return
        may_carry_more = self._response.isclosed() and not self._response.will_close
        self._response.close()
        if may_carry_more:
            self._lines.release(line)
        else:
            line.close()

    def _expect(self, most: int, until: float | None) -> None:
        if self._line:
            self._line.expect_body(most, until=until)

    def _demand_end(self) -> None:
        if self._response.length:
            raise http.client.IncompleteRead(b"", self._response.length)


def parse_retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that Retry-After asks for, in either of its forms (RFC 9110, section 10.2.3)."""
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        until = parsedate_to_datetime(text)
        seconds = until.timestamp() - time.time()
    except (ValueError, OverflowError):
        return None
    return max(0.0, seconds)


def _read_url(url: str) -> tuple[Origin, str]:
    """Return where an address leads, and what to ask for there; read as `common.http.urls` reads what it lets pass."""
    parts = urlsplit(normalize_link(url))
    port = DEFAULT_PORTS[parts.scheme] if parts.port is None else parts.port
    origin = Origin(parts.scheme == "https", parts.hostname or "", port)
    return origin, (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


@contextmanager
def _translated(reason: Reason) -> Iterator[None]:
    try:
        yield
    except NotPublic:
        raise AddressRefused(reason) from None
    except TimedOut as error:
        raise Transient(reason, str(error)) from None
    except (http.client.HTTPException, LinkRefused, OSError) as error:
        # Only the kind of it: its text may quote an address, and upload addresses are secrets.
        raise Transient(reason, f"no answer ({type(error).__name__})") from None
