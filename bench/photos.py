"""Photos made of one repeated block, so that servers need not generate or hash them."""

import hashlib
import random
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property

ALBUM = "Photos"
# A multiple of what a server sends at a time.
BLOCK_BYTES = 1024 * 1024
# Photos whose bytes differ; enough to see one that arrives under another's name.
NEGATIVES = 3


@dataclass(frozen=True)
class Photos:
    """A gallery's photos.

    Args:
        count: how many.
        size: of each, in bytes.
        sums: MD5 and CRC-32, in hex, of the photos that differ; see `summed`.
    """

    count: int
    size: int
    sums: tuple[tuple[str, str], ...] = ()

    @property
    def total_bytes(self) -> int:
        """All of them together."""
        return self.count * self.size

    def name(self, index: int) -> str:
        """Return a photo's file name."""
        return f"{index:05d}.jpg"

    def index(self, name: str) -> int | None:
        """Return which photo a file name means; None when it is none of these."""
        stem, dot, ending = name.partition(".")
        known = stem.isdigit() and dot + ending == ".jpg" and int(stem) < self.count
        return int(stem) if known else None

    def pieces(self, index: int, start: int, max_bytes: int) -> Iterator[memoryview]:
        """Yield a photo's bytes from an offset to its end, so many at a time at most, without copying any."""
        block = self._blocks[index % NEGATIVES]
        while start < self.size:
            at = start % BLOCK_BYTES
            piece = block[at : at + min(max_bytes, self.size - start)]
            yield piece
            start += len(piece)

    def holds(self, index: int, start: int, piece: memoryview) -> bool:
        """Say whether a photo has these bytes at an offset."""
        at, block = start % BLOCK_BYTES, self._blocks[index % NEGATIVES]
        # Compared as a bytearray: between two views Python looks at one byte at a time.
        first = bytearray(piece[: BLOCK_BYTES - at])
        rest = piece[len(first) :]
        return first == block[at : at + len(first)] and (not rest or self.holds(index, start + len(first), rest))

    def md5(self, index: int) -> str:
        """Return a photo's MD5 in hex; the photos must be `summed`."""
        return self.sums[index % NEGATIVES][0]

    def crc32(self, index: int) -> str:
        """Return a photo's CRC-32 in hex; the photos must be `summed`."""
        return self.sums[index % NEGATIVES][1]

    def summed(self) -> "Photos":
        """Return the same photos with their sums: no server shall hash while somebody waits."""
        with ThreadPoolExecutor() as pool:
            return replace(self, sums=tuple(pool.map(self._sum, range(min(NEGATIVES, self.count)))))

    @cached_property
    def _blocks(self) -> list[memoryview]:
        # Each begins anew: a gallery and a Drive in two processes must mean the same.
        return [memoryview(random.Random(negative).randbytes(BLOCK_BYTES)) for negative in range(NEGATIVES)]

    def _sum(self, negative: int) -> tuple[str, str]:
        md5, crc32 = hashlib.md5(usedforsecurity=False), 0
        for piece in self.pieces(negative, 0, BLOCK_BYTES):
            md5.update(piece)
            crc32 = zlib.crc32(piece, crc32)
        return md5.hexdigest(), f"{crc32:08x}"
