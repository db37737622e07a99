"""Reconciling an archive: which photos are missing, what is done about it, when it is given up. Without a network."""

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.clouds.base import PhotoStream
from common.clouds.photos import Folder, Photo, StoredPhoto, album_key
from common.errors import (
    ArchiveError,
    InventoryStale,
    JobStopped,
    PhotoRejected,
    Postponed,
    Reason,
    Refused,
    SessionLost,
    StorageFull,
    Throttled,
    Transient,
)
from tests.fakes.clock import Clock
from tests.fakes.job import JOB
from tests.fakes.memory_cloud import TOP, MemoryCloud, SilentStream
from worker.archive.batch import BatchResult
from worker.archive.copier import Copier
from worker.archive.copies import Copies
from worker.archive.prover import Prover
from worker.archive.reconciler import MAX_MANIFEST_READS, Reconciler, archive_key
from worker.gallery.manifest import Manifest
from worker.transfer.retry import RetryPolicy
from worker.transfer.stop import Cause, Interrupted, Signals
from worker.transfer.throttle import Throttle

UNKNOWN = Refused(Reason.CLOUD_REFUSED, "403 forbidden")
DISABLED = Refused(Reason.ACCOUNT_REFUSED, "403 accountDisabled")
SUSPENDED = Refused(Reason.APP_REFUSED, "403 CONSUMER_SUSPENDED")
DOWN = Transient(Reason.GALLERY_UNAVAILABLE, "503")
TRIES = 5


def make_photos(count: int) -> list[Photo]:
    """Return so many photos of a gallery."""
    return [Photo(str(number), (), f"{number}.jpg", "https://h/p", 7, number) for number in range(count)]


def list_photos(photos: list[Photo]) -> Manifest:
    """Return a list as it is read."""
    return Manifest({photo.key: photo for photo in photos}, [])


class CountingThrottle(Throttle):
    """Counts turns and successes.

    Attributes:
        turns: how many were taken.
        successes: how many files were started without being throttled.
    """

    turns = 0
    successes = 0

    def on_success(self) -> None:
        """Count it."""
        self.successes += 1
        super().on_success()

    def take_turn(self) -> None:
        """Count it."""
        self.turns += 1
        super().take_turn()


@dataclass
class Scene:
    """One archive, its gallery and its cloud.

    Args:
        photos: what the gallery lists.
        cloud: where they go.
        lists: what the gallery lists at the next readings, one after another; the last one stays.
        slots: photos at a time.
    """

    photos: list[Photo]
    cloud: MemoryCloud = field(default_factory=MemoryCloud)
    lists: list[list[Photo] | ArchiveError] = field(default_factory=list)
    slots: int = 1

    def __post_init__(self) -> None:
        """Put it together."""
        self.clock = Clock()
        self.signals = Signals()
        self.streams: list[SilentStream] = []
        self.steps = 0
        self.copies = Copies(list_photos(self.photos))
        self.throttle = CountingThrottle(self.clock.sleep, self.clock.now, lambda: 0.0)
        self.cloud.paced_write = self.throttle.write
        self.retried: list[ArchiveError] = []
        policy = RetryPolicy(TRIES, 1, 60, self.clock.sleep, self.throttle, lambda: 1.0, self.retried.append)
        self.copier = Copier(
            archive_key(JOB),
            self.cloud,
            self.copies,
            open_stream=self.open_stream,
            # Photos sleep on the signals, which the test's clock does not move: their delays are none.
            policy=replace(policy, first_delay=0.0),
            slots=self.slots,
            signals=self.signals,
            on_step=self.on_step,
        )
        prover = Prover(archive_key(JOB), self.cloud, self.open_stream, self.signals)
        self.reconciler = Reconciler(JOB, self.fetch, self.cloud, self.copies, policy, self.copier, prover)

    def fetch(self) -> Manifest:
        """Read the list once more."""
        if not self.lists:
            return list_photos(self.photos)
        told = self.lists.pop(0) if len(self.lists) > 1 else self.lists[0]
        if isinstance(told, ArchiveError):
            raise told
        return list_photos(told)

    def open_stream(self, _photo: Photo, _check: Callable[[], None]) -> PhotoStream:
        """Give a stream and remember it."""
        self.streams.append(SilentStream())
        return self.streams[-1]

    def on_step(self) -> None:
        """Count it."""
        self.steps += 1

    def run(self) -> list[str]:
        """Reconcile, and return the keys of what is in the cloud."""
        self.reconciler.run()
        return sorted(file.key for file in self.cloud.files.values())

    @property
    def rejected(self) -> dict[str, Reason]:
        """What cannot be copied, and why."""
        return {key: failure.reason for key, failure in self.copies.rejected.items()}


