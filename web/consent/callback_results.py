"""Results of callbacks, so that the same one again (a double click, a reload) ends the same way.

Kept in memory, for this replica only: another one finds the code used up, and a job published twice is one job by its
id.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from web.consent.ttl_cache import TtlCache
from web.http.bounded_executor import Overloaded

# As long as a state is valid; after that the callback is refused anyway.
TTL_SECONDS = 3600.0
MAX_JOBS = 10_000
# Different answers of one guest. They go back a few times; more are somebody's trials, each costing the cloud a call.
MAX_ANSWERS = 10
# Callbacks that wait for one job's result, a few kB each: a double click and some reloads are a handful; somebody's
# loop that a client's limit lets through (RATE_LIMIT_PER_MINUTE) still gets its answers.
MAX_WAITING = 100


@dataclass
class _Job:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    running: dict[str, "asyncio.Task[bool]"] = field(default_factory=dict)
    waiting: int = 0
    is_queued: bool = False
    failed: set[str] = field(default_factory=set)


class CallbackResults:
    """Remember which jobs are in the queue, and which answers failed. For one event loop.

    Args:
        now: seconds of any clock that goes forward.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._jobs = TtlCache[_Job](TTL_SECONDS, MAX_JOBS, now)

    async def get_or_attempt(self, job_id: str, answer: str, attempt: Callable[[], Awaitable[bool]]) -> bool:
        """Return whether the job is in the queue, attempting once for each answer until it is.

        The same answer at the same time awaits the first and shares its result. Another answer is attempted after it:
        it may succeed where one failed, for a guest who said no may go back and say yes.

        Args:
            job_id: the job.
            answer: what the guest brought back, best a short digest.
            attempt: puts the job into the queue and returns whether it did; what it raises is not remembered.

        Raises:
            Overloaded: too many wait for this job already; nothing was begun.
        """
        job = self._jobs.get_or_create(job_id, _Job)
        if job.waiting >= MAX_WAITING:
            raise Overloaded
        job.waiting += 1
        try:
            # Shielded: when one of its callers is cancelled, it goes on for the others.
            return await asyncio.shield(self._start(job, answer, attempt))
        finally:
            job.waiting -= 1

    def _start(self, job: _Job, answer: str, attempt: Callable[[], Awaitable[bool]]) -> "asyncio.Task[bool]":
        """Return the running attempt of an answer, started if there is none."""
        if answer not in job.running:
            job.running[answer] = task = asyncio.create_task(_attempt(job, answer, attempt))
            task.add_done_callback(lambda _: job.running.pop(answer))
        return job.running[answer]


async def _attempt(job: _Job, answer: str, attempt: Callable[[], Awaitable[bool]]) -> bool:
    async with job.lock:
        if not job.is_queued and answer not in job.failed and len(job.failed) < MAX_ANSWERS:
            job.is_queued = await attempt()
            if not job.is_queued:
                job.failed.add(answer)
        return job.is_queued
