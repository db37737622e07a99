"""`python -m bench.drive`: fast stand-in of the Drive API, with what the worker, rclone and Google's client use."""

import itertools
import json
import re
import threading
from typing import Any

from bench.conditions import Conditions
from bench.drive_files import Files
from bench.faults import CreateRateLimit, FaultSchedule
from bench.multipart import Multipart
from bench.stand_in import run
from bench.wire import Disconnected, Reply, Request

# Drive keeps what it got in units of this: https://developers.google.com/workspace/drive/api/guides/manage-uploads
UNIT = 256 * 1024
_SESSIONS = "/upload/sessions/"
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")


class Session:
    """An upload session.

    Args:
        metadata: of the file to be.
    """

    def __init__(self, metadata: dict[str, Any]) -> None:
        self.metadata = metadata
        self.offset = 0
        self.is_right = True
        self.file: dict[str, Any] | None = None


class Drive:
    """Answers as Drive does, and counts requests and bytes.

    Args:
        conditions: the photos that come, and how it is to behave.
    """

    def __init__(self, conditions: Conditions) -> None:
        self._photos = conditions.photos
        self._check = conditions.check
        self._files = Files(conditions.photos)
        self._sessions: dict[str, Session] = {}
        self._ceiling = CreateRateLimit(conditions.creates)
        self._mishaps = FaultSchedule(conditions.faults, "refuse", "break off", "lose the reply")
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        self._received = 0
        self._wrong = 0

    def answer(self, request: Request) -> Reply:
        """Return what Drive would."""
        fault = self._mishaps.draw()
        if fault == "refuse":
            self._drain(request)
            return _tell({"error": {"code": 503, "message": "Backend Error"}}, 503)
        if fault == "break off" and not request.path.startswith(_SESSIONS):
            raise Disconnected
        reply = self._route(request, fault)
        if fault == "lose the reply":
            raise Disconnected
        return reply

    def read_counters(self) -> dict[str, int]:
        """Return what happened; bytes of photos only, `wrong` are files that are not what the gallery has."""
        return {
            "received": self._received,
            "wrong": self._wrong,
            "stored": self._files.photos_stored,
            "objections": self._ceiling.objections,
            "mishaps": self._mishaps.happened,
        }

    def _route(self, request: Request, fault: str) -> Reply:
        match request.method, request.path:
            # rclone says POST where the documentation says PUT.
            case "PUT" | "POST", path if path.startswith(_SESSIONS):
                return self._receive(self._sessions[path.rpartition("/")[2]], request, fault)
            case "POST", "/upload/drive/v3/files":
                return self._object(request) or self._upload(request)
            case "POST", "/drive/v3/files":
                return self._object(request) or _tell(self._files.add(json.loads(request.read())))
            case "GET", "/drive/v3/files":
                return _tell(self._files.page(request.query))
            case "GET", "/drive/v3/files/generateIds":
                ids = [f"id{next(self._numbers):08d}" for _ in range(int(request.query["count"]))]
                return _tell({"ids": ids})
            case "GET", "/drive/v3/about":
                return _tell({"storageQuota": {"limit": str(2**50), "usage": "0"}})
            case method, path:
                return self._file(method, path.rpartition("/")[2], request)

    def _object(self, request: Request) -> Reply | None:
        objection = self._ceiling.reject_excess()
        if objection:
            self._drain(request)
        return objection

    def _file(self, method: str, file_id: str, request: Request) -> Reply:
        self._drain(request)
        if method == "DELETE":
            self._files.remove(file_id)
            return Reply(204)
        file = self._files.get(file_id)
        return _tell(file) if file else _tell({"error": {"code": 404, "errors": [{"reason": "notFound"}]}}, 404)

    def _upload(self, request: Request) -> Reply:
        if request.query["uploadType"] == "multipart":
            return self._receive_multipart(request)
        metadata = json.loads(request.read())
        if self._files.get(metadata.get("id", "")):
            return _tell({"error": {"code": 409, "errors": [{"reason": "fileIdInUse"}]}}, 409)
        name = f"session{next(self._numbers)}"
        self._sessions[name] = Session(metadata)
        return Reply(200, headers={"Location": f"https://{request.headers['host']}{_SESSIONS}{name}"})

    def _receive(self, session: Session, request: Request, fault: str) -> Reply:
        told = request.headers.get("content-range", "")
        match = _CONTENT_RANGE.fullmatch(told)
        if session.file or (match and int(match[1]) != session.offset):
            self._drain(request)
        elif not told.startswith("bytes */"):
            self._receive_bytes(session, request, fault)
            if session.offset == (int(match[3]) if match else session.offset):
                self._finish(session)
        return _tell(session.file) if session.file else self._stand(session)

    def _receive_bytes(self, session: Session, request: Request, fault: str) -> None:
        length = int(request.headers.get("content-length", 0))
        left = self._mishaps.cut(length) if fault == "break off" else length + 1
        for piece in request.pieces():
            left -= len(piece)
            self._take(session, piece)
            if left <= 0:
                # What is left of a unit is not kept, and nobody is told.
                session.offset -= session.offset % UNIT
                raise Disconnected

    def _receive_multipart(self, request: Request) -> Reply:
        body = Multipart(request.headers["content-type"], request.pieces())
        session = Session(body.metadata)
        for piece in body.media():
            self._take(session, piece)
        self._finish(session)
        return _tell(session.file)

    def _take(self, session: Session, piece: memoryview) -> None:
        if self._check:
            index = self._photos.index(session.metadata["name"])
            session.is_right &= index is not None and self._photos.holds(index, session.offset, piece)
        session.offset += len(piece)
        with self._lock:
            self._received += len(piece)

    def _finish(self, session: Session) -> None:
        session.file = self._files.add({**session.metadata, "size": str(session.offset)})
        if session.offset != self._photos.size or not session.is_right:
            self._wrong += 1

    def _stand(self, session: Session) -> Reply:
        kept = {"Range": f"bytes=0-{session.offset - 1}"} if session.offset else {}
        return Reply(308, headers=kept)

    def _drain(self, request: Request) -> None:
        for piece in request.pieces():
            if request.method == "PUT":
                with self._lock:
                    self._received += len(piece)


def _tell(content: Any, status: int = 200) -> Reply:
    return Reply(status, json.dumps(content).encode(), headers={"Content-Type": "application/json; charset=UTF-8"})


if __name__ == "__main__":
    run(Drive)