def at(*keys: str, error: ArchiveError = UNKNOWN) -> Callable[[Photo], ArchiveError | None]:
    """Refuse some photos, whenever they are tried."""
    return lambda photo: error if photo.key in keys else None


def once(*errors: ArchiveError) -> Callable[[Photo], ArchiveError | None]:
    """Refuse a few times, whatever is tried."""
    script = list(errors)
    return lambda _photo: script.pop(0) if script else None


# What is missing


def test_only_what_is_missing_is_copied() -> None:
    """And what was there counts as there before."""
    scene = Scene(make_photos(3))
    scene.cloud.put(scene.photos[1])
    assert scene.run() == ["0", "1", "2"]
    assert sorted(scene.cloud.begun) == ["0", "2"]
    assert (scene.copies.skipped, sorted(scene.copies.arrived)) == ({"1"}, ["0", "2"])


def test_no_photo_is_begun_without_its_turn() -> None:
    """The throttle is asked before each photo, tries included, and hears of each that was started."""
    scene = Scene(make_photos(3), MemoryCloud(begins=once(UNKNOWN)))
    scene.run()
    assert scene.throttle.turns == len(scene.cloud.begun) == 4
    assert scene.throttle.successes == 3


def test_every_source_is_asked_before_its_bytes_are_needed() -> None:
    """While others move; and every source is closed."""
    scene = Scene(make_photos(3))
    scene.run()
    assert [stream.opened for stream in scene.streams] == [1, 1, 1]
    assert all(stream.closed for stream in scene.streams)


def test_a_mark_alone_is_no_copy() -> None:
    """Nobody proved what stands there: the photo is copied."""
    scene = Scene(make_photos(1))
    scene.cloud.put(scene.photos[0], number=0, is_proved=False)
    scene.run()
    assert scene.cloud.begun == ["0"]
    # It is from a worker that died, or one that still goes on and will prove it.
    assert scene.copies.may_have_duplicates


@pytest.mark.parametrize(
    ("found", "counts"), [(None, True), (SessionLost(Reason.WRONG_BYTES), False), (Transient(Reason.TRY_LATER), True)]
)
def test_a_last_look_proves_what_nobody_has_proved(found: ArchiveError | None, counts: bool) -> None:
    """A killed worker left it; what cannot be proved counts by its mark, and nothing is copied."""
    scene = Scene(make_photos(2))
    scene.cloud.put(scene.photos[0], is_proved=False)
    scene.cloud.stores = lambda _photo: found
    scene.reconciler.record_final_inventory()
    assert scene.copies.is_stored("0") is counts
    assert not scene.copies.is_stored("1")
    assert scene.copies.may_have_duplicates
    assert scene.cloud.begun == []


def test_of_two_that_nobody_has_proved_one_stays() -> None:
    """When nobody else copies the archive any more."""
    scene = Scene(make_photos(1))
    for number in (1, 2):
        scene.cloud.put(scene.photos[0], number=number, is_proved=False)
    scene.reconciler.remove_duplicates(is_exclusive=True)
    assert [file.is_proved for file in scene.cloud.files.values()] == [True]


