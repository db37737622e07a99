"""Middleware for every request: access log, CORS, limit of the body, answers for bugs."""

import logging
import time
from collections.abc import Sequence

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from common.http.network_policy import NetworkPolicy
from common.http.urls import LinkRefused, check_link
from web.http.problems import problem_response

logger = logging.getLogger(__name__)
access_logger = logging.getLogger("web.access")

MAX_BODY_BYTES = 16 * 1024
# Request headers that a page may set, and response headers that it may read, beyond those that CORS always allows.
_REQUEST_HEADERS = "Content-Type, Idempotency-Key, If-None-Match, Traceparent, X-Request-ID"
_RESPONSE_HEADERS = "ETag, RateLimit, RateLimit-Policy, Retry-After, X-Request-ID"
_PROBES = frozenset({"/healthz", "/readyz"})


class AccessLog:
    """Log one line for each request, without its query, which may hold a code and a state."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and log how it ended."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 500
        began = time.monotonic()

        async def watch_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, watch_status)
        finally:
            took = round((time.monotonic() - began) * 1000)
            line = {"method": scope["method"], "path": scope["path"], "status": status, "ms": took}
            access_logger.log(logging.DEBUG if scope["path"] in _PROBES else logging.INFO, "request", extra=line)


class Cors:
    """Allow pages of some hosts to call us, without cookies. https://fetch.spec.whatwg.org/#http-cors-protocol.

    Not Starlette's CORSMiddleware: that cannot match `*.host`, and tells pages of other hosts which methods it allows.

    Args:
        hosts: patterns of hosts, see `common.http.urls.host_matches`.
        policy: whether plain http and any port pass as well.
    """

    def __init__(self, app: ASGIApp, hosts: Sequence[str], policy: NetworkPolicy) -> None:
        self._app = app
        self._hosts = hosts
        self._policy = policy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a preflight request, or add CORS headers to the answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        origin = headers.get("origin")
        allowed = self._allow(origin) if origin else {}
        if scope["method"] == "OPTIONS" and "access-control-request-method" in headers:
            preflight = {
                "Access-Control-Allow-Methods": "GET, POST",
                "Access-Control-Allow-Headers": _REQUEST_HEADERS,
                "Access-Control-Max-Age": "600",
            }
            answer = Response(status_code=204, headers={**allowed, **(preflight if allowed else {}), "Vary": "Origin"})
            await answer(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                added = MutableHeaders(scope=message)
                if allowed:
                    added.update({**allowed, "Access-Control-Expose-Headers": _RESPONSE_HEADERS})
                added.add_vary_header("Origin")
            await send(message)

        await self._app(scope, receive, send_with_headers)

    def _allow(self, origin: str) -> dict[str, str]:
        try:
            parts = check_link(origin, self._hosts, policy=self._policy)
        except LinkRefused:
            return {}
        # An origin is a scheme, a host and maybe a port, with nothing after them.
        return {"Access-Control-Allow-Origin": origin} if origin == f"{parts.scheme}://{parts.netloc}" else {}


class BodyLimit:
    """Refuse long bodies with a problem, whatever their headers say.

    Not FastAPI's `max_body_size`: that answers a declared length in plain text, without CORS headers and request id,
    and counts only what a route reads.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the whole body, up to the limit, and pass it on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            body = await _read_body(scope, receive)
        except ClientDisconnect:
            return  # half a request is not done, and nobody waits for an answer
        if body is None:
            detail = f"The body must not be longer than {MAX_BODY_BYTES} bytes."
            await problem_response(413, "too_large", detail)(scope, receive, send)
            return
        messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive_again() -> Message:
            return messages.pop() if messages else await receive()

        await self._app(scope, receive_again, send)


async def _read_body(scope: Scope, receive: Receive) -> bytes | None:
    """Return the body, or None when it is longer than allowed.

    Raises:
        ClientDisconnect: the client left in the middle.
    """
    declared = Headers(scope=scope).get("content-length", "0")
    if declared.isdecimal() and int(declared) > MAX_BODY_BYTES:
        return None
    body = b""
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > MAX_BODY_BYTES:
            return None
    return body


class ServerErrors:
    """Answer 500 to a request that a bug ended.

    Not an exception handler: Starlette runs one for `Exception` outside of all middleware, so that CORS, request id and
    access line would be missing.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on; whatever it raises is a bug."""
        started = False

        async def watch_start(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, watch_start)
        except Exception:
            if started or scope["type"] != "http":
                raise
            logger.exception("a request ended in a bug")
            await problem_response(500, "internal_error", "Something is broken on our side.")(scope, receive, send)
