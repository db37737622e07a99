"""`GET /cloud_archive/jobs/{job_id}/events`: how an archive gets on, as server-sent events.

https://html.spec.whatwg.org/multipage/server-sent-events.html. No thread waits for news here: each stream looks at them
once a second, which is as often as they come, and whether this replica is to stop: browsers come back by themselves, to
another one.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent
from starlette.exceptions import HTTPException

from common.messages.progress import Progress
from web.api.status import Status, put_into_words
from web.http.problems import ProblemWithCode, describe
from web.http.rate_limit import client_of
from web.progress.lookup import FindProgress

LOOK_SECONDS = 1.0
# Each holds a socket and a few kB of memory; who gets none asks for the status instead, which is as good.
MOST_STREAMS = 500
# A guest watches on a few devices, in a few tabs, and shows the link to a family; a wedding's guests are many behind
# one address, each with an archive of their own. No client and no archive leaves too few for others.
MOST_FOR_CLIENT, MOST_FOR_JOB = 100, 50
BUSY_SECONDS = 30
# A browser that does not close the stream after the end comes back by itself; not before this time.
COME_BACK_MS = 10 * 60 * 1000
# A stream that stays quiet is ended now and then, so that none outlives its guest or its replica for long.
LONGEST_SECONDS = 15 * 60.0


class Streams:
    """How many streams are open. For one event loop.

    Args:
        most: so many may be.
        most_for_client, most_for_job: so many of one client, and for one job.
    """

    def __init__(
        self, most: int = MOST_STREAMS, most_for_client: int = MOST_FOR_CLIENT, most_for_job: int = MOST_FOR_JOB
    ) -> None:
        self._most = most
        self._most_for_client = most_for_client
        self._most_for_job = most_for_job
        self._open = 0
        self._shares: Counter[str] = Counter()

    async def take_place(self) -> AsyncIterator[None]:
        """Count one for as long as its request lives.

        Raises:
            ProblemWithCode: there are too many.
        """
        if self._open >= self._most:
            told = "Too many streams are open; ask for the status instead."
            raise ProblemWithCode(503, "too_many_streams", told, {"Retry-After": str(BUSY_SECONDS)})
        self._open += 1
        try:
            yield
        finally:
            self._open -= 1

    async def take_share(self, request: Request, job_id: str) -> AsyncIterator[None]:
        """Count one for its client and for its job for as long as its request lives.

        Raises:
            ProblemWithCode: one of them has too many.
        """
        shares = {f"client {client_of(request.scope)}": self._most_for_client, f"job {job_id}": self._most_for_job}
        if any(self._shares[whose] >= most for whose, most in shares.items()):
            told = "Too many streams are open for this client or archive; ask for the status instead."
            raise ProblemWithCode(429, "too_many_streams", told, {"Retry-After": str(BUSY_SECONDS)})
        self._shares.update(shares.keys())
        try:
            yield
        finally:
            self._shares.subtract(shares.keys())
            # What nobody holds is not kept.
            self._shares += Counter()


def make_router(
    find: FindProgress, streams: Streams, is_stopping: Callable[[], bool], look_seconds: float = LOOK_SECONDS
) -> APIRouter:
    """Return the route.

    Args:
        find: returns what is known of a job, None for one that we do not know; raises `web.progress.lookup.Starting`.
        streams: bounds how many are open.
        is_stopping: says whether this process is to end, so that no stream holds it up.
        look_seconds: how often each looks at the news.
    """
    router = APIRouter()

    async def take_job(job_id: str) -> str:
        if find(job_id) is None:
            raise HTTPException(404)
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
        # The id first: nobody takes a place without one.
        dependencies=[Depends(take_job), Depends(streams.take_share), Depends(streams.take_place)],
    )
    async def get_events(job_id: Annotated[str, Depends(take_job)]) -> AsyncIterator[ServerSentEvent]:
        """Tell the status now and after every change; the stream ends with the archive: close it then."""
        async for status in follow(lambda: find(job_id), is_stopping, look_seconds):
            yield ServerSentEvent(data=status, retry=COME_BACK_MS if status.state.is_final else None)

    return router


async def follow(
    find: Callable[[], Progress | None], is_stopping: Callable[[], bool], look_seconds: float
) -> AsyncIterator[Status]:
    """Give every status that differs from the one before, up to the last.

    Args:
        find: looks for the newest.
        is_stopping: says whether to end early.
        look_seconds: between looks.
    """
    told: Status | None = None
    for _ in range(round(LONGEST_SECONDS / look_seconds)):
        progress = find()
        if progress is None:
            return
        status = put_into_words(progress)
        if status != told:
            yield status
        told = status
        if status.state.is_final or is_stopping():
            return
        await asyncio.sleep(look_seconds)
