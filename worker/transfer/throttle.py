"""Adaptive rate limit for the writes to one account, learned from its cloud's throttling.

Clouds do not publish what they allow (Google: reports say two to three files a second, in bursts more), so there is no
limit until a cloud throttles. That means that nothing is left of its allowance; so what was accepted from one throttled
answer to another, over the time in which there was something to start, is the rate that it allows. That is kept to, and
raised ever faster while the cloud does not throttle.
"""

import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from common.errors import Postponed, Reason

# Seconds: the first pause doubles with every further throttled answer, up to what Google advises:
# https://developers.google.com/workspace/drive/api/guides/limits#exponential
FIRST_PAUSE, MAX_PAUSE = 1.0, 64.0
# Nothing accepted for so many seconds: no rate would help, and the job waits better in a queue.
MAX_STALL = 600.0
MIN_RATE = 0.05  # files a second
INITIAL_RATE = 10.0  # files a second once throttled: more than Google is known to allow, less than unlimited
# An estimate is taken over so many accepted files or more, and so many are a step on the way up.
MIN_SAMPLE, STEP = 20, 10
# By what share the rate grows by a step: the more, the farther what was allowed is below what was tried; and with every
# step that is accepted so many times more, since what a cloud allows may change. The numbers are those that did best
# against the clouds of tests/unit/worker/transfer/test_throttle.py.
MIN_GROWTH, MAX_GROWTH, GROWTH_GAIN, GROWTH_ACCELERATION = 0.001, 0.25, 0.02, 1.25
# A turn that is so many seconds late is void: after a standstill all threads would else start at once.
TURN_VALID_SECONDS = 1.0


class Throttle:
    """The rate limit of one account, shared by all threads that write to it. Thread-safe.

    Args:
        sleep: waits so many seconds; may raise to end the waiting.
        now: monotonic seconds.
        jitter: a random number in [0, 1).
    """

    def __init__(
        self,
        sleep: Callable[[float], None],
        now: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._sleep = sleep
        self._now = now
        self._jitter = jitter
        self._lock = threading.Lock()
        self._rate: float | None = None  # files a second; None: no limit
        self._growth = MAX_GROWTH
        self._accepted = 0
        self._step_began = 0  # when so many were accepted
        self._idle = 0.0  # seconds in which nobody had anything to start
        # When the cloud throttled, less our idle time, and how much it had accepted by then: as many as make an exact
        # estimate.
        self._exhausted: deque[tuple[float, int]] = deque()
        self._next_turn = 0.0
        self._pause_ends = 0.0
        self._pauses = 0  # since the last accepted file
        self._stalled_since: float | None = None

    @property
    def files_per_second(self) -> float | None:
        """The current limit; None while the cloud never throttled."""
        return self._rate

    @property
    def pause(self) -> float:
        """How many seconds the account is still left alone because its cloud throttled; 0 when it is written to."""
        return max(self._pause_ends - self._now(), 0.0)

    def take_turn(self) -> None:
        """Wait until one more file may be started; raises what the sleep raises."""
        while True:
            turn = self.reserve_turn()
            self._wait_until(turn)
            if self.is_turn_valid(turn):
                return

    def reserve_turn(self) -> float:
        """Return the moment at which one more file may be started, in monotonic seconds; each is given out once."""
        with self._lock:
            due = max(self._next_turn, self._pause_ends)
            turn = max(self._now(), due)
            if self._rate is not None:
                self._idle += turn - due
                if turn - due > 1 / self._rate:
                    # What is accepted after a rest tells little of the rate: the cloud has saved up for it.
                    self._step_began = self._accepted
                self._next_turn = turn + 1 / self._rate
            return turn

    def is_turn_valid(self, turn: float) -> bool:
        """Say whether a reserved moment holds: not when a pause began meanwhile, nor when it is long past."""
        with self._lock:
            if turn < self._pause_ends:
                return False
            if self._rate is None or self._now() <= turn + TURN_VALID_SECONDS:
                return True
            self._idle += 1 / self._rate
            return False

    @contextmanager
    def write(self) -> Iterator[None]:
        """Surround one write: wait for its turn, and count it as accepted unless it raises."""
        self.take_turn()
        yield
        self.on_success()

    def on_success(self) -> None:
        """Count a file that was started without being throttled."""
        with self._lock:
            self._stalled_since = None
            self._pauses = 0
            self._accepted += 1
            if self._rate is not None and self._accepted - self._step_began >= STEP:
                self._rate *= 1 + self._growth
                self._growth = min(MAX_GROWTH, self._growth * GROWTH_ACCELERATION)
                self._step_began = self._accepted

    def on_throttled(self, wait: float | None) -> None:
        """Slow down, and wait until the pause for all is over.

        Args:
            wait: seconds that the cloud asked for, if it did.

        Raises:
            Postponed: nothing was accepted for a long time.
        """
        with self._lock:
            now = self._now()
            # Throttled answers to what was already on its way when the pause began count once.
            if now >= self._pause_ends:
                self._slow_down(now)
                pause = min(MAX_PAUSE, FIRST_PAUSE * 2.0**self._pauses) * (1 + self._jitter() / 20)
                self._pause_ends = now + pause
                self._pauses += 1
            self._pause_ends = max(self._pause_ends, now + (wait or 0.0))
            self._stalled_since = self._stalled_since or now
            if self._pause_ends - self._stalled_since > MAX_STALL:
                raise Postponed(Reason.DAILY_LIMIT, "the cloud accepts nothing more for now")
            until = self._pause_ends
        self._wait_until(until)

    def _slow_down(self, now: float) -> None:
        if not self._exhausted:
            # The first one tells of no rate: the cloud may have granted a burst before, or had a bad moment.
            self._rate = INITIAL_RATE
        elif self._accepted > self._exhausted[-1][1]:
            self._estimate(now)
        else:
            return  # The pause was too short; that tells nothing of the rate.
        self._exhausted.append((now - self._idle, self._accepted))
        self._step_began = self._accepted

    def _estimate(self, now: float) -> None:
        while len(self._exhausted) > 1 and self._accepted - self._exhausted[1][1] >= MIN_SAMPLE:
            self._exhausted.popleft()
        since, before = self._exhausted[0]
        # One more than was accepted: after a second with one alone, the rate is not one but less than two.
        allowed = (self._accepted - before + 1) / max(now - self._idle - since, FIRST_PAUSE)
        tried, self._rate = self._rate or allowed, max(MIN_RATE, allowed)
        self._growth = min(MAX_GROWTH, max(MIN_GROWTH, GROWTH_GAIN * (tried / self._rate - 1)))

    def _wait_until(self, moment: float) -> None:
        seconds = moment - self._now()
        if seconds > 0:
            self._sleep(seconds)
