"""Write rate limit per account: a token bucket."""

import threading
import time

# Google publishes no burst; rclone's default pacer (100 ms apart, bursts of 100) is far from it, so it is kept small.
_BURST_SECONDS = 2.0


class WriteRateLimiter:
    """Token buckets, one per account. Thread-safe."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._buckets: dict[str, tuple[float, float]] = {}

    def try_acquire(self, login: str, per_second: float) -> bool:
        """Take one permit if available; return whether it was.

        Args:
            login: The account.
            per_second: Rate at which permits are added.
        """
        moment, capacity = time.monotonic(), max(1.0, per_second * _BURST_SECONDS)
        with self._guard:
            permits, before = self._buckets.get(login, (capacity, moment))
            permits = min(capacity, permits + (moment - before) * per_second)
            allowed = permits >= 1
            self._buckets[login] = (permits - allowed, moment)
            return allowed
