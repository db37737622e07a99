"""What every request passes on its way in: the access line, CORS, and the limit of a body. Knows no route."""

import logging
import time
from collections.abc import Sequence

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from common.http.urls import LinkRefused, check_link
from web.http.problems import problem_response

logger = logging.getLogger(__name__)
access_logger = logging.getLogger("web.access")

LONGEST_BODY = 16 * 1024
# What a page may send besides what every page may, and what it may read of our answers.
_SENT = "Content-Type, Idempotency-Key, If-None-Match, Traceparent, X-Request-ID"
_READ = "ETag, RateLimit, RateLimit-Policy, Retry-After, X-Request-ID"
_PROBES = frozenset({"/healthz", "/readyz"})


class AccessLog:
    """Writes one line for each request: never its query, which may hold a code and a state."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request pass, and say how it ended."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 500
        began = time.monotonic()

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, watch)
        finally:
            took = round((time.monotonic() - began) * 1000)
            line = {"method": scope["method"], "path": scope["path"], "status": status, "ms": took}
            access_logger.log(logging.DEBUG if scope["path"] in _PROBES else logging.INFO, "request", extra=line)


class Cors:
    """Lets the pages of allowed hosts call us, without cookies. https://fetch.spec.whatwg.org/#http-cors-protocol.

    Args:
        hosts: patterns of hosts, see `common.http.urls.host_matches`.
        local: also let plain http and any port pass.
    """

    def __init__(self, app: ASGIApp, hosts: Sequence[str], *, local: bool) -> None:
        self._app = app
        self._hosts = hosts
        self._local = local

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a browser that asks beforehand, or add to the answer whether its page may read it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        origin = headers.get("origin")
        allowance = self._allow(origin) if origin else {}
        if scope["method"] == "OPTIONS" and "access-control-request-method" in headers:
            asked = {
                "Access-Control-Allow-Methods": "GET, POST",
                "Access-Control-Allow-Headers": _SENT,
                "Access-Control-Max-Age": "600",
            }
            answer = Response(status_code=204, headers={**allowance, **(asked if allowance else {}), "Vary": "Origin"})
            await answer(scope, receive, send)
            return

        async def add(message: Message) -> None:
            if message["type"] == "http.response.start":
                told = MutableHeaders(scope=message)
                if allowance:
                    told.update({**allowance, "Access-Control-Expose-Headers": _READ})
                told.add_vary_header("Origin")
            await send(message)

        await self._app(scope, receive, add)

    def _allow(self, origin: str) -> dict[str, str]:
        try:
            parts = check_link(origin, self._hosts, local=self._local)
        except LinkRefused:
            return {}
        # An origin is a scheme, a host and maybe a port, nothing behind them.
        return {"Access-Control-Allow-Origin": origin} if origin == f"{parts.scheme}://{parts.netloc}" else {}


class BodyLimit:
    """Refuses bodies that are longer than anything we take, whatever their headers say."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read a body whole, up to the limit, and hand it on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            body = await _read(scope, receive)
        except ClientDisconnect:
            return  # what is only half asked for is not done, and nobody waits for an answer
        if body is None:
            detail = f"The body must not be longer than {LONGEST_BODY} bytes."
            await problem_response(413, "too_large", detail)(scope, receive, send)
            return
        unread: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def give() -> Message:
            return unread.pop() if unread else await receive()

        await self._app(scope, give, send)


async def _read(scope: Scope, receive: Receive) -> bytes | None:
    """Return the body, or None when it is longer than allowed.

    Raises:
        ClientDisconnect: its client left before its end.
    """
    declared = Headers(scope=scope).get("content-length", "0")
    if declared.isdecimal() and int(declared) > LONGEST_BODY:
        return None
    body = b""
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > LONGEST_BODY:
            return None
    return body


class LastResort:
    """Answers a request that a bug has ended, inside of all that adds to answers."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request pass; what is raised is a bug."""
        begun = False

        async def watch(message: Message) -> None:
            nonlocal begun
            begun = begun or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, watch)
        except Exception:
            if begun or scope["type"] != "http":
                raise
            logger.exception("a request ended in a bug")
            await problem_response(500, "internal_error", "Something is broken on our side.")(scope, receive, send)
