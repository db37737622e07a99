"""Digests by which a cloud tells what it has stored, besides the size."""

import hashlib
from collections.abc import Callable
from typing import Protocol


class Digest(Protocol):
    """A digest under way, as `hashlib` has it."""

    def update(self, data: memoryview, /) -> None:
        """Add bytes."""
        ...

    def hexdigest(self) -> str:
        """Return the digest of all bytes so far, as text that can be compared with what the cloud tells."""
        ...


NewDigest = Callable[[], Digest]
"""Begins a digest: `hashlib.sha1`, `hashlib.sha256` or a cloud's own construction."""


def md5() -> Digest:
    """Begin an MD5, of which nothing is expected but to tell two files apart."""
    return hashlib.md5(usedforsecurity=False)


class NoDigest:
    """The digest of a cloud that tells sizes only: empty, once everything was read."""

    def update(self, data: memoryview, /) -> None:
        """Do nothing."""

    def hexdigest(self) -> str:
        """Return nothing."""
        return ""
