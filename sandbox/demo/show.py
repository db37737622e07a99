"""Output of the demo: progress bar, sizes and a tree of folders."""

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
_MANY_PHOTOS = 40  # about a screen: more are not listed one by one


def write_bytes(count: float) -> str:
    """Format a number of bytes, in powers of ten as clouds count."""
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} B" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.2f} GB"


class ProgressBar:
    """A progress bar: redrawn on one line of a terminal; elsewhere a line every few seconds.

    Args:
        total: bytes expected.
        out: the stream it is drawn on.
    """

    def __init__(self, total: int, out: TextIO = sys.stdout) -> None:
        self.total = total
        self._out = out
        self._is_terminal = out.isatty()
        self._begun = time.monotonic()
        self._drawn_at = -math.inf if self._is_terminal else self._begun
        self._max_shown = 0

    def draw(self, arrived: int, now: bool = False) -> None:
        """Redraw with the bytes that have arrived, if it is time to, or `now`."""
        # While an upload is restarted, its bytes are counted twice or not at all for a moment.
        self._max_shown = min(max(self._max_shown, arrived), self.total)
        moment = time.monotonic()
        if not now and moment - self._drawn_at < (_REDRAW_SECONDS if self._is_terminal else _LINE_SECONDS):
            return
        self._drawn_at = moment
        share = self._max_shown / self.total if self.total else 1.0
        full = int(share * _WIDTH)
        seconds = moment - self._begun
        line = (
            f"[{'#' * full}{'.' * (_WIDTH - full)}] {share:4.0%}  {write_bytes(self._max_shown)} of "
            f"{write_bytes(self.total)}  {write_bytes(self._max_shown / max(seconds, 0.001))}/s  {seconds:.0f} s"
        )
        self._out.write(f"\r{line}\x1b[K" if self._is_terminal else f"{line}\n")
        self._out.flush()

    def end(self) -> None:
        """Leave the bar's line."""
        if self._is_terminal:
            self._out.write("\n")
            self._out.flush()


def write_tree(stored: list[Stored]) -> str:
    """Format files as a tree of folders; if there are many, folders only."""
    files = [(PurePosixPath(path), size) for path, size, _ in stored]
    counts: Counter[PurePosixPath] = Counter()
    sizes: Counter[PurePosixPath] = Counter()
    for path, size in files:
        for folder in path.parents[:-1]:
            counts[folder] += 1
            sizes[folder] += size
    named = files if len(files) <= _MANY_PHOTOS else []
    lines = [
        (folder, f"{folder.name}/  ({_write_count(counts[folder])}, {write_bytes(sizes[folder])})") for folder in counts
    ]
    lines += [(path, f"{path.name}  {write_bytes(size)}") for path, size in named]
    return "\n".join("  " * len(path.parts) + text for path, text in sorted(lines))


def _write_count(count: int) -> str:
    return "1 photo" if count == 1 else f"{count} photos"
