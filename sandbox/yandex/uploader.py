"""Stand-in of the hosts that Disk's upload and download links point to (uploader*.disk.yandex.net).

https://yandex.ru/dev/disk-api/doc/en/reference/upload
"""

import re
import time
import urllib.parse
from typing import Any

from sandbox.faults.actions import read_slowly
from sandbox.faults.plan import FaultPlan
from sandbox.http import ranges
from sandbox.http.message import Dropped, Reply, Request, text_reply
from sandbox.http.service import Route, Service
from sandbox.storage.tree import Content
from sandbox.storage.uploads import ContentHasher
from sandbox.yandex.disk import Disk
from sandbox.yandex.disk_faults import UPLOAD_ACTIONS
from sandbox.yandex.errors import ApiError
from sandbox.yandex.items import mime_of
from sandbox.yandex.links import Link

_MODIFIED = "Sat, 17 Aug 2024 09:54:32 GMT"


class Uploader(Service):
    """Accepts uploads and serves downloads; the link alone authorises. Thread-safe."""

    name = "yandex_uploader"
    throttles_with = (429, "Too Many Requests")

    def __init__(self, disk: Disk, faults: FaultPlan, violations: list[str]):
        super().__init__(faults, violations)
        self.disk = disk
        self.actions = dict(UPLOAD_ACTIONS)
        self.routes = (
            Route(
                "PUT",
                re.compile(r"/upload-target/(?P<id>[^/]+)"),
                "yandex_upload",
                self._put,
                streams=True,
                subject=self._name,
            ),
            Route("GET", re.compile(r"/disk/(?P<login>[^/]+)/(?P<id>[^/]+)"), "yandex_download", self._get),
        )

    def find(self, request: Request) -> Link | None:
        """Return the link a request was sent to."""
        return self.disk.links.find(request.path.rpartition("/")[2])

    def _name(self, request: Request) -> str:
        link = self.find(request)
        return link.path[-1] if link else ""

    def _put(self, request: Request, id: str) -> Reply:  # noqa: A002 - the path's own word
        link = self.disk.links.find(id)
        problem = self._find_problem(request, link)
        if problem or not link:
            return problem or text_reply("Not Found", 404)
        if not self.disk.links.acquire(link):
            return text_reply("Locked", 423)
        spent = False
        try:
            reply = self._store(request, link)
            spent = reply.status < 300
            return reply
        finally:
            self.disk.links.release(link, spent=spent)

    def _find_problem(self, request: Request, link: Link | None) -> Reply | None:
        if not link:
            return text_reply("Not Found", 404)
        if link.state == "spent":
            self.record_violation(request, "an upload link used twice")
        if link.state == "spent" or link.is_over():
            return text_reply("Gone", self.disk.gone_status)
        return self._find_problem_of_form(request) or self._find_problem_of_size(request.body.length or 0, link)

    def _find_problem_of_form(self, request: Request) -> Reply | None:
        kind, body = request.headers.get("Content-Type") or "", request.body
        if kind.lower().startswith("multipart/"):
            self.record_violation(request, "a multipart body, not raw bytes")
            return text_reply("Bad Request", 400)
        if "Content-Range" in request.headers:
            return text_reply("Precondition Failed", 412)
        if body.chunked and body.length is not None:
            self.record_violation(request, "both Content-Length and chunks")
            return text_reply("Bad Request", 400)
        if body.length is None and not (body.chunked and self.disk.takes_chunked):
            self.record_violation(request, "an upload of unknown length")
            return text_reply("Length Required", 411)
        return None

    def _find_problem_of_size(self, size: int, link: Link) -> Reply | None:
        if size > link.account.max_file_size:
            return text_reply("Request Entity Too Large", 413)
        if not link.account.holds(size):
            return text_reply("Insufficient Storage", 507)
        return None

    def _store(self, request: Request, link: Link) -> Reply:
        if link.is_slow and self.disk.slow_rate:
            read_slowly(request.body, self.disk.slow_rate, self.faults.stopped)
        content = self._read_body(request, link)
        fault = request.fault.params if request.fault and request.fault.does == "defer" else None

        def finish() -> None:
            item = self.disk.make_file(link.account, link.path, content, overwrite=link.overwrite)
            if request.fault and request.fault.does == "late":
                seconds = request.fault.get("seconds", 0)
                item.late_times = request.fault.get("looks", 0 if seconds else 2)
                item.late_until = time.monotonic() + seconds
                item.late_status = request.fault.get("status", 404)

        if problem := self._find_problem_of_size(content.size, link):
            return problem
        if fault is not None or "upload" in self.disk.defers:
            fault = fault or {}
            self.disk.operations.begin(link.operation, finish, polls=fault.get("polls"), ends=fault.get("ends", ""))
            return text_reply("", 202)
        try:
            finish()
        except ApiError as error:
            return text_reply(error.name, error.status)
        self.disk.operations.succeed(link.operation)
        return text_reply("", 201)

    def _read_body(self, request: Request, link: Link) -> Content:
        """Return the content received; bytes beyond `keep_only` are read and discarded."""
        hasher, received = ContentHasher(keep=self.disk.keep_bytes), 0
        try:
            for piece in request.body.pieces():
                kept = piece if request.keep_only is None else piece[: max(request.keep_only - received, 0)]
                received += len(piece)
                link.arrived = received
                hasher.add(kept)
        except OSError:
            raise Dropped from None
        finally:
            self.disk.count(received)
        return hasher.content()

    def _get(self, request: Request, login: str, id: str) -> Reply:  # noqa: A002
        item: Any = self.disk.account(login).items.get(urllib.parse.unquote(id))
        if not item or not item.content:
            return text_reply("Not Found", 404)
        if item.content.data is None:
            return text_reply("This sandbox keeps no bytes: keep_bytes is off.", 500)
        return ranges.serve(request, item.content.data, mime_of(item.name), f'"{item.md5}"', _MODIFIED)
