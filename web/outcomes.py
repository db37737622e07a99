"""Outcomes: how each callback ended, so that the same one again (a double click, a reload) ends the same way.

Kept in memory, for this replica only: another one finds the code used up, and a job published twice is one job by its
id. Knows no HTTP.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from web.memory import Memory

# As long as a state lives; after that the callback is refused anyway.
KEEP_SECONDS = 3600.0
MOST_KEPT = 10_000
# A guest goes back a few times; more are somebody's trials, and each would cost the cloud a call.
MOST_ANSWERS = 10


@dataclass
class _Job:
    lock: threading.Lock = field(default_factory=threading.Lock)
    kept: bool = False
    failed: set[str] = field(default_factory=set)


class Outcomes:
    """Remembers which jobs were promised to the queue, and which answers failed. Thread-safe.

    Args:
        now: seconds of any clock that goes forward.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._guard = threading.Lock()
        self._jobs = Memory[_Job](KEEP_SECONDS, MOST_KEPT, now)

    def once(self, job_id: str, answer: str, attempt: Callable[[], bool]) -> bool:
        """Return whether the job is in the queue, trying once for each answer until it is.

        The same answer at the same time waits for the first and shares its outcome. Another answer may succeed where
        one failed: a guest who said no may go back and say yes.

        Args:
            job_id: the job.
            answer: what the guest brought back.
            attempt: puts the job into the queue and says whether it did.
        """
        with self._guard:
            job = self._jobs.recall(job_id, _Job)
        with job.lock:
            if not job.kept and answer not in job.failed and len(job.failed) < MOST_ANSWERS:
                job.kept = attempt()
                if not job.kept:
                    job.failed.add(answer)
            return job.kept
