"""The throttle of an account, against clouds that allow so many files a second and not one more."""

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from common.errors import Postponed
from tests.fakes.clock import Clock
from worker.transfer.throttle import INITIAL_RATE, MAX_PAUSE, MAX_STALL, Throttle


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


class Minutes:
    """A cloud's allowance for each minute by the clock."""

    def __init__(self, rate: float) -> None:
        self._allowed = round(rate * 60)
        self._minute, self._taken = 0, 0

    def take(self, now: float) -> bool:
        """Say whether one more file is accepted."""
        minute = int(now // 60)
        if minute != self._minute:
            self._minute, self._taken = minute, 0
        if self._taken == self._allowed:
            return False
        self._taken += 1
        return True


@dataclass
class Run:
    """What a simulated job came to."""

    share_of_ceiling: float
    share_throttled: float


class Threads:
    """Simulated threads that start photos under a throttle, by a clock of their own: no thread, no waiting.

    Args:
        cloud: what accepts or throttles.
        photos: how many are to be accepted.
        busy: returns for how many seconds a thread is busy with a photo once it has begun.
        standstill: seconds from and to which nothing runs, as on a machine that is too busy.
    """

    def __init__(
        self,
        cloud: Bucket | Minutes,
        photos: int,
        busy: Callable[[int], float] = lambda _accepted: 0.1,
        standstill: tuple[float, float] = (0.0, 0.0),
    ) -> None:
        self._cloud = cloud
        self._photos = photos
        self._busy = busy
        self._standstill = standstill
        self._chance = random.Random(8)
        self._moment = self._slept = 0.0
        self._asked = self._accepted = 0
        self._throttle = Throttle(self._sleep, lambda: self._moment, self._chance.random)

    def run(self, rate: float, count: int = 8) -> Run:
        """Return what so many threads come to where the cloud bears so many files a second."""
        moments: list[tuple[float, int, float | None]] = [(0.0, thread, None) for thread in range(count)]
        while self._accepted < self._photos:
            self._moment, thread, turn = heapq.heappop(moments)
            if self._standstill[0] <= self._moment < self._standstill[1]:
                self._moment = self._standstill[1]
            if turn is None:
                # A thread sleeps until its turn; here it comes back at that moment and asks for it again.
                turn = self._throttle.reserve_turn()
                heapq.heappush(moments, (max(turn, self._moment), thread, turn))
            elif not self._throttle.is_turn_valid(turn):
                heapq.heappush(moments, (self._moment, thread, None))
            else:
                self._begin_photo()
                busy = self._slept + self._busy(self._accepted) * self._chance.uniform(0.5, 1.5)
                heapq.heappush(moments, (self._moment + busy, thread, None))
        return Run(self._photos / self._moment / rate, 1 - self._accepted / self._asked)

    def _begin_photo(self) -> None:
        self._slept = 0.0
        self._asked += 1
        if self._cloud.take(self._moment):
            self._accepted += 1
            self._throttle.on_success()
        else:
            self._throttle.on_throttled(None)

    def _sleep(self, seconds: float) -> None:
        self._slept = seconds


@pytest.mark.parametrize("burst", [3, 10, 100])
@pytest.mark.parametrize("rate", [2, 3])
def test_rate_stays_just_under_the_limit(rate: float, burst: float) -> None:
    """Two thousand photos: nearly all that the cloud bears, and hardly a request refused."""
    result = Threads(Bucket(rate, burst), 2000).run(rate)
    assert result.share_of_ceiling > 0.98
    assert result.share_throttled < 0.02


@pytest.mark.parametrize("standstill", [(4.0, 14.0), (15.0, 35.0), (100.0, 120.0)])
def test_standstill_of_ours_is_not_taken_for_the_clouds_limit(standstill: tuple[float, float]) -> None:
    """What the machine loses is lost, but what comes after it is as fast as before."""
    result = Threads(Bucket(3, 3), 2000, standstill=standstill).run(3)
    lost = (standstill[1] - standstill[0]) / (2000 / 3)
    assert result.share_of_ceiling > 0.97 - lost
    assert result.share_throttled < 0.02


def test_slow_source_is_not_taken_for_the_clouds_limit() -> None:
    """Photos that come in bunches, half as fast as the cloud bears; then, from a faster source, all that it bears."""
    slow_photos, slow_rate = 700, 1.5
    result = Threads(Bucket(3, 3), 2000, lambda accepted: 8 / slow_rate if accepted < slow_photos else 0.1).run(3)
    possible = 2000 / (slow_photos / slow_rate + (2000 - slow_photos) / 3) / 3
    assert result.share_of_ceiling > 0.95 * possible
    assert result.share_throttled < 0.02


def test_minutes_that_are_used_up_are_only_waited_for() -> None:
    """A cloud that counts by the minute throttles for the rest of one: pauses grow, the rate stays."""
    assert Threads(Minutes(3), 2000).run(3).share_of_ceiling > 0.9


def test_cloud_that_never_throttles_is_never_waited_for() -> None:
    """Nothing is held back on suspicion."""
    clock = Clock()
    throttle = Throttle(clock.sleep, clock.now)
    for _ in range(1000):
        throttle.take_turn()
        throttle.on_success()
    assert clock.slept == []
    assert throttle.files_per_second is None


def test_asked_wait_is_kept_by_all() -> None:
    """Whoever comes next waits out the pause, too."""
    clock = Clock()
    throttle = Throttle(clock.sleep, clock.now, lambda: 0.0)
    began = clock.now()
    throttle.on_throttled(40.0)
    throttle.take_turn()
    assert clock.now() - began == 40.0


def test_pause_is_told_to_whoever_asks() -> None:
    """How long it still lasts, while somebody waits for its end; nothing before it and nothing after."""
    clock, told = Clock(), []

    def sleep(seconds: float) -> None:
        told.append(throttle.pause)
        clock.sleep(seconds)
        told.append(throttle.pause)

    throttle = Throttle(sleep, clock.now, lambda: 0.0)
    assert throttle.pause == 0
    throttle.on_throttled(40.0)
    assert told == [40.0, 0.0]


def test_pauses_grow_and_end_with_the_first_that_is_accepted() -> None:
    """One, two, four … seconds, up to what Google advises; then from the beginning."""
    clock = Clock()
    throttle = Throttle(clock.sleep, clock.now, lambda: 0.0)
    for _ in range(8):
        throttle.on_throttled(None)
    assert clock.slept == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, MAX_PAUSE, MAX_PAUSE]
    throttle.on_success()
    throttle.on_throttled(None)
    assert clock.slept[-1] == 1.0


