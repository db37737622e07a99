"""Uploads of both clouds: checksums of a body as it arrives, and the faults it can have."""

import hashlib
import zlib

from sandbox.faults.actions import FaultContext
from sandbox.faults.plan import UPLOADS
from sandbox.gallery.photos import corrupt
from sandbox.http.message import Reply
from sandbox.storage.tree import Content


class ContentHasher:
    """Incremental size and checksums of a body.

    Args:
        keep: Keep the bytes too.
    """

    def __init__(self, *, keep: bool):
        self._size = self._crc = 0
        self._digests = [hashlib.md5(), hashlib.sha1(), hashlib.sha256()]
        self._kept: list[bytes] | None = [] if keep else None

    def add(self, piece: bytes) -> None:
        """Add the next bytes."""
        self._size += len(piece)
        self._crc = zlib.crc32(piece, self._crc)
        for digest in self._digests:
            digest.update(piece)
        if self._kept is not None:
            self._kept.append(piece)

    def content(self) -> Content:
        """Return the content so far."""
        md5, sha1, sha256 = (digest.hexdigest() for digest in self._digests)
        data = None if self._kept is None else b"".join(self._kept)
        return Content(self._size, md5, sha1, sha256, self._crc, data)


def keep_part(context: FaultContext) -> Reply:
    """Read the whole body, but keep only its beginning."""
    length = context.request.body.length or 0
    context.request.keep_only = min(context.fault.get("bytes", length // 2), max(length - 1, 0))
    return context.proceed()


def corrupt_either(context: FaultContext) -> Reply:
    """Flip one byte of an upload's body, or of a download's."""
    if context.request.operation not in UPLOADS:
        return corrupt(context)
    body = context.request.body
    read, at = body.read, context.fault.get("at", 0)

    def read_wrong(size: int = 65536) -> bytes:
        before = body.taken
        piece = bytearray(read(size))
        if before <= at < before + len(piece):
            piece[at - before] ^= 0xFF
        return bytes(piece)

    body.read = read_wrong  # type: ignore[method-assign]
    return context.proceed()
