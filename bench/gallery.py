"""`python -m bench.gallery`: fast stand-in of the gallery: list, photos, done call."""

import json
import re
from collections.abc import Iterator

from bench.conditions import Conditions
from bench.faults import FaultSchedule
from bench.photos import ALBUM
from bench.stand_in import run
from bench.wire import PIECE_BYTES, Disconnected, Line, Reply, Request

# What a line carries at a time when it is shared: the finer, the evener.
SHARE_BYTES = 64 * 1024
_RANGE = re.compile(r"bytes=(\d+)-")


class Gallery:
    """Answers as a gallery does.

    Args:
        conditions: its photos, and how it is to behave.
    """

    def __init__(self, conditions: Conditions) -> None:
        self._photos = conditions.photos
        self._line = Line(conditions.rate)
        self._piece_bytes = SHARE_BYTES if conditions.rate else PIECE_BYTES
        self._mishaps = FaultSchedule(conditions.faults, "refuse", "break off")
        self._done = 0

    def answer(self, request: Request) -> Reply:
        """Return what a gallery would."""
        for _ in request.pieces():
            pass
        name = request.path.rpartition("/")[2]
        if request.method == "POST":
            self._done += 1
            return Reply(204)
        if request.query.get("json"):
            base = f"https://{request.headers['host']}/{ALBUM}"
            return Reply(200, json.dumps(self._list(base)).encode(), headers={"Content-Type": "application/json"})
        if not name:
            return Reply(200, self._index().encode(), headers={"Content-Type": "text/html"})
        index = self._photos.index(name)
        return Reply(404) if index is None else self._send(index, request)

    def read_counters(self) -> dict[str, int]:
        """Return what happened."""
        return {"mishaps": self._mishaps.happened, "done": self._done}

    def _list(self, base: str) -> list[dict[str, object]]:
        photos = self._photos
        return [
            {
                "crc": photos.crc32(index),
                "filesize": photos.size,
                "created_at": "2024-08-17 12:54:32 +0300",
                "name": f"{ALBUM}/{photos.name(index)}",
                "url": f"{base}/{photos.name(index)}",
                "id": 1_000_000 + index,
            }
            for index in range(photos.count)
        ]

    def _index(self) -> str:
        names = (self._photos.name(index) for index in range(self._photos.count))
        return "<html><body>" + "\n".join(f'<a href="{name}">{name}</a>' for name in names) + "</body></html>"

    def _send(self, index: int, request: Request) -> Reply:
        size = self._photos.size
        match = _RANGE.fullmatch(request.headers.get("range", ""))
        start = int(match[1]) if match else 0
        headers = {
            "Content-Type": "image/jpeg",
            "ETag": f'"{index}"',
            "Accept-Ranges": "bytes",
            "Last-Modified": "Sat, 17 Aug 2024 09:54:32 GMT",
        }
        if start:
            headers["Content-Range"] = f"bytes {start}-{size - 1}/{size}"
        fault = self._mishaps.draw()
        if fault == "refuse":
            return Reply(503)
        body = self._line.throttle(self._photos.pieces(index, start, self._piece_bytes))
        if fault == "break off":
            body = _break_off(body, self._mishaps.cut(size - start))
        return Reply(206 if start else 200, body, size - start, headers)


def _break_off(pieces: Iterator[memoryview], left: int) -> Iterator[memoryview]:
    for piece in pieces:
        yield piece[:left]
        left -= len(piece)
        if left <= 0:
            raise Disconnected


if __name__ == "__main__":
    run(Gallery)
