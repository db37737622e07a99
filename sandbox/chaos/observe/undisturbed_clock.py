"""Clock that stands still while the broker, or a connection to it, is disturbed.

Promises of speed ("within a minute") are judged by it. Findings print its seconds as "calm s".
"""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator


class UndisturbedClock:
    """Counts the seconds in which neither the broker nor any connection to it is disturbed. Thread-safe.

    Args:
        now: a monotonic clock, in seconds.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._guard = threading.Lock()
        self._ongoing: list[tuple[float, tuple[str, ...]]] = []
        self._undisturbed = 0.0
        self._since = now()
        self._past: list[tuple[float, float, tuple[str, ...]]] = []

    def read(self) -> float:
        """Return the undisturbed seconds so far."""
        with self._guard:
            return self._undisturbed + (0.0 if self._ongoing else self._now() - self._since)

    @contextlib.contextmanager
    def disturbed(self, *names: str) -> Iterator[None]:
        """Stop counting within the block; blocks may overlap.

        Args:
            names: the programs that are cut off from the broker; none: all of them.
        """
        with self._guard:
            began = self._now()
            if not self._ongoing:
                self._undisturbed += began - self._since
            self._ongoing.append((began, names))
        try:
            yield
        finally:
            with self._guard:
                self._ongoing.remove((began, names))
                self._since = self._now()
                self._past.append((began, self._since, names))

    def disturbances(self, name: str, since: float, until: float) -> list[tuple[float, float]]:
        """Return the (begin, end) of a program's disturbances that overlap an interval, in seconds of `now`."""
        with self._guard:
            all_disturbances = [*self._past, *((began, self._now(), names) for began, names in self._ongoing)]
        return [
            (began, ended)
            for began, ended, names in all_disturbances
            if began <= until and ended >= since and (not names or name in names)
        ]
