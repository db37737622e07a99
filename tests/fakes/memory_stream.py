"""A photo's bytes in memory, with what a gallery may do to them."""

import hashlib
from collections.abc import Iterator

from common.errors import Reason, SessionLost

BLOCK = 256 * 1024


class MemoryStream:
    """See `common.clouds.base.PhotoStream`.

    Attributes:
        fails: raised instead of the block at that offset, once.
    """

    def __init__(self, data: bytes) -> None:
        self.digest: str | None = None
        self.fails: dict[int, Exception] = {}
        self._data = data

    def open(self) -> None:
        """Nothing has to be asked for."""

    def blocks(self, start: int, end: int) -> Iterator[memoryview]:
        """Yield in blocks."""
        for at in range(start, end, BLOCK):
            if at in self.fails:
                raise self.fails.pop(at)
            stop = min(at + BLOCK, end)
            if stop == len(self._data):
                self.digest = hashlib.md5(self._data).hexdigest()
            yield memoryview(self._data)[at:stop]
        if start == end and self._data:
            raise SessionLost(Reason.WRONG_BYTES, "the photo is longer than listed")
        if not self._data:
            self.digest = hashlib.md5().hexdigest()

    def close(self) -> None:
        """Nothing is open."""
