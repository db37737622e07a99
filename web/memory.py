"""Memory: what is remembered for a while, and never without bound. Knows nothing of what it is."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Memory(Generic[Value]):
    """Values by their keys; the oldest go first. To be guarded by whoever shares it between threads.

    Args:
        seconds: how long each is remembered.
        most: how many at a time.
        now: seconds of any clock that goes forward.
    """

    def __init__(self, seconds: float, most: int, now: Callable[[], float]) -> None:
        self._seconds = seconds
        self._most = most
        self._now = now
        self._kept: OrderedDict[str, tuple[float, Value]] = OrderedDict()

    def recall(self, key: str, make: Callable[[], Value]) -> Value:
        """Return what is remembered under a key; made anew, and remembered, if nothing is."""
        now = self._now()
        while self._kept and now - next(iter(self._kept.values()))[0] > self._seconds:
            self._kept.popitem(last=False)
        if key not in self._kept:
            made = make()
            if len(self._kept) >= self._most:
                self._kept.popitem(last=False)
            self._kept[key] = now, made
        return self._kept[key][1]
