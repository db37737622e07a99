"""The faults only Drive can commit: sessions that vanish, acknowledgements that lie, ids that are taken."""

import re
from typing import TYPE_CHECKING, cast

from sandbox.faults.actions import Action, Strike
from sandbox.gallery.photos import BODY_ACTIONS
from sandbox.google.errors import error_reply, unauthenticated
from sandbox.google.session import Session
from sandbox.http.message import Reply
from sandbox.storage.uploads import corrupt_either, keep_part

if TYPE_CHECKING:
    from sandbox.google.drive import Drive


def hide_range(strike: Strike) -> Reply:
    """Say 308 without telling where the upload stands; with `lose`, it stands at zero from then on."""
    reply = strike.go()
    session = _session(strike)
    if reply.status == 308:
        reply.headers.pop("Range", None)
        if strike.fault.get("lose") and session:
            session.lose()
    return reply


def lie_range(strike: Strike) -> Reply:
    """Acknowledge more than was ever sent."""
    reply = strike.go()
    sent = re.search(r"-(\d+)/", strike.request.headers.get("Content-Range") or "")
    if reply.status == 308:
        reply.headers["Range"] = f"bytes=0-{int(sent[1] if sent else 0) + strike.fault.get('bytes', 262144)}"
    return reply


def forget_session(strike: Strike) -> Reply:
    """Lose the session: 404 from now on."""
    session = _session(strike)
    if session:
        cast("Drive", strike.service).uploads.forget(session)
    return strike.go()


def kill_session(strike: Strike) -> Reply:
    """End the session: 410 from now on."""
    return _end(strike, "gone")


def cancel_session(strike: Strike) -> Reply:
    """Cancel the session, as somebody else might: 499 from now on."""
    return _end(strike, "cancelled")


def omit_location(strike: Strike) -> Reply:
    """Open a session and don't say where it is."""
    reply = strike.go()
    reply.headers.pop("Location", None)
    return reply


def expire_token(strike: Strike) -> Reply:
    """End the guest's access tokens in this very moment."""
    tokens = cast("Drive", strike.service).tokens
    token = tokens.find(strike.request.bearer() or "")
    tokens.expire(token.login if token else None)
    return unauthenticated(missing=False)


def say_taken(_strike: Strike) -> Reply:
    """Refuse the id: there is a file of that id already."""
    return error_reply(409, "fileIdInUse")


def say_unusable(_strike: Strike) -> Reply:
    """Refuse the id: it was never handed out."""
    return error_reply(400, "fileIdNotUsable")


def leave_to_list(strike: Strike) -> Reply:
    """Do it where the list is made."""
    return strike.go()


def _session(strike: Strike) -> Session | None:
    return cast("Drive", strike.service).uploads.find(strike.request)


def _end(strike: Strike, state: str) -> Reply:
    session = _session(strike)
    if session and session.state == "open":
        session.close(state)
    return strike.go()


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
    **dict.fromkeys(("hide", "repeat", "empty_page", "reject_page_token"), leave_to_list),
}
