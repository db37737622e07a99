"""Request ids and trace contexts: in each answer, and in every log line about its request."""

import re
import secrets

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from common.telemetry import trace_context as tracing
from common.telemetry.logs import log_fields

HEADER = "X-Request-ID"
# A caller may name its request, in characters that are safe in log lines and headers.
_SAFE = re.compile(r"[A-Za-z0-9._-]{1,64}")


class RequestId:
    """Middleware that takes a request's id and trace context from its caller, or makes them.

    They hold in the threads that serve the request as well, which run in copies of its context.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on under its id."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given = headers.get(HEADER, "")
        request_id = given if _SAFE.fullmatch(given) else secrets.token_hex(16)
        trace = _continue_trace(headers.getlist(tracing.HEADER))
        tracing.set_current_trace(trace)
        # Never reset: the task ends with the request, and what uvicorn still logs is about it as well.
        log_fields.set({"request_id": request_id, "trace_id": trace.trace_id})

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).append(HEADER, request_id)
            await send(message)

        await self._app(scope, receive, send_with_id)


def _continue_trace(given: list[str]) -> tracing.Trace:
    trace = tracing.read_trace(given[0]) if len(given) == 1 else None
    return trace.next() if trace else tracing.new_trace()
