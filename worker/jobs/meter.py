"""Take snapshots of how far a slice has come."""

import threading
import time
from collections import deque
from collections.abc import Callable
from datetime import datetime

from common.messages.archive_job import ArchiveJob
from common.messages.progress import Progress, State
from worker.archive.copies import Copies, Counts

# The speed is that of the last so many seconds: long enough to be calm, short enough to be true.
WINDOW_SECONDS = 15.0
# A pause of fewer seconds is over before anybody has read of it.
MIN_PAUSE_SECONDS = 5.0
# Two readings of one pause's end differ by what clocks drift, or because the cloud asked for a little more.
SAME_MOMENT_SECONDS = 2.0


class Meter:
    """Reads one slice. May be read on any thread while the slice is worked on another, at a cost that does not grow.

    Args:
        job: what is copied, and how far it had come.
        copies: what becomes of its photos.
        ceiling: returns the photos a second that the account was seen to bear; None while that is not known.
        now: Unix time in seconds.
        claim: where in the ledger the claim stands under which the slice is worked.
        tick: seconds of a clock that only goes forward.
        pause: returns for how many seconds the account is left alone, as its cloud asked.
    """

    def __init__(
        self,
        job: ArchiveJob,
        copies: Copies,
        ceiling: Callable[[], float | None],
        now: Callable[[], float] = time.time,
        claim: int = -1,
        tick: Callable[[], float] = time.monotonic,
        pause: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self._job = job
        self._copies = copies
        self._ceiling = ceiling
        self._now = now
        self._claim = claim
        self._tick = tick
        self._pause = pause
        self._pause_ends_at = 0.0
        # The first moment, with the photos that were stored by then.
        self._first_reading: tuple[float, int] | None = None
        self._number = 0
        self._lock = threading.Lock()
        self._started_at = job.state.started_at or now()
        # Moments with the bytes and photos that were stored by then.
        self._readings: deque[tuple[float, int, int]] = deque()

    @property
    def started_at(self) -> float:
        """When the job's first slice began, Unix time in seconds."""
        return self._started_at

    @property
    def skipped(self) -> int:
        """How many photos were in the cloud before the job's first slice; -1 before the first look."""
        before = self._job.state.skipped
        return before if before >= 0 else self._copies.initially_stored

    @property
    def copied(self) -> int:
        """How many of the listed photos the job has brought, whichever of its workers did."""
        return max(self._count_stored(self._copies.count()) - max(self.skipped, 0), 0)

    @property
    def failed(self) -> int:
        """How many of the listed photos are not in the cloud, for whatever reason."""
        counts = self._copies.count()
        return counts.total - self._count_stored(counts)

    def read(
        self, state: State = State.RUNNING, reason: str = "", detail: str = "", *, next_attempt_in: float = 0.0
    ) -> Progress:
        """Return a snapshot of this moment.

        Args:
            state: of the job.
            reason: why it waits or ended, a word of `common.errors.Reason`.
            detail: one line for people.
            next_attempt_in: after how many seconds a job that waits goes on.
        """
        # In one step: a higher number must never bear older counts.
        with self._lock:
            self._number += 1
            number, counts = self._number, self._copies.count()
            stored = self._count_stored(counts)
            pause = self._pause()
            speed, eta = self._measure(counts, stored, pause)
            now = self._now()
            next_attempt_at = now + next_attempt_in if next_attempt_in else self._find_pause_end(now, pause)
        known = self.skipped
        # Of what was there before, photos may have gone from the list or been replaced since.
        skipped = min(counts.found if self._copies.has_inventory or known < 0 else known, stored)
        skipped = min(known, skipped) if known >= 0 else skipped
        return Progress(
            job_id=self._job.id,
            cloud_type=self._job.cloud_type,
            archive_type=self._job.archive_type,
            gallery_name=self._job.gallery_name,
            state=state,
            photos_total=counts.total,
            photos_copied=stored - skipped,
            photos_skipped=skipped,
            photos_failed=counts.total - stored if state.is_final else counts.failed,
            bytes_total=counts.total_bytes,
            bytes_copied=counts.stored_bytes,
            bytes_per_second=0.0 if state.is_final else speed,
            # Nobody knows how long what a job waits for will last.
            eta_seconds=eta if state is State.RUNNING else None,
            next_attempt_at=0.0 if state.is_final else next_attempt_at,
            folder_url=self._copies.folder_url,
            failures=counts.failures,
            latest=self._copies.latest_names() if state is State.RUNNING else (),
            reason=reason,
            detail=detail,
            created_at=read_moment(self._job.created_at),
            started_at=self._started_at,
            updated_at=now,
            finished_at=now if state.is_final else 0.0,
            claim=self._claim,
            number=number,
        )

    def _count_stored(self, counts: Counts) -> int:
        """Return how many listed photos are in the cloud; before the first look, what earlier slices knew counts."""
        if self._copies.has_inventory:
            return counts.stored
        known = self._job.state.copied + max(self._job.state.skipped, 0)
        return max(counts.stored, min(known, counts.total - counts.failed))

    def _find_pause_end(self, now: float, pause: float) -> float:
        """Return when a pause that is worth telling will end, the same moment as long as it is the same; 0 for none."""
        if not pause or self._pause_ends_at < now:
            self._pause_ends_at = 0.0
        if pause >= MIN_PAUSE_SECONDS and abs(now + pause - self._pause_ends_at) > SAME_MOMENT_SECONDS:
            self._pause_ends_at = now + pause
        return self._pause_ends_at

    def _measure(self, counts: Counts, stored: int, pause: float) -> tuple[float, float | None]:
        """Return bytes a second and the seconds that are left, by what takes longest: bytes, photos, or the ceiling.

        What arrived lately may have been a burst: the ceiling tells how it goes on. A pause comes on top of it; while
        nothing arrives, the whole slice tells how fast the account really was, its pauses included.
        """
        now = self._tick()
        self._readings.append((now, counts.stored_bytes, stored))
        # The oldest one that is kept is older than the window, so that rare readings tell as much as frequent ones.
        while len(self._readings) > 2 and now - self._readings[1][0] >= WINDOW_SECONDS:
            self._readings.popleft()
        since, bytes_then, photos_then = self._readings[0]
        seconds, arrived, missing = now - since, stored - photos_then, max(counts.total - counts.failed - stored, 0)
        ceiling = self._ceiling()
        at_least = missing / ceiling if ceiling else None
        first, stored_first = self._first_reading = self._first_reading or (now, stored)
        if seconds <= 0 or arrived <= 0:
            if at_least is None:
                return 0.0, None
            so_far = (now - first) / (stored - stored_first) if stored > stored_first else 0.0
            return 0.0, pause + max(at_least, missing * so_far)
        speed = max(counts.stored_bytes - bytes_then, 0) / seconds
        by_bytes = (counts.total_bytes - counts.stored_bytes) / speed if speed > 0 else 0.0
        return speed, pause + max(missing / (arrived / seconds), by_bytes, at_least or 0.0, 0.0)


def read_moment(text: str) -> float:
    """Return the Unix time of an RFC 3339 text; 0 when it is none."""
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return 0.0
