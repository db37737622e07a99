"""Where photos are read from, and everything that can be wrong with a body that comes in."""

import gzip
import hashlib
import re
import threading
import urllib.parse
from email.utils import formatdate

from sandbox.faults.actions import Action, Strike
from sandbox.http import ranges
from sandbox.http.message import Reply, Request, html_reply
from sandbox.http.service import Route, Service

_MODIFIED = formatdate(1_723_888_472, usegmt=True)  # 2024-08-17 12:54:32 +0300, the seed's date


class Shelf:
    """The photos by path; several servers may serve one shelf. Thread-safe."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._photos: dict[str, tuple[bytes, str]] = {}

    def put(self, path: str, data: bytes) -> None:
        """Serve `data` under a path; a slash in front, not percent-encoded."""
        with self._guard:
            self._photos[path] = (data, f'"{hashlib.md5(data).hexdigest()[:16]}"')

    def remove(self, path: str) -> None:
        """Serve it no longer."""
        with self._guard:
            self._photos.pop(path, None)

    def get(self, path: str) -> tuple[bytes, str] | None:
        """Return the bytes and their entity tag."""
        with self._guard:
            return self._photos.get(path)

    def touch(self, path: str) -> None:
        """Give the same bytes another entity tag."""
        with self._guard:
            data, etag = self._photos[path]
            self._photos[path] = (data, '"' + hashlib.md5(etag.encode()).hexdigest()[:16] + '"')


class PhotoServer(Service):
    """Serves a shelf."""

    name = "photos"

    def __init__(self, shelf: Shelf, *common: object):
        super().__init__(*common)  # type: ignore[arg-type]
        self.shelf = shelf
        self.actions = dict(BODY_ACTIONS, change_etag=self._change_etag)
        self.routes = (Route("GET", re.compile(r"/.*"), "photo", self.serve_photo),)

    def before(self, request: Request) -> None:
        """Nobody but Google is to see a guest's token."""
        forbid_credentials(self, request)

    def serve_photo(self, request: Request) -> Reply:
        """Answer for one photo, or a piece of it."""
        found = self.shelf.get(urllib.parse.unquote(request.path))
        if not found:
            return html_reply("404 Not Found", "<hr><center>nginx</center>", 404)
        return ranges.serve(request, found[0], "image/jpeg", found[1], _MODIFIED)

    def _change_etag(self, strike: Strike) -> Reply:
        self.shelf.touch(urllib.parse.unquote(strike.request.path))
        return strike.go()


def forbid_credentials(service: Service, request: Request) -> None:
    """Count a token or a cookie sent to the gallery as a breach."""
    for header in ("Authorization", "Cookie"):
        if header in request.headers:
            service.violate(request, f"{header} sent to the gallery")


def corrupt(strike: Strike) -> Reply:
    """Flip one byte of the body."""
    reply = strike.go()
    if reply.body:
        at = strike.fault.get("at", len(reply.body) // 2) % len(reply.body)
        reply.body = reply.body[:at] + bytes([reply.body[at] ^ 0xFF]) + reply.body[at + 1 :]
    return reply


def truncate(strike: Strike) -> Reply:
    """Send less: cut off with the right length declared, with a smaller one, or with none."""
    reply = strike.go()
    whole = len(reply.body)
    reply.body = reply.body[: strike.fault.get("bytes", whole // 2)]
    how = strike.fault.get("how", "cut")
    lengths: dict[str, int | str | None] = {"cut": whole, "smaller": "true", "unsized": None}
    reply.length = lengths[how]
    return reply


def lengthen(strike: Strike) -> Reply:
    """Send more than there is."""
    reply = strike.go()
    reply.body += b"\0" * strike.fault.get("bytes", 1)
    return reply


def ignore_range(strike: Strike) -> Reply:
    """Answer 200 with everything, whatever range was asked for."""
    del strike.request.headers["Range"]
    reply = strike.go()
    reply.headers.pop("Accept-Ranges", None)
    return reply


def answer_wrong_range(strike: Strike) -> Reply:
    """Answer 206 with another start or total than the truth, or in several parts."""
    reply = strike.go()
    found = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", reply.headers.get("Content-Range", ""))
    if not found:
        return reply
    first, last, total = map(int, found.groups())
    how = strike.fault.get("how", "start")
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


def compress(strike: Strike) -> Reply:
    """Send the body gzipped, whatever encoding was asked for."""
    reply = strike.go()
    reply.body = gzip.compress(reply.body, 1)
    reply.headers["Content-Encoding"] = "gzip"
    return reply


def touch_etag(strike: Strike) -> Reply:
    """Answer under another entity tag."""
    del strike.request.headers["If-Range"]
    reply = strike.go()
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
