"""How many POSTs one client may send a minute, and how many all of them for one archive. Knows no route.

Counted in this process's memory: with n replicas everybody has up to n times as many. The headers are those of
https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/.
"""

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from starlette.datastructures import MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from common.addresses import to_network
from web.memory import Memory
from web.problems import problem_response

QUOTA_EXCEEDED = "https://iana.org/assignments/http-problem-types#quota-exceeded"
# An archive has as many as so many busy clients: a gallery that is announced to a whole wedding is pressed by hundreds
# within a minute, and none of them shall be refused; a crowd of machines on one gallery shall.
CLIENTS_PER_ARCHIVE = 5
MINUTE_SECONDS = 60.0
# Keys that are counted at a time, some 350 bytes each. Who has more addresses than that is not held by counting them.
MOST_KEYS = 50_000


@dataclass(slots=True)
class _Minute:
    """What one key took since its first."""

    began: float
    taken: int = 0


class Quota:
    """So many a minute for each key; a key's minute begins with its first. Thread-safe.

    Args:
        name: what the headers call it.
        per_minute: how many; 0: no limit.
        now: seconds of any clock that goes forward.
    """

    def __init__(self, name: str, per_minute: int, now: Callable[[], float] = time.monotonic) -> None:
        self._name = name
        self._per_minute = per_minute
        self._now = now
        self._guard = threading.Lock()
        self._minutes = Memory[_Minute](MINUTE_SECONDS, MOST_KEYS, now)

    def take(self, key: str) -> bool:
        """Take one of a key's share, and say whether there was one left."""
        if not self._per_minute:
            return True
        with self._guard:
            minute = self._recall(key)
            minute.taken += 1
            return minute.taken <= self._per_minute

    def tell(self, key: str) -> dict[str, str]:
        """Return the headers that say what is left of a key's share."""
        if not self._per_minute:
            return {}
        with self._guard:
            minute = self._recall(key)
            left = max(0, self._per_minute - minute.taken)
        wait = max(1, math.ceil(minute.began + MINUTE_SECONDS - self._now()))
        return {
            "RateLimit-Policy": f'"{self._name}";q={self._per_minute};w=60',
            "RateLimit": f'"{self._name}";r={left};t={wait}',
        }

    def refuse(self, key: str) -> Response:
        """Return the answer for who took all of a key's share."""
        told = self.tell(key)
        wait = told["RateLimit"].rpartition("=")[2]
        detail = f"No more than {self._per_minute} requests a minute, please; try again in {wait} s."
        headers = {**told, "Retry-After": wait}
        return problem_response(429, "rate_limited", detail, kind=QUOTA_EXCEEDED, headers=headers)

    def _recall(self, key: str) -> _Minute:
        return self._minutes.recall(key, lambda: _Minute(self._now()))


class RateLimit:
    """Refuses a client's POSTs beyond its share, and tells each what is left of it.

    A client is its address, or the /64 of an IPv6 one: the connection's, or what a proxy of FORWARDED_ALLOW_IPS says.

    Args:
        per_minute: POSTs; 0: no limit.
        now: seconds of any clock that goes forward.
    """

    def __init__(self, app: ASGIApp, per_minute: int, now: Callable[[], float] = time.monotonic) -> None:
        self._app = app
        self._quota = Quota("default", per_minute, now)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request pass and add what is left, or refuse it."""
        if scope["type"] != "http" or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        client = to_network(scope["client"][0] if scope["client"] else "")
        if not self._quota.take(client):
            await self._quota.refuse(client)(scope, receive, send)
            return
        told = self._quota.tell(client)

        async def add(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                # Beside what a route may say of another quota: each header is a list.
                for name, value in told.items():
                    headers.append(name, value)
            await send(message)

        await self._app(scope, receive, add)
