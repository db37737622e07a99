"""What goes wrong in the stand-ins, at times that are the same in every run."""

import json
import random
import threading
import time

from bench.wire import Reply


class Mishaps:
    """So many requests in a hundred fail, in one of several ways. Thread-safe.

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
        """Return what happens to this request; mostly nothing: an empty text."""
        with self._lock:
            if self._chance.random() >= self._rate:
                return ""
            self.happened += 1
            return self._chance.choice(self._kinds)

    def cut(self, length: int) -> int:
        """Return where a body of this length breaks off."""
        with self._lock:
            return self._chance.randrange(length + 1)


class Ceiling:
    """So many creates a second are borne, in bursts of a second's worth; the rest is objected to. Thread-safe.

    Args:
        rate: creates a second; 0: as many as come.
    """

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._left = rate
        self._at = time.monotonic()
        self._lock = threading.Lock()
        self.objections = 0

    def object(self) -> Reply | None:
        """Count a create; return Google's objection if it is one too many."""
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
