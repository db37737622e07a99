"""Results of a batch: an outage, or broken photos."""

import time
from collections.abc import Callable
from typing import cast

import pytest

from common.clouds.photos import Photo, StoredPhoto
from common.errors import GrantRevoked, PhotoRejected, Reason, Refused
from worker.archive.batch import MIN_OUTAGE_FAILURES, BatchResult, copy_batch
from worker.archive.stages import Stages
from worker.transfer.copy import PhotoCopy
from worker.transfer.stop import Cause, Interrupted, Signals

GOOD = Photo("good", (), "good.jpg", "https://h/good.jpg", 1)
BROKEN = [Photo(f"broken-{number}", (), "b.jpg", "https://h/b.jpg", 1) for number in range(MIN_OUTAGE_FAILURES + 3)]


class ScriptedCopy:
    """A photo on its way that does what a function says."""

    failures = 0

    def __init__(self, step: Callable[[], StoredPhoto]) -> None:
        self.step = step

    def close(self) -> None:
        """Let nothing go."""


def copy_all(failed_before: set[str]) -> BatchResult:
    """Copy them all: the good one begins first, and arrives when all others have failed or the batch was broken off."""
    failed: list[Photo] = []

    def begin(photo: Photo, mine: Signals) -> PhotoCopy:
        def step() -> StoredPhoto:
            if photo is not GOOD:
                failed.append(photo)
                raise PhotoRejected(Reason.GALLERY_UNAVAILABLE)
            while len(failed) < len(BROKEN) and not mine.wind_down.is_set():
                time.sleep(0.001)
            return StoredPhoto(photo.key, "id", 1)

        return cast(PhotoCopy, ScriptedCopy(step))

    return copy_batch(
        [GOOD, *BROKEN],
        begin,
        lambda _stored: None,
        {},
        failed_before=failed_before,
        stages=Stages(1),
        signals=Signals(),
    )


@pytest.mark.parametrize("most", [0, 1])
def test_many_that_fail_for_the_first_time_end_a_batch(most: int) -> None:
    """Nobody can tell yet whether it is they, and the others are better tried later."""
    ended = copy_all({photo.key for photo in BROKEN[:most]})
    assert not ended.is_complete


def test_many_that_fail_once_more_end_no_batch() -> None:
    """They failed before and tell nothing new; those that are tried for the first time have their turn."""
    ended = copy_all({photo.key for photo in BROKEN})
    assert (ended.is_complete, ended.any_arrived, len(ended.failed)) == (True, True, len(BROKEN))
    assert ended.outage is None


def test_a_batch_is_broken_off_by_as_many_failures_as_make_an_outage() -> None:
    """And not by one more: those that moved meanwhile are stopped."""
    started: list[Photo] = []

    def begin(photo: Photo, mine: Signals) -> PhotoCopy:
        def step() -> StoredPhoto:
            if len(started) <= MIN_OUTAGE_FAILURES:
                raise PhotoRejected(Reason.GALLERY_UNAVAILABLE)
            mine.wind_down.sleep(10)
            return StoredPhoto(photo.key, "id", 1)

        started.append(photo)
        return cast(PhotoCopy, ScriptedCopy(step))

    stages = Stages(1)
    stages.threads = 1
    result = copy_batch(BROKEN, begin, lambda _stored: None, {}, failed_before=(), stages=stages, signals=Signals())
    assert (result.is_complete, len(result.failed)) == (False, MIN_OUTAGE_FAILURES)


@pytest.mark.parametrize(
    ("error", "cause", "is_aborted"),
    [
        (Refused(Reason.ACCOUNT_REFUSED), Cause.FAILED, False),
        (GrantRevoked(), Cause.FAILED, True),
        (KeyError("a bug"), Cause.FAILED, True),
    ],
    ids=["refused", "revoked", "bug"],
)
def test_what_concerns_all_ends_a_batch_at_once(error: Exception, cause: Cause, is_aborted: bool) -> None:
    """No other photo starts; what moves may arrive after a refusal that may pass, else it is aborted."""
    seen: list[Signals] = []
    arrived: dict[str, StoredPhoto] = {}
    aborted: list[bool] = []

    def begin(photo: Photo, mine: Signals) -> PhotoCopy:
        def step() -> StoredPhoto:
            if photo is not GOOD:
                while not seen:
                    time.sleep(0.001)
                raise error
            seen.append(mine)
            while not mine.wind_down.is_set():
                time.sleep(0.001)
            try:
                mine.abort.sleep(0.2)
            except Interrupted:
                aborted.append(True)
            return StoredPhoto(photo.key, "id", 1)

        return cast(PhotoCopy, ScriptedCopy(step))

    photos = [GOOD, *BROKEN * 20]
    with pytest.raises(type(error)):
        copy_batch(
            photos,
            begin,
            lambda stored: arrived.update({stored.key: stored}),
            {},
            failed_before=(),
            stages=Stages(1),
            signals=Signals(),
        )
    (mine,) = seen
    assert (mine.cause, list(arrived), aborted) == (cause, ["good"], [True] * is_aborted)


def test_a_batch_of_which_nothing_is_left_is_complete() -> None:
    """However many failed in a row: all were tried, and it is an outage."""
    rejection = PhotoRejected(Reason.GALLERY_UNAVAILABLE)

    def fail() -> StoredPhoto:
        raise rejection

    result = copy_batch(
        BROKEN[:MIN_OUTAGE_FAILURES],
        lambda _photo, _signals: cast(PhotoCopy, ScriptedCopy(fail)),
        lambda _stored: None,
        {},
        failed_before=(),
        stages=Stages(1),
        signals=Signals(),
    )
    assert (result.is_complete, result.outage) == (True, rejection)


@pytest.mark.parametrize("later", [GrantRevoked(), KeyError("a bug")], ids=["revoked", "bug"])
def test_what_ends_the_job_counts_more_than_a_refusal(later: Exception) -> None:
    """The refusal came first, but it may pass."""

    def begin(photo: Photo, mine: Signals) -> PhotoCopy:
        def step() -> StoredPhoto:
            if photo is GOOD:
                while not mine.wind_down.is_set():
                    time.sleep(0.001)
                raise later
            raise Refused(Reason.ACCOUNT_REFUSED)

        return cast(PhotoCopy, ScriptedCopy(step))

    with pytest.raises(type(later)):
        copy_batch(
            [GOOD, BROKEN[0]],
            begin,
            lambda _stored: None,
            {},
            failed_before=(),
            stages=Stages(1),
            signals=Signals(),
        )
