"""One delivery's share of a job: work on its archive as long as it may, and say how far it came."""

import logging
from collections.abc import Callable
from dataclasses import replace

from common.clouds.base import PhotoStream, Storage
from common.clouds.digests import NewDigest, md5
from common.clouds.photos import Photo
from common.errors import (
    ArchiveError,
    InventoryStale,
    JobStopped,
    PhotoRejected,
    Postponed,
    Reason,
    Refused,
    StorageFull,
    Transient,
)
from common.messages.archive_job import ArchiveJob, Phase
from worker.archive.copier import Copier
from worker.archive.prover import Prover
from worker.archive.reconciler import Reconciler, archive_key
from worker.gallery.client import Gallery
from worker.gallery.manifest import Manifest
from worker.jobs.meter import Meter
from worker.jobs.outcome import Outcome, next_state, read_copies
from worker.jobs.slice_clock import SliceClock
from worker.transfer.buffers import BufferPool
from worker.transfer.photo_stream import GalleryStream
from worker.transfer.retry import RetryPolicy
from worker.transfer.stop import Cause, Interrupted, Signals

logger = logging.getLogger(__name__)

# How often a list or a cloud is asked when there is no time to be patient.
LAST_TRIES = 3


class Slice:
    """One delivery of one job. Used by one thread.

    Args:
        job: what to copy, and how far it has come.
        gallery: where its photos come from.
        storage: the guest's cloud.
        policy: how patient to be.
        photos: at a time.
        seconds: how long it may work.
        signals: end the work.
        new_digest: begins the digest that the cloud can prove.
        settle_first_look: given how many photos this worker finds in the cloud, returns how many stood there before the
            job; may raise Interrupted.
        may_have_others: whether a worker had the job before that may be at work still.
        claim: the place of this worker's claim in the ledger: what is told of the job is ordered by it.
        read_grant: returns the newest grant, sealed; by default the job's.

    Attributes:
        meter: reads how far it has come, on any thread.
    """

    def __init__(
        self,
        job: ArchiveJob,
        gallery: Gallery,
        storage: Storage,
        policy: RetryPolicy,
        *,
        photos: int,
        seconds: float,
        signals: Signals,
        new_digest: NewDigest = md5,
        claim: int = -1,
        may_have_others: bool = False,
        settle_first_look: Callable[[int], int] = lambda found: found,
        read_grant: Callable[[], str] | None = None,
    ) -> None:
        self._job = job
        self._read_grant = read_grant or (lambda: job.grant)
        self._settle = settle_first_look
        self._gallery = gallery
        self._new_digest = new_digest
        self._policy = policy
        self._signals = signals
        self._clock = SliceClock(seconds, signals.wind_down)
        self._buffers = BufferPool()
        self._copies = read_copies(job.state)
        self._copies.may_have_duplicates = may_have_others
        throttle = policy.throttle
        self.meter = Meter(
            job, self._copies, lambda: throttle.files_per_second, claim=claim, pause=lambda: throttle.pause
        )
        copier = Copier(
            archive_key(job),
            storage,
            self._copies,
            open_stream=self._open_stream,
            policy=policy,
            slots=photos,
            signals=signals,
            on_start=self._clock.start,
            on_step=self._clock.note_step,
        )
        self._reconciler = Reconciler(
            job,
            self._fetch_manifest,
            storage,
            self._copies,
            policy=policy,
            copier=copier,
            prover=Prover(archive_key(job), storage, self._open_stream, signals),
            agree_on_initial_count=self._settle_first_look,
        )

    def run(self) -> Outcome:
        """Work until the archive is complete, or the time is up, or it cannot go on.

        Raises:
            Interrupted: another worker has the message by now.
        """
        try:
            self._copies.manifest = self._policy.call_with_retry(self._fetch_manifest)
            if self._job.state.phase is Phase.TOLD:
                self._reconciler.remove_duplicates(is_exclusive=True)
                outcome = self._outcome(ended=True)
            else:
                self._reconciler.run()
                outcome = self._outcome(ended=True)
        except (JobStopped, PhotoRejected) as stopped:
            outcome = self._stop(stopped)
        except (Transient, InventoryStale, Postponed, Interrupted) as error:
            outcome = self._leave(error)
        finally:
            self._clock.cancel()
        if outcome.waits_for is None and outcome.state.reason != Reason.GRANT_REVOKED:
            self._reconciler.note_proved()
        return replace(outcome, job=replace(outcome.job, grant=self._read_grant()))

    def _stop(self, stopped: JobStopped | PhotoRejected) -> Outcome:
        # What the cloud refuses for the whole archive, not for one photo, no repetition will change.
        logger.warning("the job stops: %s", stopped)
        if self._signals.cause is Cause.CANCELLED:
            # Whatever comes of its last look, its guest was told that it is stopped.
            return self._stop_short(Reason.CANCELLED)
        full = stopped if isinstance(stopped, StorageFull) else None
        return replace(self._stop_short(stopped.reason, stopped.detail), full=full)

    def _leave(self, error: Transient | InventoryStale | Postponed | Interrupted) -> Outcome:
        if self._signals.cause is Cause.TAKEN_OVER:
            self._leave_no_doubles()
            raise Interrupted
        if self._signals.cause is Cause.CANCELLED:
            self._signals.allow_final_requests()
            # Without the list the gallery could not be told how many are missing: that is worth another delivery.
            if failure := self._list_last():
                return self._outcome(ended=False, waits_for=failure)
            return self._stop_short(Reason.CANCELLED)
        return self._outcome(ended=False, waits_for=None if isinstance(error, Interrupted) else error)

    def _leave_no_doubles(self) -> None:
        """What was copied here after the other worker's last look is for no other worker to remove."""
        if self._copies.manifest is None:
            return
        self._signals.allow_final_requests()
        try:
            self._reconciler.remove_duplicates(is_exclusive=False)
        except (ArchiveError, Interrupted) as error:
            logger.warning("there was no look for duplicates: %s", error)

    def _stop_short(self, reason: Reason, detail: str = "") -> Outcome:
        if reason is not Reason.GRANT_REVOKED:
            failure = self._look_last(LAST_TRIES if reason is Reason.CANCELLED else 1)
            # Only a guest's stop is worth waiting with: whatever else ended the job may refuse the look as well.
            if failure and reason is Reason.CANCELLED and not self._is_count_known():
                return self._outcome(ended=False, waits_for=failure)
        # Who refuses when all is there ends nothing any more.
        if reason is not Reason.CANCELLED and self._copies.is_complete:
            return self._outcome(ended=True)
        return replace(self._outcome(ended=True, reason=reason), detail=detail)

    def _look_last(self, tries: int) -> Transient | None:
        """Look into the cloud once more; return why that cannot be had now, but may be later."""
        self._signals.allow_final_requests()
        failure: Transient | None = None
        for _ in range(tries):
            try:
                self._reconciler.record_final_inventory()
            except Interrupted:
                failure = Transient(Reason.TRY_LATER, "the work ended before the last look did")
            except ArchiveError as error:
                logger.info("there was no last look: %s", error)
                # What the cloud refuses for reasons of its own it may refuse for ever.
                if not isinstance(error, Transient) or isinstance(error, Refused):
                    return None
                failure = error
            else:
                return None
        return failure

    def _is_count_known(self) -> bool:
        """Whether no other worker can have copied more than the message tells."""
        state = self._job.state
        return state.skipped >= 0 and not (
            self._clock.has_begun or self._copies.may_have_duplicates or state.may_have_duplicates
        )

    def _settle_first_look(self, found: int) -> int:
        known = self._job.state.skipped
        return self._settle(found) if known < 0 else known

    def _list_last(self) -> Transient | None:
        """Read the list of a job that was stopped before it was read; return why it cannot be had."""
        failure = None
        for _ in range(LAST_TRIES):
            if self._copies.manifest is not None:
                return None
            try:
                self._copies.manifest = self._fetch_manifest()
            except Transient as error:
                failure = error
        return failure

    def _fetch_manifest(self) -> Manifest:
        return self._gallery.fetch_manifest(self._job.archive_url)

    def _open_stream(self, photo: Photo, check: Callable[[], None]) -> PhotoStream:
        return GalleryStream(
            photo,
            lambda offset, etag: self._gallery.open_photo(photo, offset, etag),
            check,
            self._buffers,
            self._new_digest,
        )

    def _outcome(self, *, ended: bool, reason: str = "", waits_for: ArchiveError | None = None) -> Outcome:
        state = next_state(self._job.state, self._copies, self.meter, reason)
        return Outcome(
            replace(self._job, state=state),
            ended,
            waits_for,
            has_count=self._copies.manifest is not None,
            meter=self.meter,
        )
