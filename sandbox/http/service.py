"""Base class of the stand-ins: routing, a log of requests, and faults applied to any route."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sandbox.faults import actions
from sandbox.faults.plan import FaultPlan
from sandbox.http.message import Dropped, LoggedRequest, Reply, Request, text_reply


@dataclass(frozen=True)
class Route:
    """One route of a service.

    Attributes:
        method: HTTP method; HEAD goes with GET.
        path: Must match the whole path; its named groups become arguments of `answer`.
        operation: The name that faults refer to, or a function of the request that returns it; empty: no faults here.
        answer: Handles the request.
        streams: `answer` reads the body itself, as it arrives.
        when: An additional condition on the request.
        subject: Returns the file name a request is about, for faults that match by name.
    """

    method: str
    path: re.Pattern[str]
    operation: str | Callable[[Request], str]
    answer: Callable[..., Reply]
    streams: bool = False
    when: Callable[[Request], bool] | None = None
    subject: Callable[[Request], str] | None = None


class Service:
    """Base of every stand-in: answers requests and logs them. Thread-safe.

    Attributes:
        name: Faults match it as `@name`.
        url: Its address; set when its server is created.
        requests: Every request, in order of its reply.
        violations: Requests that the real service forbids; shared by all stand-ins.
        actions: Actions of faults that only this service supports, by name.
        throttles_with: Status and reason of a reply to too many requests.
    """

    name = ""
    throttles_with = (403, "userRateLimitExceeded")
    routes: tuple[Route, ...] = ()

    def __init__(self, faults: FaultPlan, violations: list[str]):
        self.url = ""
        self.faults = faults
        self.violations = violations
        self.requests: list[LoggedRequest] = []
        self.actions: dict[str, actions.Action] = {}

    def answer(self, request: Request) -> Reply:
        """Answer a request, changed by a fault if one matches.

        Raises:
            Dropped: The connection is to be reset.
        """
        try:
            reply = self._answer(request)
        except Dropped:
            self.requests.append(
                LoggedRequest(request.method, request.target, request.headers, None, request.operation)
            )
            raise
        except Exception as bug:
            self.record_violation(request, f"a bug of the sandbox, {bug!r}")
            raise
        self.requests.append(
            LoggedRequest(request.method, request.target, request.headers, reply.status, request.operation)
        )
        return reply

    def refuse(self, status: int, reason: str = "", message: str = "") -> Reply:
        """Return an error reply in this service's own format."""
        return text_reply(message or reason or f"error {status}", status)

    def record_violation(self, request: Request, violation: str) -> None:
        """Record that a client did something the real service forbids."""
        self.violations.append(f"{violation}: {request.method} {request.target}")

    def before(self, request: Request) -> None:
        """Check a request before it is routed; for subclasses."""

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
        action = self.actions.get(fault.does) or actions.GENERIC_ACTIONS[fault.does]
        return action(actions.FaultContext(self, fault, request, lambda: route.answer(request, **groups)))

    def _find(self, request: Request) -> tuple[Route | None, dict[str, Any]]:
        method = "GET" if request.method == "HEAD" else request.method
        for route in self.routes:
            found = route.path.fullmatch(request.path) if route.method == method else None
            if found and (route.when is None or route.when(request)):
                return route, found.groupdict()
        return None, {}
