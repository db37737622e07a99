"""`/healthz`, `/readyz` and `/metrics`: probes and metrics for operators."""

from collections.abc import Callable

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse

from common.telemetry import metrics
from web.http.problems import describe, problem_response
from web.http.readiness import Readiness, SharedReadiness


def make_router(readiness: Readiness, is_alive: Callable[[], bool] = lambda: True) -> APIRouter:
    """Return the routes.

    Args:
        readiness: whether archives can begin.
        is_alive: whether every long-lived thread of this process moves; without I/O.
    """
    router = APIRouter(tags=["operations"])
    shared = SharedReadiness(readiness, "readiness")

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
        if await shared.is_ready():
            return JSONResponse({"status": "ok"})
        return problem_response(503, "not_ready", shared.trouble or "The broker cannot be reached.")

    # Not async: rendering takes milliseconds, and FastAPI runs it on a thread.
    @router.get("/metrics", include_in_schema=False)
    def get_metrics() -> Response:
        """Return the metrics in Prometheus' text format."""
        return Response(metrics.render(metrics.WEB), headers={"Content-Type": metrics.CONTENT_TYPE})

    return router
