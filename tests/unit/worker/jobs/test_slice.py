"""One delivery's share of a job, when a call fails that is no single photo's own; without a wire."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, cast

import pytest

from common.clouds.base import Storage, UploadSession
from common.clouds.photos import Folder, Inventory, Photo, PhotosByKey, StoredPhoto, album_key
from common.errors import (
    ArchiveError,
    GrantRevoked,
    InventoryStale,
    JobStopped,
    PhotoRejected,
    Postponed,
    Reason,
    StorageFull,
    Transient,
)
from common.messages.archive_job import ArchiveJob, JobState
from tests.fakes.clock import Clock
from tests.fakes.job import JOB
from tests.fakes.memory_cloud import MemoryCloud, SilentStream
from worker.gallery.client import Gallery
from worker.gallery.manifest import Manifest
from worker.jobs.outcome import Outcome
from worker.jobs.slice import Slice
from worker.transfer.retry import RetryPolicy
from worker.transfer.stop import Signals
from worker.transfer.throttle import Throttle

PHOTOS = tuple(Photo(str(number), (), f"{number}.jpg", "https://h/p", 7) for number in range(3))


class Listing:
    """A gallery with three photos."""

    def fetch_manifest(self, archive_url: str) -> Manifest:
        """Return the list."""
        return Manifest({photo.key: photo for photo in PHOTOS}, [])


class Stubborn:
    """A cloud that answers every look at it with an error, or only the first looks.

    Attributes:
        looks: how often it was looked at.
    """

    def __init__(self, error: ArchiveError, times: int = 1000) -> None:
        self.looks = 0
        self._error = error
        self._times = times

    def open_proofs(self, archive_key: str, photo: Photo, folder: Folder) -> Iterator[UploadSession]:
        """Everything that is there is proved."""
        return iter(())

    def take_inventory(self, archive_key: str, known: PhotosByKey) -> Inventory:
        """Fail, or show that the first photo is there."""
        self.looks += 1
        if self.looks <= self._times:
            raise self._error
        top = Folder("top", "")
        return Inventory({album_key(()): top}, [StoredPhoto("0", "id-0", 7, folder_id="top")])

    def note_proved(self, known: Inventory) -> None:
        """Nothing was copied."""


def make_slice(storage: Any, job: ArchiveJob = JOB, *, tries: int = 2, **options: Any) -> Slice:
    """Return a delivery of the job."""
    clock, signals = Clock(), Signals()
    policy = RetryPolicy(tries, 0, 60, clock.sleep, Throttle(clock.sleep, clock.now))
    options = {"photos": 2, "seconds": 60, "signals": signals, **options}
    return Slice(job, cast(Gallery, Listing()), cast(Storage, storage), policy, **options)


@pytest.mark.parametrize("kind", [PhotoRejected, JobStopped])
def test_a_refusal_of_the_whole_archive_ends_the_job(kind: Any) -> None:
    """No repetition changes it, whatever it is called: it ends under its reason, and everything listed is missing."""
    outcome = make_slice(Stubborn(kind(Reason.CLOUD_REFUSED, "Drive answered 400 invalid"))).run()
    assert (outcome.ended, outcome.waits_for, outcome.has_count) == (True, None, True)
    assert (outcome.state.reason, outcome.state.failed_photos) == (Reason.CLOUD_REFUSED, 3)
    assert outcome.state.rejected == {}


def test_what_arrived_all_the_same_is_not_missing() -> None:
    """The count at such an end is honest: there is one last look."""
    outcome = make_slice(Stubborn(PhotoRejected(Reason.CLOUD_REFUSED), times=1)).run()
    assert (outcome.ended, outcome.state.failed_photos) == (True, 2)


def test_a_revoked_grant_is_not_looked_with_again() -> None:
    """There is no last look: it would only be refused once more."""
    storage = Stubborn(GrantRevoked())
    outcome = make_slice(storage).run()
    assert (storage.looks, outcome.state.reason) == (1, Reason.GRANT_REVOKED)


@pytest.mark.parametrize(
    "error",
    [
        InventoryStale(Reason.CLOUD_REFUSED),
        Postponed(Reason.DAILY_LIMIT),
        Transient(Reason.CLOUD_UNAVAILABLE),
    ],
)
def test_what_may_be_over_later_lets_the_job_wait(error: ArchiveError) -> None:
    """Nothing is given up, and the job knows what it waits for."""
    outcome = make_slice(Stubborn(error)).run()
    assert (outcome.ended, outcome.waits_for) == (False, error)
    assert (outcome.state.rejected, outcome.state.reason) == ({}, "")


@pytest.mark.parametrize("error", [StorageFull(needed=20, free=3), StorageFull("storageQuotaExceeded")])
def test_full_cloud_is_handed_on_with_its_numbers(error: StorageFull) -> None:
    """For the guest, who has to make room."""
    assert make_slice(Stubborn(error)).run().full is error


def deliver_until_it_ends(cloud: MemoryCloud, *, tries: int, most: int) -> tuple[int, Outcome]:
    """Deliver a job in slices that are over at once; return how many it took, and how the last one ended."""
    job = JOB
    for number in range(1, most + 1):
        slice_ = make_slice(cloud, job, tries=tries, photos=1, seconds=0.0)
        slice_._reconciler._copier._open_stream = lambda _photo, _check: SilentStream()  # type: ignore[assignment]
        outcome = slice_.run()
        if outcome.ended:
            return number, outcome
        job = ArchiveJob.decode(replace(job, state=outcome.state).encode())
    raise AssertionError(f"the job circles after {most} slices")


def test_each_slice_makes_progress_however_short() -> None:
    """A list may take longer to be read than a slice may last: something is copied all the same."""
    slices, outcome = deliver_until_it_ends(MemoryCloud(), tries=5, most=len(PHOTOS))
    assert (outcome.state.failed_photos, slices <= len(PHOTOS)) == (0, True)


def test_tries_travel_from_slice_to_slice() -> None:
    """A photo for whose tries no slice is long enough fails in the end, and is not tried for ever."""
    down = Transient(Reason.CLOUD_UNAVAILABLE)
    cloud = MemoryCloud(stores=lambda photo: down if photo.key == "1" else None)
    _, outcome = deliver_until_it_ends(cloud, tries=5, most=20)
    assert outcome.state.failed_photos == 1
    assert cloud.begun.count("1") <= 5


def work_beside(cloud: MemoryCloud, **options: Any) -> tuple[Slice, Outcome]:
    """Work a slice in whose cloud the first photo stands already."""
    cloud.put(PHOTOS[0])
    slice_ = make_slice(cloud, may_have_others=True, **options)
    slice_._reconciler._copier._open_stream = lambda _photo, _check: SilentStream()  # type: ignore[assignment]
    return slice_, slice_.run()


def test_what_another_worker_brought_meanwhile_counts_as_copied() -> None:
    """It looked first and found nothing: the job's numbers do not depend on which worker tells them."""
    settled: list[int] = []
    slice_, outcome = work_beside(MemoryCloud(), settle_first_look=lambda found: settled.append(found) or 0)
    told = slice_.meter.read()
    assert (settled, told.photos_copied, told.photos_skipped) == ([1], 3, 0)
    assert (outcome.state.copied, outcome.state.skipped) == (3, 0)


def test_the_first_look_is_told_of_only_when_it_is_settled() -> None:
    """Somebody may read the meter at any moment; a number that is told must stand."""
    told: list[int] = []
    slices: list[Slice] = []

    def settle(_found: int) -> int:
        told.append(slices[0].meter.read().photos_skipped)
        return 0

    cloud = MemoryCloud()
    for photo in PHOTOS:
        cloud.put(photo)
    slices.append(make_slice(cloud, settle_first_look=settle))
    slices[0].run()
    assert told == [0]


def test_later_slices_ask_nobody_what_stood_there_before() -> None:
    """Their message says it."""
    settled: list[int] = []
    job = replace(JOB, state=JobState(slices=1, skipped=0, copied=1))
    slice_, _ = work_beside(MemoryCloud(), job=job, settle_first_look=lambda found: settled.append(found) or 9)
    assert (settled, slice_.meter.read().photos_skipped) == ([], 0)
