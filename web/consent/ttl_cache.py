"""Memory: what is remembered for a while, and never without bound. Knows nothing of what it is."""

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Memory(Generic[Value]):
    """Values by their keys; the oldest go first. To be guarded by whoever shares it between threads.

    Of a key only a digest is kept: most are foreign text, of any length and up to four bytes a character.

    Args:
        seconds: how long each is remembered.
        most: how many at a time.
        now: seconds of any clock that goes forward.
    """

    def __init__(self, seconds: float, most: int, now: Callable[[], float]) -> None:
        self._seconds = seconds
        self._most = most
        self._now = now
        self._kept: OrderedDict[bytes, tuple[float, Value]] = OrderedDict()

    def recall(self, key: str, make: Callable[[], Value]) -> Value:
        """Return what is remembered under a key; made anew, and remembered, if nothing is."""
        now = self._now()
        while self._kept and now - next(iter(self._kept.values()))[0] > self._seconds:
            self._kept.popitem(last=False)
        digest = hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        if digest not in self._kept:
            made = make()
            if len(self._kept) >= self._most:
                self._kept.popitem(last=False)
            self._kept[digest] = now, made
        return self._kept[digest][1]
