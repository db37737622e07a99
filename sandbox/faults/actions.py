"""Actions of the faults that any stand-in supports; those of photos, uploads and lists are defined there.

An action gets a `FaultContext` and returns the reply, or raises `Dropped` to reset the connection.
"""

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandbox.clouds import CLOUDS
from sandbox.faults.plan import UPLOADS, Fault
from sandbox.http.message import PIECE, Body, Dropped, Interim, Reply, Request, html_reply, text_reply

if TYPE_CHECKING:
    from sandbox.http.service import Service


@dataclass(frozen=True)
class FaultContext:
    """A request that a fault applies to.

    Attributes:
        service: The stand-in that received it.
        fault: The fault.
        request: The request.
        proceed: Handles the request as without a fault and returns the reply.
    """

    service: "Service"
    fault: Fault
    request: Request
    proceed: Callable[[], Reply]


Action = Callable[[FaultContext], Reply]

SORRY_PAGE = html_reply(
    "We're sorry...",
    "<p>... but your computer or network may be sending automated queries. "
    "To protect our users, we can't process your request right now.</p>",
)
_DIGESTS = tuple(cloud.digest_field for cloud in CLOUDS)
_REASON_OF = {
    400: "badRequest",
    401: "authError",
    403: "userRateLimitExceeded",
    404: "notFound",
    409: "fileIdInUse",
    413: "uploadTooLarge",
    429: "rateLimitExceeded",
    500: "internalError",
}


def answer_status(context: FaultContext) -> Reply:
    """Reply with an error status without handling the request."""
    status = context.fault.get("status", 503)
    if context.fault.get("html"):
        reply = Reply(status, SORRY_PAGE.body, dict(SORRY_PAGE.headers))
    elif context.fault.get("body") is not None:
        reply = _given(context.fault.get("body"), status)
    else:
        reply = context.service.refuse(status, context.fault.get("reason") or _REASON_OF.get(status, "backendError"))
        reply.status = context.fault.get("status", reply.status)
    reply.headers.update(context.fault.get("headers", {}))
    reply.early = bool(context.fault.get("early"))
    return reply


def throttle(context: FaultContext) -> Reply:
    """Reply that the account sends too many requests."""
    usual, reason = context.service.throttles_with
    status = context.fault.get("status", usual)
    reply = context.service.refuse(status, context.fault.get("reason", reason))
    reply.status = status
    if context.fault.get("retry_after") is not None:
        reply.headers["Retry-After"] = str(context.fault.get("retry_after"))
    return reply


def drop_before(_strike: FaultContext) -> Reply:
    """Reset the connection before handling the request."""
    raise Dropped


def drop_after(context: FaultContext) -> Reply:
    """Handle the request, then reset the connection instead of replying."""
    context.proceed()
    raise Dropped


