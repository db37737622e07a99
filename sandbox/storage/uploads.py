"""What any cloud's uploads share: the sums of what arrives, and what can be wrong with it. Knows no vendor."""

import hashlib
import zlib

from sandbox.faults.actions import Strike
from sandbox.faults.plan import UPLOADS
from sandbox.gallery.photos import corrupt
from sandbox.http.message import Reply
from sandbox.storage.tree import Content


class Sums:
    """The content of a body, put together while it arrives.

    Args:
        keep: Keep the bytes, not only their sums.
    """

    def __init__(self, *, keep: bool):
        self._size = self._crc = 0
        self._digests = [hashlib.md5(), hashlib.sha1(), hashlib.sha256()]
        self._kept: list[bytes] | None = [] if keep else None

    def add(self, piece: bytes) -> None:
        """Count the next bytes."""
        self._size += len(piece)
        self._crc = zlib.crc32(piece, self._crc)
        for digest in self._digests:
            digest.update(piece)
        if self._kept is not None:
            self._kept.append(piece)

    def content(self) -> Content:
        """Return what has arrived."""
        md5, sha1, sha256 = (digest.hexdigest() for digest in self._digests)
        data = None if self._kept is None else b"".join(self._kept)
        return Content(self._size, md5, sha1, sha256, self._crc, data)


def keep_part(strike: Strike) -> Reply:
    """Take the whole body, keep only the beginning, never all of it."""
    length = strike.request.body.length or 0
    strike.request.keep_only = min(strike.fault.get("bytes", length // 2), max(length - 1, 0))
    return strike.go()


def corrupt_either(strike: Strike) -> Reply:
    """Flip one byte: of an upload on its way in, of a download on its way out."""
    if strike.request.operation not in UPLOADS:
        return corrupt(strike)
    body = strike.request.body
    read, at = body.read, strike.fault.get("at", 0)

    def read_wrong(size: int = 65536) -> bytes:
        before = body.taken
        piece = bytearray(read(size))
        if before <= at < before + len(piece):
            piece[at - before] ^= 0xFF
        return bytes(piece)

    body.read = read_wrong  # type: ignore[method-assign]
    return strike.go()
