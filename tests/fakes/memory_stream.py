"""A photo's bytes in memory, with what a gallery may do to them."""

from collections.abc import Iterator

from common.clouds.digests import NewDigest, md5
from common.errors import Reason, SessionLost

BLOCK = 256 * 1024


class MemoryStream:
    """See `common.clouds.base.PhotoStream`.

    Attributes:
        fails: raised instead of the block at that offset, once.
    """

    def __init__(self, data: bytes, new_digest: NewDigest = md5) -> None:
        self.digest: str | None = None
        self.fails: dict[int, Exception] = {}
        self._data = data
        self._new_digest = new_digest

    def open(self) -> None:
        """Nothing has to be asked for."""

    def blocks(self, start: int, end: int) -> Iterator[memoryview]:
        """Yield in blocks."""
        for at in range(start, end, BLOCK):
            if at in self.fails:
                raise self.fails.pop(at)
            stop = min(at + BLOCK, end)
            if stop == len(self._data):
                self.digest = self._compute()
            yield memoryview(self._data)[at:stop]
        if start == end and self._data:
            raise SessionLost(Reason.WRONG_BYTES, "the photo is longer than listed")
        if not self._data:
            self.digest = self._compute()

    def close(self) -> None:
        """Nothing is open."""

    def _compute(self) -> str:
        digest = self._new_digest()
        digest.update(memoryview(self._data))
        return digest.hexdigest()
