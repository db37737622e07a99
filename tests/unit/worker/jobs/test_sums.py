"""What a snapshot counts, whatever happens to a job: it adds up, and costs the same for any number of photos."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from common.clouds.photos import Photo, StoredPhoto
from common.errors import PhotoRejected, Reason
from common.messages.archive_job import JobState
from common.messages.progress import State
from tests.fakes.job import JOB
from worker.archive.copies import Copies
from worker.gallery.manifest import Manifest, UnusableEntry
from worker.jobs.meter import Meter

KEYS = [str(number) for number in range(8)]
KEY_SETS = st.sets(st.sampled_from(KEYS))


def listed(keys: set[str], unusable: int = 0, size: int = 10) -> Manifest:
    """Return a list of photos, and of some that nobody can copy."""
    photos = {key: Photo(key, (), f"{key}.jpg", "https://h/p", size) for key in sorted(keys)}
    return Manifest(
        photos, [UnusableEntry(f"{number}.gif", Reason.PHOTO_UNAVAILABLE, "") for number in range(unusable)]
    )


class Job(RuleBasedStateMachine):
    """A job over its slices: its list changes, photos arrive, fail, vanish, and are brought by others."""

    def __init__(self) -> None:
        super().__init__()
        self.state = JobState()
        self.begin_slice()

    def begin_slice(self) -> None:
        """Let a delivery begin with what the one before left."""
        self.copies = Copies(arrived={key: StoredPhoto(key, name, -1) for key, name in self.state.arrived.items()})
        self.meter = Meter(replace(JOB, state=self.state), self.copies, lambda: None, claim=3)
        self.last = 0

    @rule(keys=KEY_SETS, unusable=st.integers(0, 2), size=st.integers(1, 3))
    def list_photos(self, keys: set[str], unusable: int, size: int) -> None:
        """The gallery shows its list, another one by now."""
        fresh = listed(keys, unusable, size)
        if self.copies.manifest is None:
            self.copies.manifest = fresh
        else:
            self.copies.replace_manifest(fresh)

    @precondition(lambda self: self.copies.manifest is not None)
    @rule(keys=KEY_SETS)
    def look(self, keys: set[str]) -> None:
        """The cloud shows what is there: the job's own, and that of others."""
        if self.copies.has_inventory:
            self.copies.record_inventory(keys)
        else:
            self.copies.record_initial_inventory(keys)

    @rule(key=st.sampled_from(KEYS))
    def arrive(self, key: str) -> None:
        """A photo arrives."""
        self.copies.record_arrival(StoredPhoto(key, f"id-{key}", 1))

    @rule(key=st.sampled_from(KEYS))
    def fail(self, key: str) -> None:
        """A photo is given up."""
        self.copies.reject(key, PhotoRejected(Reason.WRONG_BYTES))

    @rule(key=st.sampled_from(KEYS))
    def vanish(self, key: str) -> None:
        """A photo that had arrived is there no more."""
        if key in self.copies.arrived:
            self.copies.forget(key)

    @rule()
    def go_on(self) -> None:
        """The slice ends, and another one takes over."""
        state, arrived = self.state, {key: each.id for key, each in self.copies.arrived.items()}
        copied = state.copied + len(arrived.keys() - state.arrived.keys())
        self.state = JobState(slices=1, copied=copied, arrived=arrived, skipped=self.meter.skipped)
        self.begin_slice()

    @invariant()
    def every_end_adds_up(self) -> None:
        """Whatever ends it now, each listed photo was brought, was there, or is not there."""
        for state in (State.DONE, State.FAILED, State.CANCELLED):
            told = self.meter.read(state)
            assert told.photos_copied + told.photos_skipped + told.photos_failed == told.photos_total
            assert min(told.photos_copied, told.photos_skipped, told.photos_failed) >= 0
            assert told.photos_failed == self.meter.failed
            assert (told.claim, told.number) > (3, self.last)
            self.last = told.number

    @invariant()
    def sums_are_kept_up_to_date(self) -> None:
        """They are what somebody finds who counts everything."""
        assert self.copies.count() == self.copies._recount()

    @invariant()
    def what_runs_has_no_more_than_there_is(self) -> None:
        """Nobody sees 65 of 60 photos."""
        told = self.meter.read()
        assert told.stored + told.photos_failed <= told.photos_total
        assert told.bytes_copied <= told.bytes_total


TestJob = Job.TestCase


def test_what_earlier_slices_copied_counts_before_anybody_looked() -> None:
    """A permission that was taken back shows at the first look of a slice: 30 photos are there all the same."""
    job = replace(JOB, state=JobState(slices=2, copied=4, arrived={"0": "id"}, skipped=2))
    copies = Copies(listed(set(KEYS)), arrived={"0": StoredPhoto("0", "id", -1)})
    told = Meter(job, copies, lambda: None).read(State.FAILED, "grant_revoked")
    assert (told.photos_copied, told.photos_skipped, told.photos_failed) == (4, 2, 2)


def test_what_a_last_look_alone_finds_was_there_before() -> None:
    """Stopped before its first look, a job has copied nothing."""
    copies = Copies(listed(set(KEYS)))
    copies.record_inventory({"1", "2"})
    told = Meter(JOB, copies, lambda: None).read(State.CANCELLED)
    assert (told.photos_copied, told.photos_skipped, told.photos_failed) == (0, 2, 6)


def test_a_photo_that_was_given_up_and_is_there_has_not_failed() -> None:
    """Somebody else brought it."""
    copies = Copies(listed(set(KEYS), unusable=1))
    copies.record_initial_inventory(())
    copies.reject("1", PhotoRejected(Reason.WRONG_BYTES))
    copies.record_inventory({"1"})
    told = Meter(JOB, copies, lambda: None).read()
    assert (told.photos_copied, told.photos_failed, [each.name for each in told.failures]) == (1, 1, ["0.gif"])


@given(st.lists(st.sampled_from(KEYS), max_size=20))
def test_the_last_that_arrived_are_named(keys: list[str]) -> None:
    """The newest first; those of the slice before too."""
    copies = Copies(listed(set(KEYS)))
    for key in keys:
        copies.record_arrival(StoredPhoto(key, "id", 1))
    assert copies.latest_names() == tuple(f"{key}.jpg" for key in keys[-1:-4:-1])


def test_a_snapshot_does_not_go_through_the_photos(monkeypatch: pytest.MonkeyPatch) -> None:
    """While photos arrive, a list of any length is counted once."""
    counted: list[int] = []
    count = Copies._recount
    monkeypatch.setattr(Copies, "_recount", lambda self: counted.append(1) or count(self))
    copies = Copies(listed(set(KEYS)))
    copies.record_initial_inventory({"7"})
    meter = Meter(JOB, copies, lambda: None)
    for key in KEYS[:7]:
        meter.read()
        copies.record_arrival(StoredPhoto(key, "id", 1))
    assert (meter.read(State.DONE).stored, len(counted)) == (8, 1)