def test_what_a_guest_copied_stays_and_the_archive_is_complete() -> None:
    """Their copies are never duplicates; a photo they took out of the archive is brought there again."""
    scene = Scene(make_photos(2))
    theirs = scene.cloud.put(scene.photos[0], folder="Best", number=2, made_here=False)
    scene.cloud.put(scene.photos[1])
    copied = scene.cloud.put(scene.photos[1], number=3, made_here=False)
    assert scene.run() == ["0", "0", "1", "1"]
    assert (scene.cloud.removed, scene.cloud.begun) == ([], ["0"])
    assert {theirs.id, copied.id} <= scene.cloud.files.keys()


def test_nothing_may_be_there_twice_when_nobody_else_was_at_it() -> None:
    """So no further inventory is needed."""
    scene = Scene(make_photos(2))
    scene.run()
    assert not scene.copies.may_have_duplicates


def test_an_album_that_is_there_twice_is_merged() -> None:
    """Two runs once made one each; a photo in the second folder is not copied again."""
    scene = Scene(make_photos(1))
    scene.cloud.put(scene.photos[0], folder="second")
    scene.cloud.second_folders.append((album_key(()), Folder("second", "")))
    scene.run()
    assert (scene.cloud.merges, scene.cloud.begun, scene.copies.may_have_duplicates) == (1, [], True)


def test_a_copy_of_another_run_that_replaces_ours_is_noticed() -> None:
    """Both have the photo under other ids: the other run may go on and make more of them."""
    scene = Scene(make_photos(2))
    scene.copies.arrived["0"] = scene.cloud.put(scene.photos[0], number=2)

    def stores(photo: Photo) -> None:
        scene.cloud.put(scene.photos[0], number=1)

    scene.cloud.stores = stores
    scene.run()
    assert (scene.cloud.removed, scene.copies.may_have_duplicates) == (["id-0-2"], True)


def test_the_folder_is_known_once_it_is_made() -> None:
    """A guest may open it while photos still arrive."""
    scene = Scene(make_photos(1))
    urls: list[str] = []
    scene.cloud.stores = lambda _photo: urls.append(scene.copies.folder_url)
    scene.run()
    assert urls == [TOP.url]


def test_what_we_made_twice_in_one_place_is_there_once() -> None:
    """Two workers once had the same job."""
    scene = Scene(make_photos(1))
    for number in (1, 2):
        scene.cloud.put(scene.photos[0], number=number)
    assert scene.run() == ["0"]
    assert scene.cloud.removed == ["id-0-2"]


def test_a_listing_that_lags_behind_is_looked_at_again_later() -> None:
    """What it does not show is there all the same; it may hide what another run brought."""
    scene = Scene(make_photos(2))
    scene.cloud.hidden = {"id-0-1"}
    scene.run()
    assert (scene.cloud.begun, scene.copies.may_have_duplicates) == (["0", "1"], True)


def test_what_is_gone_by_now_is_copied_anew() -> None:
    """A guest may have thrown it away, whatever an earlier delivery noted."""
    scene = Scene(make_photos(1))
    scene.copies.arrived["0"] = scene.cloud.put(scene.photos[0])
    scene.cloud.files.clear()
    assert scene.run() == ["0"]


@pytest.mark.parametrize("looks", [1, 2, 3])
def test_a_cloud_that_changes_meanwhile_is_looked_at_again(looks: int) -> None:
    """As often as said, and not once less."""
    stale = [InventoryStale(Reason.CLOUD_REFUSED, "gone")] * looks
    scene = Scene(make_photos(1), MemoryCloud(begins=once(*stale)))
    assert scene.run() == ["0"]
    assert scene.cloud.listed == 1 + looks + 1


def test_a_cloud_that_never_settles_lets_the_job_wait() -> None:
    """It is asked a few times, no more."""
    scene = Scene(make_photos(1), MemoryCloud(begins=lambda _photo: InventoryStale(Reason.CLOUD_REFUSED, "gone")))
    with pytest.raises(Postponed):
        scene.run()
    assert len(scene.cloud.begun) == 4


