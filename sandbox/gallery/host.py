"""The pretend gallery: lists, photos under its main host, and the address that is told when an archive is done."""

import itertools
import json
import re
import secrets
import threading
import time
import urllib.parse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from email.message import Message
from typing import Any

from sandbox.faults.plan import Faults
from sandbox.gallery.photos import PhotoServer, Shelf
from sandbox.gallery.pictures import Picture
from sandbox.http.message import Reply, Request, html_reply, text_reply
from sandbox.http.service import Route

# An archive's link names a host of its own; who does not replace it ends up there: nowhere.
ARCHIVE_HOST = "https://arch-d.lite.gallery"
_EMPTY_ZIP = b"PK\x05\x06" + bytes(18)


@dataclass(frozen=True)
class Archive:
    """One gallery that can be copied.

    Attributes:
        name: What its folder is to be called.
        path: Where its list is.
        url: The link to it that a frontend sends.
        pictures: What is in it.
        manifest: The list as served.
    """

    name: str
    path: str
    url: str
    pictures: tuple[Picture, ...]
    manifest: list[dict[str, Any]]

    def expected(self) -> list[tuple[str, int, str]]:
        """Return (path in the cloud, bytes, MD5) of every photo, sorted, names taken as they are."""
        return sorted((f"{self.name}/{each.name}", len(each.data), each.md5) for each in self.pictures)


@dataclass(frozen=True)
class Done:
    """One call of the address for finished archives.

    Attributes:
        method, path, headers, body, json: What was said.
        status: The answer; None if the caller cannot have got one.
        at, answered_at: When it came and when it was answered, monotonic seconds.
        seen: What the gallery's `witness` saw when it came.
    """

    method: str
    path: str
    headers: Message
    body: bytes
    json: Any
    status: int | None
    at: float = 0.0
    answered_at: float = 0.0
    inspection: Any = None


class Gallery(PhotoServer):
    """The gallery's main host. Thread-safe.

    Attributes:
        dones: Calls for finished archives, in order.
        witness: Looks around when such a call has come, before it is answered.
        photo_url: The photo server's address.
    """

    name = "gallery"

    def __init__(self, shelf: Shelf, faults: Faults, violations: list[str]):
        super().__init__(shelf, faults, violations)
        self.photo_url = ""
        self.dones: list[Done] = []
        self.inspect_done: Callable[[Message], Any] = lambda _headers: None
        self._guard = threading.Lock()
        self._archives: dict[str, Archive] = {}
        self._numbers = itertools.count(49851973)
        self._streams = itertools.count(858329)
        # Wherever it is told to go: an end may be led to another spelling of its address.
        done = re.compile(r"(/[\w%-]+)*/cloud_archive/done/?")
        self.routes = (
            *(Route(method, done, "done", self._take_done) for method in ("POST", "GET", "PUT")),
            Route("GET", re.compile(r"/(?P<which>ok|fail)"), "", self._show_end),
            Route("GET", re.compile(r"/.*"), self._tell, self._serve),
        )

    def add(self, name: str, photos: Sequence[Picture], path: str = "") -> Archive:
        """Make a gallery that can be copied.

        Args:
            name: The gallery's name.
            photos: Its photos.
            path: Where its list is; empty: /g/api/stream/<number>/<hash>.
        """
        path = path or f"/g/api/stream/{next(self._streams)}/{secrets.token_hex(16)}"
        manifest = [self._shelve(each) for each in photos]
        archive = Archive(name, path, f"{ARCHIVE_HOST}{path}?mod=web", tuple(photos), manifest)
        with self._guard:
            self._archives[path] = archive
        return archive

    def archives(self) -> list[Archive]:
        """Return every gallery that can be copied."""
        with self._guard:
            return list(self._archives.values())

    def answer(self, request: Request) -> Reply:
        """Answer a request; a done call is remembered however it ends."""
        status = None
        at, inspection = time.monotonic(), None
        if "/cloud_archive/done" in request.path:
            inspection = self.inspect_done(request.headers)
        try:
            reply = super().answer(request)
            status = reply.status
        finally:
            if request.operation == "done":
                self.dones.append(_done(request, status, at, inspection))
        return reply

    def _shelve(self, picture: Picture) -> dict[str, Any]:
        number = next(self._numbers) if picture.id is None else picture.id
        path = f"/litepr-m/uploads/image/image/{number}/{picture.name.rsplit('/', 1)[-1]}"
        self.shelf.put(path, picture.data)
        return picture.listed(number, self.photo_url + urllib.parse.quote(path))

    def _tell(self, request: Request) -> str:
        with self._guard:
            return "list" if request.path in self._archives else "photo"

    def _serve(self, request: Request) -> Reply:
        return self._list(request) if request.operation == "list" else self.serve_photo(request)

    def _list(self, request: Request) -> Reply:
        if request.query_string != "json=true":
            return Reply(200, _EMPTY_ZIP, {"Content-Type": "application/zip", "Content-Disposition": "attachment"})
        with self._guard:
            manifest = self._archives[request.path].manifest
        return Reply(200, json.dumps(manifest).encode(), {"Content-Type": "application/json; charset=utf-8"})

    def _take_done(self, request: Request) -> Reply:
        return text_reply("ok") if request.method == "POST" else text_reply("Method Not Allowed", 405)

    def _show_end(self, _request: Request, which: str) -> Reply:
        title = {"ok": "The archive is on its way", "fail": "The archive was not started"}[which]
        return html_reply(title, "<p>The gallery takes over from here.</p>")


def _done(request: Request, status: int | None, at: float, inspection: Any) -> Done:
    try:
        content = json.loads(request.content())
    except ValueError:
        content = None
    said = request.method, request.target, request.headers, request.content(), content
    return Done(*said, status, at, time.monotonic(), inspection)
