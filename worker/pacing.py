"""How fast one account may be written to, learned from its cloud's objections. Knows no protocol.

Clouds do not publish what they allow (Google: reports say two to three files a second, in bursts more), so nothing is
held back until a cloud objects. Each objection means that nothing is left of its allowance; so what was accepted from
one objection to another, over the time between them, is the pace that it bears. We stay a little under it, and feel our
way up ever faster while it does not object.
"""

import random
import threading
import time
from collections import deque
from collections.abc import Callable

from common.errors import Postponed, Reason

# The first pause after an objection doubles with every further one, up to what Google advises:
# https://developers.google.com/workspace/drive/api/guides/limits#exponential
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 64.0
# Nothing accepted for so long, in seconds: this is no matter of pace, and the job waits better in a queue.
LONGEST_STANDSTILL = 600.0
SLOWEST = 0.05  # files a second
# So many accepted files make an estimate exact enough to be relied on, and so many are a step on the way up.
ENOUGH, STEP = 40, 10
UNDER = 0.99  # of a pace that is known
# How much the pace grows by a step: much where it is not known yet; where it is, little, and with every step that is
# borne more, since what a cloud bears may change.
COARSE, FINE, FINE_LIMIT = 0.25, 0.001, 0.01


class Pace:
    """One account's pace, shared by all who write to it. Thread-safe.

    Args:
        sleep: waits so many seconds; may raise to end the waiting.
        now: seconds of a clock that only goes forward.
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
        self._rate: float | None = None  # files a second; None: as fast as it goes
        self._growth = COARSE
        self._accepted = 0
        # When the cloud objected, and how much it had accepted by then: as many as make an exact estimate.
        self._empty: deque[tuple[float, int]] = deque()
        self._next_turn = 0.0
        self._pause_ends = 0.0
        self._objections = 0  # since the last accepted file
        self._standing_since: float | None = None

    @property
    def files_per_second(self) -> float | None:
        """The pace that is kept now; None while the cloud never objected."""
        return self._rate

    def take_turn(self) -> None:
        """Wait until one more file may be begun; raises what the sleep raises."""
        while True:
            turn = self.reserve_turn()
            self._wait_until(turn)
            if self.is_turn(turn):
                return

    def reserve_turn(self) -> float:
        """Return the moment at which one more file may be begun; nobody else gets the same."""
        with self._lock:
            turn = max(self._now(), self._next_turn, self._pause_ends)
            if self._rate is not None:
                self._next_turn = turn + 1 / self._rate
            return turn

    def is_turn(self, turn: float) -> bool:
        """Say whether a reserved moment still holds: a pause that began meanwhile is for everybody."""
        return turn >= self._pause_ends

    def accept(self) -> None:
        """One more file was begun without objection."""
        with self._lock:
            self._standing_since = None
            self._objections = 0
            self._accepted += 1
            if self._rate is not None and self._accepted % STEP == 0:
                self._rate *= 1 + self._growth
                self._growth = max(self._growth, min(FINE_LIMIT, 2 * self._growth))

    def object(self, wait: float | None) -> None:
        """The cloud objected: wait until the pause for all is over.

        Args:
            wait: seconds the cloud asked for, if it did.

        Raises:
            Postponed: nothing was accepted for a long time.
        """
        with self._lock:
            now = self._now()
            # Objections to what was already on its way when the pause began are the same objection.
            if now >= self._pause_ends:
                self._slow_down(now)
                pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0**self._objections) * (1 + self._jitter() / 4)
                self._pause_ends = now + pause
                self._objections += 1
            self._pause_ends = max(self._pause_ends, now + (wait or 0.0))
            self._standing_since = self._standing_since or now
            if self._pause_ends - self._standing_since > LONGEST_STANDSTILL:
                raise Postponed(Reason.DAILY_LIMIT, "the cloud accepts nothing more for now")
            until = self._pause_ends
        self._wait_until(until)

    def _slow_down(self, now: float) -> None:
        # The first objection tells of no pace: the cloud may have granted a burst before, or had a bad moment.
        if self._empty:
            while len(self._empty) > 1 and self._accepted - self._empty[1][1] >= ENOUGH:
                self._empty.popleft()
            since, before = self._empty[0]
            # One more than was accepted: after a second without any, the pace is not nought but less than two.
            borne = (self._accepted - before + 1) / max(now - since, FIRST_PAUSE)
            self._rate = max(SLOWEST, borne * UNDER)
            self._growth = FINE if self._accepted - before >= ENOUGH else COARSE
        self._empty.append((now, self._accepted))

    def _wait_until(self, moment: float) -> None:
        seconds = moment - self._now()
        if seconds > 0:
            self._sleep(seconds)