# One strange answer ends nothing


@pytest.mark.parametrize("refusal", [UNKNOWN, DISABLED, SUSPENDED, DOWN, SessionLost(Reason.WRONG_BYTES)])
@pytest.mark.parametrize("stage", ["begins", "stores"])
@pytest.mark.parametrize("times", [1, TRIES - 1])
def test_a_refusal_that_passes_costs_nothing(stage: str, times: int, refusal: ArchiveError) -> None:
    """At the opening or at the bytes, once or as often as there are tries but one."""
    scene = Scene(make_photos(4), MemoryCloud(**{stage: once(*[refusal] * times)}))  # type: ignore[arg-type]
    assert scene.run() == ["0", "1", "2", "3"]
    assert scene.copies.rejected == {}


@pytest.mark.parametrize("look", [UNKNOWN, DISABLED, SUSPENDED, Transient(Reason.CLOUD_UNAVAILABLE)])
def test_an_inventory_that_is_refused_is_taken_again(look: ArchiveError) -> None:
    """As photos are: it is final only when it stays."""
    scene = Scene(make_photos(1), MemoryCloud(looks=[look] * (TRIES - 1)))
    assert scene.run() == ["0"]
    assert scene.clock.slept == [1.0, 2.0, 4.0, 8.0]


@pytest.mark.parametrize(
    ("look", "end"),
    [
        (UNKNOWN, JobStopped),
        (DISABLED, JobStopped),
        (SUSPENDED, Postponed),
        (Transient(Reason.CLOUD_UNAVAILABLE), Transient),
    ],
)
def test_an_inventory_that_stays_refused_says_whose_trouble_it_is(look: ArchiveError, end: type[ArchiveError]) -> None:
    """The guest's ends the job, ours lets it wait, and so does a cloud that is down."""
    scene = Scene(make_photos(1), MemoryCloud(looks=[look] * TRIES))
    with pytest.raises(end) as told:
        scene.run()
    assert told.value.reason is look.reason


@pytest.mark.parametrize(("refusal", "end"), [(UNKNOWN, JobStopped), (DISABLED, JobStopped), (SUSPENDED, Postponed)])
@pytest.mark.parametrize("stage", ["begins", "stores"])
def test_a_cloud_that_refuses_everything_ends_it_after_a_handful(
    stage: str, refusal: Refused, end: type[ArchiveError]
) -> None:
    """Not after one refused request for each of a thousand photos, and under a reason of its own."""
    scene = Scene(make_photos(1000), MemoryCloud(**{stage: lambda _photo: refusal}), slots=8)  # type: ignore[arg-type]
    with pytest.raises(end) as told:
        scene.run()
    assert told.value.reason is refusal.reason
    # Those that were under way when the first were refused, and one for each try that is left.
    assert len(scene.cloud.begun) <= 2 * 3 * 8 + TRIES
    assert scene.copies.rejected == {}


def test_an_account_that_is_refused_in_the_middle_ends_it_as_well() -> None:
    """Although a hundred photos arrived before."""
    numbers = count(1)

    def begins(_photo: Photo) -> ArchiveError | None:
        return UNKNOWN if next(numbers) > 100 else None

    scene = Scene(make_photos(1000), MemoryCloud(begins=begins), slots=8)
    with pytest.raises(JobStopped):
        scene.run()
    assert next(numbers) < 200
    # A session that was opened and still waits for its slot is given up then: one for each thread at the most.
    assert 100 - scene.copier._stages.threads <= len(scene.copies.arrived) <= 100


def test_photos_that_stay_refused_cost_only_themselves() -> None:
    """However many of them stand side by side, at the front or at the end."""
    for bad in (range(20), range(80, 100), range(0, 100, 5)):
        keys = {str(number) for number in bad}
        scene = Scene(make_photos(100), MemoryCloud(begins=at(*keys)), slots=4)
        assert len(scene.run()) == 80
        assert scene.rejected == dict.fromkeys(keys, Reason.CLOUD_REFUSED)


