"""The newest snapshot of every job, as this replica heard it."""

import threading
import time
import zlib
from collections import OrderedDict
from collections.abc import Callable

from common.messages.progress import Progress

# As long as the stream itself: what ended earlier is unknown to every replica alike.
KEPT_SECONDS = 7 * 24 * 3600.0
# 10,000 jobs a day for a week, and some more. Packed, a job takes some 300 bytes, and 3 kB if it names a hundred photos
# that failed; then the oldest are forgotten before the memory of a replica is used up.
MOST_KEPT, MOST_PACKED_BYTES = 100_000, 100_000_000


class News:
    """The newest snapshot of every job. Thread-safe.

    Args:
        now: Unix time in seconds.
        most_bytes: that the snapshots of jobs that ended may take.
    """

    def __init__(self, now: Callable[[], float] = time.time, most_bytes: int = MOST_PACKED_BYTES) -> None:
        self._now = now
        self._most_bytes = most_bytes
        # Few jobs run and are asked for; those that ended are many and lie packed. The one that was heard of last is
        # the last.
        self._known: OrderedDict[str, Progress | bytes] = OrderedDict()
        self._packed_bytes = 0
        self._lock = threading.Lock()

    def learn(self, progress: Progress) -> None:
        """Take a snapshot; an older one than what is known changes nothing."""
        with self._lock:
            newest = progress.after(self._take_out(progress.job_id))
            kept = zlib.compress(newest.encode(), 1) if newest.state.is_final else newest
            self._known[newest.job_id] = kept
            self._packed_bytes += _weigh(kept)
            if len(self._known) > MOST_KEPT or self._packed_bytes > self._most_bytes:
                self._take_out(next(iter(self._known)))

    def find(self, job_id: str) -> Progress | None:
        """Return the newest snapshot of a job, if any is known and it is not too old."""
        with self._lock:
            kept = self._known.get(job_id)
        progress = _unpack(kept)
        return progress if progress and self._now() - progress.updated_at <= KEPT_SECONDS else None

    def _take_out(self, job_id: str) -> Progress | None:
        kept = self._known.pop(job_id, None)
        self._packed_bytes -= _weigh(kept)
        return _unpack(kept)


def _weigh(kept: Progress | bytes | None) -> int:
    return len(kept) if isinstance(kept, bytes) else 0


def _unpack(kept: Progress | bytes | None) -> Progress | None:
    return Progress.decode(zlib.decompress(kept)) if isinstance(kept, bytes) else kept
