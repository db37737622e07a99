"""Copy a batch of photos in parallel, collect their results, and detect outages."""

import logging
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, field
from queue import SimpleQueue

from common.clouds.photos import Photo, StoredPhoto
from common.errors import PhotoRejected, Reason, Refused
from worker.archive.pipeline import Pipeline, StartCopy
from worker.archive.stages import Stages
from worker.transfer.refusals import IsolatedRefusal
from worker.transfer.stop import Cause, Interrupted, Signals

logger = logging.getLogger(__name__)

# Reasons that may be the gallery's or the cloud's fault rather than a photo's, and how many such failures make an
# outage when nothing arrives.
OUTAGE_REASONS = (Reason.GALLERY_UNAVAILABLE, Reason.CLOUD_UNAVAILABLE, Reason.CLOUD_REFUSED)
MIN_OUTAGE_FAILURES = 3
# So many failures of a batch are logged as warnings, further ones for debugging.
MAX_WARNINGS = 20

PhotoResult = tuple[Photo | None, StoredPhoto | BaseException]
"""How one photo ended; without a photo, how its thread did."""


@dataclass
class BatchResult:
    """What became of the photos of one batch.

    Args:
        failed: those that could not be copied, by their keys, and why.
        any_arrived: whether any could.
        is_complete: whether all were tried; a batch is broken off when too many fail in a row.
    """

    failed: dict[str, PhotoRejected] = field(default_factory=dict)
    any_arrived: bool = False
    is_complete: bool = True

    @property
    def outage(self) -> PhotoRejected | None:
        """One of the failures, if they look like an outage: several for an outage's reasons, and nothing arrived."""
        failures = [failure for failure in self.failed.values() if _may_be_outage(failure)]
        return failures[0] if len(failures) >= MIN_OUTAGE_FAILURES and not self.any_arrived else None


def copy_batch(
    photos: Collection[Photo],
    start: StartCopy,
    on_arrival: Callable[[StoredPhoto], None],
    tries: dict[str, int],
    *,
    failed_before: Collection[str],
    stages: Stages,
    signals: Signals,
    on_finished: Callable[[], None] = lambda: None,
) -> BatchResult:
    """Copy photos in parallel, until all are tried or something fails that concerns all of them.

    Args:
        photos: in the order in which they are started.
        start: makes the copy of one of them, which ends when its signals say so.
        on_arrival: called with each photo that arrives, at once.
        tries: by photo key, how often a photo had failed when it was interrupted; written here.
        failed_before: keys of photos that failed in an earlier batch.
        stages: how many photos are in flight at a time.
        signals: end the batch.
        on_finished: called when a photo has arrived or failed.

    Raises:
        Interrupted: the signals said so.
        Refused: the cloud refuses every photo; what moved came to its end.
        InventoryStale, Postponed, JobStopped: as one of the photos says; the others are aborted.
    """
    batch_signals = Signals(signals)
    results: SimpleQueue[PhotoResult | None] = SimpleQueue()
    pipeline = Pipeline(photos, start, tries, batch_signals, threads=stages.threads)
    collector = _ResultCollector(photos, on_arrival, failed_before, max_streak=max(MIN_OUTAGE_FAILURES, stages.slots))

    with ThreadPoolExecutor(stages.threads, thread_name_prefix="photo") as pool:
        working = min(stages.threads, len(photos))
        try:
            for _ in range(working):
                pool.submit(copy_context().run, _run_worker, pipeline, results, batch_signals)
            while working:
                if result := results.get():
                    collector.add(*result)
                    if isinstance(result[1], StoredPhoto | PhotoRejected):
                        on_finished()
                else:
                    working -= 1
                if not collector.result.is_complete:
                    batch_signals.stop(Cause.FAILED)
        finally:
            # Nothing is in flight any more, unless an exception ends us here.
            batch_signals.stop(Cause.FAILED)
    return collector.finish(is_interrupted=pipeline.has_pending)


def _run_worker(pipeline: Pipeline, results: "SimpleQueue[PhotoResult | None]", signals: Signals) -> None:
    """Go on with photos until there are none, and report how each ended; None at the end."""
    try:
        while task := pipeline.take():
            if result := pipeline.step(task):
                results.put((task[0], result))
    except BaseException as bug:  # noqa: BLE001  # it is raised where the batch is waited for
        signals.stop(Cause.FAILED)
        results.put((None, bug))
    finally:
        results.put(None)


class _ResultCollector:
    """Adds up the results of single photos. Used by one thread.

    Args:
        photos: of the batch; each ends once at most.
        on_arrival: called with each photo that arrives.
        failed_before: keys of photos that failed in an earlier batch.
        max_streak: so many failures in a row that look like an outage break the batch off.
    """

    def __init__(
        self,
        photos: Collection[Photo],
        on_arrival: Callable[[StoredPhoto], None],
        failed_before: Collection[str],
        *,
        max_streak: int,
    ) -> None:
        self.result = BatchResult()
        self._on_arrival = on_arrival
        self._failed_before = failed_before
        # A count will do, since each ends once: a set of ten thousand keys takes half a megabyte.
        self._untried = sum(photo.key not in failed_before for photo in photos)
        self._max_streak = max_streak
        self._streak = 0
        self._interrupted = False
        self._error: BaseException | None = None

    def add(self, photo: Photo | None, result: StoredPhoto | BaseException) -> None:
        """Add how one photo ended; without a photo, how its thread did."""
        if isinstance(result, StoredPhoto):
            # Some arrive although they were aborted: they are there all the same.
            self._on_arrival(result)
            self.result.any_arrived = True
            logger.debug("a photo was copied", extra={"photo": result.key})
        if photo is not None:
            if self.result.is_complete:
                self._add_tried(photo, result)
        elif isinstance(result, BaseException):
            self._error = self._error or result

    def _add_tried(self, photo: Photo, result: StoredPhoto | BaseException) -> None:
        self._untried -= photo.key not in self._failed_before
        match result:
            case StoredPhoto():
                self._streak = 0
            case PhotoRejected():
                # What fails in thousands is told by the count of it; the first few show why.
                level = logging.WARNING if len(self.result.failed) < MAX_WARNINGS else logging.DEBUG
                logger.log(level, "a photo was not copied: %s", result, extra={"photo": photo.key})
                self.result.failed[photo.key] = result
                # Who failed before tells nothing new: broken photos that are tried once more are no outage.
                self._streak += photo.key not in self._failed_before and _may_be_outage(result)
            case Interrupted():
                self._interrupted = True
            case _:
                # What ends the job counts more than what may pass.
                if self._error is None or isinstance(self._error, Refused):
                    self._error = result
        if self._untried and self._streak >= self._max_streak:
            self.result.is_complete = False

    def finish(self, *, is_interrupted: bool) -> BatchResult:
        """Return the result; raises what ended the batch early, unless that was a streak of failures."""
        if self._error:
            raise self._error
        if self.result.is_complete and (self._interrupted or is_interrupted):
            raise Interrupted
        return self.result


def _may_be_outage(failure: PhotoRejected) -> bool:
    return failure.reason in OUTAGE_REASONS and not isinstance(failure, IsolatedRefusal)
