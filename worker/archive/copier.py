"""Copy what is missing, round by round, and judge what failed: a photo, its source, or the whole cloud."""

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
    """InventoryMatch an archive's photos. Its methods run on one thread; the photos on many.

    Args:
        archive_key: names the archive in its guest's cloud.
        storage: the guest's cloud.
        copies: what became of the photos; carried on here.
        open_stream: gives a photo's bytes; what it is given is called before every block and may raise.
        policy: how patient to be with each photo.
        photos: that move at a time.
        signals: end the work.
        on_start: called before photos are begun.
        on_step: called when a photo came to an end, or used up a try; on any thread.
    """

    def __init__(
        self,
        archive_key: str,
        storage: Storage,
        copies: Copies,
        *,
        open_stream: OpenStream,
        policy: RetryPolicy,
        photos: int,
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
        self._stages = Stages(photos)
        self._signals = signals
        self._on_start = on_start
        self._on_step = on_step
        self._failed_before: set[str] = set()
        self._had_nothing: bool | None = None  # whether the round before brought nothing; None before the first
        self._breaker = CircuitBreaker(policy)

    def sort(self, missing: list[Photo]) -> list[Photo]:
        """Return photos in the order in which to try them: what failed before comes last."""
        # Where nothing came from, the next try begins at the other end: broken photos may stand side by side.
        missing = missing[::-1] if self._had_nothing else missing
        return sorted(missing, key=lambda photo: photo.key in self._failed_before)

    def copy(self, missing: list[Photo], folders: Mapping[str, Folder]) -> BatchResult:
        """Copy photos, or only one of them while nobody knows if their cloud takes any.

        Args:
            missing: in the order in which they are begun.
            folders: the archive's folders by `album_key`.

        Raises:
            Refused: the cloud refuses all of them; see `wait_out`.
            ArchiveError, Interrupted: as `worker.archive.batch.copy_batch` says.
        """
        before = len(self._copies.arrived)
        untried = [photo for photo in missing if photo.key not in self._failed_before]
        refusals = RefusalStreak(1 if self._breaker.is_half_open else max(MIN_OUTAGE_FAILURES, self._stages.count))
        chosen = self._breaker.choose_probe(untried or missing) if self._breaker.is_half_open else missing
        # Each of a few that are left is judged by itself, so that it is told which they are.
        are_few = before > 0 and len(untried) <= FEW_PHOTOS

        def begin(photo: Photo, signals: Signals) -> PhotoCopy:
            # Where no photo is left that was never refused, and none arrived, it is no single one's refusal.
            is_isolated = are_few or (bool(untried) and photo.key in self._failed_before)
            said = RefusalClassifier(photo.key, refusals, is_isolated)
            return self._begin(photo, folders[album_key(photo.album)], said, signals)

        self._on_start()
        try:
            return copy_batch(
                chosen,
                begin,
                self._copies.record_arrival,
                self._copies.tries,
                failed_before=self._failed_before,
                stages=self._stages,
                signals=self._signals,
                on_finished=self._on_step,
            )
        except Refused:
            if len(self._copies.arrived) > before:
                self._breaker.reset()
            raise
        finally:
            self._failed_before.update(refusals.keys)

    def conclude(self, done: BatchResult) -> None:
        """Judge the photos that failed: it may be their own fault, or that of something that concerns them all.

        Raises:
            Postponed, JobStopped: it concerns them all.
        """
        if done.any_arrived:
            self._breaker.reset()
        # Who failed right after others had arrived is broken itself; without such a round before, nobody can tell.
        is_first = self._had_nothing is None
        if done.outage and (self._had_nothing or (is_first and done.is_complete)):
            kind = JobStopped if done.outage.reason is Reason.CLOUD_REFUSED else Postponed
            raise kind(done.outage.reason, done.outage.detail)
        self._had_nothing = not done.any_arrived
        if not done.is_complete:
            # Others were not tried yet. If they arrive, these here were broken themselves.
            self._failed_before.update(done.failed)
            return
        for key, failure in done.failed.items():
            self._copies.reject(key, failure)

    def wait_out(self, refused: Refused) -> None:
        """Wait before the cloud is asked once more whether it takes anything; raises what it means when it stays so."""
        logger.warning("the cloud refuses every photo: %s", refused.detail)
        self._breaker.wait_or_raise(refused)

    def _begin(self, photo: Photo, folder: Folder, refusals: RefusalClassifier, signals: Signals) -> PhotoCopy:
        def begin() -> UploadSession:
            with self._stages.begin(signals.wind_down):
                self._policy.throttle.take_turn()
                session = self._storage.begin(self._key, photo, folder)
                self._policy.throttle.on_success()
                return session

        policy = replace(self._policy, sleep=signals.wind_down.sleep)
        return PhotoCopy(
            self._open_stream(photo, signals.abort.check),
            begin,
            RetryBudget(policy, self._copies.tries.get(photo.key, 0)),
            lambda: self._stages.move(signals.wind_down),
            refusals,
        )

    def _on_retry(self, error: ArchiveError) -> None:
        self._report_retry(error)
        self._on_step()
