"""Actions of Drive's own faults: lost sessions, wrong acknowledgements, ids that are in use."""

import re
from typing import TYPE_CHECKING, cast

from sandbox.faults.actions import Action, FaultContext
from sandbox.gallery.photos import BODY_ACTIONS
from sandbox.google.errors import error_reply, unauthenticated
from sandbox.google.session import Session
from sandbox.http.message import Reply
from sandbox.storage.uploads import corrupt_either, keep_part

if TYPE_CHECKING:
    from sandbox.google.drive import Drive


def hide_range(context: FaultContext) -> Reply:
    """Reply 308 without Range; with `lose`, the stored bytes are lost as well."""
    reply = context.proceed()
    session = _session(context)
    if reply.status == 308:
        reply.headers.pop("Range", None)
        if context.fault.get("lose") and session:
            session.reset()
    return reply


def lie_range(context: FaultContext) -> Reply:
    """Acknowledge more than was ever sent."""
    reply = context.proceed()
    sent = re.search(r"-(\d+)/", context.request.headers.get("Content-Range") or "")
    if reply.status == 308:
        reply.headers["Range"] = f"bytes=0-{int(sent[1] if sent else 0) + context.fault.get('bytes', 262144)}"
    return reply


def forget_session(context: FaultContext) -> Reply:
    """Lose the session: 404 from now on."""
    session = _session(context)
    if session:
        cast("Drive", context.service).uploads.forget(session)
    return context.proceed()


def kill_session(context: FaultContext) -> Reply:
    """End the session: 410 from now on."""
    return _end(context, "gone")


def cancel_session(context: FaultContext) -> Reply:
    """Cancel the session, as somebody else might: 499 from now on."""
    return _end(context, "cancelled")


def omit_location(context: FaultContext) -> Reply:
    """Open a session and don't say where it is."""
    reply = context.proceed()
    reply.headers.pop("Location", None)
    return reply


def expire_token(context: FaultContext) -> Reply:
    """Expire the guest's access tokens with this request."""
    tokens = cast("Drive", context.service).tokens
    token = tokens.find(context.request.bearer() or "")
    tokens.expire(token.login if token else None)
    return unauthenticated(missing=False)


def say_taken(_strike: FaultContext) -> Reply:
    """Refuse the id: there is a file of that id already."""
    return error_reply(409, "fileIdInUse")


def say_unusable(_strike: FaultContext) -> Reply:
    """Refuse the id: it was never handed out."""
    return error_reply(400, "fileIdNotUsable")


def leave_to_listing(context: FaultContext) -> Reply:
    """Proceed: `listing` applies the fault."""
    return context.proceed()


def _session(context: FaultContext) -> Session | None:
    return cast("Drive", context.service).uploads.find(context.request)


def _end(context: FaultContext, state: str) -> Reply:
    session = _session(context)
    if session and session.state == "open":
        session.close(state)
    return context.proceed()


DRIVE_ACTIONS: dict[str, Action] = {
    **BODY_ACTIONS,
    "partial": keep_part,
    "no_range": hide_range,
    "lie_range": lie_range,
    "forget_session": forget_session,
    "gone_session": kill_session,
    "cancelled_session": cancel_session,
    "no_location": omit_location,
    "expire_token": expire_token,
    "id_in_use": say_taken,
    "unusable_id": say_unusable,
    "corrupt": corrupt_either,
    **dict.fromkeys(("hide", "repeat", "empty_page", "reject_page_token"), leave_to_listing),
}