def drop_midway(context: FaultContext) -> Reply:
    """Reset the connection in the middle of an upload's body, or of any other reply's body."""
    if context.request.operation in UPLOADS:
        total = context.request.body.length or 0
        context.request.body.drop_at = context.fault.get("bytes", total // 2)
        return context.proceed()
    reply = context.proceed()
    reply.cut = min(context.fault.get("bytes", len(reply.body) // 2), len(reply.body))
    return reply


def stall(context: FaultContext) -> Reply:
    """Pause before or after handling the request."""
    seconds = context.fault.get("seconds", 60)
    if context.fault.get("when", "before") == "after":
        reply = context.proceed()
        context.service.faults.stopped.wait(seconds)
        return reply
    context.service.faults.stopped.wait(seconds)
    return context.proceed()


def drip(context: FaultContext) -> Reply:
    """Read an upload's body, or send any other reply's body, at a few bytes a second."""
    rate = float(context.fault.get("rate", 1024))
    if context.request.operation not in UPLOADS:
        reply = context.proceed()
        reply.rate = rate
        return reply
    read_slowly(context.request.body, rate, context.service.faults.stopped)
    return context.proceed()


def drip_headers(context: FaultContext) -> Reply:
    """Handle the request, then send status and headers one byte at a time."""
    reply = context.proceed()
    reply.head_rate = 1 / float(context.fault.get("seconds", 3))
    return reply


def send_interim_replies(context: FaultContext) -> Reply:
    """Handle the request, then send informational replies before the final one."""
    reply = context.proceed()
    seconds = float(context.fault.get("seconds", 1))
    reply.interim = Interim(context.fault.get("status", 100), context.fault.get("count"), seconds)
    return reply


def never_read(context: FaultContext) -> Reply:
    """Read nothing of an upload's body, and reset the connection after a while."""
    context.service.faults.stopped.wait(context.fault.get("seconds", 60))
    raise Dropped


def read_slowly(body: Body, rate: float, stopped: threading.Event) -> None:
    """Limit a body to so many bytes a second, until `stopped` is set."""
    read = body.read

    def drip_in(size: int = PIECE) -> bytes:
        piece = read(max(1, min(size, int(rate / 10))))
        stopped.wait(len(piece) / rate)
        return piece

    body.read = drip_in  # type: ignore[method-assign]


def answer_html(context: FaultContext) -> Reply:
    """Reply with a log-in page, as a captive portal does."""
    return html_reply("Please log in", "<form><input name=password></form>", context.fault.get("status", 200))


def redirect(context: FaultContext) -> Reply:
    """Redirect to the given locations, byte for byte: real servers escape nothing."""
    reply = text_reply("", context.fault.get("status", 308))
    given = context.fault.get("location", "http://127.0.0.1:9/elsewhere")
    for location in [given] if isinstance(given, str) else given:
        # The server writes each letter of ISO 8859-1 as its byte.
        reply.lines.append(("Location", location.encode().decode("latin-1")))
    return reply


def relabel(context: FaultContext) -> Reply:
    """Handle the request, then change the reply's status, headers or declared length."""
    reply = context.proceed()
    reply.status = context.fault.get("status", reply.status)
    headers = {**reply.headers, **context.fault.get("headers", {})}
    reply.headers = {name: value for name, value in headers.items() if value is not None}
    reply.lines += [(name, value) for name, value in context.fault.get("lines", [])]
    reply.length = context.fault.get("length", reply.length)
    return reply


def cut_json(context: FaultContext) -> Reply:
    """Handle the request, then reply with half of the JSON."""
    reply = context.proceed()
    reply.body = reply.body[: context.fault.get("bytes", len(reply.body) // 2)]
    return reply


def drop_fields(context: FaultContext) -> Reply:
    """Remove fields from the reply's JSON, at any depth."""
    names = set(context.fault.get("fields", ["md5Checksum"]))
    return _change(context.proceed(), lambda each: {key: value for key, value in each.items() if key not in names})


def set_fields(context: FaultContext) -> Reply:
    """Set fields of the reply's outermost JSON object."""
    reply = context.proceed()
    content = reply.json()
    if isinstance(content, dict):
        reply.body = json.dumps({**content, **context.fault.get("fields", {})}).encode()
    return reply


def lie_md5(context: FaultContext) -> Reply:
    """Replace every MD5 in the reply's JSON."""
    return _change(context.proceed(), lambda each: {**each, **{name: "0" * 32 for name in _DIGESTS if name in each}})


def lie_size(context: FaultContext) -> Reply:
    """Change every size in the reply's JSON."""
    by = context.fault.get("bytes", 1)

    def lie(each: dict[str, Any]) -> dict[str, Any]:
        return {**each, "size": type(each["size"])(int(each["size"]) + by)} if "size" in each else each

    return _change(context.proceed(), lie)


def _given(body: Any, status: int) -> Reply:
    if isinstance(body, str):
        return text_reply(body, status, "text/html" if body.lstrip().startswith("<") else "text/plain")
    return Reply(status, json.dumps(body).encode(), {"Content-Type": "application/json; charset=UTF-8"})


def _change(reply: Reply, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Reply:
    if reply.json() is not None:
        reply.body = json.dumps(json.loads(reply.body, object_hook=change)).encode()
    return reply


GENERIC_ACTIONS: dict[str, Action] = {
    "status": answer_status,
    "throttle": throttle,
    "drop_before": drop_before,
    "drop_after": drop_after,
    "drop_midway": drop_midway,
    "stall": stall,
    "drip": drip,
    "drip_headers": drip_headers,
    "interim": send_interim_replies,
    "never_read": never_read,
    "html": answer_html,
    "redirect": redirect,
    "relabel": relabel,
    "bad_json": cut_json,
    "drop_fields": drop_fields,
    "set_fields": set_fields,
    "lie_md5": lie_md5,
    "lie_size": lie_size,
}
