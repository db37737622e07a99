"""`POST /cloud_archive/jobs/{job_id}/cancel`: a guest wants no more of an archive. What was copied stays."""

import logging
from collections.abc import Awaitable, Callable

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from common.crypto.sealing import Sealer
from common.errors import Reason, Transient
from common.messages.job_id import is_job_id
from common.messages.ledger import Entry, Kind
from common.messages.progress import Progress, State
from common.messages.topology import EXCHANGE, LEDGER_KEY
from web.api.callback import Publishes
from web.http.bounded_executor import Busy, Threads
from web.http.problems import describe, problem_response
from web.progress.store import News

logger = logging.getLogger(__name__)

RETRY_AFTER_SECONDS = 5
# As many as the publisher sends at a time; behind them, at a broker that never answers (10 s), five turns of them.
AT_ONCE = 4
MOST_WAITING, PATIENCE_SECONDS = 20, 10.0


class CancelAnswer(BaseModel):
    """It is written down: whoever has the job, or will have it, stops it, whatever is restarted meanwhile."""

    job_id: str = Field(description="The archive that will stop.")


Cancel = Callable[[str], Awaitable[bool]]


def tell_if_idle(news: News, tell: Callable[[Progress], None], now: Callable[[], float], job_id: str) -> None:
    """Tell that a stopped job has ended when it is in nobody's hands, maybe for half an hour.

    Whoever has one tells of its end, with its own numbers.

    Args:
        news: what is known of jobs.
        tell: tells every replica of a change.
        now: Unix time in seconds.
        job_id: the job.
    """
    known, at = news.find(job_id), now()
    if known and known.state in (State.QUEUED, State.WAITING):
        tell(Progress(job_id=job_id, state=State.CANCELLED, reason=Reason.CANCELLED, updated_at=at, finished_at=at))


class Cancels:
    """Writes down in the ledger that a guest wants no more of a job. For one event loop.

    Args:
        publisher: appends to it.
        note: told of each job that was stopped, by its id.
    """

    def __init__(self, publisher: Publishes, note: Callable[[str], None] = lambda _job_id: None) -> None:
        self._publisher = publisher
        self._note = note
        self._threads = Threads("cancel", at_once=AT_ONCE, waiting=MOST_WAITING, patience=PATIENCE_SECONDS)

    def close(self) -> None:
        """Begin nothing any more."""
        self._threads.close()

    async def tell(self, job_id: str) -> bool:
        """Write it down; return whether it stands, after a bounded wait."""
        try:
            await self._threads.run(lambda: self._publish(job_id))
        except (Transient, Busy) as error:
            logger.warning("a cancel could not be written down: %r", error, extra={"job_id": job_id})
            return False
        self._note(job_id)
        return True

    def _publish(self, job_id: str) -> None:
        entry = Entry(job_id=job_id, kind=Kind.STOPPED)
        self._publisher.publish(EXCHANGE, LEDGER_KEY, entry.encode(), message_id=job_id)


def make_router(sealer: Sealer, cancel: Cancel) -> APIRouter:
    """Return the route.

    Args:
        sealer: knows the ids that were issued here.
        cancel: tells all workers, and says whether they could be told.
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
    async def post_cancel(job_id: str) -> Response:
        """Tell the worker that has this archive, or will have it, to stop."""
        if not is_job_id(sealer, job_id):
            return problem_response(404, "not_found", "There is no such archive.")
        if not await cancel(job_id):
            headers = {"Retry-After": str(RETRY_AFTER_SECONDS)}
            return problem_response(503, "try_later", "No worker can be told right now.", headers=headers)
        return JSONResponse({"job_id": job_id}, 202)

    return router