def test_refusals_of_a_few_that_are_left_are_no_outage() -> None:
    """Each was judged by itself, however many of them follow one another."""
    scene = Scene(make_photos(40), MemoryCloud(begins=at(*map(str, range(20, 40)))))
    scene.copies.arrived = {"old": StoredPhoto("old", "id-old", 1)}
    assert len(scene.run()) == 20
    assert len(scene.rejected) == 20


@pytest.mark.parametrize("count", range(3, 12))
@pytest.mark.parametrize("slots", [1, 4])
def test_a_small_gallery_that_is_refused_whole_is_not_done(count: int, slots: int) -> None:
    """It has no more photos to ask with, and that each was refused is no accident."""
    scene = Scene(make_photos(count), MemoryCloud(begins=lambda _photo: UNKNOWN), slots=slots)
    with pytest.raises(JobStopped) as told:
        scene.run()
    assert (told.value.reason, scene.copies.rejected) == (Reason.CLOUD_REFUSED, {})


def test_an_account_that_takes_something_again_has_all_its_tries_again() -> None:
    """What was refused before an arrival tells nothing of what comes after it."""
    script = [*[DISABLED] * 4, None, *[DISABLED] * 4, None, *[DISABLED] * 4]
    scene = Scene(make_photos(4), MemoryCloud(begins=lambda _photo: script.pop(0) if script else None))
    assert scene.run() == ["0", "1", "2", "3"]
    assert script == []


def test_what_was_refused_comes_last() -> None:
    """Whether it was its own refusal shows when the others are tried."""
    scene, together = Scene(make_photos(5), slots=3), threading.Barrier(3)

    def begins(_photo: Photo) -> ArchiveError:
        # Each is refused once before any of them has used up its tries.
        with suppress(threading.BrokenBarrierError):
            together.wait(10)
        together.abort()
        return UNKNOWN

    scene.cloud.begins = begins
    with pytest.raises(Refused):
        scene.copier.copy(scene.photos[:3], {album_key(()): TOP})
    assert [photo.key for photo in scene.copier.sort(scene.photos)] == ["3", "4", "0", "1", "2"]


def test_throttling_is_no_failure() -> None:
    """It uses up no try, however often it comes."""
    scene = Scene(make_photos(1), MemoryCloud(begins=once(*[Throttled(Reason.CLOUD_UNAVAILABLE)] * (TRIES + 3))))
    assert scene.run() == ["0"]


# Outages


def test_a_first_batch_without_an_arrival_is_an_outage() -> None:
    """Complete, and for a reason that is no photo's own: the job waits, and nobody is rejected."""
    scene = Scene(make_photos(3), MemoryCloud(stores=lambda _photo: DOWN), slots=4)
    with pytest.raises(Postponed) as told:
        scene.run()
    assert (told.value.reason, scene.copies.rejected) == (Reason.GALLERY_UNAVAILABLE, {})


def test_two_broken_photos_alone_are_no_outage() -> None:
    """They may well be broken."""
    scene = Scene(make_photos(2), MemoryCloud(stores=lambda _photo: DOWN))
    assert scene.run() == []
    assert scene.rejected == dict.fromkeys("01", Reason.GALLERY_UNAVAILABLE)


def test_wrong_bytes_are_never_an_outage() -> None:
    """That is each photo's own trouble."""
    wrong = SessionLost(Reason.WRONG_BYTES)
    scene = Scene(make_photos(10), MemoryCloud(stores=lambda _photo: wrong), slots=4)
    assert scene.run() == []
    assert len(scene.rejected) == 10


def test_an_outage_in_the_middle_lets_the_job_wait() -> None:
    """After some arrived; nothing that was never reached counts as broken."""
    seen: list[str] = []

    def stores(photo: Photo) -> ArchiveError | None:
        seen.append(photo.key)
        return DOWN if len(seen) > 30 else None

    scene = Scene(make_photos(200), MemoryCloud(stores=stores), slots=4)
    with pytest.raises(Postponed):
        scene.run()
    assert (len(scene.copies.arrived), scene.copies.rejected) == (30, {})


