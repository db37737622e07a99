"""Stand-in of the gallery's photo host, and the faults a downloaded body can have."""

import gzip
import hashlib
import re
import threading
import urllib.parse
from email.utils import formatdate

from sandbox.faults.actions import Action, FaultContext
from sandbox.http import ranges
from sandbox.http.message import Reply, Request, html_reply
from sandbox.http.service import Route, Service

_MODIFIED = formatdate(1_723_888_472, usegmt=True)  # 2024-08-17 12:54:32 +0300, the seed's date


class PhotoStore:
    """Photos by path; several servers may share one store. Thread-safe."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._photos: dict[str, tuple[bytes, str]] = {}

    def put(self, path: str, data: bytes) -> None:
        """Add a photo under a path, which begins with a slash and is not percent-encoded."""
        with self._guard:
            self._photos[path] = (data, f'"{hashlib.md5(data).hexdigest()[:16]}"')

    def remove(self, path: str) -> None:
        """Remove a photo."""
        with self._guard:
            self._photos.pop(path, None)

    def get(self, path: str) -> tuple[bytes, str] | None:
        """Return the bytes and their entity tag."""
        with self._guard:
            return self._photos.get(path)

    def touch(self, path: str) -> None:
        """Change a photo's entity tag, not its bytes."""
        with self._guard:
            data, etag = self._photos[path]
            self._photos[path] = (data, '"' + hashlib.md5(etag.encode()).hexdigest()[:16] + '"')


class PhotoServer(Service):
    """Serves the photos of a store."""

    name = "photos"

    def __init__(self, photo_store: PhotoStore, *common: object):
        super().__init__(*common)  # type: ignore[arg-type]
        self.photo_store = photo_store
        self.actions = dict(BODY_ACTIONS, change_etag=self._change_etag)
        self.routes = (Route("GET", re.compile(r"/.*"), "photo", self.serve_photo),)

    def before(self, request: Request) -> None:
        """Record requests that carry credentials: only the clouds may see a guest's token."""
        forbid_credentials(self, request)

    def serve_photo(self, request: Request) -> Reply:
        """Answer for one photo, or a piece of it."""
        found = self.photo_store.get(urllib.parse.unquote(request.path))
        if not found:
            return html_reply("404 Not Found", "<hr><center>nginx</center>", 404)
        return ranges.serve(request, found[0], "image/jpeg", found[1], _MODIFIED)

    def _change_etag(self, context: FaultContext) -> Reply:
        self.photo_store.touch(urllib.parse.unquote(context.request.path))
        return context.proceed()


def forbid_credentials(service: Service, request: Request) -> None:
    """Record a violation if a token or a cookie was sent to the gallery."""
    for header in ("Authorization", "Cookie"):
        if header in request.headers:
            service.record_violation(request, f"{header} sent to the gallery")


def corrupt(context: FaultContext) -> Reply:
    """Flip one byte of the body."""
    reply = context.proceed()
    if reply.body:
        at = context.fault.get("at", len(reply.body) // 2) % len(reply.body)
        reply.body = reply.body[:at] + bytes([reply.body[at] ^ 0xFF]) + reply.body[at + 1 :]
    return reply


def truncate(context: FaultContext) -> Reply:
    """Send part of the body: with the full length declared, with the smaller one, or with none."""
    reply = context.proceed()
    whole = len(reply.body)
    reply.body = reply.body[: context.fault.get("bytes", whole // 2)]
    how = context.fault.get("how", "cut")
    lengths: dict[str, int | str | None] = {"cut": whole, "smaller": "true", "unsized": None}
    reply.length = lengths[how]
    return reply


def lengthen(context: FaultContext) -> Reply:
    """Append bytes to the body."""
    reply = context.proceed()
    reply.body += b"\0" * context.fault.get("bytes", 1)
    return reply


def ignore_range(context: FaultContext) -> Reply:
    """Reply 200 with the whole body, whatever range was requested."""
    del context.request.headers["Range"]
    reply = context.proceed()
    reply.headers.pop("Accept-Ranges", None)
    return reply


def answer_wrong_range(context: FaultContext) -> Reply:
    """Reply 206 with a wrong start or total in Content-Range, or as multipart."""
    reply = context.proceed()
    found = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", reply.headers.get("Content-Range", ""))
    if not found:
        return reply
    first, last, total = map(int, found.groups())
    how = context.fault.get("how", "start")
    if how == "multipart":
        head = f"--sandbox\r\nContent-Type: image/jpeg\r\nContent-Range: bytes {first}-{last}/{total}\r\n\r\n"
        reply.body = head.encode() + reply.body + b"\r\n--sandbox--\r\n"
        del reply.headers["Content-Range"]
        reply.headers["Content-Type"] = "multipart/byteranges; boundary=sandbox"
    elif how == "total":
        reply.headers["Content-Range"] = f"bytes {first}-{last}/{total + 1000}"
    else:
        reply.headers["Content-Range"] = f"bytes {max(first - 10, 0) if first else 10}-{last}/{total}"
    return reply


def compress(context: FaultContext) -> Reply:
    """Send the body gzipped, whatever encoding was asked for."""
    reply = context.proceed()
    reply.body = gzip.compress(reply.body, 1)
    reply.headers["Content-Encoding"] = "gzip"
    return reply


def touch_etag(context: FaultContext) -> Reply:
    """Answer under another entity tag."""
    del context.request.headers["If-Range"]
    reply = context.proceed()
    reply.headers["ETag"] = '"changed"'
    return reply


BODY_ACTIONS: dict[str, Action] = {
    "corrupt": corrupt,
    "truncate": truncate,
    "longer": lengthen,
    "no_range_support": ignore_range,
    "wrong_range": answer_wrong_range,
    "change_etag": touch_etag,
    "gzip": compress,
}
