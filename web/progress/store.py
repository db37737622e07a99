"""In-memory store of the newest progress snapshot of every job."""

import threading
import time
import zlib
from collections import OrderedDict
from collections.abc import Callable

from common.messages.progress import Progress

# As long as the stream of events: what ended earlier is unknown to every replica alike.
RETENTION_SECONDS = 7 * 24 * 3600.0
# 10,000 jobs a day for a week, and some more. Compressed, a job takes about 300 bytes, and 3 kB if it names a hundred
# failed photos; then the limit of bytes drops the oldest before the replica runs out of memory.
MAX_JOBS, MAX_PACKED_BYTES = 100_000, 100_000_000


class ProgressStore:
    """Keep the newest snapshot of every job. Thread-safe.

    Args:
        now: Unix time in seconds.
        max_packed_bytes: that the compressed snapshots of ended jobs may take together.
    """

    def __init__(self, now: Callable[[], float] = time.time, max_packed_bytes: int = MAX_PACKED_BYTES) -> None:
        self._now = now
        self._max_packed_bytes = max_packed_bytes
        # The few that run are kept as they are, the many that have ended compressed; least recently updated first.
        self._snapshots: OrderedDict[str, Progress | bytes] = OrderedDict()
        self._packed_bytes = 0
        self._lock = threading.Lock()

    def update(self, progress: Progress) -> None:
        """Store a snapshot; one that is older than the stored one changes nothing."""
        with self._lock:
            newest = progress.after(self._remove(progress.job_id))
            entry = zlib.compress(newest.encode(), 1) if newest.state.is_final else newest
            self._snapshots[newest.job_id] = entry
            self._packed_bytes += _size_of(entry)
            if len(self._snapshots) > MAX_JOBS or self._packed_bytes > self._max_packed_bytes:
                self._remove(next(iter(self._snapshots)))

    def find(self, job_id: str) -> Progress | None:
        """Return the newest snapshot of a job, or None if there is none of the last seven days."""
        with self._lock:
            entry = self._snapshots.get(job_id)
        progress = _unpack(entry)
        return progress if progress and self._now() - progress.updated_at <= RETENTION_SECONDS else None

    def _remove(self, job_id: str) -> Progress | None:
        entry = self._snapshots.pop(job_id, None)
        self._packed_bytes -= _size_of(entry)
        return _unpack(entry)


def _size_of(entry: Progress | bytes | None) -> int:
    return len(entry) if isinstance(entry, bytes) else 0


def _unpack(entry: Progress | bytes | None) -> Progress | None:
    return Progress.decode(zlib.decompress(entry)) if isinstance(entry, bytes) else entry
