"""Deterministic faults and rate limits of the stand-ins: the same requests fail in every run."""

import json
import random
import threading
import time

from bench.wire import Reply


class FaultSchedule:
    """Fails a share of all requests, in one of several ways. Thread-safe.

    Args:
        rate: share of the requests, 0 to 1.
        kinds: what may happen to them.
    """

    def __init__(self, rate: float, *kinds: str) -> None:
        self._rate = rate
        self._kinds = kinds
        self._chance = random.Random(8)
        self._lock = threading.Lock()
        self.happened = 0

    def draw(self) -> str:
        """Return the fault of the next request; empty if none."""
        with self._lock:
            if self._chance.random() >= self._rate:
                return ""
            self.happened += 1
            return self._chance.choice(self._kinds)

    def cut(self, length: int) -> int:
        """Return the offset at which a body of this length is cut."""
        with self._lock:
            return self._chance.randrange(length + 1)


class CreateRateLimit:
    """Limits creates per second, with bursts of one second's worth. Thread-safe.

    Args:
        rate: creates a second; 0: as many as come.
    """

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._left = rate
        self._at = time.monotonic()
        self._lock = threading.Lock()
        self.objections = 0

    def reject_excess(self) -> Reply | None:
        """Count a create; return Google's error reply if it exceeds the limit."""
        if not self._rate:
            return None
        now = time.monotonic()
        with self._lock:
            self._left = min(self._rate, self._left + (now - self._at) * self._rate)
            self._at = now
            if self._left >= 1:
                self._left -= 1
                return None
            self.objections += 1
        reason = {"domain": "usageLimits", "reason": "userRateLimitExceeded", "message": "User Rate Limit Exceeded"}
        error = {"error": {"code": 403, "message": "User Rate Limit Exceeded", "errors": [reason]}}
        return Reply(403, json.dumps(error).encode(), headers={"Content-Type": "application/json"})
