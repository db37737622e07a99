"""Streaming parser of multipart uploads (`uploadType=multipart`): metadata, then the file's bytes."""

import json
import re
from collections.abc import Iterator
from typing import Any

_BOUNDARY = re.compile(r'boundary="?([^";]+)"?')


class Multipart:
    """Two parts: JSON, and media of any length.

    Args:
        content_type: names the boundary.
        pieces: the body.
    """

    def __init__(self, content_type: str, pieces: Iterator[memoryview]) -> None:
        match = _BOUNDARY.search(content_type)
        assert match, content_type
        self._end = f"\r\n--{match[1]}--".encode()
        self._pieces = pieces
        self._start = bytearray()
        self._upto(b"\r\n\r\n")
        self.metadata: dict[str, Any] = json.loads(self._upto(f"\r\n--{match[1]}\r\n".encode()))
        self._upto(b"\r\n\r\n")

    def media(self) -> Iterator[memoryview]:
        """Yield the file's bytes."""
        held = bytes(self._start)
        # What may belong to the end is held back until more has come.
        tail = len(self._end) + len(b"\r\n")
        for piece in self._pieces:
            if len(piece) < tail:
                held += piece
                continue
            yield memoryview(held)
            yield piece[:-tail]
            held = bytes(piece[-tail:])
        at = held.rindex(self._end)
        yield memoryview(held)[:at]

    def _upto(self, mark: bytes) -> bytes:
        """Return what comes before a mark, and leap over both."""
        while (at := self._start.find(mark)) < 0:
            self._start += next(self._pieces)
        before = bytes(self._start[:at])
        del self._start[: at + len(mark)]
        return before
