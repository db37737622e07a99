"""State of one resumable upload: stored bytes and checksums.

Only whole units of 256 KiB persist; bytes beyond them count when the file ends, and are lost when the request breaks.
https://developers.google.com/workspace/drive/api/guides/manage-uploads#resumable
"""

import hashlib
import threading
import zlib
from typing import Any

from sandbox.storage.tree import Content

UNIT = 256 * 1024


class Superseded(Exception):
    """Another request has begun to write to the session, or the session has ended."""


class Session:
    """An upload in progress. Thread-safe; of several writers the newest wins.

    Args:
        id: The upload's secret.
        total: Bytes as declared when it was opened; None when not.
        keep: Keep the bytes, not only their checksums.
        plan: The file to make of them.

    Attributes:
        stored: Bytes that persist.
        state: open, complete, gone or cancelled.
        item: The id of the file made, once complete.
    """

    def __init__(self, id: str, total: int | None, plan: Any, *, keep: bool):  # noqa: A002
        self.id = id
        self.total = total
        self.plan = plan
        self.state = "open"
        self.item = ""
        self.guard = threading.RLock()
        self._keep = keep
        self._writer = 0
        self.reset()

    def reset(self) -> None:
        """Forget every byte."""
        with self.guard:
            self.stored = 0
            self._pending = bytearray()
            self._overlap = 0
            self._digests = [hashlib.md5(), hashlib.sha1(), hashlib.sha256()]
            self._crc32 = 0
            self._unit_crcs: list[int] = []
            self._kept: list[bytes] = []
            self.differs = False

    def begin(self, start: int) -> int:
        """Let a request write from `start`, which is not beyond `stored`; earlier requests are cut off.

        Returns:
            The writer's number.
        """
        with self.guard:
            self._writer += 1
            self._pending.clear()
            self._overlap = self.stored - start
            return self._writer

    def write(self, writer: int, piece: bytes) -> None:
        """Take bytes. Those that are stored already are only compared.

        Raises:
            Superseded: Another request has begun to write.
        """
        with self.guard:
            if not self.is_current(writer):
                raise Superseded
            self._pending += piece
            self._compare_overlap()
            while not self._overlap and len(self._pending) >= UNIT:
                self._commit(bytes(self._pending[:UNIT]))
                del self._pending[:UNIT]

    def discard_partial_unit(self, writer: int) -> None:
        """End a request that was not the last: the bytes beyond the last unit are gone."""
        with self.guard:
            if writer == self._writer:
                self._pending.clear()

    def is_current(self, writer: int) -> bool:
        """Tell whether nobody else has begun to write, and the session is not over."""
        with self.guard:
            return writer == self._writer and self.state == "open"

    def length(self) -> int:
        """Return the bytes there are, those of the running request included."""
        with self.guard:
            return self.stored + (0 if self._overlap else len(self._pending))

    def finish(self) -> Content:
        """Return the whole, the running request's last bytes included."""
        with self.guard:
            size = self.stored + len(self._pending)
            digests = [each.copy() for each in self._digests]
            tail = bytes(self._pending)
            for each in digests:
                each.update(tail)
            data = b"".join([*self._kept, tail]) if self._keep else None
            md5, sha1, sha256 = (each.hexdigest() for each in digests)
            return Content(size, md5, sha1, sha256, zlib.crc32(tail, self._crc32), data)

    def close(self, state: str, item: str = "") -> None:
        """End the session; only its outcome is remembered."""
        with self.guard:
            self.reset()
            self._writer += 1
            self.state = state
            self.item = item

    def _commit(self, unit: bytes) -> None:
        for each in self._digests:
            each.update(unit)
        self._crc32 = zlib.crc32(unit, self._crc32)
        self._unit_crcs.append(zlib.crc32(unit))
        if self._keep:
            self._kept.append(unit)
        self.stored += len(unit)

    def _compare_overlap(self) -> None:
        while self._overlap and self._pending:
            position = self.stored - self._overlap
            ahead = min(self._overlap, UNIT - position % UNIT)
            if len(self._pending) < ahead:
                return
            if ahead == UNIT and zlib.crc32(self._pending[:ahead]) != self._unit_crcs[position // UNIT]:
                self.differs = True
            del self._pending[:ahead]
            self._overlap -= ahead
