"""Read a photo's bytes from the gallery, from any offset, and verify them against the list."""

import re
from array import array
from collections.abc import Callable, Iterator, Mapping
from typing import Protocol

from isal.isal_zlib import crc32  # as zlib's, at a tenth of its cost: https://github.com/intel/isa-l

from common.clouds.digests import NewDigest, md5
from common.clouds.photos import Photo
from common.errors import Reason, SessionLost, Transient
from worker.transfer.buffers import BLOCK_BYTES, BufferPool

# Units have no case (RFC 9110, section 14.1), and some servers write the equals sign of a request.
_CONTENT_RANGE = re.compile(r"(?i:bytes)[ =]+([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)")
# What brings a body: RFC 9110, section 15.3.
_CONTENT_STATUSES = (200, 201, 202, 203, 206)
_PAGE_TYPES = ("text/html", "application/xhtml+xml")
_PAGE = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html|head|body|script)\b", re.I | re.S)


class Source(Protocol):
    """An open response of the gallery; `common.http.client.StreamedAnswer` is one."""

    @property
    def status(self) -> int:
        """HTTP status."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """Headers under lower-case names."""
        ...

    def read_into(self, block: memoryview) -> int:
        """Fill the block; fewer bytes only at the end."""
        ...

    def close(self) -> None:
        """Close the response."""
        ...


OpenSource = Callable[[int, str | None], Source]


class GalleryStream:
    """A `common.clouds.base.PhotoStream` of the gallery. Holds one block and one open response; used by one thread.

    Size and CRC-32 are those of the list; the digest is what the cloud must confirm. Each byte is hashed once, in
    order, however often it is read again. Where the list has a CRC-32, bytes that agree with it are the photo, whatever
    the answer's head says of them; where it has none, what looks packed or like a page is refused.

    Args:
        photo: what is read.
        open_source: opens the gallery's response at an offset, on condition that the photo still has this ETag.
        check: called before every block; may raise to end the reading.
        buffers: the pool of its block, held from the first byte to the last: more sources are open than are read.
    """

    def __init__(
        self,
        photo: Photo,
        open_source: OpenSource,
        check: Callable[[], None],
        buffers: BufferPool,
        new_digest: NewDigest = md5,
    ) -> None:
        self._photo = photo
        self._open_source = open_source
        self._check = check
        self._buffers = buffers
        self._new_digest = new_digest
        self._block: memoryview | None = None
        self._source: Source | None = None
        self._etag: str | None = None
        self._mismatch = ""  # what the response seems to be instead of the photo
        self._position = 0
        self._hashed = 0
        self._crc32 = 0
        self._is_verified = False
        self._prefix_crc32s = array("I")  # CRC-32 of the photo up to the end of its first block, its second, ...
        self._reset()

    @property
    def digest(self) -> str | None:
        """The cloud's digest once every byte was read."""
        return self._digest.hexdigest() if self._is_verified else None

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
            self._verify()

    def close(self) -> None:
        """Close the source and release the block; the stream can be read again."""
        if self._source is not None:
            self._source.close()
            self._source = None
        if self._block is not None:
            self._buffers.release(self._block)
            self._block = None

    def _next_block(self, end: int) -> memoryview:
        """Read on to the end of a block, or so far. Blocks begin at multiples of their size, whoever asks for what."""
        self._check()
        size = min(BLOCK_BYTES - self._position % BLOCK_BYTES, end - self._position)
        self._block = self._block or self._buffers.acquire()
        block = self._block[:size]
        if self._read_into(block) < size:
            raise self._fail(Reason.PHOTO_UNAVAILABLE, self._mismatch or "the photo ended early")
        if not self._position and self._photo.crc32 is None and _PAGE.match(block):
            raise self._fail(Reason.PHOTO_UNAVAILABLE, "the gallery answered with a page")
        self._hash(block)
        self._check_prefix()
        if self._position == self._photo.size:
            self._verify()
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
        self._digest.update(fresh)
        self._hashed += len(fresh)
        self._crc32 = crc32(block, self._crc32)
        self._position += len(block)

    def _check_prefix(self) -> None:
        """Check that what is read again is the same: the cloud may hold what was read before, and MD5 is of that."""
        whole, rest = divmod(self._position, BLOCK_BYTES)
        if rest and self._position < self._photo.size:
            return
        number = whole + bool(rest)
        if number > len(self._prefix_crc32s):
            self._prefix_crc32s.append(self._crc32)
        elif self._prefix_crc32s[number - 1] != self._crc32:
            raise self._invalidate("the photo changed while it was read")

    def _verify(self) -> None:
        """Check, before the last block is given out, that nothing follows it and that size and CRC-32 are as listed."""
        if self._has_more():
            raise self._invalidate(self._mismatch or "the photo is longer than listed")
        if self._photo.crc32 not in (None, self._crc32):
            raise self._invalidate(self._mismatch or "the photo's bytes are not those listed")
        self._is_verified = True

    def _has_more(self) -> bool:
        assert self._source is not None
        try:
            # Not by `_read_into`: the last block is still to be given out.
            return bool(self._source.read_into(memoryview(bytearray(1))))
        except Transient:
            # Where the sum agrees, a line that breaks now has brought everything; the sum of nothing proves nothing.
            if self._photo.size and self._photo.crc32 == self._crc32:
                return False
            self.close()
            raise

    def _open(self, offset: int) -> None:
        self.close()
        # What was never hashed cannot be leapt over.
        start = min(offset, self._hashed) // BLOCK_BYTES * BLOCK_BYTES
        self._source = self._open_source(start, self._etag if start else None)
        self._check_photo()
        if start and self._source.status == 206:
            self._check_range(start)
            self._position = start
            self._crc32 = self._prefix_crc32s[start // BLOCK_BYTES - 1]
        else:
            self._check_whole()
            self._rewind()
        self._etag = self._source.headers.get("etag")
        # A source that cannot start in the middle, or has changed, is read again up to there.
        while self._position < offset:
            self._next_block(offset)

    def _check_photo(self) -> None:
        assert self._source is not None
        if self._source.status not in _CONTENT_STATUSES:
            raise self._fail(Reason.PHOTO_UNAVAILABLE, f"the gallery answered {self._source.status}")
        self._mismatch = _find_mismatch(self._source.headers)
        if self._mismatch and self._photo.crc32 is None:
            raise self._fail(Reason.PHOTO_UNAVAILABLE, self._mismatch)

    def _check_range(self, offset: int) -> None:
        assert self._source is not None
        if not self._is_range(offset):
            raise self._invalidate("the gallery answered with another range")
        # One that calls itself weak may still be the same: who packs for others weakens it.
        etag = self._source.headers.get("etag")
        if self._etag and etag and etag.removeprefix("W/") != self._etag.removeprefix("W/"):
            raise self._invalidate("the photo changed while it was read")

    def _check_whole(self) -> None:
        assert self._source is not None
        headers = self._source.headers
        if self._source.status == 206 and not self._is_range(0):
            raise self._fail(Reason.PHOTO_UNAVAILABLE, "the gallery answered with a part nobody asked for")
        length = "" if "transfer-encoding" in headers else headers.get("content-length", "")
        if length and length.lstrip("0") != str(self._photo.size).lstrip("0"):
            if self._mismatch:
                raise self._fail(Reason.PHOTO_UNAVAILABLE, self._mismatch)
            raise self._fail(Reason.WRONG_BYTES, "the photo has another size than listed")

    def _is_range(self, offset: int) -> bool:
        """Say whether the answer is the part from an offset to the photo's end."""
        assert self._source is not None
        match = _CONTENT_RANGE.fullmatch(self._source.headers.get("content-range", ""))
        if not match:
            return False
        size = self._photo.size
        return (int(match[1]), int(match[2])) == (offset, size - 1) and match[3] in ("*", str(size))

    def _fail(self, reason: Reason, detail: str) -> Transient:
        self.close()
        return Transient(reason, detail)

    def _invalidate(self, detail: str) -> SessionLost:
        self.close()
        self._reset()
        return SessionLost(Reason.WRONG_BYTES, detail)

    def _reset(self) -> None:
        del self._prefix_crc32s[:]
        self._rewind()

    def _rewind(self) -> None:
        self._digest = self._new_digest()
        self._crc32 = 0
        self._hashed = 0
        self._position = 0
        self._is_verified = False


def _find_mismatch(headers: Mapping[str, str]) -> str:
    """Return what the headers say that a response brings instead of a photo; empty when they say no such thing."""
    codings = {coding.strip().lower() for coding in headers.get("content-encoding", "").split(",")}
    if codings - {"identity", ""}:
        return "the gallery packed the photo"
    return "the gallery answered with a page" if headers.get("content-type", "").lower().startswith(_PAGE_TYPES) else ""
