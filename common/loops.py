"""Long-lived loops: restarted with a growing delay when they fail, and checked for being alive."""

import logging
import threading
import time
from collections.abc import Callable

from common.errors import Transient

logger = logging.getLogger(__name__)

# Seconds before a restart; they double while the work keeps failing. So long after an outage what follows the broker
# shows old news, or takes no job: half of what replicas may lag behind each other.
MIN_DELAY, MAX_DELAY = 0.5, 5.0
# Work that ran for so many seconds before it failed is restarted after the first delay again.
RESET_AFTER = 60.0
# Seconds without a beat after which a loop counts as stuck: a connection that is dead without a sign is noticed by its
# heartbeats within 70 s where they are 30 s apart.
MAX_SILENCE = 120.0
# The same before the first beat, while it connects: names, connections and answers have limits of their own, and an
# outage elsewhere must not count as a death here.
MAX_STARTUP = 600.0


class Loop:
    """Work that is restarted until it is over, whatever it raises. Thread-safe.

    Args:
        name: of its thread, and in the log.
        work: calls `beat()` as long as it makes progress, and returns when it is over. What it raises is logged, and it
            is restarted after a delay.
        is_over: says whether it need not be restarted.
        wait: waits so many seconds, less when it is over.
        delays: seconds before a restart, the first and the longest.
        now: seconds of a monotonic clock.
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
        self._next_beat_due = float("inf")
        self._has_beaten = False

    @property
    def is_alive(self) -> bool:
        """Whether it makes progress, has not been started, or is over; false: only a restart of the process helps."""
        if self._thread is None or self._is_over():
            return True
        return self._thread.is_alive() and self._now() < self._next_beat_due

    def start(self) -> threading.Thread:
        """Start on a thread of its own, which is returned."""
        self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
        self._thread.start()
        return self._thread

    def run(self) -> None:
        """Run on the calling thread; returns when it is over."""
        self._thread = threading.current_thread()
        self._run()

    def beat(self) -> None:
        """Record that the work makes progress."""
        self._has_beaten = True
        self._next_beat_due = self._now() + MAX_SILENCE

    def _run(self) -> None:
        delay = self._first_delay
        while not self._is_over():
            began, self._has_beaten = self._now(), False
            self._next_beat_due = began + MAX_STARTUP
            is_bug = self._work_once(delay)
            lasted = self._now() - began
            # After a good connection an outage may be short; a bug comes again at once.
            if lasted > RESET_AFTER or (self._has_beaten and not is_bug):
                delay = self._first_delay
            if not self._is_over():
                self._wait(delay)
            delay = min(delay * 2, self._longest_delay)

    def _work_once(self, delay: float) -> bool:
        """Call the work and log what it raises; return whether that was a bug."""
        try:
            self._work()
        except Transient as error:
            delay = self._first_delay if self._has_beaten else delay
            logger.log(error_level(error), "%s: %s", self._name, error.detail, extra={"retry_in": delay})
        except Exception:
            logger.exception("%s met a bug and is begun again", self._name, extra={"retry_in": delay})
            return True
        return False


class _Outages:
    """How long each outage has lasted. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: dict[str, tuple[float, float]] = {}

    def note(self, outage: str, now: float) -> float:
        """Return for how many seconds an outage has been met again and again; a pause begins it anew."""
        with self._lock:
            first, last = self._seen.get(outage, (now, now))
            first = now if now - last > RESET_AFTER else first
            self._seen[outage] = first, now
            return now - first


_outages = _Outages()


def error_level(error: Transient, now: Callable[[], float] = time.monotonic) -> int:
    """Return the level at which a failure is logged: what only an operator can mend is an error, the rest a warning.

    Args:
        error: the failure; a `needs_operator` of seconds says that it is an error after it has lasted so long.
        now: seconds of a monotonic clock.
    """
    after = getattr(error, "needs_operator", None)
    if after is None:
        return logging.WARNING
    return logging.ERROR if after == 0 or _outages.note(error.detail, now()) >= after else logging.WARNING


def guard(what: str, call: Callable[[], object]) -> bool:
    """Call something and log what it raises instead of letting it out; return whether it succeeded.

    Args:
        what: its name in the log.
        call: takes nothing.
    """
    try:
        call()
    except Exception:
        logger.exception("%s failed; the rest goes on", what)
        return False
    return True
