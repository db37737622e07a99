"""How work is told to stop: once, from anywhere, and whoever sleeps wakes. Knows nothing of what stops."""

import threading
import weakref


class Interrupted(Exception):
    """The work was told to stop; nothing is wrong with it and somebody goes on with it."""


class Stop:
    """A signal that is set once. Thread-safe.

    Args:
        parent: when it is set, this one is set too; not the other way round.
    """

    def __init__(self, parent: "Stop | None" = None) -> None:
        self._event = threading.Event()
        self._children: weakref.WeakSet[Stop] = weakref.WeakSet()
        self._lock = threading.Lock()
        if parent is not None:
            parent._adopt(self)

    def set(self) -> None:
        """Tell everyone who looks or sleeps here to stop."""
        with self._lock:
            self._event.set()
            children = list(self._children)
        for child in children:
            child.set()

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
            stopped = self._event.is_set()
        if stopped:
            child.set()
