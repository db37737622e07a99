"""Sample running jobs: when a snapshot is taken, and whether it is broadcast and retained."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from common.loops import guard
from common.messages.progress import Progress
from common.telemetry import metrics

TakeSnapshot = Callable[[], Progress]

# How often somebody who watches could notice a change, and how often a job is looked at that nobody watches.
WATCHED_SECONDS, UNWATCHED_SECONDS = 1.0, 5.0
# A job counts as watched so long after somebody looked: `web` tells of it every ten seconds.
ATTENTION_SECONDS = 15.0
# What does not move is told again all the same, for replicas of the version before, which say no hello.
REPEAT_SECONDS = 30.0
# How often the numbers of a running job are kept for those who come when no worker can tell them any more.
RETAIN_SECONDS = 30.0
# Jobs that are remembered as watched; more are not: then all of them are looked at every second for a while.
MAX_WATCHED = 10_000
# Looks are due in beats of a second: one that is due within so long is due now.
SPARE_SECONDS = 0.3


class WatchedJobs:
    """Which jobs somebody looks at, here or at another worker. Used by one thread."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}

    def note_viewer(self, job_id: str, now: float) -> bool:
        """Note that somebody looks at a job; return whether it was not watched just before.

        Args:
            job_id: of it.
            now: seconds of a clock that only goes forward.
        """
        is_new = not self.is_watched(job_id, now)
        if len(self._until) >= MAX_WATCHED:
            self._until = {known: until for known, until in self._until.items() if until > now}
        if job_id in self._until or len(self._until) < MAX_WATCHED:
            self._until[job_id] = now + ATTENTION_SECONDS
        return is_new

    def is_watched(self, job_id: str, now: float) -> bool:
        """Say whether somebody looked at a job lately."""
        return self._until.get(job_id, 0.0) > now


@dataclass(frozen=True)
class Sample:
    """A snapshot, and what becomes of it.

    Args:
        progress: the snapshot.
        is_broadcast: whether it is sent to those who listen now.
        is_retained: whether it is kept for those who come later.
    """

    progress: Progress
    is_broadcast: bool
    is_retained: bool


class JobSampler:
    """Takes the snapshots of one running job. Used by one thread.

    Args:
        take: returns one.

    Attributes:
        job_id: of it; empty before the first look.
        is_broken: whether a look has failed.
    """

    def __init__(self, take: TakeSnapshot) -> None:
        self.job_id = ""
        self.is_broken = False
        self._take = take
        self._due = 0.0
        self._broadcast: Progress | None = None
        self._broadcast_at = 0.0
        self._retained: Progress | None = None
        self._retained_at = 0.0

    def force(self) -> None:
        """Take the next snapshot at once, and broadcast whatever it shows."""
        self._due = 0.0
        self._broadcast = None

    def sample(self, now: float, watched_jobs: WatchedJobs) -> Sample | None:
        """Take a snapshot if one is due, and say what becomes of it; raises what taking it raises.

        Args:
            now: seconds of a clock that only goes forward.
            watched_jobs: those that somebody looks at.
        """
        if now < self._due - SPARE_SECONDS:
            return None
        self._due = now + WATCHED_SECONDS
        progress = self._take()
        self.job_id = progress.job_id
        # Until the list is open everybody waits for the first number.
        if progress.photos_total and not watched_jobs.is_watched(self.job_id, now):
            self._due = now + UNWATCHED_SECONDS
        sample = Sample(progress, self._is_worth_broadcasting(progress, now), self._is_worth_retaining(progress, now))
        if sample.is_broadcast:
            self._broadcast, self._broadcast_at = progress, now
        if sample.is_retained:
            self._retained, self._retained_at = progress, now
        return sample

    def _is_worth_broadcasting(self, progress: Progress, now: float) -> bool:
        told = self._broadcast
        if told is None or now - self._broadcast_at >= REPEAT_SECONDS - SPARE_SECONDS:
            return True
        return replace(progress, updated_at=told.updated_at, number=told.number) != told

    def _is_worth_retaining(self, progress: Progress, now: float) -> bool:
        if not progress.photos_total:
            return False
        kept = self._retained
        if kept is None:
            return True
        return now - self._retained_at >= RETAIN_SECONDS - SPARE_SECONDS and _count(progress) != _count(kept)


@contextmanager
def counting_progress(take: TakeSnapshot) -> Iterator[TakeSnapshot]:
    """Count a running job for Prometheus, and note when something arrives in its cloud.

    Args:
        take: returns a snapshot.

    Yields:
        what returns the same snapshots; every one that is taken by it counts.
    """
    last = take()

    def take_and_compare() -> Progress:
        nonlocal last
        progress = take()
        if (progress.photos_copied, progress.bytes_copied) != (last.photos_copied, last.bytes_copied):
            guard("noting an arrival", metrics.note_arrival)
        last = progress
        return progress

    with metrics.jobs_in_progress.track_inprogress():
        try:
            yield take_and_compare
        finally:
            take_and_compare()


def _count(progress: Progress) -> tuple[int, ...]:
    return progress.photos_total, progress.stored, progress.photos_failed, progress.bytes_copied
