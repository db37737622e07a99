"""Requests a minute for each client, each archive and each state.

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
from web.consent.ttl_cache import TtlCache
from web.http.headers import prefers_html
from web.http.problems import problem_response
from web.pages.render import retry_page
from web.texts import choose_texts

QUOTA_EXCEEDED = "https://iana.org/assignments/http-problem-types#quota-exceeded"
# An archive has the share of so many clients: a gallery announced to a whole wedding is asked for by hundreds of guests
# within a minute, of whom none shall be refused; a crowd of machines on one gallery shall.
CLIENTS_PER_ARCHIVE = 5
# A page asks every 2 s, 30 times a minute; behind one address of a hotel a wedding of 200 guests may watch. That is 100
# a second, a tenth of what one process answers.
STATUS_PER_POST = 100
MINUTE_SECONDS = 60.0
# Keys that are counted at a time, about 350 bytes each. Counting stops nobody who has more addresses than that.
MAX_KEYS = 50_000


@dataclass(slots=True)
class _Window:
    """Requests of one key within a minute."""

    began: float
    used: int = 0


class Quota:
    """Allow so many requests a minute for each key; a key's minute begins with its first request. Thread-safe.

    Args:
        name: of the policy in the RateLimit headers.
        per_minute: requests; 0 means no limit.
        now: seconds of any clock that goes forward.
    """

    def __init__(self, name: str, per_minute: int, now: Callable[[], float] = time.monotonic) -> None:
        self._name = name
        self._per_minute = per_minute
        self._now = now
        self._lock = threading.Lock()
        self._windows = TtlCache[_Window](MINUTE_SECONDS, MAX_KEYS, now)

    def try_consume(self, key: str) -> bool:
        """Count a request; return whether it is within the quota."""
        if not self._per_minute:
            return True
        with self._lock:
            window = self._find_window(key)
            window.used += 1
            return window.used <= self._per_minute

    def consume(self, key: str) -> None:
        """Count a request.

        Raises:
            QuotaExceeded: it is beyond the quota.
        """
        if not self.try_consume(key):
            raise QuotaExceeded(self, key)

    def headers_for(self, key: str) -> dict[str, str]:
        """Return the RateLimit headers of a key."""
        if not self._per_minute:
            return {}
        with self._lock:
            window = self._find_window(key)
            remaining = max(0, self._per_minute - window.used)
        reset = max(1, math.ceil(window.began + MINUTE_SECONDS - self._now()))
        return {
            "RateLimit-Policy": f'"{self._name}";q={self._per_minute};w=60',
            "RateLimit": f'"{self._name}";r={remaining};t={reset}',
        }

    def problem_for(self, key: str) -> Response:
        """Return the 429 problem for a key whose quota is used up."""
        headers = self.retry_headers_for(key)
        detail = f"No more than {self._per_minute} requests a minute, please; try again in {headers['Retry-After']} s."
        return problem_response(429, "rate_limited", detail, kind=QUOTA_EXCEEDED, headers=headers)

    def retry_headers_for(self, key: str) -> dict[str, str]:
        """Return the RateLimit headers of a key, with Retry-After."""
        headers = self.headers_for(key)
        return {**headers, "Retry-After": headers["RateLimit"].rpartition("=")[2]}

    def _find_window(self, key: str) -> _Window:
        return self._windows.get_or_create(key, lambda: _Window(self._now()))


class QuotaExceeded(Exception):
    """The quota of a key is used up.

    Args:
        quota: of the key.
        key: the key.
    """

    def __init__(self, quota: Quota, key: str) -> None:
        super().__init__()
        self.quota = quota
        self.key = key


def quota_exceeded_response(error: QuotaExceeded, headers: Mapping[str, str]) -> Response:
    """Return the 429 answer: for browsers a page that reloads itself, for programs a problem.

    Args:
        error: whose quota is used up.
        headers: of the request.
    """
    if prefers_html(headers.get("accept", "")):
        return retry_page(
            choose_texts(headers.get("accept-language", "")), 429, error.quota.retry_headers_for(error.key)
        )
    return error.quota.problem_for(error.key)


class RateLimit:
    """Middleware that limits the requests of each client, and adds RateLimit headers to the answers.

    A client is its address, or the /64 of an IPv6 one: the connection's, or what a proxy of FORWARDED_ALLOW_IPS says.
    POSTs and callbacks, each of which may begin an archive, have a quota each; status, page and events a wide one.
    Probes and documentation have none.

    Args:
        per_minute: POSTs, and callbacks; 0 means no limit.
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
        """Pass a request on, or refuse it."""
        quota = self._choose(scope)
        if quota is None:
            await self._app(scope, receive, send)
            return
        client = client_of(scope)
        try:
            quota.consume(client)
        except QuotaExceeded as error:
            await quota_exceeded_response(error, Headers(scope=scope))(scope, receive, send)
            return
        added = quota.headers_for(client)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                # Beside those of a route's own quota: each of these headers is a list.
                for name, value in added.items():
                    headers.append(name, value)
            await send(message)

        await self._app(scope, receive, send_with_headers)

    def _choose(self, scope: Scope) -> Quota | None:
        if scope["type"] != "http":
            return None
        if scope["method"] == "POST":
            return self._posts
        return next((quota for path, quota in self._others.items() if scope["path"].startswith(path)), None)


def client_of(scope: Scope) -> str:
    """Return the network of a client, see `common.http.public_ip`; empty when it has no address."""
    return to_network(scope["client"][0] if scope["client"] else "")
