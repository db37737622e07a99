"""The faults any server can commit. What only a photo, an upload or a list can do stands with those.

An action gets a strike and returns the reply, or drops the connection.
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
class Strike:
    """A fault that meets a request.

    Attributes:
        service: Who was asked.
        fault: What is to go wrong.
        request: What was asked.
        go: Does the real thing.
    """

    service: "Service"
    fault: Fault
    request: Request
    go: Callable[[], Reply]


Action = Callable[[Strike], Reply]

SORRY = html_reply(
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


def answer_status(strike: Strike) -> Reply:
    """Answer with a status and nothing done."""
    status = strike.fault.get("status", 503)
    if strike.fault.get("html"):
        reply = Reply(status, SORRY.body, dict(SORRY.headers))
    elif strike.fault.get("body") is not None:
        reply = _given(strike.fault.get("body"), status)
    else:
        reply = strike.service.refuse(status, strike.fault.get("reason") or _REASON_OF.get(status, "backendError"))
        reply.status = strike.fault.get("status", reply.status)
    reply.headers.update(strike.fault.get("headers", {}))
    reply.early = bool(strike.fault.get("early"))
    return reply


def throttle(strike: Strike) -> Reply:
    """Answer that the account writes too fast."""
    usual, reason = strike.service.throttles_with
    status = strike.fault.get("status", usual)
    reply = strike.service.refuse(status, strike.fault.get("reason", reason))
    reply.status = status
    if strike.fault.get("retry_after") is not None:
        reply.headers["Retry-After"] = str(strike.fault.get("retry_after"))
    return reply


def drop_before(_strike: Strike) -> Reply:
    """Reset before doing anything."""
    raise Dropped


def drop_after(strike: Strike) -> Reply:
    """Do everything, then reset instead of answering."""
    strike.go()
    raise Dropped


def drop_midway(strike: Strike) -> Reply:
    """Reset in the middle: of the body that comes in if it still does, else of the body that goes out."""
    if strike.request.operation in UPLOADS:
        total = strike.request.body.length or 0
        strike.request.body.drop_at = strike.fault.get("bytes", total // 2)
        return strike.go()
    reply = strike.go()
    reply.cut = min(strike.fault.get("bytes", len(reply.body) // 2), len(reply.body))
    return reply


def stall(strike: Strike) -> Reply:
    """Do nothing for a while, before or after the real thing."""
    seconds = strike.fault.get("seconds", 60)
    if strike.fault.get("when", "before") == "after":
        reply = strike.go()
        strike.service.faults.stopped.wait(seconds)
        return reply
    strike.service.faults.stopped.wait(seconds)
    return strike.go()


def drip(strike: Strike) -> Reply:
    """Take an upload's body, or give any other reply, a few bytes a second."""
    rate = float(strike.fault.get("rate", 1024))
    if strike.request.operation not in UPLOADS:
        reply = strike.go()
        reply.rate = rate
        return reply
    read_slowly(strike.request.body, rate, strike.service.faults.stopped)
    return strike.go()


def drip_headers(strike: Strike) -> Reply:
    """Do everything, then give status and headers a byte at a time."""
    reply = strike.go()
    reply.head_rate = 1 / float(strike.fault.get("seconds", 3))
    return reply


def say_more_is_to_come(strike: Strike) -> Reply:
    """Do everything, then say again and again that the answer is to come."""
    reply = strike.go()
    seconds = float(strike.fault.get("seconds", 1))
    reply.interim = Interim(strike.fault.get("status", 100), strike.fault.get("count"), seconds)
    return reply


def never_read(strike: Strike) -> Reply:
    """Take nothing of an upload's body, say nothing, and hang up after a while."""
    strike.service.faults.stopped.wait(strike.fault.get("seconds", 60))
    raise Dropped


def read_slowly(body: Body, rate: float, stopped: threading.Event) -> None:
    """Let a body be read at so many bytes a second, until everything ends."""
    read = body.read

    def drip_in(size: int = PIECE) -> bytes:
        piece = read(max(1, min(size, int(rate / 10))))
        stopped.wait(len(piece) / rate)
        return piece

    body.read = drip_in  # type: ignore[method-assign]


def answer_html(strike: Strike) -> Reply:
    """Answer with a log-in page, as a captive proxy does."""
    return html_reply("Please log in", "<form><input name=password></form>", strike.fault.get("status", 200))


def redirect(strike: Strike) -> Reply:
    """Send the client elsewhere, in the very bytes that are given: real servers escape nothing."""
    reply = text_reply("", strike.fault.get("status", 308))
    given = strike.fault.get("location", "http://127.0.0.1:9/elsewhere")
    encoding = strike.fault.get("encoding", "utf-8")
    for location in [given] if isinstance(given, str) else given:
        # The server writes each letter of ISO 8859-1 as its byte.
        reply.lines.append(("Location", location.encode(encoding).decode("latin-1")))
    return reply


def relabel(strike: Strike) -> Reply:
    """Do everything, then say other things of the body than are so."""
    reply = strike.go()
    reply.status = strike.fault.get("status", reply.status)
    headers = {**reply.headers, **strike.fault.get("headers", {})}
    reply.headers = {name: value for name, value in headers.items() if value is not None}
    reply.lines += [(name, value) for name, value in strike.fault.get("lines", [])]
    reply.length = strike.fault.get("length", reply.length)
    return reply


def cut_json(strike: Strike) -> Reply:
    """Do everything, then answer with half of the JSON."""
    reply = strike.go()
    reply.body = reply.body[: strike.fault.get("bytes", len(reply.body) // 2)]
    return reply


def drop_fields(strike: Strike) -> Reply:
    """Leave fields out of the JSON, at any depth."""
    names = set(strike.fault.get("fields", ["md5Checksum"]))
    return _change(strike.go(), lambda each: {key: value for key, value in each.items() if key not in names})


def set_fields(strike: Strike) -> Reply:
    """Write other values into the JSON's outermost object."""
    reply = strike.go()
    content = reply.json()
    if isinstance(content, dict):
        reply.body = json.dumps({**content, **strike.fault.get("fields", {})}).encode()
    return reply


def lie_md5(strike: Strike) -> Reply:
    """Tell a wrong MD5 wherever one stands."""
    wrong = strike.fault.get("md5", "0" * 32)
    return _change(strike.go(), lambda each: {**each, **{name: wrong for name in _DIGESTS if name in each}})


def lie_size(strike: Strike) -> Reply:
    """Tell a wrong size wherever one stands."""
    by = strike.fault.get("bytes", 1)

    def lie(each: dict[str, Any]) -> dict[str, Any]:
        return {**each, "size": type(each["size"])(int(each["size"]) + by)} if "size" in each else each

    return _change(strike.go(), lie)


def _given(body: Any, status: int) -> Reply:
    if isinstance(body, str):
        return text_reply(body, status, "text/html" if body.lstrip().startswith("<") else "text/plain")
    return Reply(status, json.dumps(body).encode(), {"Content-Type": "application/json; charset=UTF-8"})


def _change(reply: Reply, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Reply:
    if reply.json() is not None:
        reply.body = json.dumps(json.loads(reply.body, object_hook=change)).encode()
    return reply


GENERIC: dict[str, Action] = {
    "status": answer_status,
    "throttle": throttle,
    "drop_before": drop_before,
    "drop_after": drop_after,
    "drop_midway": drop_midway,
    "stall": stall,
    "drip": drip,
    "drip_headers": drip_headers,
    "interim": say_more_is_to_come,
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
