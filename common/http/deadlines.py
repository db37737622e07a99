"""Deadlines: how long a wait may last, and who may end it sooner. Knows no socket."""

import time
from collections.abc import Callable
from typing import Protocol

# Whoever waits looks up so often to see whether the work has ended meanwhile: two looks a second cost nothing, and no
# other thread needs to lay hands on a socket that is in use.
POLL_SECONDS = 0.5


class Cancellation(Protocol):
    """What may end the work before its time. Asked on many threads."""

    def check(self) -> None:
        """Raise what ends the work, once it is to end."""
        ...


class TimedOut(OSError):
    """It does not come, or it drips."""


def never_cancelled() -> None:
    """Let the work go on: nothing ends it but its deadlines."""


class Deadline:
    """A moment after which nothing is waited for. Used by one thread.

    Args:
        seconds: from now.
        check: called before each wait; raises what ends the work.
    """

    def __init__(self, seconds: float, check: Callable[[], None] = never_cancelled) -> None:
        self._ends = time.monotonic() + seconds
        self._seconds = seconds
        self.check = check

    @property
    def left(self) -> float:
        """Seconds that are left; none or less when it has passed."""
        return self._ends - time.monotonic()

    def look(self) -> float:
        """Return how many seconds to wait before looking here again.

        Raises:
            TimedOut: none are left.
        """
        self.check()
        left = self.left
        if left <= 0:
            raise TimedOut(f"nothing in {self._seconds:g} seconds")
        return min(left, POLL_SECONDS)
