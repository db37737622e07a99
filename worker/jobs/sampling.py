"""When a running job is looked at, and who is told of what is seen there. Knows no broker."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from common.messages.progress import Progress

TakeSnapshot = Callable[[], Progress]

# How often somebody who watches could notice a change, and how often a job is looked at that nobody watches.
WATCHED_SECONDS, UNWATCHED_SECONDS = 1.0, 5.0
# A job counts as watched so long after somebody looked: `web` tells of it every ten seconds.
ATTENTION_SECONDS = 15.0
# What does not move is told again all the same, for replicas of the version before, which say no hello.
REPEAT_SECONDS = 30.0
# How often the numbers of a running job are kept for those who come when nobody can say them any more.
KEPT_SECONDS = 30.0
# Jobs that are remembered as watched; more are not: then all of them are looked at every second for a while.
MOST_WATCHED = 10_000
# Looks are due in beats of a second: one that is due within so long is due now.
SPARE_SECONDS = 0.3


class Audience:
    """Which jobs somebody looks at, here or at another worker. Used by one thread."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}

    def note(self, job_id: str, now: float) -> bool:
        """Note that somebody looks at a job; return whether nobody did just before.

        Args:
            job_id: of it.
            now: seconds of a clock that only goes forward.
        """
        is_new = not self.watches(job_id, now)
        if len(self._until) >= MOST_WATCHED:
            self._until = {known: until for known, until in self._until.items() if until > now}
        if job_id in self._until or len(self._until) < MOST_WATCHED:
            self._until[job_id] = now + ATTENTION_SECONDS
        return is_new

    def watches(self, job_id: str, now: float) -> bool:
        """Say whether somebody looked at a job lately."""
        return self._until.get(job_id, 0.0) > now


@dataclass(frozen=True)
class Seen:
    """What one look showed.

    Args:
        progress: the snapshot.
        is_news: whether those who listen now are to hear it.
        is_kept: whether it is kept for those who come later.
    """

    progress: Progress
    is_news: bool
    is_kept: bool


class Watch:
    """One running job, looked at now and then. Used by one thread.

    Args:
        take: reads how far it has come.

    Attributes:
        job_id: of it; empty before the first look.
        is_broken: whether a look has failed.
    """

    def __init__(self, take: TakeSnapshot) -> None:
        self.job_id = ""
        self.is_broken = False
        self._take = take
        self._due = 0.0
        self._told: Progress | None = None
        self._told_at = 0.0
        self._kept: Progress | None = None
        self._kept_at = 0.0

    def hurry(self) -> None:
        """Look at once, and tell whatever is seen."""
        self._due = 0.0
        self._told = None

    def look(self, now: float, audience: Audience) -> Seen | None:
        """Look, if it is time to, and say who is to be told; raises what taking the snapshot raises.

        Args:
            now: seconds of a clock that only goes forward.
            audience: knows whether somebody watches.
        """
        if now < self._due - SPARE_SECONDS:
            return None
        self._due = now + WATCHED_SECONDS
        progress = self._take()
        self.job_id = progress.job_id
        # Until the list is open everybody waits for the first number.
        if progress.photos_total and not audience.watches(self.job_id, now):
            self._due = now + UNWATCHED_SECONDS
        seen = Seen(progress, self._is_news(progress, now), self._is_worth_keeping(progress, now))
        if seen.is_news:
            self._told, self._told_at = progress, now
        if seen.is_kept:
            self._kept, self._kept_at = progress, now
        return seen

    def _is_news(self, progress: Progress, now: float) -> bool:
        told = self._told
        if told is None or now - self._told_at >= REPEAT_SECONDS - SPARE_SECONDS:
            return True
        return replace(progress, updated_at=told.updated_at, number=told.number) != told

    def _is_worth_keeping(self, progress: Progress, now: float) -> bool:
        if not progress.photos_total:
            return False
        kept = self._kept
        if kept is None:
            return True
        return now - self._kept_at >= KEPT_SECONDS - SPARE_SECONDS and _count(progress) != _count(kept)


def _count(progress: Progress) -> tuple[int, ...]:
    return progress.photos_total, progress.stored, progress.photos_failed, progress.bytes_copied