def test_broken_photos_may_stand_side_by_side() -> None:
    """Where nothing came from one end, the next try begins at the other; what failed before comes last."""
    scene = Scene(make_photos(4))
    failed = {"0": PhotoRejected(Reason.GALLERY_UNAVAILABLE)}
    scene.copier.evaluate(BatchResult(failed, any_arrived=False, is_complete=False))
    assert [photo.key for photo in scene.copier.sort(scene.photos)] == ["3", "2", "1", "0"]
    scene.copier.evaluate(BatchResult({}, any_arrived=True, is_complete=False))
    assert [photo.key for photo in scene.copier.sort(scene.photos)] == ["1", "2", "3", "0"]


# Room


def test_what_does_not_fit_is_told_before_it_is_begun() -> None:
    """With the numbers that a guest needs."""
    scene = Scene(make_photos(10), MemoryCloud(free=65))
    with pytest.raises(StorageFull) as told:
        scene.run()
    assert (told.value.needed, told.value.free, scene.cloud.begun) == (70, 65, [])


def test_one_photo_that_never_fits_costs_only_itself() -> None:
    """The list may be wrong about it: the others arrive."""
    photos = make_photos(5)
    photos[2] = replace(photos[2], size=10 * 2**40)
    scene = Scene(photos, MemoryCloud(free=1000))
    assert scene.run() == ["0", "1", "3", "4"]
    assert scene.rejected == {"2": Reason.STORAGE_FULL}


def test_when_none_fits_the_cloud_is_full() -> None:
    """And nobody is told that each photo was broken."""
    scene = Scene(make_photos(2), MemoryCloud(free=6))
    with pytest.raises(StorageFull):
        scene.run()
    assert scene.copies.rejected == {}


# The gallery changes while we copy


def test_a_photo_that_was_replaced_is_copied_as_it_is_now() -> None:
    """The list is read again before anything is told."""
    photos = make_photos(3)
    fresh = [photos[0], replace(photos[1], crc32=99, url="https://h/new"), photos[2]]
    cloud = MemoryCloud(stores=lambda photo: SessionLost(Reason.WRONG_BYTES) if photo == photos[1] else None)
    scene = Scene(photos, cloud, lists=[fresh])
    assert scene.run() == ["0", "1", "2"]
    assert (scene.rejected, scene.copies.photos["1"].crc32) == ({}, 99)


def test_a_photo_that_was_replaced_after_it_arrived_is_copied_again() -> None:
    """What is in the cloud is another photo by now."""
    photos = make_photos(2)
    scene = Scene(photos, lists=[[replace(photos[0], size=8, crc32=99), photos[1]]])
    scene.run()
    assert scene.cloud.files["id-0-1"].size == 8


def test_a_photo_that_was_deleted_is_not_missing() -> None:
    """The count at the end is of the list as it stands then."""
    photos = make_photos(3)
    scene = Scene(photos, MemoryCloud(stores=at("1", error=DOWN)), lists=[[photos[0], photos[2]]])
    assert scene.run() == ["0", "2"]
    assert (scene.rejected, list(scene.copies.photos)) == ({}, ["0", "2"])


def test_photos_that_were_added_arrive_as_well() -> None:
    """As long as the gallery settles at some time."""
    photos = make_photos(5)
    scene = Scene(photos[:2], lists=[photos[:3], photos])
    assert scene.run() == ["0", "1", "2", "3", "4"]


def test_a_gallery_that_never_settles_is_told_of_what_it_listed_last() -> None:
    """It is asked a few times, no more."""
    photos = make_photos(2 * MAX_MANIFEST_READS)
    scene = Scene(photos[:1], lists=[photos[: count + 2] for count in range(2 * MAX_MANIFEST_READS - 1)])
    assert len(scene.run()) == MAX_MANIFEST_READS
    assert len(scene.copies.photos) == MAX_MANIFEST_READS + 1


