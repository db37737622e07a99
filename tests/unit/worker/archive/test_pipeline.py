"""Photos that are parked while their cloud processes them: others move meanwhile, and nobody waits after a stop."""

import threading
from typing import cast

import pytest

from common.clouds.photos import Photo, StoredPhoto
from common.errors import GrantRevoked, PhotoRejected, Reason, Refused
from tests.fakes.clock import Clock
from worker.archive import pipeline as room
from worker.archive.pipeline import Pipeline
from worker.transfer.copy import PhotoCopy
from worker.transfer.stop import Cause, Interrupted, Signals

PHOTOS = [Photo(str(number), (), f"{number}.jpg", "https://h/p", 1) for number in range(3)]


class SlowCopy:
    """A photo whose cloud needs time before it is in.

    Args:
        photo: which.
        log: where its steps are noted.
        waits: seconds that it asks for, step by step.
        failures: tries that it used up.
    """

    def __init__(self, photo: Photo, log: list[str], waits: list[float], failures: int = 0) -> None:
        self.failures = failures
        self.closed = 0
        self._photo = photo
        self._log = log
        self._waits = waits

    def step(self) -> StoredPhoto | float:
        """Ask for time, or be in."""
        self._log.append(self._photo.key)
        return self._waits.pop(0) if self._waits else StoredPhoto(self._photo.key, "id", 1)

    def close(self) -> StoredPhoto | None:
        """Count it."""
        self.closed += 1
        return None


class PipelineHarness:
    """A pipeline, its log and its clock."""

    def __init__(self, waits: dict[str, list[float]], *, threads: int = 1, failures: int = 0) -> None:
        self.log: list[str] = []
        self.tries: dict[str, int] = {}
        self.signals = Signals()
        self.clock = Clock()
        self.copies: list[SlowCopy] = []

        def begin(photo: Photo, _signals: Signals) -> PhotoCopy:
            self.copies.append(SlowCopy(photo, self.log, waits.get(photo.key, []), failures))
            return cast(PhotoCopy, self.copies[-1])

        self.pipeline = Pipeline(PHOTOS, begin, self.tries, self.signals, threads=threads, now=self.clock.now)

    def run_next(self) -> tuple[Photo, StoredPhoto | BaseException] | None:
        """Take and step photos, as a worker thread does, until one ends; return how, or None when none may go on."""
        while task := self.pipeline.take():
            if result := self.pipeline.step(task):
                return task[0], result
        return None


def test_others_move_while_one_waits() -> None:
    """One thread brings on all the others before it comes back to the one that asked for time."""
    harness = PipelineHarness({"0": [5.0]})
    ends = [harness.run_next() for _ in range(2)]
    assert [end[0].key for end in ends if end and end[0]] == ["1", "2"]
    harness.clock.sleep(5)
    last = harness.run_next()
    assert last
    assert last[0] is PHOTOS[0]
    assert harness.log == ["0", "1", "2", "0"]
    assert harness.run_next() is None
    assert [copy.closed for copy in harness.copies] == [1, 1, 1]


def test_whose_time_has_come_goes_before_new_ones() -> None:
    """Else those that wait would pile up."""
    harness = PipelineHarness({"0": [0.0001], "1": [0.0001]}, threads=1)
    harness.clock.sleep(1)
    assert harness.run_next()
    assert harness.log[0] == "0"


def test_no_more_are_parked_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cloud that never has time must not begin a whole gallery."""
    monkeypatch.setattr(room, "PARKED_PER_THREAD", 1)
    monkeypatch.setattr(room, "POLL_SECONDS", 0.001)
    harness = PipelineHarness({photo.key: [1.0] for photo in PHOTOS})

    def pass_time() -> None:
        while len(harness.log) < 6:
            harness.clock.sleep(0.5)

    passing = threading.Thread(target=pass_time)
    passing.start()
    while harness.run_next():
        pass
    passing.join()
    assert harness.log == ["0", "0", "1", "1", "2", "2"]


def test_who_waits_is_asked_once_more_at_the_end() -> None:
    """The work is told to stop: what the cloud has by now is in, and nobody waits for the rest."""
    harness = PipelineHarness({"0": [60.0], "1": [60.0, 60.0]}, failures=2)
    harness.log.append("-")
    assert harness.run_next()  # the third photo, after two that were put aside
    harness.signals.wind_down.set(Cause.SLICE_OVER)
    ends = dict(end for end in (harness.run_next(), harness.run_next()) if end)
    assert isinstance(ends[PHOTOS[0]], StoredPhoto)
    assert isinstance(ends[PHOTOS[1]], Interrupted)
    assert harness.tries == {"1": 2}
    assert harness.run_next() is None
    assert [copy.closed for copy in harness.copies] == [1, 1, 1]


def test_a_thread_that_waits_for_a_photo_hears_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long the photo has still to wait."""
    monkeypatch.setattr(room, "POLL_SECONDS", 0.001)
    harness = PipelineHarness({photo.key: [1e9, 1e9] for photo in PHOTOS})
    threading.Timer(0.05, harness.signals.wind_down.set, [Cause.CANCELLED]).start()
    ends = [harness.run_next() for _ in range(3)]
    assert [type(end[1]) for end in ends if end] == [Interrupted] * 3


def test_a_photo_that_fails_is_closed_and_costs_only_itself() -> None:
    """The others go on."""
    harness = PipelineHarness({})
    broken = PhotoRejected(Reason.PHOTO_UNAVAILABLE)

    def fail() -> StoredPhoto:
        raise broken

    first = SlowCopy(PHOTOS[0], harness.log, [])
    first.step = fail  # type: ignore[method-assign]
    rest = iter([first])
    begin = harness.pipeline._start
    harness.pipeline._start = lambda photo, signals: cast(PhotoCopy, next(rest, None)) or begin(photo, signals)
    assert harness.run_next() == (PHOTOS[0], broken)
    assert first.closed == 1
    assert not harness.signals.wind_down.is_set()
    assert harness.pipeline.has_pending


@pytest.mark.parametrize(
    ("error", "counts"),
    [
        (Interrupted(), True),
        (PhotoRejected(Reason.CLOUD_UNAVAILABLE), True),
        (Refused(Reason.CLOUD_REFUSED), False),
        (GrantRevoked(), False),
    ],
)
def test_a_photo_that_is_in_after_all_has_arrived(error: Exception, counts: bool) -> None:
    """Unless its failure concerns the others as well."""
    harness = PipelineHarness({})
    stored = StoredPhoto(PHOTOS[0].key, "id", 1)

    def fail() -> StoredPhoto:
        raise error

    copy = SlowCopy(PHOTOS[0], harness.log, [])
    copy.step, copy.close = fail, lambda: stored  # type: ignore[method-assign]
    task = PHOTOS[0], cast(PhotoCopy, copy)
    assert harness.pipeline.step(task) is (stored if counts else error)
