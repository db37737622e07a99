"""A photo's bytes from the gallery, readable again from any offset, each block proved. Knows no cloud."""

import hashlib
import re
from array import array
from collections.abc import Callable, Iterator, Mapping
from typing import Protocol

from isal.isal_zlib import crc32  # as zlib's, at a tenth of its cost: https://github.com/intel/isa-l

from common.clouds.photos import Photo
from common.errors import Reason, SessionLost, Transient
from worker.blocks import BLOCK_BYTES, Blocks

_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)")


class Source(Protocol):
    """An open answer of the gallery; what `common.httpclient.Incoming` is."""

    @property
    def status(self) -> int:
        """HTTP status."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """With lower-case names."""
        ...

    def read_into(self, block: memoryview) -> int:
        """Fill the block; fewer bytes only at the end."""
        ...

    def close(self) -> None:
        """Let it go."""
        ...


OpenSource = Callable[[int, str | None], Source]


class GalleryStream:
    """See `common.clouds.base.PhotoStream`. Holds one block and one open answer; used by one thread.

    Size and CRC-32 are those of the list; MD5 is what the cloud must confirm. Each byte is hashed once, in order,
    however often it is read again.

    Args:
        photo: what is read.
        open_source: opens the gallery's answer at an offset, on condition that the photo still has this ETag.
        check: called before every block; may raise to end the reading.
        blocks: lends it its block from the first byte to the last: many sources may be open while few are read.
    """

    def __init__(self, photo: Photo, open_source: OpenSource, check: Callable[[], None], blocks: Blocks) -> None:
        self._photo = photo
        self._open_source = open_source
        self._check = check
        self._blocks = blocks
        self._block: memoryview | None = None
        self._source: Source | None = None
        self._etag: str | None = None
        self._position = 0
        self._hashed = 0
        self._crc32 = 0
        self._proved = False
        self._read_before = array("I")  # CRC-32 of the photo up to the end of its first block, its second, ...
        self._forget()

    @property
    def md5(self) -> str | None:
        """MD5 in hex once every byte was read."""
        return self._md5.hexdigest() if self._proved else None

    def open(self) -> None:
        """Ask the gallery for the photo from its beginning; see the protocol."""
        if self._source is None or self._position:
            self._open(0)

    def blocks(self, start: int, end: int) -> Iterator[memoryview]:
        """Yield the bytes from start to end; see the protocol."""
        if self._source is None or self._position != start:
            self._open(start)
        while self._position < end:
            yield self._next_block(end)
        if self._photo.size == 0:
            self._prove()

    def close(self) -> None:
        """Let the source and the block go; the stream can be read again."""
        if self._source is not None:
            self._source.close()
            self._source = None
        if self._block is not None:
            self._blocks.take_back(self._block)
            self._block = None

    def _next_block(self, end: int) -> memoryview:
        """Read on to the end of a block, or so far. Blocks begin at multiples of their size, whoever asks for what."""
        self._check()
        size = min(BLOCK_BYTES - self._position % BLOCK_BYTES, end - self._position)
        self._block = self._block or self._blocks.lend()
        block = self._block[:size]
        if self._read_into(block) < size:
            raise self._broken(Reason.PHOTO_UNAVAILABLE, "the photo ended early")
        self._hash(block)
        self._compare()
        if self._position == self._photo.size:
            self._prove()
        return block

    def _read_into(self, block: memoryview) -> int:
        assert self._source is not None
        try:
            return self._source.read_into(block)
        except Transient:
            self.close()
            raise

    def _hash(self, block: memoryview) -> None:
        fresh = block[max(0, self._hashed - self._position) :]
        self._md5.update(fresh)
        self._hashed += len(fresh)
        self._crc32 = crc32(block, self._crc32)
        self._position += len(block)

    def _compare(self) -> None:
        """What is read again must be the same: the cloud may hold what was read before, and MD5 is of that."""
        whole, rest = divmod(self._position, BLOCK_BYTES)
        if rest and self._position < self._photo.size:
            return
        number = whole + bool(rest)
        if number > len(self._read_before):
            self._read_before.append(self._crc32)
        elif self._read_before[number - 1] != self._crc32:
            raise self._worthless("the photo changed while it was read")

    def _prove(self) -> None:
        """Before the last block is given out: nothing follows it, and the whole is what the gallery lists."""
        if self._read_into(memoryview(bytearray(1))):
            raise self._worthless("the photo is longer than listed")
        if self._photo.crc32 is not None and self._crc32 != self._photo.crc32:
            raise self._worthless("the photo's bytes are not those listed")
        self._proved = True

    def _open(self, offset: int) -> None:
        self.close()
        # What was never hashed cannot be leapt over.
        start = min(offset, self._hashed) // BLOCK_BYTES * BLOCK_BYTES
        self._source = self._open_source(start, self._etag if start else None)
        self._demand_photo()
        if start and self._source.status == 206:
            self._demand_range(start)
            self._position = start
            self._crc32 = self._read_before[start // BLOCK_BYTES - 1]
        else:
            self._demand_whole()
            self._rewind()
        self._etag = self._source.headers.get("etag")
        # A source that cannot start in the middle, or has changed, is read again up to there.
        while self._position < offset:
            self._next_block(offset)

    def _demand_photo(self) -> None:
        assert self._source is not None
        headers = self._source.headers
        if self._source.status not in (200, 206):
            raise self._broken(Reason.PHOTO_UNAVAILABLE, f"the gallery answered {self._source.status}")
        if headers.get("content-encoding", "identity") != "identity":
            raise self._broken(Reason.PHOTO_UNAVAILABLE, "the gallery packed the photo")
        if headers.get("content-type", "").startswith("text/html"):
            raise self._broken(Reason.PHOTO_UNAVAILABLE, "the gallery answered with a page")

    def _demand_range(self, offset: int) -> None:
        assert self._source is not None
        headers = self._source.headers
        match = _CONTENT_RANGE.fullmatch(headers.get("content-range", ""))
        whole = f"{offset}-{self._photo.size - 1}"
        if not match or f"{match[1]}-{match[2]}" != whole or match[3] not in ("*", str(self._photo.size)):
            raise self._worthless("the gallery answered with another range")
        if self._etag and headers.get("etag") not in (None, self._etag):
            raise self._worthless("the photo changed while it was read")

    def _demand_whole(self) -> None:
        assert self._source is not None
        if self._source.status == 206:
            raise self._broken(Reason.PHOTO_UNAVAILABLE, "the gallery answered with a part nobody asked for")
        if self._source.headers.get("content-length", str(self._photo.size)) != str(self._photo.size):
            raise self._broken(Reason.WRONG_BYTES, "the photo has another size than listed")

    def _broken(self, reason: Reason, detail: str) -> Transient:
        self.close()
        return Transient(reason, detail)

    def _worthless(self, detail: str) -> SessionLost:
        self.close()
        self._forget()
        return SessionLost(Reason.WRONG_BYTES, detail)

    def _forget(self) -> None:
        del self._read_before[:]
        self._rewind()

    def _rewind(self) -> None:
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._crc32 = 0
        self._hashed = 0
        self._position = 0
        self._proved = False
