"""Answers by Idempotency-Key: a request that comes again gets the same answer, and nothing new begins.

https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/. Kept in memory, for this replica only: a
repeat that reaches another one gets an answer of its own. That does no harm: of two consent pages a guest uses one, and
what nobody consents to never begins.
"""

import re
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from web.consent.ttl_cache import TtlCache

TTL_SECONDS = 900.0
# About 3 kB each; a repeat of a dropped one gets a fresh answer.
MAX_ENTRIES = 5_000
# Bare, as most send it, or in quotes, as the draft has it.
_UUID = re.compile(r'(?P<quote>"?)([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?P=quote)', re.IGNORECASE)

Answer = TypeVar("Answer")


class KeyMalformed(ValueError):
    """The key is no UUID: two guests who share a key by accident would share an archive."""


class KeyReused(ValueError):
    """The key belongs to another request."""


class IdempotencyCache(Generic[Answer]):
    """Remember which answer was given under which key. Thread-safe.

    Args:
        now: seconds of any clock that goes forward.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._lock = threading.Lock()
        self._answers = TtlCache[tuple[bytes, Answer]](TTL_SECONDS, MAX_ENTRIES, now)

    def get_or_create(self, key: str, fingerprint: bytes, create: Callable[[], Answer]) -> Answer:
        """Return the answer to a request, the earlier one if the request came before.

        Args:
            key: the header as it came in.
            fingerprint: tells one request from another; best a short digest.
            create: makes the answer, without waiting for anybody.

        Raises:
            KeyMalformed: the key is no UUID.
            KeyReused: the key came with another request.
        """
        match = _UUID.fullmatch(key)
        if not match:
            raise KeyMalformed
        with self._lock:
            known, answer = self._answers.get_or_create(match[2].lower(), lambda: (fingerprint, create()))
        if known != fingerprint:
            raise KeyReused
        return answer
