"""How many POSTs one client may send a minute. Knows no route.

Counted in this process's memory: with n replicas a client has up to n times as many. The headers are those of
https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/.
"""

import math
import time

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from common.addresses import to_network
from web.problems import problem_response

QUOTA_EXCEEDED = "https://iana.org/assignments/http-problem-types#quota-exceeded"


class RateLimit:
    """Refuses a client's POSTs beyond its share, and tells each what is left of it.

    A client is its address, or the /64 of an IPv6 one: the connection's, or what a proxy of FORWARDED_ALLOW_IPS says.
    Its minute begins with its first POST.

    Args:
        per_minute: POSTs; 0: no limit.
    """

    def __init__(self, app: ASGIApp, per_minute: int) -> None:
        self._app = app
        self._per_minute = per_minute
        self._limiter = FixedWindowRateLimiter(MemoryStorage()) if per_minute else None
        self._quota = RateLimitItemPerMinute(per_minute)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request pass and add what is left, or refuse it."""
        if self._limiter is None or scope["type"] != "http" or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        client = to_network(scope["client"][0] if scope["client"] else "")
        passes = self._limiter.hit(self._quota, client)
        reset, left = self._limiter.get_window_stats(self._quota, client)
        wait = max(1, math.ceil(reset - time.time()))
        told = {
            "RateLimit-Policy": f'"default";q={self._per_minute};w=60',
            "RateLimit": f'"default";r={left};t={wait}',
        }
        if not passes:
            detail = f"No more than {self._per_minute} requests a minute, please; try again in {wait} s."
            headers = {**told, "Retry-After": str(wait)}
            refusal = problem_response(429, "rate_limited", detail, kind=QUOTA_EXCEEDED, headers=headers)
            await refusal(scope, receive, send)
            return

        async def add(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(told)
            await send(message)

        await self._app(scope, receive, add)
