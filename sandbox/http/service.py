"""What the stand-ins share: routes, a log, and faults that strike on any of them. Knows no vendor."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sandbox.faults import actions
from sandbox.faults.plan import Faults
from sandbox.http.message import Dropped, Reply, Request, Seen, text_reply


@dataclass(frozen=True)
class Route:
    """One kind of request.

    Attributes:
        method: HTTP method; HEAD goes with GET.
        path: What the whole path must look like; its groups become arguments of `answer`.
        operation: The name faults know it by, or how to tell it from the request; empty: faults never strike here.
        answer: Does it.
        streams: It reads the body itself, as it arrives.
        when: Picks requests that the path alone does not tell apart.
        subject: Names what the request is about, for faults that pick by name.
    """

    method: str
    path: re.Pattern[str]
    operation: str | Callable[[Request], str]
    answer: Callable[..., Reply]
    streams: bool = False
    when: Callable[[Request], bool] | None = None
    subject: Callable[[Request], str] | None = None


class Service:
    """One stand-in: answers requests and remembers them. Thread-safe.

    Attributes:
        name: What faults may pick it by, with an @ in front.
        url: Its address, known once its server is.
        requests: Every request, in order of its answer.
        violations: What clients did that the real service forbids; shared by the whole world.
        actions: Faults only this service knows how to commit, by name.
        throttles_with: Status and reason for who asks too fast.
    """

    name = ""
    throttles_with = (403, "userRateLimitExceeded")
    routes: tuple[Route, ...] = ()

    def __init__(self, faults: Faults, violations: list[str]):
        self.url = ""
        self.faults = faults
        self.violations = violations
        self.requests: list[Seen] = []
        self.actions: dict[str, actions.Action] = {}

    def answer(self, request: Request) -> Reply:
        """Answer a request, the way its fault wants it if one strikes.

        Raises:
            Dropped: The connection is to be reset.
        """
        try:
            reply = self._answer(request)
        except Dropped:
            self.requests.append(Seen(request.method, request.target, request.headers, None, request.operation))
            raise
        except Exception as bug:
            self.violate(request, f"a bug of the sandbox, {bug!r}")
            raise
        self.requests.append(Seen(request.method, request.target, request.headers, reply.status, request.operation))
        return reply

    def refuse(self, status: int, reason: str = "", message: str = "") -> Reply:
        """Return an error in this service's own words."""
        return text_reply(message or reason or f"error {status}", status)

    def violate(self, request: Request, breach: str) -> None:
        """Remember that a client did what it must not."""
        self.violations.append(f"{breach}: {request.method} {request.target}")

    def before(self, request: Request) -> None:
        """Look at every request before anything else happens to it."""

    def _answer(self, request: Request) -> Reply:
        self.before(request)
        route, groups = self._find(request)
        if route is None:
            return self.refuse(404, "notFound", "Not Found")
        if not route.streams:
            request.content()
        request.operation = route.operation if isinstance(route.operation, str) else route.operation(request)
        request.subject = route.subject(request) if route.subject else ""
        target = f"{request.method} {request.target}"
        about = f"{request.subject} @{self.name}"
        fault = self.faults.take(request.operation, target, about) if request.operation else None
        request.fault = fault
        if fault is None:
            return route.answer(request, **groups)
        action = self.actions.get(fault.does) or actions.GENERIC[fault.does]
        return action(actions.Strike(self, fault, request, lambda: route.answer(request, **groups)))

    def _find(self, request: Request) -> tuple[Route | None, dict[str, Any]]:
        method = "GET" if request.method == "HEAD" else request.method
        for route in self.routes:
            found = route.path.fullmatch(request.path) if route.method == method else None
            if found and (route.when is None or route.when(request)):
                return route, found.groupdict()
        return None, {}
