"""Run a job: it goes on, it waits, it ends and the gallery is told."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import replace
from typing import Protocol

from common.clouds import advise_on_refusal
from common.errors import ArchiveError, Reason, StorageFull, Transient
from common.messages.archive_job import ArchiveJob, JobState, NotOurMessage, Phase, StaleMessage
from common.messages.progress import Progress, State
from common.messages.topology import WAITING_SECONDS
from common.telemetry import logs, metrics
from worker.gallery.client import Gallery
from worker.jobs.claim import Claim, Overtaken
from worker.jobs.claims import Claims
from worker.jobs.cloud_access import CloudAccess
from worker.jobs.meter import Meter
from worker.jobs.outcome import Outcome
from worker.jobs.sampling import TakeSnapshot, counting_progress
from worker.jobs.slice import Slice
from worker.transfer.stop import Interrupted, Signals

logger = logging.getLogger(__name__)

# How long a job waits for a gallery or a cloud that is down, or for its done call to be taken, in seconds.
MAX_WAIT = 24 * 3600.0
# The waiting queue of each wait in a row; the last one goes on.
WAIT_LEVELS = (0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 3)
# After two workers had one job: when to look once more for what the other left. By then it has noticed the loss of its
# line (at most 30 seconds, with heartbeats of 10), waited 10 seconds for the message to come again, and let go.
AFTERCARE_LEVEL = 1
# A message that came back so often may be what ends its workers: it waits, and waits longer each time it does so again,
# after fewer returns. So a storm that ends all of them passes it by, and what does end its worker ends few. Far below
# what its queue takes for too many (`DELIVERY_LIMIT`): what is given back for a broker's trouble counts as well.
MANY_RETURNS, MORE_RETURNS = 20, 3
# A daily limit ends after hours: there is no use in asking every few seconds.
DAILY_LEVEL = WAIT_LEVELS[-1]
# No cloud and no gallery tells this word: it says what a job waits for.
_WORN_OUT = Transient(Reason.INTERNAL, "its workers ended again and again")


class JobQueue(Protocol):
    """Where a job goes on; both methods raise Transient when the queue cannot be had."""

    def requeue(self, job: ArchiveJob) -> None:
        """Put a job behind the others."""
        ...

    def requeue_delayed(self, job: ArchiveJob, level: int) -> None:
        """Put a job where it waits before it returns by itself; level 0 is the shortest wait."""
        ...


class Reports(Protocol):
    """Where progress is reported, like `worker.queue.reporter.Reporter`."""

    def tell(self, progress: Progress) -> None:
        """Report a change of state."""
        ...

    def watch(self, take_snapshot: TakeSnapshot) -> AbstractContextManager[None]:
        """Report a job again and again while it runs."""
        ...


class JobRunner:
    """Runs jobs, each on the thread that calls. Thread-safe.

    Args:
        claims: who works on what.
        clouds: checks that a message's grant opens; revokes it when nothing more needs it.
        open_slice: returns one delivery's share of a claimed job, given the job's signals.
        gallery: is told of the end.
        queue: where jobs go on.
        reports: tells those who watch.
        take_ticket: marks the message of a ticket as begun; returns false when its publisher has withdrawn it, and
            raises Transient.
        now: Unix time in seconds.
    """

    def __init__(
        self,
        claims: Claims,
        clouds: CloudAccess,
        open_slice: Callable[[Claim, Signals], Slice],
        gallery: Gallery,
        queue: JobQueue,
        reports: Reports,
        take_ticket: Callable[[str], bool],
        now: Callable[[], float] = time.time,
    ) -> None:
        self._claims = claims
        self._clouds = clouds
        self._open_slice = open_slice
        self._gallery = gallery
        self._queue = queue
        self._reports = reports
        self._take_ticket = take_ticket
        self._now = now

    def run(self, job: ArchiveJob, returns: int, signals: Signals) -> None:
        """Work on a job as long as one delivery may; safe to repeat. When it returns, the message is done with.

        Args:
            job: what to copy, and how far it has come.
            returns: how often this very message came back before.
            signals: end the work.

        Raises:
            NotOurMessage: it cannot be worked on, its workers ended again and again for a day, or the gallery never
                took its end.
            StaleMessage: the message need not be worked on.
            Interrupted: the message must come back.
            Transient: the queue or the ledger could not be had; the message must come back.
        """
        if job.ticket and job.is_fresh and not self._take_ticket(job.ticket):
            logger.info("a message was withdrawn before it came: its guest was told so")
            return
        # In every case: nothing is told, written down or revoked for a message whose grant does not open.
        self._clouds.check(job)
        with self._claims.claim_message(job, returns, signals) as claim:
            if not claim:
                raise StaleMessage
            self._run_claimed(claim, returns, signals)

    def run_stopped(self, job_id: str, signals: Signals, overtakes: bool) -> None:
        """Run a job whose message waits in a queue, unless somebody has it; see `Claims.claim_waiting_job`."""
        with self._claims.claim_waiting_job(job_id, signals, overtakes=overtakes) as claim:
            if claim:
                logs.bind_fields(archive=claim.job.archive)
                logger.info("a job that waits is taken up")
                # A worker that took it from here has a message of its own; here there is none.
                with suppress(StaleMessage):
                    self._run_claimed(claim, 0, signals)

    def _run_claimed(self, claim: Claim, returns: int, signals: Signals) -> None:
        phase = claim.job.state.phase
        try:
            if returns >= (MORE_RETURNS if claim.job.state.reason == _WORN_OUT.reason else MANY_RETURNS):
                self._spare_workers(claim, signals)
                return
            if phase is Phase.TELLING or (phase is Phase.COPYING and claim.record.failed_photos is not None):
                self._tell(claim, claim.job)
                return
            slice_ = self._open_slice(claim, signals)
            with self._watch(slice_.meter) if phase is Phase.COPYING else nullcontext():
                outcome = slice_.run()
            self._continue_or_end(claim, outcome)
        except Overtaken:
            logger.info("another worker has the job by now")
            # Unless its very message came here meanwhile: then that has to come again.
            raise StaleMessage from None
        except Interrupted:
            if claim.is_overtaken:
                raise StaleMessage from None
            raise
        except Transient:
            raise
        except Exception:
            # Its message is dead-lettered; when it is replayed it must not be taken for a stale one.
            claim.abandon()
            raise

    def _spare_workers(self, claim: Claim, signals: Signals) -> None:
        """Let a job wait that may end whoever takes it; one that is stopped is soon done with, and waits no longer."""
        is_stopped = claim.record.is_stopped
        seconds = self._wait(claim, claim.job, _WORN_OUT, level=0 if is_stopped else None)
        if not seconds:
            raise NotOurMessage(_WORN_OUT.detail)
        if claim.job.state.phase is Phase.COPYING and not is_stopped:
            self._tell_wait(self._open_slice(claim, signals).meter, _WORN_OUT, seconds)

    @contextmanager
    def _watch(self, meter: Meter) -> Iterator[None]:
        with counting_progress(meter.read) as take_snapshot, self._reports.watch(take_snapshot):
            yield

    def _continue_or_end(self, claim: Claim, outcome: Outcome) -> None:
        job = outcome.job
        waits_for = outcome.waits_for
        if waits_for and (seconds := self._wait(claim, job, waits_for)):
            self._tell_wait(outcome.meter, waits_for, seconds)
        elif not outcome.ended and not outcome.waits_for:
            claim.continue_as(job, self._queue.requeue)
            self._reports.tell(outcome.meter.read())
        elif job.state.phase is Phase.TOLD:
            claim.end()
            self._clouds.revoke(claim)
        else:
            self._end(claim, outcome)

    def _end(self, claim: Claim, outcome: Outcome) -> None:
        """Say that an archive has ended, to those who watch it and to the gallery."""
        job, failure = outcome.job, outcome.waits_for
        reason = str(failure.reason) if failure else job.state.reason
        progress = outcome.meter.read(_final_state(reason), reason, failure.detail if failure else outcome.detail)
        if not reason and not progress.photos_total:
            progress = replace(progress, reason=Reason.GALLERY_EMPTY)
        if outcome.full:
            progress = _add_space(progress, outcome.full)
        logger.info(
            "an archive ended",
            extra={
                "state": str(progress.state),
                "copied": progress.photos_copied,
                "failed": job.state.failed_photos,
                "slices": job.state.slices,
                "reason": reason,
            },
        )
        # Without a list there is no count, and nothing to tell.
        if outcome.has_count:
            state = replace(job.state, phase=Phase.TELLING, waits=0, waiting_since=0, reason=reason)
            self._tell(claim, replace(job, state=state), progress.encode())
        else:
            claim.end(progress.encode())
            self._reports.tell(progress)
            self._clouds.revoke(claim)

    def _tell(self, claim: Claim, job: ArchiveJob, end: bytes = b"") -> None:
        """Tell the gallery, or let the news wait: it holds up no other job and copies nothing again.

        What is told is written down before, so that whoever goes on after a crash says the same.
        """
        count = claim.begin_telling(job.state.failed_photos, end)
        if said := claim.read_end():
            self._reports.tell(Progress.decode(said))
        job = replace(job, state=replace(job.state, phase=Phase.TELLING, failed_photos=count))
        if not claim.record.is_told:
            try:
                self._call_gallery(claim, job, count)
            except Transient as error:
                if not self._wait(claim, job, error):
                    raise NotOurMessage("the gallery never took the done call") from None
                return
        if job.state.may_have_duplicates:
            later = replace(job, state=JobState(slices=job.state.slices, phase=Phase.TOLD))
            self._continue_delayed(claim, later, AFTERCARE_LEVEL)
        else:
            claim.end()
            self._clouds.revoke(claim)

    def _call_gallery(self, claim: Claim, job: ArchiveJob, count: int) -> None:
        with claim.pending_write:
            try:
                self._gallery.tell_done(job, count)
            except Transient:
                metrics.done_refused.inc()
                raise
            metrics.done_accepted.inc()
            logger.info("the gallery was told", extra={"failed": count})
            claim.note_told()

    def _wait(self, claim: Claim, job: ArchiveJob, error: ArchiveError, level: int | None = None) -> float:
        """Let a job wait; returns for how many seconds, 0 when it has waited long enough.

        Args:
            claim: of the job.
            job: as it goes on.
            error: what it waits for.
            level: of its waiting queue; None: the one for so many waits in a row.
        """
        # No clock of another worker is far ahead: a wait that begins in the future would have no end.
        since = min(job.state.waiting_since or self._now(), self._now())
        if self._now() - since > MAX_WAIT:
            return 0.0
        if level is None:
            level = WAIT_LEVELS[min(job.state.waits, len(WAIT_LEVELS) - 1)]
        if error.reason is Reason.DAILY_LIMIT:
            level = DAILY_LEVEL
        reason = job.state.reason if job.state.phase is Phase.TELLING else str(error.reason)
        state = replace(job.state, waits=job.state.waits + 1, waiting_since=since, reason=reason)
        # Once for each length of waits: a job may wait for a day.
        is_told = job.state.waits == 0 or level != WAIT_LEVELS[min(job.state.waits, len(WAIT_LEVELS)) - 1]
        logger.log(logging.INFO if is_told else logging.DEBUG, "a job waits: %s", error, extra={"queue": level})
        if error.reason is Reason.APP_REFUSED:
            logger.error("%s", advise_on_refusal(job.cloud_type, error.detail))
        self._continue_delayed(claim, replace(job, state=state), level)
        return float(WAITING_SECONDS[level])

    def _tell_wait(self, meter: Meter, error: ArchiveError, seconds: float) -> None:
        self._reports.tell(meter.read(State.WAITING, error.reason, error.detail, next_attempt_in=seconds))

    def _continue_delayed(self, claim: Claim, job: ArchiveJob, level: int) -> None:
        claim.continue_as(job, lambda each: self._queue.requeue_delayed(each, level), WAITING_SECONDS[level])


def _add_space(progress: Progress, full: StorageFull) -> Progress:
    """Return how an archive ended, with what its guest's cloud lacks."""
    missing = progress.bytes_total - progress.bytes_copied
    return replace(progress, needed_bytes=missing if full.needed is None else full.needed, free_bytes=full.free)


def _final_state(reason: str) -> State:
    if reason == Reason.CANCELLED:
        return State.CANCELLED
    return State.FAILED if reason else State.DONE
