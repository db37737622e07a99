"""Repeats: a request that comes again under its Idempotency-Key gets the same answer, and nothing new begins.

https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/. Kept in memory, for this replica only: a
repeat that reaches another one gets an answer of its own. No harm comes of that: of two consent pages a guest uses one,
and what is never consented to never begins. Knows no HTTP.
"""

import re
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from web.consent.ttl_cache import Memory

KEEP_SECONDS = 900.0
# About 3 kB each; who is forgotten early gets a fresh answer.
MOST_KEPT = 5_000
# Bare, as most send it, or in quotes, as the draft has it.
_UUID = re.compile(r'(?P<quote>"?)([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?P=quote)', re.IGNORECASE)

Given = TypeVar("Given")


class KeyMalformed(ValueError):
    """The key is no UUID: two guests who share a key by accident would share an archive."""


class KeyReused(ValueError):
    """The key belongs to another request."""


class Repeats(Generic[Given]):
    """Remembers what was answered under which key. Thread-safe.

    Args:
        now: seconds of any clock that goes forward.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._guard = threading.Lock()
        self._kept = Memory[tuple[bytes, Given]](KEEP_SECONDS, MOST_KEPT, now)

    def once(self, key: str, asked: bytes, give: Callable[[], Given]) -> Given:
        """Return the answer to a request, the one that was given before if it came before.

        Args:
            key: as it came in.
            asked: what tells one request from another, best a short digest.
            give: makes the answer, without waiting for anybody.

        Raises:
            KeyMalformed: the key is no UUID.
            KeyReused: the key came with another request.
        """
        read = _UUID.fullmatch(key)
        if not read:
            raise KeyMalformed
        with self._guard:
            known, given = self._kept.recall(read[2].lower(), lambda: (asked, give()))
        if known != asked:
            raise KeyReused
        return given
