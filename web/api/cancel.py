"""`POST /cloud_archive/jobs/{job_id}/cancel`: stop an archive; what was copied stays."""

import logging
from collections.abc import Awaitable, Callable

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from common.crypto.sealing import Sealer
from common.errors import Transient
from common.messages.job_id import is_job_id
from common.messages.ledger import Entry, Kind
from common.messages.progress import Progress, State, cancelled
from common.messages.topology import EXCHANGE, LEDGER_KEY
from web.consent.completion import MessagePublisher
from web.http.bounded_executor import BoundedExecutor, Overloaded
from web.http.problems import describe, problem_response
from web.progress.lookup import UnknownJob
from web.progress.store import ProgressStore

logger = logging.getLogger(__name__)

RETRY_AFTER_SECONDS = 5
# As many as the publisher sends at a time; behind them wait five times as many, each publish taking 10 s at most.
MAX_THREADS = 4
MAX_QUEUED, QUEUE_TIMEOUT_SECONDS = 20, 10.0


class CancelAnswer(BaseModel):
    """The cancel is recorded: whichever worker has the job, now or later, stops it, over restarts too."""

    job_id: str = Field(description="The archive that will stop.")


Cancel = Callable[[str], Awaitable[bool]]


def publish_if_idle(
    store: ProgressStore, publish_progress: Callable[[Progress], None], now: Callable[[], float], job_id: str
) -> None:
    """Publish the end of a cancelled job that no worker has: its message may wait in a queue for half an hour.

    A worker that has the job publishes its end itself, with its own numbers.

    Args:
        store: of this replica.
        publish_progress: publishes a change to every replica.
        now: Unix time in seconds.
        job_id: the job.
    """
    known, at = store.find(job_id), now()
    if known and known.state in (State.QUEUED, State.WAITING):
        publish_progress(cancelled(job_id, at))


class Cancellations:
    """Record in the ledger that jobs are cancelled. For one event loop.

    Args:
        publisher: appends to the ledger.
        on_cancelled: called with the id of each cancelled job, on a thread that may wait.
    """

    def __init__(self, publisher: MessagePublisher, on_cancelled: Callable[[str], None]) -> None:
        self._publisher = publisher
        self._on_cancelled = on_cancelled
        self._executor = BoundedExecutor(
            "cancel", max_threads=MAX_THREADS, max_queued=MAX_QUEUED, queue_timeout=QUEUE_TIMEOUT_SECONDS
        )

    def close(self) -> None:
        """Accept no further cancels."""
        self._executor.close()

    async def cancel(self, job_id: str) -> bool:
        """Record a cancel; return whether the broker confirmed it, within a bounded time."""
        try:
            await self._executor.run(lambda: self._publish(job_id))
        except (Transient, Overloaded) as error:
            logger.warning("a cancel could not be recorded: %r", error, extra={"job_id": job_id})
            return False
        return True

    def _publish(self, job_id: str) -> None:
        entry = Entry(job_id=job_id, kind=Kind.STOPPED)
        self._publisher.publish(EXCHANGE, LEDGER_KEY, entry.encode(), message_id=job_id)
        # Before the answer: whoever looks at the page after it sees what was accepted.
        self._on_cancelled(job_id)


def make_router(sealer: Sealer, cancel: Cancel) -> APIRouter:
    """Return the route.

    Args:
        sealer: recognises the ids that were issued here.
        cancel: records a cancel; returns whether that succeeded.
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
            raise UnknownJob
        if not await cancel(job_id):
            headers = {"Retry-After": str(RETRY_AFTER_SECONDS)}
            return problem_response(503, "try_later", "No worker can be told right now.", headers=headers)
        return JSONResponse({"job_id": job_id}, 202)

    return router
