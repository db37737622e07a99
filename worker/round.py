"""Copy many photos side by side, once each, and see what their failures tell together. Knows no HTTP and no vendor."""

import logging
from collections.abc import Callable, Collection
from concurrent.futures import Future, ThreadPoolExecutor, as_completed, wait
from dataclasses import dataclass, field

from common.clouds.base import Photo, StoredPhoto
from common.errors import PhotoRejected, Reason
from worker.lanes import Lanes
from worker.stopping import Cause, Interrupted, Signals

logger = logging.getLogger(__name__)

# Failures that may be nobody's photo's fault, and how many of them, with no photo that arrives, are no accident.
_OUTAGE_REASONS = (Reason.GALLERY_UNAVAILABLE, Reason.CLOUD_UNAVAILABLE)
OUTAGE = 3

CopyOne = Callable[[Photo, Signals], StoredPhoto]


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

    def try_one(photo: Photo) -> StoredPhoto:
        mine.wind_down.check()
        try:
            return copy_one(photo, mine)
        except (PhotoRejected, Interrupted):
            raise
        except BaseException:
            # It concerns them all: no other may begin, or go on, until somebody has looked at it.
            mine.stop(Cause.FAILED)
            raise

    with ThreadPoolExecutor(lanes.threads, thread_name_prefix="photo") as pool:
        copies = {pool.submit(try_one, photo): photo for photo in photos}
        try:
            return _gather(copies, arrived, given_up, longest_streak=max(OUTAGE, lanes.count))
        finally:
            # Nothing is under way any more, unless the round is broken off or has failed.
            mine.stop(Cause.FAILED)
            _note_the_last(copies, arrived)


def _note_the_last(copies: "dict[Future[StoredPhoto], Photo]", arrived: dict[str, StoredPhoto]) -> None:
    """Some come to their end although they were let go: they have arrived all the same."""
    for copy in wait(copies).done:
        if copy.exception() is None:
            arrived[copies[copy].key] = copy.result()


def _gather(
    copies: "dict[Future[StoredPhoto], Photo]",
    arrived: dict[str, StoredPhoto],
    given_up: Collection[str],
    longest_streak: int,
) -> Round:
    done = Round()
    streak: list[PhotoRejected] = []
    untried = {photo.key for photo in copies.values()} - set(given_up)
    interrupted: Interrupted | None = None
    for copy in as_completed(copies):
        key = copies[copy].key
        untried.discard(key)
        try:
            arrived[key] = copy.result()
        except Interrupted as error:
            interrupted = error
        except PhotoRejected as rejected:
            logger.warning("a photo was not copied: %s", rejected, extra={"photo": key})
            done.failed[key] = rejected
            streak.append(rejected)
        else:
            done.any_arrived = True
            streak.clear()
        if untried and count_outage(streak) >= longest_streak:
            done.is_complete = False
            return done
    if interrupted:
        raise interrupted
    return done
