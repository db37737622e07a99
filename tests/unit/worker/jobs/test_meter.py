"""How far a slice has come, and how long the rest will take."""

from dataclasses import dataclass

import pytest

from common.clouds.photos import Photo, StoredPhoto
from common.messages.progress import State
from tests.fakes.clock import Clock
from tests.fakes.job import JOB
from worker.archive.copies import Copies
from worker.gallery.manifest import Manifest
from worker.jobs.meter import Meter

SIZE = 1000


@dataclass
class Bench:
    """A slice of a hundred photos, and what is told of its account."""

    clock: Clock
    copies: Copies
    ceiling: float | None = None

    def __post_init__(self) -> None:
        """Open the meter."""
        self.meter = Meter(JOB, self.copies, lambda: self.ceiling, self.clock.now, tick=self.clock.now)
        photos = {str(number): Photo(str(number), (), f"{number}.jpg", "https://h/p", SIZE) for number in range(100)}
        self.copies.manifest = Manifest(photos, [])
        self.meter.read()

    def let_arrive(self, photos: int, seconds: float) -> None:
        """Let more photos arrive, and time pass."""
        for _ in range(photos):
            key = str(len(self.copies.arrived))
            self.copies.record_arrival(StoredPhoto(key, f"id-{key}", SIZE))
        self.clock.sleep(seconds)


@pytest.fixture
def bench() -> Bench:
    """One at its start."""
    return Bench(Clock(), Copies())


def test_time_left_is_measured(bench: Bench) -> None:
    """Ten photos in two seconds: ninety in eighteen."""
    bench.let_arrive(10, 2)
    told = bench.meter.read()
    assert (told.bytes_per_second, told.eta_seconds) == (5 * SIZE, pytest.approx(18))


def test_burst_does_not_promise_too_much(bench: Bench) -> None:
    """An account that bears three files a second takes half a minute for ninety, however fast the first ten went."""
    bench.let_arrive(10, 1)
    bench.ceiling = 3.0
    assert bench.meter.read().eta_seconds == pytest.approx(30)


def test_ceiling_promises_nothing_either(bench: Bench) -> None:
    """What is slower for another reason stays slower."""
    bench.let_arrive(10, 10)
    bench.ceiling = 30.0
    assert bench.meter.read().eta_seconds == pytest.approx(90)


def test_pause_still_tells_when_it_will_end(bench: Bench) -> None:
    """Nothing arrives while an account rests; what it bears afterwards is known."""
    assert bench.meter.read().eta_seconds is None
    bench.ceiling = 2.0
    bench.clock.sleep(60)
    assert bench.meter.read().eta_seconds == pytest.approx(50)


def test_numbers_add_up_at_the_end(bench: Bench) -> None:
    """Brought, found and missing are all that was listed, whatever became of the missing ones."""
    bench.copies.skipped, bench.copies.initially_stored = {"90", "91"}, 2
    bench.let_arrive(60, 1)
    told = bench.meter.read(State.FAILED, "storage_full")
    assert (told.photos_copied, told.photos_skipped, told.photos_failed) == (60, 2, 38)
    assert (told.photos_total, told.eta_seconds, told.bytes_per_second) == (100, None, 0.0)


def test_numbers_add_up_when_the_list_shrinks(bench: Bench) -> None:
    """What was there before and is listed no more was not found; what is copied again was there all the same."""
    bench.copies.record_initial_inventory({"0", "1", "gone", "gone too"})
    bench.let_arrive(60, 1)
    told = bench.meter.read(State.DONE)
    assert (told.photos_copied, told.photos_skipped, told.photos_failed, told.photos_total) == (58, 2, 40, 100)
    for key in list(bench.copies.arrived):
        bench.copies.forget(key)
    told = bench.meter.read(State.DONE)
    assert (told.photos_copied, told.photos_skipped, told.photos_failed) == (0, 2, 98)


def test_last_photos_that_arrived_are_named(bench: Bench) -> None:
    """The newest first, only while the job runs."""
    assert bench.meter.read().latest == ()
    bench.let_arrive(5, 1)
    assert bench.meter.read().latest == ("4.jpg", "3.jpg", "2.jpg")
    assert bench.meter.read(State.DONE).latest == ()
