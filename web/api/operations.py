"""`/healthz`, `/readyz` and `/metrics`: probes and metrics for operators."""

import logging
import threading
import time
from collections.abc import Callable

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse

from common.errors import Transient
from common.loops import error_level
from common.telemetry import metrics
from web.http.bounded_executor import BoundedExecutor, Overloaded
from web.http.problems import describe, problem_response

logger = logging.getLogger(__name__)

# Probes come every few seconds from several sides; the broker is asked at most this often.
FRESH_SECONDS = 5.0
# The same while not ready, so that the end of a start is noticed soon.
NOT_READY_SECONDS = 1.0


class Readiness:
    """Whether archives can begin, asked once for all probes. Thread-safe.

    Args:
        check: raises Transient if archives cannot begin; takes a bounded time.
        now: seconds of any clock that goes forward.
    """

    def __init__(self, check: Callable[[], None], now: Callable[[], float] = time.monotonic) -> None:
        self._check = check
        self._now = now
        self._lock = threading.Lock()
        self._answer = False
        self._trouble = ""
        self._fresh_until = float("-inf")

    @property
    def trouble(self) -> str:
        """What only an operator can mend; empty if there is no such thing."""
        return self._trouble

    @property
    def latest(self) -> bool:
        """The newest answer, without a check."""
        return self._answer

    def is_ready(self) -> bool:
        """Return the newest answer, checked if it is old; while another thread checks, the one before."""
        if self._now() >= self._fresh_until and self._lock.acquire(blocking=False):
            try:
                self._answer = self._ask()
                self._fresh_until = self._now() + (FRESH_SECONDS if self._answer else NOT_READY_SECONDS)
            finally:
                self._lock.release()
        return self._answer

    def _ask(self) -> bool:
        try:
            self._check()
        except Transient as error:
            level = error_level(error)
            logger.log(level, "not ready", extra={"reason": error.reason, "detail": error.detail})
            self._trouble = error.detail if level == logging.ERROR else ""
            return False
        self._trouble = ""
        return True


def make_router(readiness: Readiness, is_alive: Callable[[], bool] = lambda: True) -> APIRouter:
    """Return the routes.

    Args:
        readiness: whether archives can begin.
        is_alive: whether every long-lived thread of this process moves; without I/O.
    """
    router = APIRouter(tags=["operations"])
    # The check may block; neither the event loop nor any other route waits for it.
    executor = BoundedExecutor("readiness", max_threads=1, max_queued=0, queue_timeout=0.0)

    @router.get(
        "/healthz",
        summary="Is this process alive?",
        response_model=dict[str, str],
        responses={503: describe("A thread of this process stands still: restart it.")},
    )
    async def get_healthz() -> Response:
        """Say whether every thread moves; whether the broker is there is another question."""
        if is_alive():
            return JSONResponse({"status": "ok"})
        return problem_response(503, "not_alive", "A thread of this process stands still: restart it.")

    @router.get(
        "/readyz",
        summary="Can archives begin?",
        response_model=dict[str, str],
        responses={503: describe("The broker cannot be reached.")},
    )
    async def get_readyz() -> Response:
        """Say whether the broker can be reached."""
        try:
            ready = await executor.run(readiness.is_ready)
        except Overloaded:  # another probe checks: the answer before
            ready = readiness.latest
        if ready:
            return JSONResponse({"status": "ok"})
        return problem_response(503, "not_ready", readiness.trouble or "The broker cannot be reached.")

    # Not async: rendering takes milliseconds, and FastAPI runs it on a thread.
    @router.get("/metrics", include_in_schema=False)
    def get_metrics() -> Response:
        """Return the metrics in Prometheus' text format."""
        return Response(metrics.render(metrics.WEB), headers={"Content-Type": metrics.CONTENT_TYPE})

    return router
