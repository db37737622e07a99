"""The account's pace, against a cloud that bears so many files a second and not one more."""

import heapq
from dataclasses import dataclass

import pytest

from common.errors import Postponed
from tests.fakes.clock import Clock
from worker.pacing import LONGEST_PAUSE, LONGEST_STANDSTILL, Pace


class Bucket:
    """A cloud's allowance: a burst, refilled at so many files a second."""

    def __init__(self, rate: float, burst: float) -> None:
        self._rate, self._burst = rate, burst
        self._left, self._at = burst, 0.0

    def take(self, now: float) -> bool:
        """Say whether one more file is accepted."""
        self._left = min(self._burst, self._left + (now - self._at) * self._rate)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


@dataclass
class Run:
    """What a simulated job came to."""

    share_of_ceiling: float
    share_throttled: float


def run(rate: float, burst: float, photos: int, threads: int = 8, latency: float = 0.03) -> Run:
    """Let threads begin photos at a pace against a bucket, by a clock of our own: no thread, no waiting."""
    now, slept = [0.0], [0.0]

    def sleep(seconds: float) -> None:
        slept[0] = seconds

    bucket = Bucket(rate, burst)
    pace = Pace(sleep, lambda: now[0], lambda: 0.5)
    moments = [(0.0, thread, "wait") for thread in range(threads)]
    asked = accepted = 0
    while accepted < photos:
        now[0], thread, step = heapq.heappop(moments)
        slept[0] = 0.0
        if step == "wait":
            # A thread sleeps until its turn; here it comes back at that moment and asks for it again.
            turn = pace.reserve_turn()
            heapq.heappush(moments, (max(turn, now[0]), thread, f"turn {turn!r}"))
        elif step.startswith("turn") and not pace.is_turn(float(step.split()[1])):
            heapq.heappush(moments, (now[0], thread, "wait"))
        elif step.startswith("turn"):
            heapq.heappush(moments, (now[0] + latency, thread, "begin"))
        else:
            asked += 1
            if bucket.take(now[0]):
                accepted += 1
                pace.accept()
            else:
                pace.object(None)
            heapq.heappush(moments, (now[0] + slept[0] + 0.1, thread, "wait"))
    return Run(photos / now[0] / rate, 1 - accepted / asked)


@pytest.mark.parametrize("burst", [10, 100])
@pytest.mark.parametrize("rate", [2, 3])
def test_pace_stays_just_under_the_ceiling(rate: float, burst: float) -> None:
    """Two thousand photos: nearly all that the cloud bears, and hardly a request refused."""
    result = run(rate, burst, 2000)
    assert result.share_of_ceiling > 0.97
    assert result.share_throttled < 0.02


def test_cloud_that_never_objects_is_never_waited_for() -> None:
    """Nothing is held back on suspicion."""
    clock = Clock()
    pace = Pace(clock.sleep, clock.now)
    for _ in range(1000):
        pace.take_turn()
        pace.accept()
    assert clock.slept == []
    assert pace.files_per_second is None


def test_asked_wait_is_kept_by_all() -> None:
    """Whoever comes next waits out the pause, too."""
    clock = Clock()
    pace = Pace(clock.sleep, clock.now, lambda: 0.0)
    began = clock.now()
    pace.object(40.0)
    pace.take_turn()
    assert clock.now() - began == 40.0


def test_pauses_grow_and_end_with_the_first_that_is_accepted() -> None:
    """One, two, four … seconds, up to what Google advises; then from the beginning."""
    clock = Clock()
    pace = Pace(clock.sleep, clock.now, lambda: 0.0)
    for _ in range(8):
        pace.object(None)
    assert clock.slept == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, LONGEST_PAUSE, LONGEST_PAUSE]
    pace.accept()
    pace.object(None)
    assert clock.slept[-1] == 1.0


def test_standstill_is_no_matter_of_pace() -> None:
    """Nothing accepted for ten minutes: the job waits better in a queue."""
    clock = Clock()
    pace = Pace(clock.sleep, clock.now, lambda: 0.0)
    began = clock.now()
    for _ in range(14):
        pace.object(None)
    with pytest.raises(Postponed):
        pace.object(None)
    assert LONGEST_STANDSTILL - LONGEST_PAUSE < clock.now() - began <= LONGEST_STANDSTILL


def test_absurd_wait_lets_the_job_wait_elsewhere() -> None:
    """Retry-After of eleven days holds no thread."""
    clock = Clock()
    with pytest.raises(Postponed):
        Pace(clock.sleep, clock.now).object(10.0**6)
    assert clock.slept == []
