"""What becomes of a job: it goes on, it waits, it ends and the gallery is told. Knows neither photos nor the broker."""

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from common.archive_job import ArchiveJob, Course, NotOurMessage
from common.errors import ArchiveError, Reason, StorageFull, Transient
from common.progress import Progress, State
from worker.gallery import Gallery
from worker.slice import Outcome
from worker.stopping import Signals

logger = logging.getLogger(__name__)

# How long a job waits for a gallery or a cloud that is down, or for its done call to be taken, in seconds.
LONGEST_WAIT = 24 * 3600.0
# The waiting queue of each wait in a row; the last one goes on.
WAIT_LEVELS = (0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 3)
# After two workers had one job: when to look once more for what the other left. By then it has noticed the loss of its
# line (at most 30 seconds, with heartbeats of 10), waited 10 seconds for the message to come again, and let go.
AFTERCARE_LEVEL = 1
# A daily limit ends after hours: there is no use in asking every few seconds.
DAILY_LEVEL = WAIT_LEVELS[-1]


class JobQueue(Protocol):
    """Where a job goes on; both raise Transient when it cannot be had."""

    def put_behind(self, job: ArchiveJob) -> None:
        """Put a job behind the others."""
        ...

    def let_wait(self, job: ArchiveJob, level: int) -> None:
        """Put a job where it waits before it returns by itself; level 0 is the shortest wait."""
        ...


WorkSlice = Callable[[ArchiveJob, int, Signals], tuple[ArchiveJob, Outcome | None]]


class Keeper:
    """Keeps jobs, each on the thread that calls. Thread-safe.

    Args:
        work: looks whether a message may be believed, and works one slice of its job; returns the job as it must travel
            on, and how the slice ended, or None when all that is left is to tell the gallery.
        gallery: is told of the end.
        queue: where jobs go on.
        report: tells those who watch of a change.
        release: gives a job's grant back when nothing more needs it; never raises.
        now: Unix time in seconds.
    """

    def __init__(
        self,
        work: WorkSlice,
        gallery: Gallery,
        queue: JobQueue,
        report: Callable[[Progress], None],
        release: Callable[[ArchiveJob], None],
        now: Callable[[], float] = time.time,
    ) -> None:
        self._work = work
        self._gallery = gallery
        self._queue = queue
        self._report = report
        self._release = release
        self._now = now

    def keep(self, job: ArchiveJob, returns: int, signals: Signals) -> None:
        """Work on a job as long as one delivery may; safe to repeat. When it returns, the message has served.

        Args:
            job: the promise, and how far it has come.
            returns: how often this very message came back before.
            signals: end the work.

        Raises:
            NotOurMessage: it cannot be worked on, or the gallery never took its end.
            Interrupted: another worker has the message by now.
            Transient: the queue could not be had; the message must come back.
        """
        # In every case: nothing is told, and nothing given back, for a message whose grant does not open.
        job, outcome = self._work(job, returns, signals)
        if outcome is None:
            self._tell(job)
            return
        if outcome.waits_for and self._wait(job, outcome.waits_for):
            self._report(outcome.meter.read(State.WAITING, outcome.waits_for.reason, outcome.waits_for.detail))
        elif not outcome.ended and not outcome.waits_for:
            self._queue.put_behind(job)
        elif job.course.told:
            self._release(job)
        else:
            self._end(job, outcome)

    def _end(self, job: ArchiveJob, outcome: Outcome) -> None:
        """Say that an archive has ended, to those who watch it and to the gallery."""
        failure = outcome.waits_for
        reason = str(failure.reason) if failure else job.course.reason
        progress = outcome.meter.read(_final_state(reason), reason, failure.detail if failure else outcome.detail)
        if not reason and not progress.photos_total:
            progress = replace(progress, reason=Reason.GALLERY_EMPTY)
        if outcome.full:
            progress = _tell_space(progress, outcome.full)
        self._report(progress)
        logger.info(
            "an archive ended",
            extra={
                "state": str(progress.state),
                "copied": progress.photos_copied,
                "failed": job.course.failed_photos,
                "slices": job.course.slices,
                "reason": reason,
            },
        )
        # Without a list there is no count, and nothing to tell.
        if outcome.has_count:
            course = replace(job.course, telling=True, waits=0, waiting_since=0, reason=reason)
            self._tell(replace(job, course=course))
        else:
            self._release(job)

    def _tell(self, job: ArchiveJob) -> None:
        """Tell the gallery, or let the news wait: it holds up no other job and copies nothing again."""
        try:
            self._gallery.tell_done(job, job.course.failed_photos)
        except Transient as error:
            if not self._wait(job, error):
                raise NotOurMessage("the gallery never took the done call") from None
            return
        logger.info("the gallery was told", extra={"failed": job.course.failed_photos})
        if job.course.crowded:
            self._queue.let_wait(replace(job, course=Course(slices=job.course.slices, told=True)), AFTERCARE_LEVEL)
        else:
            self._release(job)

    def _wait(self, job: ArchiveJob, error: ArchiveError) -> bool:
        """Let a job wait; returns false when it has waited long enough."""
        # No clock of another worker is far ahead: a wait that begins in the future would have no end.
        since = min(job.course.waiting_since or self._now(), self._now())
        if self._now() - since > LONGEST_WAIT:
            return False
        level = WAIT_LEVELS[min(job.course.waits, len(WAIT_LEVELS) - 1)]
        if error.reason is Reason.DAILY_LIMIT:
            level = DAILY_LEVEL
        reason = job.course.reason if job.course.telling else str(error.reason)
        course = replace(job.course, waits=job.course.waits + 1, waiting_since=since, reason=reason)
        # Once for each length of waits: a job may wait for a day.
        is_told = job.course.waits == 0 or level != WAIT_LEVELS[min(job.course.waits, len(WAIT_LEVELS)) - 1]
        logger.log(logging.INFO if is_told else logging.DEBUG, "a job waits: %s", error, extra={"queue": level})
        if error.reason is Reason.APP_REFUSED:
            logger.error(
                "%s refuses this service itself: look at its registration, its project and billing (%s)",
                job.cloud_type,
                error.detail,
            )
        self._queue.let_wait(replace(job, course=course), level)
        return True


def _tell_space(progress: Progress, full: StorageFull) -> Progress:
    """Return how an archive ended, with what its guest's cloud lacks."""
    missing = progress.bytes_total - progress.bytes_copied
    return replace(progress, needed_bytes=missing if full.needed is None else full.needed, free_bytes=full.free)


def _final_state(reason: str) -> State:
    if reason == Reason.CANCELLED:
        return State.CANCELLED
    return State.FAILED if reason else State.DONE
