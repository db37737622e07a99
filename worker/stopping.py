"""How work is told to stop: once, from anywhere, and whoever sleeps wakes. Knows nothing of what stops."""

import threading
import weakref
from enum import Enum


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
    """A signal that is set once, for one cause. Thread-safe.

    Args:
        parent: when it is set, this one is set too, for the same cause; not the other way round.
    """

    def __init__(self, parent: "Stop | None" = None) -> None:
        self.cause: Cause | None = None
        self._event = threading.Event()
        self._children: weakref.WeakSet[Stop] = weakref.WeakSet()
        self._lock = threading.Lock()
        # Kept alive by its children: it is what reaches them from further above.
        self._parent = parent
        if parent is not None:
            parent._adopt(self)

    def set(self, cause: Cause) -> None:
        """Tell everyone who looks or sleeps here to stop; the first cause counts."""
        with self._lock:
            self.cause = self.cause or cause
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
    """The two signals of one job. Thread-safe.

    `wind_down`: begin nothing new, wait for nothing; what moves may come to its end. `let_go`: what moves stops at
    the next block.
    """

    def __init__(self, parent: "Signals | None" = None) -> None:
        self.wind_down: Stop = Stop(parent.wind_down if parent else None)
        self.let_go: Stop = Stop(parent.let_go if parent else None)

    @property
    def cause(self) -> Cause | None:
        """Why to stop; the stronger signal's cause counts."""
        return self.let_go.cause or self.wind_down.cause

    def stop(self, cause: Cause) -> None:
        """Stop at once."""
        self.wind_down.set(cause)
        self.let_go.set(cause)
