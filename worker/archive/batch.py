"""Copy many photos side by side, once each, and see what their failures tell together. Knows no HTTP and no vendor."""

import logging
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, field
from queue import SimpleQueue

from common.clouds.photos import Photo, StoredPhoto
from common.errors import PhotoRejected, Reason, Refused
from worker.archive.pipeline import BeginCopy, Crowd, End
from worker.archive.stages import Lanes
from worker.transfer.refusals import RefusedAlone
from worker.transfer.stop import Cause, Interrupted, Signals

logger = logging.getLogger(__name__)

# Failures that may be nobody's photo's fault, and how many of them, with no photo that arrives, are no accident.
OUTAGE_REASONS = (Reason.GALLERY_UNAVAILABLE, Reason.CLOUD_UNAVAILABLE, Reason.CLOUD_REFUSED)
OUTAGE = 3
# So many failures of a round are told loudly.
MOST_TOLD = 20


@dataclass
class Round:
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
        return failures[0] if len(failures) >= OUTAGE and not self.any_arrived else None


def copy_round(
    photos: Collection[Photo],
    begin: BeginCopy,
    note_arrival: Callable[[StoredPhoto], None],
    tries: dict[str, int],
    *,
    given_up: Collection[str],
    lanes: Lanes,
    signals: Signals,
    note_end: Callable[[], None] = lambda: None,
) -> Round:
    """Copy photos side by side, until all are tried or something is wrong that is no photo's own.

    Args:
        photos: in the order in which they are begun.
        begin: makes a copy of one of them, which ends when it is told to stop.
        note_arrival: told of each photo that arrives, at once.
        tries: where it is noted how often a photo had failed when it was told to stop.
        given_up: keys of photos that failed in an earlier round.
        lanes: how many photos are under way at a time.
        signals: end the round.
        note_end: called when a photo has arrived or failed.

    Raises:
        Interrupted: it was told to stop.
        Refused: the cloud refuses every photo; what moved came to its end.
        InventoryStale, Postponed, JobStopped: as one of the photos says; the others are let go.
    """
    mine = Signals(signals)
    ends: SimpleQueue[End | None] = SimpleQueue()
    crowd = Crowd(photos, begin, tries, mine, most=lanes.threads)
    gathered = _Gathered(photos, note_arrival, given_up, longest=max(OUTAGE, lanes.count))

    with ThreadPoolExecutor(lanes.threads, thread_name_prefix="photo") as pool:
        working = min(lanes.threads, len(photos))
        try:
            for _ in range(working):
                pool.submit(copy_context().run, _copy_some, crowd, ends, mine)
            while working:
                if end := ends.get():
                    gathered.note(*end)
                    if isinstance(end[1], StoredPhoto | PhotoRejected):
                        note_end()
                else:
                    working -= 1
                if not gathered.round.is_complete:
                    mine.stop(Cause.FAILED)
        finally:
            # Nothing is under way any more, unless somebody ends us here.
            mine.stop(Cause.FAILED)
    return gathered.conclude(is_interrupted=crowd.has_waiting)


def _copy_some(crowd: Crowd, ends: "SimpleQueue[End | None]", signals: Signals) -> None:
    """Bring photos on until there are none, and tell how each ended; None at the end."""
    try:
        while end := crowd.bring_one_on():
            ends.put(end)
    except BaseException as bug:  # noqa: BLE001  # it is raised where the round is waited for
        signals.stop(Cause.FAILED)
        ends.put((None, bug))
    finally:
        ends.put(None)


class _Gathered:
    """What the ends of single photos tell, one after another. Used by one thread.

    Args:
        photos: of the round; each ends once at most.
        note_arrival: told of each photo that arrives.
        given_up: keys of photos that failed in an earlier round.
        longest: so many failures in a row that may be no photo's own end the round.
    """

    def __init__(
        self,
        photos: Collection[Photo],
        note_arrival: Callable[[StoredPhoto], None],
        given_up: Collection[str],
        *,
        longest: int,
    ) -> None:
        self.round = Round()
        self._note_arrival = note_arrival
        self._given_up = given_up
        # A count will do, since each ends once: a set of ten thousand keys takes half a megabyte.
        self._untried = sum(photo.key not in given_up for photo in photos)
        self._longest = longest
        self._streak = 0
        self._interrupted = False
        self._failure: BaseException | None = None

    def note(self, photo: Photo | None, end: StoredPhoto | BaseException) -> None:
        """Note how one photo ended; without a photo, how its thread did."""
        if isinstance(end, StoredPhoto):
            # Some arrive although they were let go: they are there all the same.
            self._note_arrival(end)
            self.round.any_arrived = True
            logger.debug("a photo was copied", extra={"photo": end.key})
        if photo is None:
            self._failure = self._failure or _to_failure(end)
        elif self.round.is_complete:
            self._judge(photo, end)

    def _judge(self, photo: Photo, end: StoredPhoto | BaseException) -> None:
        self._untried -= photo.key not in self._given_up
        match end:
            case StoredPhoto():
                self._streak = 0
            case PhotoRejected():
                # What fails in thousands is told by the count of it; the first few show why.
                level = logging.WARNING if len(self.round.failed) < MOST_TOLD else logging.DEBUG
                logger.log(level, "a photo was not copied: %s", end, extra={"photo": photo.key})
                self.round.failed[photo.key] = end
                # Who failed before tells nothing new: broken photos that are tried once more are no outage.
                self._streak += photo.key not in self._given_up and _may_concern_all(end)
            case Interrupted():
                self._interrupted = True
            case _:
                # What ends the job counts more than what may pass.
                if self._failure is None or isinstance(self._failure, Refused):
                    self._failure = end
        if self._untried and self._streak >= self._longest:
            self.round.is_complete = False

    def conclude(self, *, is_interrupted: bool) -> Round:
        """Return the round; raises what ended it early, unless that was a streak of failures."""
        if self._failure:
            raise self._failure
        if self.round.is_complete and (self._interrupted or is_interrupted):
            raise Interrupted
        return self.round


def _may_concern_all(failure: PhotoRejected) -> bool:
    return failure.reason in OUTAGE_REASONS and not isinstance(failure, RefusedAlone)


def _to_failure(end: StoredPhoto | BaseException) -> BaseException | None:
    return end if isinstance(end, BaseException) else None
