"""Copy many photos side by side, once each, and see what their failures tell together. Knows no HTTP and no vendor."""

import logging
from collections import deque
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, field
from queue import SimpleQueue

from common.clouds.photos import Photo, StoredPhoto
from common.errors import PhotoRejected, Reason
from worker.lanes import Lanes
from worker.stopping import Cause, Interrupted, Signals

logger = logging.getLogger(__name__)

# Failures that may be nobody's photo's fault, and how many of them, with no photo that arrives, are no accident.
_OUTAGE_REASONS = (Reason.GALLERY_UNAVAILABLE, Reason.CLOUD_UNAVAILABLE)
OUTAGE = 3
# So many failures of a round are told loudly.
MOST_TOLD = 20

CopyOne = Callable[[Photo, Signals], StoredPhoto]
End = tuple[Photo, StoredPhoto | BaseException]


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
    def shows_outage(self) -> bool:
        """Whether nothing arrived for reasons that concern all photos."""
        return not self.any_arrived and count_outage(self.failed.values()) >= OUTAGE


def count_outage(failures: Collection[PhotoRejected]) -> int:
    """Return how many failures may come from a host or a cloud that is down."""
    return sum(failure.reason in _OUTAGE_REASONS for failure in failures)


def copy_round(
    photos: Collection[Photo],
    copy_one: CopyOne,
    arrived: dict[str, StoredPhoto],
    *,
    given_up: Collection[str],
    lanes: Lanes,
    signals: Signals,
) -> Round:
    """Copy photos side by side, until all are tried or something is wrong that is no photo's own.

    Args:
        photos: in the order in which they are begun.
        copy_one: copies one of them, unless told to stop.
        arrived: where each photo that arrives is noted at once.
        given_up: keys of photos that failed in an earlier round.
        lanes: how many photos are under way at a time.
        signals: end the round.

    Raises:
        Interrupted: it was told to stop.
        InventoryStale, Postponed, JobStopped: as one of the photos says; the others are let go.
    """
    mine = Signals(signals)
    # Photos wait here, not in the pool's queue, where each would be an object of several kilobytes.
    waiting = deque(photos)
    ends: SimpleQueue[End | None] = SimpleQueue()
    gathered = _Gathered(photos, arrived, given_up, longest=max(OUTAGE, lanes.count))

    def copy_some() -> None:
        try:
            while end := _copy_next(waiting, copy_one, mine):
                ends.put(end)
        finally:
            ends.put(None)

    with ThreadPoolExecutor(lanes.threads, thread_name_prefix="photo") as pool:
        working = min(lanes.threads, len(waiting))
        try:
            for _ in range(working):
                pool.submit(copy_context().run, copy_some)
            while working:
                if end := ends.get():
                    gathered.note(*end)
                else:
                    working -= 1
                if not gathered.round.is_complete:
                    mine.stop(Cause.FAILED)
        finally:
            # Nothing is under way any more, unless somebody ends us here.
            mine.stop(Cause.FAILED)
    return gathered.conclude(is_interrupted=bool(waiting))


def _copy_next(waiting: deque[Photo], copy_one: CopyOne, signals: Signals) -> End | None:
    """Copy the next photo and return how that ended; None when there is none, or none may begin."""
    if signals.wind_down.is_set():
        return None
    try:
        photo = waiting.popleft()
    except IndexError:
        return None
    try:
        return photo, copy_one(photo, signals)
    except (PhotoRejected, Interrupted) as error:
        return photo, error
    except BaseException as error:  # noqa: BLE001  # it is raised where the round is waited for
        # It concerns them all: no other may begin, or go on, until somebody has looked at it.
        signals.stop(Cause.FAILED)
        return photo, error


class _Gathered:
    """What the ends of single photos tell, one after another. Used by one thread.

    Args:
        photos: of the round; each ends once at most.
        arrived: where each photo that arrives is noted.
        given_up: keys of photos that failed in an earlier round.
        longest: so many failures in a row that may be no photo's own end the round.
    """

    def __init__(
        self,
        photos: Collection[Photo],
        arrived: dict[str, StoredPhoto],
        given_up: Collection[str],
        *,
        longest: int,
    ) -> None:
        self.round = Round()
        self._arrived = arrived
        self._given_up = given_up
        # A count will do, since each ends once: a set of ten thousand keys takes half a megabyte.
        self._untried = sum(photo.key not in given_up for photo in photos)
        self._longest = longest
        self._streak: list[PhotoRejected] = []
        self._interrupted = False
        self._failure: BaseException | None = None

    def note(self, photo: Photo, end: StoredPhoto | BaseException) -> None:
        """Note how one photo ended."""
        if isinstance(end, StoredPhoto):
            # Some arrive although they were let go: they are there all the same.
            self._arrived[photo.key] = end
            self.round.any_arrived = True
            logger.debug("a photo was copied", extra={"photo": photo.key})
        if self.round.is_complete:
            self._judge(photo, end)

    def _judge(self, photo: Photo, end: StoredPhoto | BaseException) -> None:
        self._untried -= photo.key not in self._given_up
        match end:
            case StoredPhoto():
                self._streak.clear()
            case PhotoRejected():
                # What fails in thousands is told by the count of it; the first few show why.
                level = logging.WARNING if len(self.round.failed) < MOST_TOLD else logging.DEBUG
                logger.log(level, "a photo was not copied: %s", end, extra={"photo": photo.key})
                self.round.failed[photo.key] = end
                # Who failed before tells nothing new: broken photos that are tried once more are no outage.
                if photo.key not in self._given_up:
                    self._streak.append(end)
            case Interrupted():
                self._interrupted = True
            case _:
                self._failure = self._failure or end
        if self._untried and count_outage(self._streak) >= self._longest:
            self.round.is_complete = False

    def conclude(self, *, is_interrupted: bool) -> Round:
        """Return the round; raises what ended it early, unless that was a streak of failures."""
        if self._failure:
            raise self._failure
        if self.round.is_complete and (self._interrupted or is_interrupted):
            raise Interrupted
        return self.round
