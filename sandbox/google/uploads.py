"""Uploads to Drive: simple, multipart and resumable.

https://developers.google.com/workspace/drive/api/guides/manage-uploads and, where that is silent, what the same
front-end does for Cloud Storage: https://cloud.google.com/storage/docs/performing-resumable-uploads
"""

import secrets
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandbox.google.caller import Caller
from sandbox.google.content_range import (
    UNREADABLE,
    ContentRange,
    describe_gap,
    describe_mismatch,
    find_violations,
    read_content_range,
    read_query,
)
from sandbox.google.errors import ApiError, error_reply
from sandbox.google.multipart import split_parts
from sandbox.google.resource import check_metadata
from sandbox.google.session import Session, Superseded
from sandbox.http.message import Dropped, Reply, Request, text_reply
from sandbox.storage.tree import Content

if TYPE_CHECKING:
    from sandbox.google.drive import Drive


@dataclass(frozen=True)
class UploadPlan:
    """The file to make of an upload's bytes.

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
    """All upload sessions. Thread-safe.

    Attributes:
        received: Bytes received in sessions, repeated ones included.
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
        """Remove a session."""
        with self._guard:
            self._sessions.pop(session.id, None)

    def sessions(self) -> list[Session]:
        """Return all sessions, ended ones included."""
        with self._guard:
            return list(self._sessions.values())

    def open(self, request: Request, caller: Caller, replaces: str = "") -> Reply:
        """Open a session.

        Raises:
            ApiError: The metadata, the parent, the id or the size are not acceptable.
        """
        try:
            meta = check_metadata(request.json())
        except ValueError:
            raise ApiError("badRequest", "Parse Error") from None
        declared = request.headers.get("X-Upload-Content-Length") or ""
        total = int(declared) if declared.isdigit() else None
        plan = UploadPlan(
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

    def upload_whole(self, request: Request, caller: Caller, replaces: str = "") -> Reply:
        """Handle an upload in one request: multipart/related, or bytes alone."""
        alone = request.query.get("uploadType") == "media"
        meta, media_type, data = (
            ({}, request.headers.get("Content-Type") or "", request.content()) if alone else split_parts(request)
        )
        plan = UploadPlan(caller, check_metadata(meta), media_type, replaces, request.query.get("fields"))
        self._drive.check_plan(plan, len(data), "initiate")
        item = self._drive.make_file(plan, Content.of(data, keep=self._drive.keep_bytes))
        return self._drive.show_file(item, plan.caller, plan.fields)

    def cancel(self, request: Request) -> Reply:
        """Cancel a session."""
        session = self.find(request)
        if not session:
            return text_reply("Not Found", 404)
        if session.state == "open":
            session.close("cancelled")
        return self._outcome(session)

    def put(self, request: Request) -> Reply:
        """Handle a PUT to a session: bytes, or a status query."""
        session = self.find(request)
        if not session:
            return text_reply("Not Found", 404)
        if session.state != "open":
            return self._outcome(session)
        self._check_form(session, request)
        if request.body.chunked == (request.body.length is not None):
            return text_reply("Bad Request", 400) if request.body.chunked else text_reply("Length Required", 411)
        given = request.headers.get("Content-Range")
        if total := read_query(given or ""):
            return self._answer_query(session, request, total)
        span = read_content_range(given, request.body.length)
        if span is None:
            return self._refuse_range(session, request, given or "")
        return self._receive_range(session, request, span)

    def _check_form(self, session: Session, request: Request) -> None:
        for violation in find_violations(request.headers.get("Content-Range") or "", request.body, session.total):
            self._drive.record_violation(request, violation)

    def _refuse_range(self, session: Session, request: Request, given: str) -> Reply:
        # Seen at Cloud Storage: after this the session is no good for anything.
        # https://cloud.google.com/storage/docs/troubleshooting
        session.close("gone")
        if given.startswith("bytes "):
            self._drive.record_violation(request, f"unreadable Content-Range {given!r}")
        return text_reply(UNREADABLE, 400)

    def _answer_query(self, session: Session, request: Request, total: str) -> Reply:
        with session.guard:
            # A query that names the bytes stored as the total ends an upload whose total was never declared.
            # https://github.com/floci-io/floci-gcp/issues/34
            guessed = session.total is None and total == str(session.stored)
            # A file may be stored to its last byte and yet refused, by a full account say: then it is tried again. So
            # a query that names the total of a file of nothing makes one.
            if guessed or session.stored == session.total:
                return self._finish(session, session.begin(session.stored))
            return _incomplete_reply(session, request)

    def _receive_range(self, session: Session, request: Request, span: ContentRange) -> Reply:
        wrong = self._find_problem_of_range(session, request, span)
        if wrong:
            return wrong
        writer = session.begin(span.start)
        try:
            received = self._store_body(session, request, writer)
        except Superseded:
            raise Dropped from None
        except (Dropped, OSError):
            session.discard_partial_unit(writer)
            raise
        with session.guard:
            if not session.is_current(writer):
                raise Dropped
            if session.differs:
                self._drive.record_violation(request, "bytes sent again differ from those stored")
            ranged = "Content-Range" in request.headers
            total = span.total if ranged else received
            fits = not ranged or received == span.end - span.start
            if fits and session.length() == total and request.keep_only is None:
                return self._finish(session, writer)
            session.discard_partial_unit(writer)
            return _incomplete_reply(session, request) if fits else self._mismatch(request, received, span)

    def _store_body(self, session: Session, request: Request, writer: int) -> int:
        """Store the body and return its length; bytes beyond `keep_only` are read and discarded."""
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

    def _find_problem_of_range(self, session: Session, request: Request, span: ContentRange) -> Reply | None:
        length = request.body.length
        if length is not None and length != span.end - span.start:
            return self._mismatch(request, length, span)
        if span.start > session.stored:
            self._drive.record_violation(request, f"gap after {session.stored} bytes")
            return text_reply(describe_gap(span, session.stored), 503)
        if span.total is not None and span.total < session.stored:
            return self._refuse_range(session, request, f"bytes {span.start}-{span.end}/{span.total}")
        return None

    def _mismatch(self, request: Request, received: int, span: ContentRange) -> Reply:
        self._drive.record_violation(request, f"{received} bytes under {request.headers.get('Content-Range')}")
        return text_reply(describe_mismatch(span, received), 400)

    def _finish(self, session: Session, writer: int) -> Reply:
        try:
            item = self._drive.make_file(session.plan, session.finish())
        except ApiError:
            session.discard_partial_unit(writer)
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


def _incomplete_reply(session: Session, request: Request) -> Reply:
    headers = {"Content-Type": "text/plain; charset=utf-8", "X-GUploader-UploadID": session.id}
    if session.stored:
        headers["Range"] = f"bytes=0-{session.stored - 1}"
    if request.headers.get("X-GUploader-No-308") == "yes":
        return Reply(200, b"", {**headers, "X-HTTP-Status-Code-Override": "308"})
    return Reply(308, b"", headers)
