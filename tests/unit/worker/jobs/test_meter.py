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
    pause: float = 0.0

    def __post_init__(self) -> None:
        """Open the meter."""
        clock = self.clock.now
        self.meter = Meter(JOB, self.copies, lambda: self.ceiling, clock, tick=clock, pause=lambda: self.pause)
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


def test_pause_comes_on_top_of_what_is_left(bench: Bench) -> None:
    """Half a minute for what is missing, after eight minutes in which nothing may be written."""
    bench.let_arrive(10, 1)
    bench.ceiling, bench.pause = 3.0, 480.0
    assert bench.meter.read().eta_seconds == pytest.approx(510)


def test_long_pause_does_not_say_that_all_is_nearly_done(bench: Bench) -> None:
    """Ten are missing; the first ninety took as long as they took, and nothing has arrived for a minute."""
    bench.let_arrive(90, 90)
    bench.meter.read()
    bench.clock.sleep(60)
    bench.ceiling, bench.pause = 10.0, 400.0
    bench.meter.read()
    assert bench.meter.read().eta_seconds == pytest.approx(400 + 10 * 150 / 90)


def test_pause_says_when_it_ends(bench: Bench) -> None:
    """The same moment as long as it lasts, another when the cloud asks for more, none afterwards or for a short one."""
    told = []
    for pause in (3.0, 300.0, 299.0, 2.0, 0.0, 4.0):
        bench.pause = pause
        told.append(bench.meter.read().next_attempt_at - bench.clock.now())
        bench.clock.sleep(1)
    now = bench.clock.now()
    assert told[:3] == pytest.approx([-now + 6, 300, 299])
    assert [each > 0 for each in told] == [False, True, True, True, False, False]
    bench.pause = 600.0
    assert bench.meter.read().next_attempt_at == pytest.approx(now + 600)
    assert bench.meter.read(State.DONE).next_attempt_at == 0


def test_who_waits_promises_a_next_try_and_no_end(bench: Bench) -> None:
    """How long an outage lasts nobody knows."""
    bench.let_arrive(10, 1)
    told = bench.meter.read(State.WAITING, "gallery_unavailable", next_attempt_in=300.0)
    assert (told.next_attempt_at, told.eta_seconds) == (bench.clock.now() + 300, None)


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
