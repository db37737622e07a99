"""One name for each request: in its answer, in its problem, and in every line that is logged for it. Knows no route.

And the name of the way it is a step of: who calls may have begun a trace; else it begins here.
"""

import re
import secrets

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from common.telemetry import trace_context as tracing
from common.telemetry.logs import line_context

HEADER = "X-Request-ID"
# Whoever calls may name the request, as long as the name breaks no line and no header.
_SAFE = re.compile(r"[A-Za-z0-9._-]{1,64}")


class RequestId:
    """Names a request as its caller does, or else at random.

    The name holds in the threads that serve the request as well: they run in copies of its context.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request pass under its name."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given = headers.get(HEADER, "")
        name = given if _SAFE.fullmatch(given) else secrets.token_hex(16)
        trace = _continue_trace(headers.getlist(tracing.HEADER))
        tracing.enter(trace)
        # Not taken back: the request's task ends with it, and what uvicorn still has to say is about it as well.
        line_context.set({"request_id": name, "trace_id": trace.trace_id})

        async def add(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).append(HEADER, name)
            await send(message)

        await self._app(scope, receive, add)


def _continue_trace(given: list[str]) -> tracing.Trace:
    trace = tracing.read_trace(given[0]) if len(given) == 1 else None
    return trace.next() if trace else tracing.make_trace()
