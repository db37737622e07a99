"""Long-lived threads that never end unseen: what fails is logged and begun again, and each tells whether it moves."""

import logging
import threading
import time
from collections.abc import Callable

from common.errors import Transient

logger = logging.getLogger(__name__)

# Seconds from one beginning to the next while it fails: they double.
MIN_DELAY, MAX_DELAY = 0.5, 30.0
# What lived so long, in seconds, before it failed is begun anew as if nothing had been.
RESET_AFTER = 60.0
# A loop that has said nothing for so long, in seconds, stands still: a line that is dead without a word is noticed by
# its heartbeats within 70 s where they are 30 s apart.
MAX_SILENCE = 120.0
# The same while it asks somebody who may be away: names, connections and answers have limits of their own, and an
# outage elsewhere must not count as a death here.
MAX_BLOCKED = 600.0


class Loop:
    """Work that is begun again and again until it is over, whatever becomes of it. Thread-safe.

    Args:
        name: of its thread, and in the log.
        work: returns when it is over; until then it says by `beat()` that it moves. Whatever it raises is logged, and
            it is begun again after a while.
        is_over: says whether it need not be begun again.
        wait: waits so many seconds, less when it is over.
        delays: seconds, the first and the longest.
        now: seconds of a clock that only goes forward.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[], None],
        *,
        is_over: Callable[[], bool],
        wait: Callable[[float], object],
        delays: tuple[float, float] = (MIN_DELAY, MAX_DELAY),
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
        self._work = work
        self._is_over = is_over
        self._wait = wait
        self._first_delay, self._longest_delay = delays
        self._now = now
        self._thread: threading.Thread | None = None
        self._due = float("inf")
        self._has_moved = False

    @property
    def is_alive(self) -> bool:
        """Whether it moves, has not been started, or is over: false when nothing but a restart will help."""
        if self._thread is None or self._is_over():
            return True
        return self._thread.is_alive() and self._now() < self._due

    def start(self) -> threading.Thread:
        """Run on a thread of its own, which is returned."""
        self._thread = threading.Thread(target=self._go_on, name=self._name, daemon=True)
        self._thread.start()
        return self._thread

    def run(self) -> None:
        """Run on the thread that calls; returns when it is over."""
        self._thread = threading.current_thread()
        self._go_on()

    def beat(self) -> None:
        """Say that the work moves."""
        self._has_moved = True
        self._due = self._now() + MAX_SILENCE

    def _go_on(self) -> None:
        delay = self._first_delay
        while not self._is_over():
            began, self._has_moved = self._now(), False
            self._due = began + MAX_BLOCKED
            is_bug = self._try(delay)
            lived = self._now() - began
            # Of a line that had been good nobody knows how long it will be away; a bug comes again at once.
            if lived > RESET_AFTER or (self._has_moved and not is_bug):
                delay = self._first_delay
            if not self._is_over():
                self._wait(delay)
            delay = min(delay * 2, self._longest_delay)

    def _try(self, delay: float) -> bool:
        """Work once; return whether it ended by a bug."""
        try:
            self._work()
        except Transient as error:
            delay = self._first_delay if self._has_moved else delay
            logger.log(error_level(error), "%s: %s", self._name, error.detail, extra={"retry_in": delay})
        except Exception:
            logger.exception("%s met a bug and is begun again", self._name, extra={"retry_in": delay})
            return True
        return False


class _Patience:
    """Since when each trouble that may pass has lasted. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: dict[str, tuple[float, float]] = {}

    def lasts(self, trouble: str, now: float) -> float:
        """Return for how many seconds a trouble has been met again and again; a pause begins it anew."""
        with self._lock:
            first, last = self._seen.get(trouble, (now, now))
            first = now if now - last > RESET_AFTER else first
            self._seen[trouble] = first, now
            return now - first


_patience = _Patience()


def error_level(error: Transient, now: Callable[[], float] = time.monotonic) -> int:
    """Return how loudly a failure is told: what only an operator can mend is an error.

    Args:
        error: the failure; its `needs_operator` says that it is one of those, at once or after so many seconds.
        now: seconds of a clock that only goes forward.
    """
    after = getattr(error, "needs_operator", None)
    if after is None:
        return logging.WARNING
    return logging.ERROR if after == 0 or _patience.lasts(error.detail, now()) >= after else logging.WARNING


def guard(what: str, call: Callable[[], object]) -> bool:
    """Call something whose failure must not end what else is done here; return whether it succeeded.

    Args:
        what: it is, in the log.
        call: does it.
    """
    try:
        call()
    except Exception:
        logger.exception("%s failed; the rest goes on", what)
        return False
    return True
