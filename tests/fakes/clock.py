"""A clock that moves only when somebody sleeps."""


class Clock:
    """Seconds that pass by sleeping alone.

    Attributes:
        slept: every wait, in seconds.
    """

    def __init__(self, now: float = 1000.0) -> None:
        self.slept: list[float] = []
        self._now = now

    def now(self) -> float:
        """Return the moment."""
        return self._now

    def sleep(self, seconds: float) -> None:
        """Let so many seconds pass, and remember it."""
        self.slept.append(seconds)
        self._now += seconds
