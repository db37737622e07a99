"""Uploads: one request, two parts, or a resumable session.

https://developers.google.com/workspace/drive/api/guides/manage-uploads and, where that is silent, what the same
front-end does for Cloud Storage: https://cloud.google.com/storage/docs/performing-resumable-uploads
"""

import secrets
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandbox.google.caller import Caller
from sandbox.google.content_range import UNREADABLE, Span, find_breaches, read_query, read_span, tell_gap, tell_mismatch
from sandbox.google.errors import Refused, error_reply
from sandbox.google.multipart import split_parts
from sandbox.google.resource import check_metadata
from sandbox.google.session import Overtaken, Session
from sandbox.http.message import Dropped, Reply, Request, text_reply
from sandbox.storage.tree import Content

if TYPE_CHECKING:
    from sandbox.google.drive import Drive


@dataclass(frozen=True)
class Plan:
    """What is to be made of a session's bytes.

    Attributes:
        caller: Who opened it.
        meta: The metadata, checked.
        media_type: X-Upload-Content-Type.
        replaces: The file whose content is replaced; empty for a new one.
        fields: What the opening request wants to be told in the last reply; None for the usual.
    """

    caller: Caller
    meta: dict[str, Any]
    media_type: str
    replaces: str
    fields: str | None


class Uploads:
    """The sessions of a Drive. Thread-safe.

    Attributes:
        received: Bytes that came in sessions, those sent again included.
    """

    def __init__(self, drive: "Drive"):
        self.received = 0
        self._drive = drive
        self._guard = threading.Lock()
        self._sessions: dict[str, Session] = {}

    def find(self, request: Request) -> Session | None:
        """Return the session a request is about."""
        with self._guard:
            return self._sessions.get(request.query.get("upload_id", ""))

    def forget(self, session: Session) -> None:
        """Lose a session altogether."""
        with self._guard:
            self._sessions.pop(session.id, None)

    def sessions(self) -> list[Session]:
        """Return the sessions there are, ended ones included."""
        with self._guard:
            return list(self._sessions.values())

    def open(self, request: Request, caller: Caller, replaces: str = "") -> Reply:
        """Begin a resumable upload.

        Raises:
            Refused: The metadata, the parent, the id or the size are not acceptable.
        """
        try:
            meta = check_metadata(request.json())
        except ValueError:
            raise Refused("badRequest", "Parse Error") from None
        declared = request.headers.get("X-Upload-Content-Length") or ""
        total = int(declared) if declared.isdigit() else None
        plan = Plan(
            caller, meta, request.headers.get("X-Upload-Content-Type") or "", replaces, request.query.get("fields")
        )
        self._drive.check_plan(plan, total or 0, "initiate")
        session = Session("A" + secrets.token_urlsafe(40), total, plan, keep=self._drive.keep_bytes)
        with self._guard:
            self._sessions[session.id] = session
        query = f"{request.query_string}&upload_id={session.id}&session_crd={secrets.token_urlsafe(20)}"
        reply = text_reply("")
        reply.headers |= {
            "Location": f"{self._drive.origin(request)}{request.path}?{query}",
            "X-GUploader-UploadID": session.id,
        }
        return reply

    def take_whole(self, request: Request, caller: Caller, replaces: str = "") -> Reply:
        """Take metadata and bytes in one request: multipart/related, or bytes alone."""
        alone = request.query.get("uploadType") == "media"
        meta, media_type, data = (
            ({}, request.headers.get("Content-Type") or "", request.content()) if alone else split_parts(request)
        )
        plan = Plan(caller, check_metadata(meta), media_type, replaces, request.query.get("fields"))
        self._drive.check_plan(plan, len(data), "initiate")
        item = self._drive.make_file(plan, Content.of(data, keep=self._drive.keep_bytes))
        return self._drive.show_file(item, plan.caller, plan.fields)

    def cancel(self, request: Request) -> Reply:
        """End a session."""
        session = self.find(request)
        if not session:
            return text_reply("Not Found", 404)
        if session.state == "open":
            session.close("cancelled")
        return self._outcome(session)

    def put(self, request: Request) -> Reply:
        """Take bytes for a session, or tell where it stands."""
        session = self.find(request)
        if not session:
            return text_reply("Not Found", 404)
        if session.state != "open":
            return self._outcome(session)
        self._look_at_form(session, request)
        if request.body.chunked == (request.body.length is not None):
            return text_reply("Bad Request", 400) if request.body.chunked else text_reply("Length Required", 411)
        given = request.headers.get("Content-Range")
        if total := read_query(given or ""):
            return self._tell(session, request, total)
        span = read_span(given, request.body.length)
        if span is None:
            return self._refuse_range(session, request, given or "")
        return self._take(session, request, span)

    def _look_at_form(self, session: Session, request: Request) -> None:
        for breach in find_breaches(request.headers.get("Content-Range") or "", request.body, session.total):
            self._drive.violate(request, breach)

    def _refuse_range(self, session: Session, request: Request, given: str) -> Reply:
        # Seen at Cloud Storage: after this the session is no good for anything.
        # https://cloud.google.com/storage/docs/troubleshooting
        session.close("gone")
        if given.startswith("bytes "):
            self._drive.violate(request, f"unreadable Content-Range {given!r}")
        return text_reply(UNREADABLE, 400)

    def _tell(self, session: Session, request: Request, total: str) -> Reply:
        with session.guard:
            # A query that names the bytes stored as the total ends an upload whose total was never declared.
            # https://github.com/floci-io/floci-gcp/issues/34
            guessed = session.total is None and total == str(session.stored)
            # A file may be stored to its last byte and yet refused, by a full account say: then it is tried again. So
            # a query that names the total of a file of nothing makes one.
            if guessed or session.stored == session.total:
                return self._finish(session, session.begin(session.stored))
            return _stands(session, request)

    def _take(self, session: Session, request: Request, span: Span) -> Reply:
        wrong = self._find_fault_in(session, request, span)
        if wrong:
            return wrong
        writer = session.begin(span.start)
        try:
            received = self._receive(session, request, writer)
        except Overtaken:
            raise Dropped from None
        except (Dropped, OSError):
            session.rest(writer)
            raise
        with session.guard:
            if not session.is_current(writer):
                raise Dropped
            if session.differs:
                self._drive.violate(request, "bytes sent again differ from those stored")
            ranged = "Content-Range" in request.headers
            total = span.total if ranged else received
            fits = not ranged or received == span.end - span.start
            if fits and session.length() == total and request.keep_only is None:
                return self._finish(session, writer)
            session.rest(writer)
            return _stands(session, request) if fits else self._mismatch(request, received, span)

    def _receive(self, session: Session, request: Request, writer: int) -> int:
        """Return the bytes of the body; those beyond `keep_only` are taken and thrown away."""
        received = 0
        try:
            for piece in request.body.pieces():
                kept = piece if request.keep_only is None else piece[: max(request.keep_only - received, 0)]
                received += len(piece)
                session.write(writer, kept)
        finally:
            with self._guard:
                self.received += received
        return received

    def _find_fault_in(self, session: Session, request: Request, span: Span) -> Reply | None:
        length = request.body.length
        if length is not None and length != span.end - span.start:
            return self._mismatch(request, length, span)
        if span.start > session.stored:
            self._drive.violate(request, f"gap after {session.stored} bytes")
            return text_reply(tell_gap(span, session.stored), 503)
        if span.total is not None and span.total < session.stored:
            return self._refuse_range(session, request, f"bytes {span.start}-{span.end}/{span.total}")
        return None

    def _mismatch(self, request: Request, received: int, span: Span) -> Reply:
        self._drive.violate(request, f"{received} bytes under {request.headers.get('Content-Range')}")
        return text_reply(tell_mismatch(span, received), 400)

    def _finish(self, session: Session, writer: int) -> Reply:
        try:
            item = self._drive.make_file(session.plan, session.finish())
        except Refused:
            session.rest(writer)
            raise
        session.close("complete", item.id)
        return self._outcome(session)

    def _outcome(self, session: Session) -> Reply:
        if session.state == "cancelled":
            return error_reply(499, "clientClosedRequest")
        item = session.plan.caller.account.items.get(session.item)
        if session.state == "gone" or not item:
            return text_reply("Gone", 410)
        return self._drive.show_file(item, session.plan.caller, session.plan.fields)


def _stands(session: Session, request: Request) -> Reply:
    headers = {"Content-Type": "text/plain; charset=utf-8", "X-GUploader-UploadID": session.id}
    if session.stored:
        headers["Range"] = f"bytes=0-{session.stored - 1}"
    if request.headers.get("X-GUploader-No-308") == "yes":
        return Reply(200, b"", {**headers, "X-HTTP-Status-Code-Override": "308"})
    return Reply(308, b"", headers)
