"""The sandbox without sockets: requests go straight into its services, so that thousands of copies take seconds."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from email.message import Message
from urllib.parse import urlsplit

from common.errors import Reason, Transient
from common.http.client import MAX_ANSWER_BYTES, READ_SECONDS, Answer, Body
from sandbox.http.message import Body as ArrivingBody
from sandbox.http.message import Dropped, Reply, Request


class InProcessHttp:
    """Fake of `common.http.client.HttpClient` without sockets; it fails as the real one does.

    Args:
        services: what answers, by scheme and host.
        reason: of the errors raised.
    """

    def __init__(self, services: Mapping[str, Callable[[Request], Reply]], reason: Reason) -> None:
        self.sent: list[tuple[str, str, Mapping[str, str]]] = []
        self._services = dict(services)
        self._reason = reason

    def answer_all(self, answer: Callable[[Request], Reply]) -> None:
        """Let another function answer from now on, at every host."""
        self._services = dict.fromkeys(self._services, answer)

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
        """Send a request and return its whole answer."""
        incoming = self.open(method, url, headers=headers, body=body, read_seconds=read_seconds)
        return Answer(incoming.status, incoming.headers, incoming.read(max_bytes, body_seconds))

    def open(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: Body = None,
        read_seconds: float = READ_SECONDS,
    ) -> "StreamedReply":
        """Send a request and return its answer unread."""
        self.sent.append((method, url, dict(headers or {})))
        parts = urlsplit(url)
        answer = self._services.get(f"{parts.scheme}://{parts.netloc}")
        if answer is None:
            raise Transient(self._reason, "no answer (nobody listens)")
        message = Message()
        for name, value in {"Host": parts.netloc, **(headers or {})}.items():
            message[name] = value
        if isinstance(body, bytes) and "Content-Length" not in message:
            message["Content-Length"] = str(len(body))
        upload = _Upload(body)
        length = message["Content-Length"]
        # What the real client does with blocks of no announced length.
        chunked = length is None and body is not None
        arriving = ArrivingBody(upload, int(length) if length else None, chunked=chunked)
        target = f"{parts.path}?{parts.query}" if parts.query else parts.path
        try:
            reply = _exchange(answer, Request(method, target, message, arriving))
        except Dropped:
            raise upload.failure or Transient(self._reason, "no answer (ConnectionResetError)") from None
        if upload.failure:
            raise upload.failure
        return StreamedReply(reply, self._reason)


class StreamedReply:
    """Fake of `common.http.client.StreamedAnswer`."""

    def __init__(self, reply: Reply, reason: Reason) -> None:
        self.status = reply.status
        self.closed = False
        length = len(reply.body) if reply.length == "true" else reply.length
        self.headers = {name.lower(): value for name, value in (*reply.headers.items(), *reply.lines)}
        if length is not None:
            self.headers["content-length"] = str(length)
        self._rest = memoryview(reply.body)[: reply.cut][: length if isinstance(length, int) else None]
        announced = length if isinstance(length, int) else len(self._rest)
        self._breaks = reply.cut is not None or announced > len(self._rest)
        self._reason = reason

    def read_into(self, block: memoryview) -> int:
        """Fill the block; fewer bytes only at the end."""
        data = self._rest[: len(block)]
        if len(data) < len(block) and self._breaks:
            raise Transient(self._reason, "no answer (ProtocolError)")
        block[: len(data)] = data
        self._rest = self._rest[len(data) :]
        return len(data)

    def read(self, max_bytes: int, seconds: float | None = None) -> bytes:
        """Return the rest."""
        if self._breaks:
            raise Transient(self._reason, "no answer (ProtocolError)")
        if len(self._rest) > max_bytes:
            raise Transient(self._reason, f"an answer of more than {max_bytes} bytes")
        return bytes(self._rest)

    def close(self) -> None:
        """Release it."""
        self.closed = True


def _exchange(answer: Callable[[Request], Reply], request: Request) -> Reply:
    reply = answer(request)
    while not reply.early and not request.body.ended:
        request.body.read()
    return reply


class _Upload:
    """The connection that a service reads a body from: the client's blocks, made on demand."""

    def __init__(self, body: Body) -> None:
        self.failure: Exception | None = None
        self._blocks: Iterator[bytes | memoryview] = iter(_blocks(body))
        self._rest = b""

    def read1(self, size: int, /) -> bytes:
        """Return the next bytes; nothing once the client has given up or has no more."""
        if not self._rest:
            try:
                self._rest = bytes(next(self._blocks, b""))
            except Exception as failure:  # noqa: BLE001 - the client's own: it goes back to it
                self.failure = failure
        piece, self._rest = self._rest[:size], self._rest[size:]
        return piece

    def read(self, size: int, /) -> bytes:
        """Return the next bytes."""
        return self.read1(size)

    def readline(self, size: int, /) -> bytes:
        """Chunked bodies are never sent."""
        raise AssertionError(f"a chunked body ({size})")


def _blocks(body: Body) -> Iterable[bytes | memoryview]:
    if body is None:
        return ()
    return (body,) if isinstance(body, bytes) else body