def test_long_stall_postpones_the_job() -> None:
    """Nothing accepted for ten minutes: the job waits better in a queue."""
    clock = Clock()
    throttle = Throttle(clock.sleep, clock.now, lambda: 0.0)
    began = clock.now()
    for _ in range(14):
        throttle.on_throttled(None)
    with pytest.raises(Postponed):
        throttle.on_throttled(None)
    assert MAX_STALL - MAX_PAUSE < clock.now() - began <= MAX_STALL


def test_absurd_wait_lets_the_job_wait_elsewhere() -> None:
    """Retry-After of eleven days holds no thread."""
    clock = Clock()
    with pytest.raises(Postponed):
        Throttle(clock.sleep, clock.now).on_throttled(10.0**6)
    assert clock.slept == []


def test_only_a_write_that_succeeds_counts_as_accepted() -> None:
    """It has its turn either way."""
    clock = Clock()
    throttle = Throttle(clock.sleep, clock.now, lambda: 0.0)
    throttle.on_throttled(None)
    turn = throttle.reserve_turn()
    with pytest.raises(ValueError, match="refused"), throttle.write():
        raise ValueError("refused")
    assert throttle.reserve_turn() > turn + 1 / INITIAL_RATE
    assert throttle._accepted == 0
    with throttle.write():
        pass
    assert throttle._accepted == 1
