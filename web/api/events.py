"""`GET /cloud_archive/jobs/{job_id}/events`: an archive's status as server-sent events.

https://html.spec.whatwg.org/multipage/server-sent-events.html. Each stream looks at the store once a second, which is
as often as snapshots come, and whether this replica is to stop: browsers reconnect by themselves, to another one.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent

from common.messages.progress import Progress
from web.api.status import Status, make_status
from web.http.problems import ProblemWithCode, describe
from web.http.rate_limit import client_of
from web.progress.lookup import FindProgress, UnknownJob

POLL_SECONDS = 1.0
# Each holds a socket and a few kB of memory; a client that gets none can ask for the status instead.
MAX_STREAMS = 500
# A guest watches on a few devices and shares the link with a family; a wedding's guests are many behind one address,
# each with an archive of their own. No client and no archive takes all streams.
MAX_PER_CLIENT, MAX_PER_JOB = 100, 50
RETRY_AFTER_SECONDS = 30
# A browser that does not close the stream after its end reconnects by itself; not before this time.
RECONNECT_MS = 10 * 60 * 1000
# Streams end now and then, so that none outlives its guest or its replica for long.
MAX_SECONDS = 15 * 60.0


class StreamLimit:
    """Bound the number of open streams. For one event loop.

    Args:
        max_streams: in all.
        max_per_client, max_per_job: of one client, and for one job.
    """

    def __init__(
        self, max_streams: int = MAX_STREAMS, max_per_client: int = MAX_PER_CLIENT, max_per_job: int = MAX_PER_JOB
    ) -> None:
        self._max_streams = max_streams
        self._max_per_client = max_per_client
        self._max_per_job = max_per_job
        self._open = 0
        self._shares: Counter[str] = Counter()

    async def count_stream(self) -> AsyncIterator[None]:
        """Count a stream while its request lives.

        Raises:
            ProblemWithCode: too many are open.
        """
        if self._open >= self._max_streams:
            detail = "Too many streams are open; ask for the status instead."
            raise ProblemWithCode(503, "too_many_streams", detail, {"Retry-After": str(RETRY_AFTER_SECONDS)})
        self._open += 1
        try:
            yield
        finally:
            self._open -= 1

    async def count_share(self, request: Request, job_id: str) -> AsyncIterator[None]:
        """Count a stream of its client and for its job while its request lives.

        Raises:
            ProblemWithCode: too many are open for one of them.
        """
        shares = {f"client {client_of(request.scope)}": self._max_per_client, f"job {job_id}": self._max_per_job}
        if any(self._shares[share] >= limit for share, limit in shares.items()):
            detail = "Too many streams are open for this client or archive; ask for the status instead."
            raise ProblemWithCode(429, "too_many_streams", detail, {"Retry-After": str(RETRY_AFTER_SECONDS)})
        self._shares.update(shares.keys())
        try:
            yield
        finally:
            self._shares.subtract(shares.keys())
            # Drops the entries that are zero.
            self._shares += Counter()


def make_router(
    find: FindProgress, limit: StreamLimit, is_stopping: Callable[[], bool], poll_seconds: float = POLL_SECONDS
) -> APIRouter:
    """Return the route.

    Args:
        find: as `web.progress.lookup.JobLookup.find_newest`.
        limit: of open streams.
        is_stopping: whether this process ends, so that no stream delays it.
        poll_seconds: between two looks at the store.
    """
    router = APIRouter()

    async def require_job(job_id: str) -> str:
        if find(job_id) is None:
            raise UnknownJob
        return job_id

    @router.get(
        "/cloud_archive/jobs/{job_id}/events",
        summary="How an archive gets on, as it happens",
        response_class=EventSourceResponse,
        responses={
            404: describe("No such archive."),
            429: describe("Too many requests or streams of one client or for one archive; ask for the status instead."),
            503: describe("Too many streams are open: ask for the status instead. Or this replica is starting."),
            "default": describe("Anything else."),
        },
        # The id first: an unknown job takes no place.
        dependencies=[Depends(require_job), Depends(limit.count_share), Depends(limit.count_stream)],
    )
    async def get_events(job_id: Annotated[str, Depends(require_job)]) -> AsyncIterator[ServerSentEvent]:
        """Send the status now and after every change; the stream ends with the archive: close it then."""
        async for status in follow(lambda: find(job_id), is_stopping, poll_seconds):
            yield ServerSentEvent(data=status, retry=RECONNECT_MS if status.state.is_final else None)

    return router


async def follow(
    find: Callable[[], Progress | None], is_stopping: Callable[[], bool], poll_seconds: float
) -> AsyncIterator[Status]:
    """Yield every status that differs from the one before, up to the last.

    Args:
        find: returns the newest progress.
        is_stopping: whether to end early.
        poll_seconds: between two looks.
    """
    previous: Status | None = None
    for _ in range(round(MAX_SECONDS / poll_seconds)):
        progress = find()
        if progress is None:
            return
        status = make_status(progress)
        if status != previous:
            yield status
        previous = status
        if status.state.is_final or is_stopping():
            return
        await asyncio.sleep(poll_seconds)
