"""Stop signals for threads: set once from anywhere, with a cause; whoever sleeps on one wakes."""

import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum

# How long requests may still go out for a final inventory after everything was aborted.
FINAL_REQUESTS_SECONDS = 20.0
# How long after an abort a photo that the cloud has taken whole may still be proved, and be removed where it is wrong:
# most clouds have it in a second, and nobody waits for a stop much longer than that.
CLEAN_UP_SECONDS = 2.0
# How long a refresh that is under way may go on: its answer may hold the only token that is worth something from then
# on, for whoever goes on with the job; most answers come in a second. Where the guest wants no more of it nobody does.
REFRESH_GRACE_SECONDS, LONG_REFRESH_GRACE_SECONDS = 0.3, 5.0


class Cause(Enum):
    """Why work should stop."""

    SHUTDOWN = "the process ends; the job goes back to the queue"
    SLICE_OVER = "the delivery's share is worked; the rest goes behind the others"
    CANCELLED = "the guest wants no more of it"
    TAKEN_OVER = "another worker has the message by now"
    FAILED = "a part of it failed, and the other parts are worth nothing"


class Interrupted(Exception):
    """The work was told to stop; nothing is wrong with it."""


class Stop:
    """A signal that is set once, for the first cause; only `TAKEN_OVER` replaces it. Thread-safe.

    Args:
        parent: when it is set, this one is set too, for the same cause; not the other way round.

    Attributes:
        cause: why it is set.
        since: when it was set first, in monotonic seconds; None before.
    """

    def __init__(self, parent: "Stop | None" = None) -> None:
        self.cause: Cause | None = None
        self.since: float | None = None
        self._event = threading.Event()
        self._children: weakref.WeakSet[Stop] = weakref.WeakSet()
        self._lock = threading.Lock()
        # Kept alive by its children: it is what reaches them from further above.
        self._parent = parent
        if parent is not None:
            parent._adopt(self)

    def set(self, cause: Cause) -> None:
        """Set it, here and in all children; wakes whoever sleeps on one."""
        with self._lock:
            self.since = self.since or time.monotonic()
            # Where another worker has the job there is nothing left to report, whatever the first cause was.
            self.cause = cause if cause is Cause.TAKEN_OVER else self.cause or cause
            self._event.set()
            children = list(self._children)
        for child in children:
            child.set(self.cause)

    def is_set(self) -> bool:
        """Say whether the work should stop."""
        return self._event.is_set()

    def check(self) -> None:
        """Raise Interrupted when the work should stop."""
        if self._event.is_set():
            raise Interrupted

    def sleep(self, seconds: float) -> None:
        """Wait; raises Interrupted as soon as the work should stop."""
        if self._event.wait(seconds):
            raise Interrupted

    def _adopt(self, child: "Stop") -> None:
        with self._lock:
            self._children.add(child)
            cause = self.cause
        if cause:
            child.set(cause)


class Signals:
    """The two stop signals of one job. Thread-safe.

    Attributes:
        wind_down: start nothing new, wait for nothing; what moves may come to its end.
        abort: what moves stops at the next block.
    """

    def __init__(self, parent: "Signals | None" = None) -> None:
        self.wind_down: Stop = Stop(parent.wind_down if parent else None)
        self.abort: Stop = Stop(parent.abort if parent else None)
        self._final_requests_end = 0.0
        self._cleaning_up = threading.local()

    @property
    def cause(self) -> Cause | None:
        """Why to stop; the cause of `abort` counts more."""
        return self.abort.cause or self.wind_down.cause

    def stop(self, cause: Cause) -> None:
        """Set both: stop at once."""
        self.wind_down.set(cause)
        self.abort.set(cause)

    def check(self) -> None:
        """Raise Interrupted when what moves is to stop; not while final requests, or this thread's, are allowed."""
        if not self.abort.is_set():
            return
        extra = CLEAN_UP_SECONDS if getattr(self._cleaning_up, "is_allowed", False) else 0.0
        if time.monotonic() >= max(self._final_requests_end, (self.abort.since or 0.0) + extra):
            raise Interrupted

    def allow_final_requests(self) -> None:
        """Let requests go out for `FINAL_REQUESTS_SECONDS` after an abort. Only when nothing else of the job moves."""
        self._final_requests_end = time.monotonic() + FINAL_REQUESTS_SECONDS

    @contextmanager
    def clean_up(self) -> Iterator[None]:
        """Let requests of this thread go out until `CLEAN_UP_SECONDS` after an abort, for the time of the block."""
        self._cleaning_up.is_allowed = True
        try:
            yield
        finally:
            self._cleaning_up.is_allowed = False


class GracePeriod:
    """A deadline a little after a job's abort, for what had better not be broken off. Used by one thread.

    Args:
        signals: the job's.
        seconds: how long after; by default as long as the grant may still be worth something to anybody.

    Raises:
        Interrupted: the job was aborted already.
    """

    def __init__(self, signals: Signals, seconds: float | None = None) -> None:
        signals.check()
        self._signals = signals
        self._seconds = seconds
        self._ends: float | None = None

    def check(self) -> None:
        """Raise Interrupted when the job was aborted so long ago."""
        try:
            self._signals.check()
        except Interrupted:
            now = time.monotonic()
            self._ends = self._ends or now + self._grace()
            if now >= self._ends:
                raise

    def _grace(self) -> float:
        if self._seconds is not None:
            return self._seconds
        return REFRESH_GRACE_SECONDS if self._signals.cause is Cause.CANCELLED else LONG_REFRESH_GRACE_SECONDS
