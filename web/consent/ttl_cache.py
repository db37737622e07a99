"""A cache bounded in time and in number of entries."""

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

Value = TypeVar("Value")


class TtlCache(Generic[Value]):
    """Values by their keys; the oldest are dropped first. Not thread-safe.

    Only a digest of each key is kept: most keys come from outside, of any length and up to four bytes a character.

    Args:
        ttl: how long an entry is kept, in seconds.
        max_entries: how many are kept at a time.
        now: seconds of any clock that goes forward.
    """

    def __init__(self, ttl: float, max_entries: int, now: Callable[[], float]) -> None:
        self._ttl = ttl
        self._max_entries = max_entries
        self._now = now
        self._entries: OrderedDict[bytes, tuple[float, Value]] = OrderedDict()

    def get_or_create(self, key: str, create: Callable[[], Value]) -> Value:
        """Return the value of a key; created, and kept, if there is none."""
        now = self._now()
        while self._entries and now - next(iter(self._entries.values()))[0] > self._ttl:
            self._entries.popitem(last=False)
        digest = hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        if digest not in self._entries:
            value = create()
            if len(self._entries) >= self._max_entries:
                self._entries.popitem(last=False)
            self._entries[digest] = now, value
        return self._entries[digest][1]
