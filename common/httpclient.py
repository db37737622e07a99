"""Outgoing HTTP: one client per process with timeouts, kept connections and our errors. Knows no vendor.

Nothing here retries, follows a redirect, or reads proxies or passwords from the environment or a `.netrc`: who calls
decides. What breaks on the wire becomes `Transient`; every status is an answer. Only public addresses are connected to.
"""

import json
import socket
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

import certifi
import requests
import urllib3
from requests.adapters import HTTPAdapter

from common.connections import NotPublic, PoolClasses, pool_classes
from common.errors import AddressRefused, Reason, Transient

CONNECT_SECONDS = 10.0
# How long the other side may be silent: Drive thinks for seconds after a large upload's last byte, not for minutes.
READ_SECONDS = 60.0
# A body that comes slower than so many bytes a second, for so many seconds, is as good as stuck: a socket's timeout
# never ends one that drips.
SLOWEST, WATCH_SECONDS = 4 * 1024, 30.0
# An answer that is read whole is a small JSON or an error page; only the gallery's list may be longer (its own limit).
LONGEST_ANSWER = 16 * 1024 * 1024
USER_AGENT = "cloud_archive/1 (+https://litegallery.io)"

# Keep idle connections alive through address translation, and notice a dead peer: probes after 30 s of silence.
KEEPALIVE = [
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 30),
]

Body = bytes | Iterable[memoryview] | None


@dataclass(frozen=True)
class Answer:
    """An answer read whole. Header names are lower-case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """Return the body as JSON; raises ValueError when it is not."""
        try:
            return json.loads(self.body)
        except RecursionError:
            raise ValueError("nested too deeply") from None

    def wait(self) -> float | None:
        """Return the seconds that Retry-After asks for, in either of its forms (RFC 9110, section 10.2.3)."""
        text = self.headers.get("retry-after", "").strip()
        if text.isascii() and text.isdigit():
            return float(text)
        try:
            until = parsedate_to_datetime(text)
            seconds = until.timestamp() - time.time()
        except (ValueError, OverflowError):
            return None
        return max(0.0, seconds)


class HttpClient:
    """Sends requests over kept connections. Thread-safe.

    Args:
        connections: kept for each host; as many as threads use it at once.
        ca_bundle: path of the authorities to trust instead of certifi's.
        reason: what a broken line is called in the errors raised here.
        local: connect to any address, not only to public ones (sandbox and tests).
    """

    def __init__(self, *, connections: int, ca_bundle: str | None, reason: Reason, local: bool) -> None:
        self._ca_bundle = ca_bundle
        self._reason = reason
        self._pools = pool_classes(local=local)
        self._pool = urllib3.PoolManager(
            num_pools=16,
            maxsize=connections,
            headers={"User-Agent": USER_AGENT},
            ca_certs=ca_bundle or certifi.where(),
            socket_options=KEEPALIVE,
        )
        self._pool.pool_classes_by_scheme = dict(self._pools)

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: Body = None,
        longest: int = LONGEST_ANSWER,
        read_seconds: float = READ_SECONDS,
    ) -> Answer:
        """Send a request and return its whole answer, whatever the status.

        Args:
            method: as HTTP spells it.
            url: absolute.
            headers: sent as they are; a body of blocks needs its Content-Length here.
            body: bytes, or blocks that are sent one by one. What they raise comes out as it is.
            longest: bytes an answer may have.
            read_seconds: silence allowed while waiting for the answer.

        Raises:
            Transient: no answer, a broken one, or one that is too long.
            AddressRefused: its host is not on the public internet.
        """
        incoming = self.open(method, url, headers=headers, body=body, read_seconds=read_seconds)
        try:
            return Answer(incoming.status, incoming.headers, incoming.read(longest))
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
    ) -> "Incoming":
        """Send a request and return its answer unread, to be closed; arguments and errors as in `request`."""
        with _translated(self._reason):
            response = self._pool.request(
                method,
                url,
                headers={**self._pool.headers, **(headers or {})},
                body=body,  # type: ignore[arg-type]  # the stubs say bytes; memoryviews go to the socket as they are
                timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=read_seconds),
                retries=False,
                redirect=False,
                preload_content=False,
                decode_content=False,
            )
        return Incoming(response, self._reason)

    def equip(self, session: requests.Session) -> None:
        """Give a session of the clouds' libraries, which speak through requests, our authorities, limits and guard."""
        session.trust_env = False
        session.max_redirects = 0  # a redirect is an error: it would carry our secrets to wherever it points
        session.verify = self._ca_bundle or True
        session.headers["User-Agent"] = USER_AGENT
        session.mount("https://", _Adapter(self._pools, self._reason))
        session.mount("http://", _Adapter(self._pools, self._reason))


class Incoming:
    """An answer whose body is read bit by bit, as it was sent: nothing is unpacked. Used by one thread.

    Header names are lower-case.
    """

    def __init__(self, response: urllib3.BaseHTTPResponse, reason: Reason) -> None:
        self.status = response.status
        self.headers: Mapping[str, str] = {name.lower(): value for name, value in response.headers.items()}
        self._response = response
        self._reason = reason
        self._waited = 0.0
        self._counted = 0

    def read_into(self, block: memoryview) -> int:
        """Fill a block and return its bytes; fewer than it holds only at the body's end.

        Raises:
            Transient: the line broke, drips, or the body ended before its announced length.
        """
        filled = 0
        while filled < len(block):
            began = time.monotonic()
            with _translated(self._reason):
                data = self._response.read1(len(block) - filled)
            if not data:
                break
            block[filled : filled + len(data)] = data
            filled += len(data)
            self._watch_speed(len(data), time.monotonic() - began)
        return filled

    def read(self, longest: int) -> bytes:
        """Return the rest of the body; raises Transient when it breaks or has more bytes than that."""
        content = bytearray()
        with _translated(self._reason):
            # Only a read that finds nothing more tells an end from a break.
            while more := self._response.read(longest + 1 - len(content)):
                content += more
        if len(content) > longest:
            raise Transient(self._reason, f"an answer of more than {longest} bytes")
        return bytes(content)

    def _watch_speed(self, count: int, seconds: float) -> None:
        """Only the time spent waiting for the body counts: whoever takes it may be slow."""
        self._waited += seconds
        self._counted += count
        if self._waited < WATCH_SECONDS:
            return
        if self._counted < SLOWEST * self._waited:
            self.close()
            raise Transient(self._reason, f"only {self._counted} bytes in {self._waited:.0f} seconds")
        self._waited, self._counted = 0.0, 0

    def close(self) -> None:
        """Give the connection back when the body was read to its end; an unread rest would cost more than a new one."""
        if self._response.closed:
            self._response.release_conn()
        else:
            self._response.close()


@contextmanager
def _translated(reason: Reason) -> Iterator[None]:
    try:
        yield
    except NotPublic:
        raise AddressRefused(reason) from None
    except (urllib3.exceptions.HTTPError, OSError) as error:
        # Only the kind of it: its text may quote an address, and upload addresses are secrets.
        raise Transient(reason, f"no answer ({type(error).__name__})") from None


class _Adapter(HTTPAdapter):
    """Speaks for requests, which would wait for ever unless every call says otherwise, and go to any address."""

    def __init__(self, pools: PoolClasses, reason: Reason) -> None:
        self._pools = pools
        self._reason = reason
        super().__init__()

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = dict(self._pools)

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:  # type: ignore[override]
        options["timeout"] = options.get("timeout") or (CONNECT_SECONDS, READ_SECONDS)
        try:
            return super().send(request, **options)
        except NotPublic:
            raise AddressRefused(self._reason) from None
