"""Copy many photos side by side, once each, and see what their failures tell together. Knows no HTTP and no vendor."""

import logging
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, field
from queue import SimpleQueue

from common.clouds.photos import Photo, StoredPhoto
from common.errors import PhotoRejected, Reason, Refused
from worker.archive.pipeline import BeginCopy, PhotoResult, Pipeline
from worker.archive.stages import Stages
from worker.transfer.refusals import IsolatedRefusal
from worker.transfer.stop import Cause, Interrupted, Signals

logger = logging.getLogger(__name__)

# Failures that may be nobody's photo's fault, and how many of them, with no photo that arrives, are no accident.
OUTAGE_REASONS = (Reason.GALLERY_UNAVAILABLE, Reason.CLOUD_UNAVAILABLE, Reason.CLOUD_REFUSED)
MIN_OUTAGE_FAILURES = 3
# So many failures of a round are told loudly.
MAX_WARNINGS = 20


@dataclass
class BatchResult:
    """What became of the photos of one round.

    Args:
        failed: those that could not be copied, by their keys, and why.
        any_arrived: whether any could.
        is_complete: whether all were tried; it is broken off when too many fail in a row.
    """

    failed: dict[str, PhotoRejected] = field(default_factory=dict)
    any_arrived: bool = False
    is_complete: bool = True

    @property
    def outage(self) -> PhotoRejected | None:
        """What concerns all photos, when nothing arrived for such a reason."""
        failures = [failure for failure in self.failed.values() if _may_concern_all(failure)]
        return failures[0] if len(failures) >= MIN_OUTAGE_FAILURES and not self.any_arrived else None


def copy_batch(
    photos: Collection[Photo],
    begin: BeginCopy,
    on_arrival: Callable[[StoredPhoto], None],
    tries: dict[str, int],
    *,
    failed_before: Collection[str],
    stages: Stages,
    signals: Signals,
    on_finished: Callable[[], None] = lambda: None,
) -> BatchResult:
    """Copy photos side by side, until all are tried or something is wrong that is no photo's own.

    Args:
        photos: in the order in which they are begun.
        begin: makes a copy of one of them, which results when it is told to stop.
        on_arrival: told of each photo that arrives, at once.
        tries: where it is noted how often a photo had failed when it was told to stop.
        failed_before: keys of photos that failed in an earlier round.
        stages: how many photos are under way at a time.
        signals: end the round.
        on_finished: called when a photo has arrived or failed.

    Raises:
        Interrupted: it was told to stop.
        Refused: the cloud refuses every photo; what moved came to its end.
        InventoryStale, Postponed, JobStopped: as one of the photos says; the others are let go.
    """
    batch_signals = Signals(signals)
    results: SimpleQueue[PhotoResult | None] = SimpleQueue()
    pipeline = Pipeline(photos, begin, tries, batch_signals, threads=stages.threads)
    collector = _ResultCollector(photos, on_arrival, failed_before, max_streak=max(MIN_OUTAGE_FAILURES, stages.count))

    with ThreadPoolExecutor(stages.threads, thread_name_prefix="photo") as pool:
        working = min(stages.threads, len(photos))
        try:
            for _ in range(working):
                pool.submit(copy_context().run, _run_worker, pipeline, results, batch_signals)
            while working:
                if end := results.get():
                    collector.note(*end)
                    if isinstance(end[1], StoredPhoto | PhotoRejected):
                        on_finished()
                else:
                    working -= 1
                if not collector.round.is_complete:
                    batch_signals.stop(Cause.FAILED)
        finally:
            # Nothing is under way any more, unless somebody results us here.
            batch_signals.stop(Cause.FAILED)
    return collector.conclude(is_interrupted=pipeline.has_pending)


def _run_worker(pipeline: Pipeline, results: "SimpleQueue[PhotoResult | None]", signals: Signals) -> None:
    """Bring photos on until there are none, and tell how each ended; None at the end."""
    try:
        while end := pipeline.run_next():
            results.put(end)
    except BaseException as bug:  # noqa: BLE001  # it is raised where the round is waited for
        signals.stop(Cause.FAILED)
        results.put((None, bug))
    finally:
        results.put(None)


class _ResultCollector:
    """What the results of single photos tell, one after another. Used by one thread.

    Args:
        photos: of the round; each results once at most.
        on_arrival: told of each photo that arrives.
        failed_before: keys of photos that failed in an earlier round.
        max_streak: so many failures in a row that may be no photo's own end the round.
    """

    def __init__(
        self,
        photos: Collection[Photo],
        on_arrival: Callable[[StoredPhoto], None],
        failed_before: Collection[str],
        *,
        max_streak: int,
    ) -> None:
        self.round = BatchResult()
        self._on_arrival = on_arrival
        self._failed_before = failed_before
        # A count will do, since each results once: a set of ten thousand keys takes half a megabyte.
        self._untried = sum(photo.key not in failed_before for photo in photos)
        self._max_streak = max_streak
        self._streak = 0
        self._interrupted = False
        self._failure: BaseException | None = None

    def note(self, photo: Photo | None, end: StoredPhoto | BaseException) -> None:
        """Note how one photo ended; without a photo, how its thread did."""
        if isinstance(end, StoredPhoto):
            # Some arrive although they were let go: they are there all the same.
            self._on_arrival(end)
            self.round.any_arrived = True
            logger.debug("a photo was copied", extra={"photo": end.key})
        if photo is None:
            self._failure = self._failure or _to_failure(end)
        elif self.round.is_complete:
            self._evaluate(photo, end)

    def _evaluate(self, photo: Photo, end: StoredPhoto | BaseException) -> None:
        self._untried -= photo.key not in self._failed_before
        match end:
            case StoredPhoto():
                self._streak = 0
            case PhotoRejected():
                # What fails in thousands is told by the count of it; the first few show why.
                level = logging.WARNING if len(self.round.failed) < MAX_WARNINGS else logging.DEBUG
                logger.log(level, "a photo was not copied: %s", end, extra={"photo": photo.key})
                self.round.failed[photo.key] = end
                # Who failed before tells nothing new: broken photos that are tried once more are no outage.
                self._streak += photo.key not in self._failed_before and _may_concern_all(end)
            case Interrupted():
                self._interrupted = True
            case _:
                # What results the job counts more than what may pass.
                if self._failure is None or isinstance(self._failure, Refused):
                    self._failure = end
        if self._untried and self._streak >= self._max_streak:
            self.round.is_complete = False

    def conclude(self, *, is_interrupted: bool) -> BatchResult:
        """Return the round; raises what ended it early, unless that was a streak of failures."""
        if self._failure:
            raise self._failure
        if self.round.is_complete and (self._interrupted or is_interrupted):
            raise Interrupted
        return self.round


def _may_concern_all(failure: PhotoRejected) -> bool:
    return failure.reason in OUTAGE_REASONS and not isinstance(failure, IsolatedRefusal)


def _to_failure(end: StoredPhoto | BaseException) -> BaseException | None:
    return end if isinstance(end, BaseException) else None
