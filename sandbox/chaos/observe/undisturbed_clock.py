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
        self._disturbers: list[tuple[float, tuple[str, ...]]] = []
        self._calm = 0.0
        self._since = now()
        self._troubles: list[tuple[float, float, tuple[str, ...]]] = []

    def read(self) -> float:
        """Return the calm seconds so far."""
        with self._guard:
            return self._calm + (0.0 if self._disturbers else self._now() - self._since)

    @contextlib.contextmanager
    def disturbed(self, *names: str) -> Iterator[None]:
        """Do not count what passes within the block; several may overlap.

        Args:
            names: the programs that are cut off from the broker; without any, all are.
        """
        with self._guard:
            began = self._now()
            if not self._disturbers:
                self._calm += began - self._since
            self._disturbers.append((began, names))
        try:
            yield
        finally:
            with self._guard:
                self._disturbers.remove((began, names))
                self._since = self._now()
                self._troubles.append((began, self._since, names))

    def troubles(self, name: str, since: float, until: float) -> list[tuple[float, float]]:
        """Return what touches a stretch of time: when a program's cuts began and ended, on the clock given."""
        with self._guard:
            every = [*self._troubles, *((began, self._now(), names) for began, names in self._disturbers)]
        return [
            (began, ended)
            for began, ended, names in every
            if began <= until and ended >= since and (not names or name in names)
        ]
