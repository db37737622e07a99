"""What people see: the stages, a bar that moves, and a summary."""

import math
import sys
import time
from collections import Counter
from pathlib import PurePosixPath
from typing import TextIO

from sandbox.demo.guest import Stored

_WIDTH = 30
_REDRAW_SECONDS = 0.2
_LINE_SECONDS = 5.0
_MANY_PHOTOS = 40  # about a screen: more are not named one by one


def write_bytes(count: float) -> str:
    """Write an amount of bytes for people, in powers of ten as clouds count."""
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} B" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.2f} GB"


class Bar:
    """A progress bar: redrawn on one line of a terminal; elsewhere a line every few seconds.

    Args:
        total: bytes that are to arrive.
        out: where it is drawn.
    """

    def __init__(self, total: int, out: TextIO = sys.stdout) -> None:
        self.total = total
        self._out = out
        self._alive = out.isatty()
        self._begun = time.monotonic()
        self._drawn_at = -math.inf if self._alive else self._begun
        self._most = 0

    def draw(self, arrived: int, now: bool = False) -> None:
        """Show how many bytes arrived, if it is time to, or `now`."""
        # Bytes of an upload that is begun anew are counted twice for a moment, or not at all.
        self._most = min(max(self._most, arrived), self.total)
        moment = time.monotonic()
        if not now and moment - self._drawn_at < (_REDRAW_SECONDS if self._alive else _LINE_SECONDS):
            return
        self._drawn_at = moment
        share = self._most / self.total if self.total else 1.0
        full = int(share * _WIDTH)
        seconds = moment - self._begun
        line = (
            f"[{'#' * full}{'.' * (_WIDTH - full)}] {share:4.0%}  {write_bytes(self._most)} of "
            f"{write_bytes(self.total)}  {write_bytes(self._most / max(seconds, 0.001))}/s  {seconds:.0f} s"
        )
        self._out.write(f"\r{line}\x1b[K" if self._alive else f"{line}\n")
        self._out.flush()

    def end(self) -> None:
        """Leave the bar's line."""
        if self._alive:
            self._out.write("\n")
            self._out.flush()


def write_tree(stored: list[Stored]) -> str:
    """Write what stands in the cloud as a tree of folders; the photos of a big one only as numbers."""
    every = [(PurePosixPath(path), size) for path, size, _ in stored]
    counts: Counter[PurePosixPath] = Counter()
    sizes: Counter[PurePosixPath] = Counter()
    for path, size in every:
        for folder in path.parents[:-1]:
            counts[folder] += 1
            sizes[folder] += size
    named = every if len(every) <= _MANY_PHOTOS else []
    lines = [
        (folder, f"{folder.name}/  ({_write_count(counts[folder])}, {write_bytes(sizes[folder])})") for folder in counts
    ]
    lines += [(path, f"{path.name}  {write_bytes(size)}") for path, size in named]
    return "\n".join("  " * len(path.parts) + text for path, text in sorted(lines))


def _write_count(count: int) -> str:
    return "1 photo" if count == 1 else f"{count} photos"
