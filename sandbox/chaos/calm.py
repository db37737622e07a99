"""Calm: time as it counts for promises of speed. While the way to the broker is disturbed, nothing can be prompt."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator


class Calm:
    """Counts the seconds in which nothing disturbs the broker or the way to it. Thread-safe.

    Args:
        now: seconds of a clock that goes forward.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._guard = threading.Lock()
        self._disturbers = 0
        self._calm = 0.0
        self._since = now()
        self._troubles: list[tuple[float, float]] = []
        self._began = 0.0

    def read(self) -> float:
        """Return the calm seconds so far."""
        with self._guard:
            return self._calm + (0.0 if self._disturbers else self._now() - self._since)

    @contextlib.contextmanager
    def disturbed(self) -> Iterator[None]:
        """Do not count what passes within the block; several may overlap."""
        with self._guard:
            self._disturbers += 1
            if self._disturbers == 1:
                self._began = self._now()
                self._calm += self._began - self._since
        try:
            yield
        finally:
            with self._guard:
                self._disturbers -= 1
                if not self._disturbers:
                    self._since = self._now()
                    self._troubles.append((self._began, self._since))

    def troubles(self, since: float, until: float) -> list[tuple[float, float]]:
        """Return the disturbances that touch a stretch of time: when each began and ended, on the clock given."""
        with self._guard:
            every = [*self._troubles, (self._began, self._now())] if self._disturbers else list(self._troubles)
        return [(began, ended) for began, ended in every if began <= until and ended >= since]