@pytest.mark.parametrize("lists", [[DOWN], [[]]])
def test_a_gallery_that_lists_nothing_at_the_end_takes_nothing_away(lists: list[list[Photo] | ArchiveError]) -> None:
    """Everything is there; that it cannot be asked once more changes nothing."""
    scene = Scene(make_photos(2), lists=lists)
    assert scene.run() == ["0", "1"]
    assert len(scene.copies.photos) == 2


def test_what_failed_waits_for_the_list() -> None:
    """It may tell where the photo is by now."""
    scene = Scene(make_photos(3), MemoryCloud(stores=at("1", error=DOWN)), lists=[DOWN])
    with pytest.raises(Transient):
        scene.run()


# Told to stop


def test_tries_travel_on_when_the_work_is_told_to_stop() -> None:
    """So each delivery brings the job nearer to its end, however short."""
    scene = Scene(make_photos(1))
    begun: list[Photo] = []

    def begins(photo: Photo) -> ArchiveError:
        begun.append(photo)
        if len(begun) == 3:
            scene.signals.wind_down.set(Cause.SLICE_OVER)
        return DOWN

    scene.cloud.begins = begins
    with pytest.raises(Interrupted):
        scene.run()
    assert scene.copies.tries == {"0": 3}
    later = Scene(scene.photos, MemoryCloud(begins=lambda _photo: DOWN))
    later.copies.tries = {"0": 3}
    assert later.run() == []
    assert (len(later.cloud.begun), later.copies.tries) == (2, {})


def test_steps_are_told() -> None:
    """An arrival, a failed try, a photo that is given up: each is one."""
    scene = Scene(make_photos(2), MemoryCloud(begins=at("0", error=DOWN)))
    scene.run()
    assert scene.steps == (TRIES - 1) + 1 + 1
    assert scene.retried == [DOWN] * (TRIES - 1)


def test_photos_that_a_cloud_takes_its_time_for_wait_side_by_side() -> None:
    """Many more of them than there are threads: a cloud that is slow to store holds nobody up."""
    scene = Scene(make_photos(96), MemoryCloud(settles=0.3), slots=2)
    assert len(scene.run()) == 96
    assert scene.cloud.most_settling > 3 * 2 * 2


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.sampled_from([UNKNOWN, DOWN, SessionLost(Reason.WRONG_BYTES), None, None, None]), max_size=40),
    st.lists(st.sampled_from([UNKNOWN, DOWN, None, None]), max_size=40),
    st.integers(1, 4),
)
def test_whatever_happens_photos_are_there_once_or_said_to_be_missing(
    begins: list[ArchiveError | None], stores: list[ArchiveError | None], slots: int
) -> None:
    """Any order of failures: nothing is lost, nothing is twice, and the count is right."""
    cloud = MemoryCloud(
        begins=lambda _photo: begins.pop(0) if begins else None,
        stores=lambda _photo: stores.pop(0) if stores else None,
    )
    scene = Scene(make_photos(8), cloud, slots=slots)
    try:
        scene.run()
    except (Postponed, JobStopped, Transient):
        assert begins == [] or len(scene.copies.arrived) < 8
    there = [file.key for file in cloud.files.values()]
    assert len(there) == len(set(there))
    assert set(there) == scene.copies.arrived.keys()
    assert not scene.copies.rejected.keys() & set(there)


def test_a_photo_is_rejected_by_its_own_reason() -> None:
    """What no try will change is not tried again."""
    refused = PhotoRejected(Reason.URL_NOT_ALLOWED)
    scene = Scene(make_photos(3), MemoryCloud(begins=at("1", error=refused)))
    assert scene.run() == ["0", "2"]
    assert (scene.rejected, scene.cloud.begun.count("1")) == ({"1": Reason.URL_NOT_ALLOWED}, 1)
