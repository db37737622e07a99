"""How often one client may ask a minute, and how often all of them for one archive or with one state.

Counted in this process's memory: with n replicas everybody has up to n times as many. The headers are those of
https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/.
"""

import math
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from common.http.public_ip import to_network
from web.consent.ttl_cache import Memory
from web.http.headers import prefers_html
from web.http.problems import problem_response
from web.pages.render import later_page

QUOTA_EXCEEDED = "https://iana.org/assignments/http-problem-types#quota-exceeded"
# An archive has as many as so many busy clients: a gallery that is announced to a whole wedding is pressed by hundreds
# within a minute, and none of them shall be refused; a crowd of machines on one gallery shall.
CLIENTS_PER_ARCHIVE = 5
# A page asks every 2 s, 30 times a minute; behind one address of a hotel a whole wedding of 200 guests may watch. That
# is 100 a second, a tenth of what one process answers.
STATUS_PER_POST = 100
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

    def demand(self, key: str) -> None:
        """Take one of a key's share.

        Raises:
            TooOften: there was none left.
        """
        if not self.take(key):
            raise TooOften(self, key)

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
        headers = self.tell_refused(key)
        detail = f"No more than {self._per_minute} requests a minute, please; try again in {headers['Retry-After']} s."
        return problem_response(429, "rate_limited", detail, kind=QUOTA_EXCEEDED, headers=headers)

    def tell_refused(self, key: str) -> dict[str, str]:
        """Return the headers for who took all of a key's share."""
        told = self.tell(key)
        return {**told, "Retry-After": told["RateLimit"].rpartition("=")[2]}

    def _recall(self, key: str) -> _Minute:
        return self._minutes.recall(key, lambda: _Minute(self._now()))


class TooOften(Exception):
    """A key's share is used up.

    Args:
        quota: whose share.
        key: the key.
    """

    def __init__(self, quota: Quota, key: str) -> None:
        super().__init__()
        self.quota = quota
        self.key = key


def refuse_often(often: TooOften, headers: Mapping[str, str]) -> Response:
    """Return the answer to a guest or a program that came too often: a page that comes again by itself, or a problem.

    Args:
        often: what was used up.
        headers: of the request.
    """
    if prefers_html(headers.get("accept", "")):
        return later_page(headers.get("accept-language", ""), 429, often.quota.tell_refused(often.key))
    return often.quota.refuse(often.key)


class RateLimit:
    """Refuses what a client asks beyond its share, and tells each what is left of it.

    A client is its address, or the /64 of an IPv6 one: the connection's, or what a proxy of FORWARDED_ALLOW_IPS says.
    POSTs and callbacks, each of which may begin an archive, have a share each; looking at archives has a wide one.
    What probes and developers ask for has no limit.

    Args:
        per_minute: POSTs, and callbacks; 0: no limit.
        now: seconds of any clock that goes forward.
    """

    def __init__(self, app: ASGIApp, per_minute: int, now: Callable[[], float] = time.monotonic) -> None:
        self._app = app
        self._posts = Quota("default", per_minute, now)
        self._others = {
            "/cloud_archive/callback/": Quota("callback", per_minute, now),
            "/cloud_archive/jobs/": Quota("status", STATUS_PER_POST * per_minute, now),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request pass and add what is left, or refuse it."""
        quota = self._choose(scope)
        if quota is None:
            await self._app(scope, receive, send)
            return
        client = client_of(scope)
        try:
            quota.demand(client)
        except TooOften as often:
            await refuse_often(often, Headers(scope=scope))(scope, receive, send)
            return
        told = quota.tell(client)

        async def add(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                # Beside what a route may say of another quota: each header is a list.
                for name, value in told.items():
                    headers.append(name, value)
            await send(message)

        await self._app(scope, receive, add)

    def _choose(self, scope: Scope) -> Quota | None:
        if scope["type"] != "http":
            return None
        if scope["method"] == "POST":
            return self._posts
        return next((quota for path, quota in self._others.items() if scope["path"].startswith(path)), None)


def client_of(scope: Scope) -> str:
    """Return what one client holds of the internet, see `common.http.public_ip`; empty when it has no address."""
    return to_network(scope["client"][0] if scope["client"] else "")
