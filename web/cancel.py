"""`POST /cloud_archive/jobs/{job_id}/cancel`: a guest wants no more of an archive. What was copied stays."""

import logging

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from common.errors import Transient
from common.job_id import is_job_id
from common.sealing import Sealer
from common.topology import NEWS_EXCHANGE, cancel_key
from web.callback import Publishes
from web.problems import describe, problem_response

logger = logging.getLogger(__name__)

RETRY_AFTER_SECONDS = 5


class CancelAnswer(BaseModel):
    """The worker that has the job hears of it within seconds."""

    job_id: str = Field(description="The archive that will stop.")


def make_router(sealer: Sealer, publisher: Publishes) -> APIRouter:
    """Return the route.

    Args:
        sealer: knows the ids that were issued here.
        publisher: tells all workers.
    """
    router = APIRouter()

    @router.post(
        "/cloud_archive/jobs/{job_id}/cancel",
        summary="Stop an archive; what was copied stays",
        status_code=202,
        response_model=CancelAnswer,
        responses={
            404: describe("No such archive."),
            429: describe("Too many requests from one address; Retry-After says when to come back."),
            503: describe("No worker can be told right now."),
            "default": describe("Anything else."),
        },
    )
    def post_cancel(job_id: str) -> Response:
        """Tell the worker that has this archive, or will have it, to stop."""
        if not is_job_id(sealer, job_id):
            return problem_response(404, "not_found", "There is no such archive.")
        try:
            publisher.publish(NEWS_EXCHANGE, cancel_key(job_id), b"{}", message_id=job_id)
        except Transient as error:
            logger.warning("nobody could be told of a cancel: %s", error, extra={"job_id": job_id})
            headers = {"Retry-After": str(RETRY_AFTER_SECONDS)}
            return problem_response(503, "try_later", "No worker can be told right now.", headers=headers)
        return JSONResponse({"job_id": job_id}, 202)

    return router
