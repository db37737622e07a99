"""What becomes of a job: it goes on, it waits, it ends and the gallery is told. Knows neither photos nor the broker."""

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Protocol

from common.archive_job import ArchiveJob, Course, Leftover, NotOurMessage
from common.errors import ArchiveError, Reason, StorageFull, Transient
from common.progress import Progress, State
from worker.claim import Claim, Overtaken
from worker.claims import Claims
from worker.gallery import Gallery
from worker.slice import Outcome
from worker.stopping import Interrupted, Signals

logger = logging.getLogger(__name__)

# How long a job waits for a gallery or a cloud that is down, or for its done call to be taken, in seconds.
LONGEST_WAIT = 24 * 3600.0
# The waiting queue of each wait in a row; the last one goes on.
WAIT_LEVELS = (0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 3)
# After two workers had one job: when to look once more for what the other left. By then it has noticed the loss of its
# line (at most 30 seconds, with heartbeats of 10), waited 10 seconds for the message to come again, and let go.
AFTERCARE_LEVEL = 1
# A message that came back so often ends its workers. After a few more returns (`common.topology.DELIVERY_LIMIT`) its
# queue would put it among the dead, and tell nobody. What is given back for a broker's trouble takes half an hour to
# come here.
MOST_RETURNS = 45
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


WorkSlice = Callable[[Claim, int, Signals], tuple[ArchiveJob, Outcome]]


class Keeper:
    """Keeps jobs, each on the thread that calls. Thread-safe.

    Args:
        claims: who works on what.
        check: says whether a message is one of ours, before anything is done for it; raises NotOurMessage.
        work: works one slice of a claimed job; returns the job as it must travel on, and how the slice ended.
        gallery: is told of the end.
        queue: where jobs go on.
        report: tells those who watch of a change.
        release: gives a job's grant back when nothing more needs it; never raises.
        now: Unix time in seconds.
    """

    def __init__(
        self,
        claims: Claims,
        check: Callable[[ArchiveJob], None],
        work: WorkSlice,
        gallery: Gallery,
        queue: JobQueue,
        report: Callable[[Progress], None],
        release: Callable[[Claim], None],
        now: Callable[[], float] = time.time,
    ) -> None:
        self._claims = claims
        self._check = check
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
            NotOurMessage: it cannot be worked on, its workers end again and again, or the gallery never took its end.
            Leftover: the message serves nobody.
            Interrupted: the message must come back.
            Transient: the queue or the ledger could not be had; the message must come back.
        """
        # In every case: nothing is told, written down or given back for a message whose grant does not open.
        self._check(job)
        with self._claims.take(job, returns, signals) as claim:
            if not claim:
                raise Leftover
            self._go_on(claim, returns, signals)

    def take_up(self, job_id: str, signals: Signals, overtakes: bool) -> None:
        """Work on a job whose message waits in a queue, unless somebody has it; see `Claims.take_up` and `keep`."""
        with self._claims.take_up(job_id, signals, overtakes=overtakes) as claim:
            if claim:
                logger.info("a job that waits is taken up")
                # Who took it from here has a message of its own; here there is none.
                with suppress(Leftover):
                    self._go_on(claim, 0, signals)

    def _go_on(self, claim: Claim, returns: int, signals: Signals) -> None:
        try:
            self._take_step(claim, returns, signals)
        except Overtaken:
            logger.info("another worker has the job by now")
            # Unless its very message came here meanwhile: then that has to come again.
            raise Leftover from None
        except Interrupted:
            if claim.is_overtaken:
                raise Leftover from None
            raise
        except Transient:
            raise
        except Exception:
            # Its message goes to the dead; who puts it back to work is not to be taken for a leftover.
            claim.put_down()
            raise

    def _take_step(self, claim: Claim, returns: int, signals: Signals) -> None:
        if returns >= MOST_RETURNS:
            raise NotOurMessage("its workers ended again and again")
        course = claim.job.course
        if not course.told and (course.telling or claim.record.failed_photos is not None):
            self._tell(claim, claim.job)
            return
        job, outcome = self._work(claim, returns, signals)
        if outcome.waits_for and self._wait(claim, job, outcome.waits_for):
            self._report(outcome.meter.read(State.WAITING, outcome.waits_for.reason, outcome.waits_for.detail))
        elif not outcome.ended and not outcome.waits_for:
            claim.go_on(job, self._queue.put_behind)
            self._report(outcome.meter.read())
        elif job.course.told:
            claim.end()
            self._release(claim)
        else:
            self._end(claim, job, outcome)

    def _end(self, claim: Claim, job: ArchiveJob, outcome: Outcome) -> None:
        """Say that an archive has ended, to those who watch it and to the gallery."""
        failure = outcome.waits_for
        reason = str(failure.reason) if failure else job.course.reason
        progress = outcome.meter.read(_final_state(reason), reason, failure.detail if failure else outcome.detail)
        if not reason and not progress.photos_total:
            progress = replace(progress, reason=Reason.GALLERY_EMPTY)
        if outcome.full:
            progress = _tell_space(progress, outcome.full)
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
            self._tell(claim, replace(job, course=course), progress.encode())
        else:
            claim.end(progress.encode())
            self._report(progress)
            self._release(claim)

    def _tell(self, claim: Claim, job: ArchiveJob, end: bytes = b"") -> None:
        """Tell the gallery, or let the news wait: it holds up no other job and copies nothing again.

        What is told is written down before, so that whoever goes on after a crash says the same.
        """
        count = claim.begin_to_tell(job.course.failed_photos, end)
        if said := claim.read_end():
            self._report(Progress.decode(said))
        job = replace(job, course=replace(job.course, telling=True, failed_photos=count))
        if not claim.record.is_told:
            try:
                self._call(claim, job, count)
            except Transient as error:
                if not self._wait(claim, job, error):
                    raise NotOurMessage("the gallery never took the done call") from None
                return
        if job.course.crowded:
            later = replace(job, course=Course(slices=job.course.slices, told=True))
            claim.go_on(later, lambda each: self._queue.let_wait(each, AFTERCARE_LEVEL))
        else:
            claim.end()
            self._release(claim)

    def _call(self, claim: Claim, job: ArchiveJob, count: int) -> None:
        with claim.unwritten:
            self._gallery.tell_done(job, count)
            logger.info("the gallery was told", extra={"failed": count})
            claim.note_told()

    def _wait(self, claim: Claim, job: ArchiveJob, error: ArchiveError) -> bool:
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
        claim.go_on(replace(job, course=course), lambda each: self._queue.let_wait(each, level))
        return True


def _tell_space(progress: Progress, full: StorageFull) -> Progress:
    """Return how an archive ended, with what its guest's cloud lacks."""
    missing = progress.bytes_total - progress.bytes_copied
    return replace(progress, needed_bytes=missing if full.needed is None else full.needed, free_bytes=full.free)


def _final_state(reason: str) -> State:
    if reason == Reason.CANCELLED:
        return State.CANCELLED
    return State.FAILED if reason else State.DONE
