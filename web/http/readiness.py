"""Whether archives can begin: asked of the broker once for all who want to know, a few times a minute at most."""

import logging
import threading
import time
from collections.abc import Callable

from common.errors import Transient
from common.loops import error_level
from web.http.bounded_executor import BoundedExecutor, Overloaded

logger = logging.getLogger(__name__)

# Probes come every few seconds from several sides; the broker is asked at most this often.
FRESH_SECONDS = 5.0
# The same while not ready, so that the end of a start is noticed soon.
NOT_READY_SECONDS = 1.0


class Readiness:
    """Whether archives can begin, asked once for all probes. Thread-safe.

    Args:
        check: raises Transient if archives cannot begin; takes a bounded time.
        now: seconds of any clock that goes forward.
        is_presumed: the answer before the first check has ended.
        complaint: what the log says when they cannot.
    """

    def __init__(
        self,
        check: Callable[[], None],
        now: Callable[[], float] = time.monotonic,
        *,
        is_presumed: bool = False,
        complaint: str = "not ready",
    ) -> None:
        self._check = check
        self._now = now
        self._complaint = complaint
        self._lock = threading.Lock()
        self._answer = is_presumed
        self._trouble = ""
        self._fresh_until = float("-inf")

    @property
    def trouble(self) -> str:
        """What only an operator can mend; empty if there is no such thing."""
        return self._trouble

    @property
    def latest(self) -> bool:
        """The newest answer, without a check."""
        return self._answer

    @property
    def is_fresh(self) -> bool:
        """Whether the newest answer is new enough."""
        return self._now() < self._fresh_until

    def is_ready(self) -> bool:
        """Return the newest answer, checked if it is old; while another thread checks, the one before."""
        if not self.is_fresh and self._lock.acquire(blocking=False):
            try:
                self._answer = self._ask()
                self._fresh_until = self._now() + (FRESH_SECONDS if self._answer else NOT_READY_SECONDS)
            finally:
                self._lock.release()
        return self._answer

    def _ask(self) -> bool:
        try:
            self._check()
        except Transient as error:
            level = error_level(error)
            logger.log(level, self._complaint, extra={"reason": error.reason, "detail": error.detail})
            self._trouble = error.detail if level == logging.ERROR else ""
            return False
        self._trouble = ""
        return True


class SharedReadiness:
    """Ask a readiness from an event loop: whoever comes first waits for the check, everybody else for nothing.

    Args:
        readiness: checks on a thread of its own here; neither the loop nor a route's thread waits.
        name: of that thread.
    """

    def __init__(self, readiness: Readiness, name: str) -> None:
        self._readiness = readiness
        self._executor = BoundedExecutor(name, max_threads=1, max_queued=0, queue_timeout=0.0)

    @property
    def trouble(self) -> str:
        """What only an operator can mend; empty if there is no such thing."""
        return self._readiness.trouble

    async def is_ready(self) -> bool:
        """Return whether archives can begin, by an answer that is a few seconds old at most."""
        if self._readiness.is_fresh:
            return self._readiness.latest
        try:
            return await self._executor.run(self._readiness.is_ready)
        except Overloaded:  # another one checks: the answer before
            return self._readiness.latest
