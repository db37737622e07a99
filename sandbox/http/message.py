"""HTTP messages of the stand-ins: a request read as it arrives, a reply with instructions for the connection."""

import json
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.message import Message
from typing import Any, NamedTuple, Protocol

PIECE = 64 * 1024  # bytes read or written at a time: one TCP window or so


class Dropped(Exception):
    """Raised to reset the connection without a reply."""


class Readable(Protocol):
    """Source of a request body: a buffered socket file."""

    def read(self, size: int, /) -> bytes:
        """Return `size` bytes, fewer only at the end."""

    def read1(self, size: int, /) -> bytes:
        """Return what has arrived, at most `size` bytes; nothing at the end."""

    def readline(self, size: int, /) -> bytes:
        """Return one line."""


class LoggedRequest(NamedTuple):
    """One request in a service's log; `status` is None if the connection was reset without a reply."""

    method: str
    target: str
    headers: Message
    status: int | None
    operation: str = ""


class Body:
    """A request body, read once, as it arrives.

    Args:
        source: The connection's buffered file.
        length: Bytes promised by Content-Length; None without one.
        chunked: The body comes in chunks (RFC 9112, section 7.1).
    """

    def __init__(self, source: Readable, length: int | None, *, chunked: bool = False):
        self._source = source
        self._left = 0 if chunked else length or 0
        self._chunked = chunked
        self.length = length
        self.chunked = chunked
        self.drop_at: int | None = None  # bytes after which the connection is reset
        self.taken = 0
        self.ended = not chunked and not self._left

    def read(self, size: int = PIECE) -> bytes:
        """Return the bytes that have arrived, at most `size`; nothing at the end of the body.

        Raises:
            Dropped: The peer went away early, or `drop_at` is reached.
        """
        if self.drop_at is not None:
            size = min(size, self.drop_at - self.taken)
            if size <= 0:
                raise Dropped
        if self._chunked and not self._left and not self.ended:
            self._open_chunk()
        if self.ended:
            return b""
        piece = self._source.read1(min(size, self._left))
        if not piece:
            raise Dropped
        self.taken += len(piece)
        self._left -= len(piece)
        if not self._left:
            self._close_piece()
        return piece

    def pieces(self) -> Iterator[bytes]:
        """Yield the body as it arrives."""
        while piece := self.read():
            yield piece

    def _open_chunk(self) -> None:
        line = self._source.readline(1024)
        try:
            self._left = int(line.split(b";")[0], 16)
        except ValueError:
            raise Dropped from None
        if not self._left:
            while self._source.readline(8192).strip():
                pass  # trailers
            self.ended = True

    def _close_piece(self) -> None:
        if self._chunked:
            self._source.readline(8)
        else:
            self.ended = True


class Request:
    """One request.

    Args:
        method: As sent.
        target: Path and query, as sent.
        headers: As sent; names in any case.
        body: Not read yet.
    """

    def __init__(self, method: str, target: str, headers: Message, body: Body):
        self.method = method
        self.target = target
        self.headers = headers
        self.body = body
        self.path, _, self.query_string = target.partition("?")
        self.query = dict(urllib.parse.parse_qsl(self.query_string, keep_blank_values=True))
        self.operation = ""
        self.subject = ""  # the file name it is about, where the path does not tell
        self.keep_only: int | None = None  # bytes of an upload's body that are to be kept
        self.fault: Any = None
        self._content: bytes | None = None

    def content(self) -> bytes:
        """Return the whole body, reading it at the first call."""
        if self._content is None:
            self._content = b"".join(self.body.pieces())
        return self._content

    def json(self) -> Any:
        """Return the body as JSON; an empty one is an empty object.

        Raises:
            ValueError: It is not JSON.
        """
        return json.loads(self.content() or b"{}")

    def form(self) -> dict[str, str]:
        """Return the body's form fields, the last of each name."""
        return dict(urllib.parse.parse_qsl(self.content().decode("utf-8", "replace"), keep_blank_values=True))

    def bearer(self) -> str | None:
        """Return the access token presented, if any."""
        kind, _, token = (self.headers.get("Authorization") or "").partition(" ")
        return token.strip() if kind.lower() == "bearer" else None


class Interim(NamedTuple):
    """Informational replies before the final one (RFC 9110, section 15.2).

    Attributes:
        status: 100, 102 or 103.
        count: How many; None: until the connection ends.
        seconds: Pause after each of them.
    """

    status: int
    count: int | None
    seconds: float


@dataclass
class Reply:
    """One reply, and how it is to be sent.

    Attributes:
        status: HTTP status.
        body: The body, whole.
        headers: Without Content-Length, which is the body's length unless `length` says otherwise.
        lines: Headers besides, sent as they are, a name as often as it is given.
        length: The Content-Length to declare, in bytes; None sends none and closes; "true" is the body's own.
        cut: Bytes of the body after which the connection is reset.
        rate: Bytes per second at which the body is sent; None: at once.
        head_rate: Bytes per second at which status and headers are sent; None: at once.
        interim: Informational replies before this one.
        early: Send without reading the rest of the request.
        close: Close the connection afterwards.
    """

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    lines: list[tuple[str, str]] = field(default_factory=list)
    length: int | str | None = "true"
    cut: int | None = None
    rate: float | None = None
    head_rate: float | None = None
    interim: Interim | None = None
    early: bool = False
    close: bool = False

    def json(self) -> Any:
        """Return the body as JSON; None if it is not."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


def json_reply(content: Any, status: int = 200, **headers: str) -> Reply:
    """Return `content` as the JSON reply Google's servers send."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    body = json.dumps(content, ensure_ascii=False, indent=1).encode()
    return Reply(status, body, {"Content-Type": "application/json; charset=UTF-8", **named})


def text_reply(text: str, status: int = 200, kind: str = "text/plain") -> Reply:
    """Return a reply of text."""
    return Reply(status, text.encode(), {"Content-Type": f"{kind}; charset=utf-8"})


def html_reply(title: str, body: str, status: int = 200) -> Reply:
    """Return a page."""
    page = f"<!DOCTYPE html><html><head><title>{title}</title></head><body><h1>{title}</h1>{body}</body></html>"
    return text_reply(page, status, "text/html")
