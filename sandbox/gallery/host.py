"""Stand-in of the gallery's main host: photo lists (`<archive>?json=true`), photos, POST /cloud_archive/done."""

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

from sandbox.faults.plan import FaultPlan
from sandbox.gallery.photos import PhotoServer, PhotoStore
from sandbox.gallery.pictures import Picture
from sandbox.http.message import Reply, Request, html_reply, text_reply
from sandbox.http.service import Route

# Archive links name a host that does not exist here: clients must replace it by GALLERY_BASE_URL.
ARCHIVE_HOST = "https://arch-d.lite.gallery"
_EMPTY_ZIP = b"PK\x05\x06" + bytes(18)


@dataclass(frozen=True)
class Archive:
    """One gallery that can be archived.

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
    """One done call.

    Attributes:
        method, path, headers, body, json: The request.
        status: Status of the reply; None if there was none.
        at, answered_at: Monotonic seconds of request and reply.
        inspection: What the gallery's `inspect_done` returned for it.
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
        dones: Done calls, in order.
        inspect_done: Called with the headers of each done call before it is answered.
        photo_url: The photo server's address.
    """

    name = "gallery"

    def __init__(self, photo_store: PhotoStore, faults: FaultPlan, violations: list[str]):
        super().__init__(photo_store, faults, violations)
        self.photo_url = ""
        self.dones: list[Done] = []
        self.inspect_done: Callable[[Message], Any] = lambda _headers: None
        self._guard = threading.Lock()
        self._archives: dict[str, Archive] = {}
        self._numbers = itertools.count(49851973)
        self._streams = itertools.count(858329)
        # Under any prefix: DONE_URL may be any address, and redirects may lead to another spelling of it.
        done = re.compile(r"(/[\w%-]+)*/cloud_archive/done/?")
        self.routes = (
            *(Route(method, done, "done", self._accept_done) for method in ("POST", "GET", "PUT")),
            Route("GET", re.compile(r"/(?P<which>ok|fail)"), "", self._show_result),
            Route("GET", re.compile(r"/.*"), self._operation, self._serve),
        )

    def add(self, name: str, photos: Sequence[Picture], path: str = "") -> Archive:
        """Add a gallery.

        Args:
            name: The gallery's name.
            photos: Its photos.
            path: Where its list is; empty: /g/api/stream/<number>/<hash>.
        """
        path = path or f"/g/api/stream/{next(self._streams)}/{secrets.token_hex(16)}"
        manifest = [self._store_photo(each) for each in photos]
        archive = Archive(name, path, f"{ARCHIVE_HOST}{path}?mod=web", tuple(photos), manifest)
        with self._guard:
            self._archives[path] = archive
        return archive

    def archives(self) -> list[Archive]:
        """Return all galleries."""
        with self._guard:
            return list(self._archives.values())

    def answer(self, request: Request) -> Reply:
        """Answer a request; a done call is recorded however it ends."""
        status = None
        at, inspection = time.monotonic(), None
        if "/cloud_archive/done" in request.path:
            inspection = self.inspect_done(request.headers)
        try:
            reply = super().answer(request)
            status = reply.status
        finally:
            if request.operation == "done":
                self.dones.append(_make_done(request, status, at, inspection))
        return reply

    def _store_photo(self, picture: Picture) -> dict[str, Any]:
        number = next(self._numbers) if picture.id is None else picture.id
        path = f"/litepr-m/uploads/image/image/{number}/{picture.name.rsplit('/', 1)[-1]}"
        self.photo_store.put(path, picture.data)
        return picture.listed(number, self.photo_url + urllib.parse.quote(path))

    def _operation(self, request: Request) -> str:
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

    def _accept_done(self, request: Request) -> Reply:
        return text_reply("ok") if request.method == "POST" else text_reply("Method Not Allowed", 405)

    def _show_result(self, _request: Request, which: str) -> Reply:
        title = {"ok": "The archive is on its way", "fail": "The archive was not started"}[which]
        return html_reply(title, "<p>The gallery takes over from here.</p>")


def _make_done(request: Request, status: int | None, at: float, inspection: Any) -> Done:
    try:
        content = json.loads(request.content())
    except ValueError:
        content = None
    received = request.method, request.target, request.headers, request.content(), content
    return Done(*received, status, at, time.monotonic(), inspection)
