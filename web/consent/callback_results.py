"""Outcomes: how each callback ended, so that the same one again (a double click, a reload) ends the same way.

Kept in memory, for this replica only: another one finds the code used up, and a job published twice is one job by its
id. Knows no HTTP.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from web.consent.ttl_cache import Memory
from web.http.bounded_executor import Overloaded

# As long as a state lives; after that the callback is refused anyway.
KEEP_SECONDS = 3600.0
MOST_KEPT = 10_000
# A guest goes back a few times; more are somebody's trials, and each would cost the cloud a call.
MOST_ANSWERS = 10
# Who waits for the outcome of one job, a few kB each: a double click and some reloads are a handful; somebody's loop
# that a client's minute lets through (RATE_LIMIT_PER_MINUTE) still gets its answers.
MOST_WAITING = 100


@dataclass
class _Job:
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    underway: dict[str, "asyncio.Task[bool]"] = field(default_factory=dict)
    waiting: int = 0
    kept: bool = False
    failed: set[str] = field(default_factory=set)


class Outcomes:
    """Remembers which jobs were promised to the queue, and which answers failed. For one event loop.

    Args:
        now: seconds of any clock that goes forward.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._jobs = Memory[_Job](KEEP_SECONDS, MOST_KEPT, now)

    async def once(self, job_id: str, answer: str, attempt: Callable[[], Awaitable[bool]]) -> bool:
        """Return whether the job is in the queue, trying once for each answer until it is.

        The same answer at the same time awaits the first and shares its outcome, without a thread of its own. Another
        answer has its turn after it: it may succeed where one failed, for a guest who said no may go back and say yes.

        Args:
            job_id: the job.
            answer: what the guest brought back, best a short digest.
            attempt: puts the job into the queue and says whether it did; what it raises is nobody's outcome.

        Raises:
            Overloaded: too many wait for this job already; nothing was begun.
        """
        job = self._jobs.recall(job_id, _Job)
        if job.waiting >= MOST_WAITING:
            raise Overloaded
        job.waiting += 1
        try:
            # It goes on for the others when one of them is not waited for any more.
            return await asyncio.shield(self._begin(job, answer, attempt))
        finally:
            job.waiting -= 1

    def _begin(self, job: _Job, answer: str, attempt: Callable[[], Awaitable[bool]]) -> "asyncio.Task[bool]":
        """Return the trial of an answer, the one under way if there is one."""
        if answer not in job.underway:
            job.underway[answer] = trial = asyncio.create_task(_try(job, answer, attempt))
            trial.add_done_callback(lambda _: job.underway.pop(answer))
        return job.underway[answer]


async def _try(job: _Job, answer: str, attempt: Callable[[], Awaitable[bool]]) -> bool:
    async with job.turn:
        if not job.kept and answer not in job.failed and len(job.failed) < MOST_ANSWERS:
            job.kept = await attempt()
            if not job.kept:
                job.failed.add(answer)
        return job.kept
