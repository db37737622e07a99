"""How fast an account may be written to: a bucket of permits that refills steadily. Knows no HTTP."""

import threading
import time

# Google publishes no burst; rclone's default pacer (100 ms apart, bursts of 100) is far from it, so it is kept small.
_BURST_SECONDS = 2.0


class Pace:
    """Permits per account. Thread-safe."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._buckets: dict[str, tuple[float, float]] = {}

    def allows(self, login: str, per_second: float) -> bool:
        """Take a permit if there is one.

        Args:
            login: Whose account.
            per_second: How many permits come in each second.
        """
        moment, most = time.monotonic(), max(1.0, per_second * _BURST_SECONDS)
        with self._guard:
            permits, before = self._buckets.get(login, (most, moment))
            permits = min(most, permits + (moment - before) * per_second)
            allowed = permits >= 1
            self._buckets[login] = (permits - allowed, moment)
            return allowed
