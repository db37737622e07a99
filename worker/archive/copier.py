"""Copy missing photos batch by batch, and tell a photo that failed from an outage of the gallery or the cloud."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace

from common.clouds.base import PhotoStream, Storage, UploadSession
from common.clouds.photos import Folder, Photo, album_key
from common.errors import ArchiveError, JobStopped, Postponed, Reason, Refused
from worker.archive.batch import MIN_OUTAGE_FAILURES, BatchResult, copy_batch
from worker.archive.copies import Copies
from worker.archive.stages import Stages
from worker.transfer.copy import PhotoCopy
from worker.transfer.refusals import CircuitBreaker, RefusalClassifier, RefusalStreak
from worker.transfer.retry import RetryBudget, RetryPolicy
from worker.transfer.stop import Signals

logger = logging.getLogger(__name__)

# When others arrived and so many are left, their refusals are their own: five requests for each are no flood.
FEW_PHOTOS = 50

OpenStream = Callable[[Photo, Callable[[], None]], PhotoStream]


class Copier:
    """Copies an archive's photos. Its methods run on one thread; the photos on many.

    Args:
        archive_key: names the archive in its guest's cloud.
        storage: the guest's cloud.
        copies: what became of the photos; updated here.
        open_stream: opens a photo's bytes, given what is called before every block and may raise to end the reading.
        policy: how each photo is retried.
        slots: photos that move at a time.
        signals: end the work.
        on_start: called before a batch is started.
        on_step: called when a photo arrived, failed, or used up a try; on any thread.
    """

    def __init__(
        self,
        archive_key: str,
        storage: Storage,
        copies: Copies,
        *,
        open_stream: OpenStream,
        policy: RetryPolicy,
        slots: int,
        signals: Signals,
        on_start: Callable[[], None] = lambda: None,
        on_step: Callable[[], None] = lambda: None,
    ) -> None:
        self._key = archive_key
        self._storage = storage
        self._copies = copies
        self._open_stream = open_stream
        self._policy = replace(policy, on_retry=self._on_retry)
        self._report_retry = policy.on_retry
        self._stages = Stages(slots)
        self._signals = signals
        self._on_start = on_start
        self._on_step = on_step
        self._failed_before: set[str] = set()
        self._last_brought_nothing: bool | None = None  # of the batch before; None before the first
        self._breaker = CircuitBreaker(policy)

    def sort(self, missing: list[Photo]) -> list[Photo]:
        """Return photos in the order in which to try them: what failed before comes last."""
        # When a batch brought nothing, the next one begins at the other end: broken photos may stand side by side.
        missing = missing[::-1] if self._last_brought_nothing else missing
        return sorted(missing, key=lambda photo: photo.key in self._failed_before)

    def copy(self, missing: list[Photo], folders: Mapping[str, Folder]) -> BatchResult:
        """Copy photos, or only one of them while it is unknown whether their cloud takes any.

        Args:
            missing: in the order in which they are started.
            folders: the archive's folders by `album_key`.

        Raises:
            Refused: the cloud refuses all of them; see `wait_before_probe`.
            ArchiveError, Interrupted: as `worker.archive.batch.copy_batch` says.
        """
        untried = [photo for photo in missing if photo.key not in self._failed_before]
        streak = RefusalStreak(1 if self._breaker.is_half_open else max(MIN_OUTAGE_FAILURES, self._stages.slots))
        chosen = [self._breaker.choose_probe(untried or missing)] if self._breaker.is_half_open else missing
        # Each of a few that are left is judged by itself, so that it is told which they are.
        are_few = bool(self._copies.arrived) and len(untried) <= FEW_PHOTOS

        def start(photo: Photo, signals: Signals) -> PhotoCopy:
            # Where no photo is left that was never refused, and none arrived, it is no single one's refusal.
            is_isolated = are_few or (bool(untried) and photo.key in self._failed_before)
            refusals = RefusalClassifier(photo.key, streak, is_isolated)
            return self._start(photo, folders[album_key(photo.album)], refusals, signals)

        self._on_start()
        try:
            return copy_batch(
                chosen,
                start,
                self._copies.record_arrival,
                self._copies.tries,
                failed_before=self._failed_before,
                stages=self._stages,
                signals=self._signals,
                on_finished=self._on_step,
            )
        finally:
            self._failed_before.update(streak.keys)

    def evaluate(self, result: BatchResult) -> None:
        """Reject the photos that failed by their own fault.

        Raises:
            Postponed, JobStopped: what failed concerns all photos; none is rejected.
        """
        if result.any_arrived:
            self._breaker.reset()
        # Who failed right after others had arrived is broken itself; without such a batch before, nobody can tell.
        is_first = self._last_brought_nothing is None
        if result.outage and (self._last_brought_nothing or (is_first and result.is_complete)):
            kind = JobStopped if result.outage.reason is Reason.CLOUD_REFUSED else Postponed
            raise kind(result.outage.reason, result.outage.detail)
        self._last_brought_nothing = not result.any_arrived
        if not result.is_complete:
            # Others were not tried yet. If they arrive, these here were broken themselves.
            self._failed_before.update(result.failed)
            return
        for key, failure in result.failed.items():
            self._copies.reject(key, failure)

    def wait_before_probe(self, refused: Refused) -> None:
        """Wait before the cloud is probed with one photo; raises what the refusal means for the job when it stays."""
        logger.warning("the cloud refuses every photo: %s", refused.detail)
        self._breaker.wait_or_raise(refused)

    def _start(self, photo: Photo, folder: Folder, refusals: RefusalClassifier, signals: Signals) -> PhotoCopy:
        def open_session() -> UploadSession:
            with self._stages.opening_slot(signals.wind_down):
                return self._storage.begin(self._key, photo, folder)

        policy = replace(self._policy, sleep=signals.wind_down.sleep)
        return PhotoCopy(
            self._open_stream(photo, signals.abort.check),
            open_session,
            RetryBudget(policy, self._copies.tries.get(photo.key, 0)),
            lambda: self._stages.transfer_slot(signals.wind_down),
            refusals,
            self._signals.clean_up,
        )

    def _on_retry(self, error: ArchiveError) -> None:
        self._report_retry(error)
        self._on_step()
