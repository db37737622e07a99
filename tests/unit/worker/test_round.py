"""What the failures of a round tell together: an outage, or broken photos."""

import time

import pytest

from common.clouds.photos import Photo, StoredPhoto
from common.errors import PhotoRejected, Reason
from worker.lanes import Lanes
from worker.round import OUTAGE, Round, copy_round
from worker.stopping import Signals

GOOD = Photo("good", (), "good.jpg", "https://h/good.jpg", 1)
BROKEN = [Photo(f"broken-{number}", (), "b.jpg", "https://h/b.jpg", 1) for number in range(OUTAGE + 3)]


def copy_all(given_up: set[str]) -> Round:
    """Copy them all: the good one begins first, and arrives when all others have failed or the round was broken off."""
    failed: list[Photo] = []

    def copy_one(photo: Photo, mine: Signals) -> StoredPhoto:
        if photo is not GOOD:
            failed.append(photo)
            raise PhotoRejected(Reason.GALLERY_UNAVAILABLE)
        while len(failed) < len(BROKEN) and not mine.wind_down.is_set():
            time.sleep(0.001)
        return StoredPhoto(photo.key, "id", 1)

    return copy_round([GOOD, *BROKEN], copy_one, {}, given_up=given_up, lanes=Lanes(1), signals=Signals())


@pytest.mark.parametrize("most", [0, 1])
def test_many_that_fail_for_the_first_time_end_a_round(most: int) -> None:
    """Nobody can tell yet whether it is they, and the others are better tried later."""
    ended = copy_all({photo.key for photo in BROKEN[:most]})
    assert not ended.is_complete


def test_many_that_fail_once_more_end_no_round() -> None:
    """They failed before and tell nothing new; those that are tried for the first time have their turn."""
    ended = copy_all({photo.key for photo in BROKEN})
    assert (ended.is_complete, ended.any_arrived, len(ended.failed)) == (True, True, len(BROKEN))
