"""How far a slice has come, read off as a snapshot. Knows neither who asks nor who is told."""

import time
from collections import deque
from collections.abc import Callable
from datetime import datetime
from itertools import islice

from common.archive_job import ArchiveJob
from common.progress import MOST_FAILURES, MOST_LATEST, FailedPhoto, Progress, State
from worker.manifest import NOTHING_LISTED, Manifest
from worker.tally import Tally

# The speed is that of the last so many seconds: long enough to be calm, short enough to be true.
WINDOW_SECONDS = 15.0


class Meter:
    """Reads one slice. May be read on any thread while the slice is worked on another.

    Args:
        job: the promise, and how far it had come.
        tally: what becomes of its photos.
        ceiling: returns the photos a second that the account was seen to bear; None while nobody knows.
        now: Unix time in seconds.
    """

    def __init__(
        self,
        job: ArchiveJob,
        tally: Tally,
        ceiling: Callable[[], float | None],
        now: Callable[[], float] = time.time,
    ) -> None:
        self._job = job
        self._tally = tally
        self._ceiling = ceiling
        self._now = now
        self._started_at = job.course.started_at or now()
        # Moments with the bytes and photos that were stored by then.
        self._readings: deque[tuple[float, int, int]] = deque()

    @property
    def started_at(self) -> float:
        """When the job's first slice began, Unix time in seconds."""
        return self._started_at

    @property
    def skipped(self) -> int:
        """How many photos were in the cloud before the job's first slice; -1 while nobody has looked."""
        before = self._job.course.skipped
        return before if before >= 0 else self._tally.before

    def read(self, state: State = State.RUNNING, reason: str = "", detail: str = "") -> Progress:
        """Return a snapshot of this moment."""
        now, manifest = self._now(), self._tally.manifest or NOTHING_LISTED
        sizes = [photo.size for key, photo in manifest.photos.items() if self._tally.is_stored(key)]
        stored, stored_bytes = len(sizes), sum(sizes)
        mine = sum(key in self._tally.arrived for key in manifest.photos)
        # Of what was there before, photos may have gone from the list or been replaced since.
        skipped = min(max(self.skipped, 0), stored - mine)
        failures = self._name_failures(manifest)
        total = len(manifest.photos) + len(manifest.unusable)
        total_bytes = sum(photo.size for photo in manifest.photos.values())
        speed, eta = self._measure(now, stored_bytes, stored, total_bytes, len(manifest.photos) - len(failures))
        return Progress(
            job_id=self._job.id,
            cloud_type=self._job.cloud_type,
            archive_type=self._job.archive_type,
            gallery_name=self._job.gallery_name,
            state=state,
            photos_total=total,
            photos_copied=max(stored - skipped, 0),
            photos_skipped=skipped,
            photos_failed=total - stored if state.is_final else len(failures),
            bytes_total=total_bytes,
            bytes_copied=stored_bytes,
            bytes_per_second=0.0 if state.is_final else speed,
            eta_seconds=None if state.is_final else eta,
            folder_url=self._tally.folder_url,
            failures=tuple(failures[:MOST_FAILURES]),
            latest=self._name_latest(manifest) if state is State.RUNNING else (),
            reason=reason,
            detail=detail,
            created_at=read_moment(self._job.created_at),
            started_at=self._started_at,
            updated_at=now,
            finished_at=now if state.is_final else 0.0,
        )

    def _name_latest(self, manifest: Manifest) -> tuple[str, ...]:
        newest_first = reversed(list(self._tally.arrived))
        names = (manifest.photos[key].name for key in newest_first if key in manifest.photos)
        return tuple(islice(names, MOST_LATEST))

    def _name_failures(self, manifest: Manifest) -> list[FailedPhoto]:
        rejected = dict(self._tally.rejected)
        named = [FailedPhoto(each.name, str(each.reason), each.detail) for each in manifest.unusable]
        named += [
            FailedPhoto(photo.name, str(rejected[photo.key].reason), rejected[photo.key].detail)
            for photo in manifest.photos.values()
            if photo.key in rejected
        ]
        return named

    def _measure(
        self, now: float, stored_bytes: int, stored: int, total_bytes: int, total: int
    ) -> tuple[float, float | None]:
        """Return bytes a second and the seconds that are left, by what takes longest: bytes, photos, or the ceiling.

        What arrived lately may have been a burst: the ceiling tells how it goes on.
        """
        self._readings.append((now, stored_bytes, stored))
        while now - self._readings[0][0] > WINDOW_SECONDS:
            self._readings.popleft()
        since, bytes_then, photos_then = self._readings[0]
        seconds, arrived, missing = now - since, stored - photos_then, total - stored
        ceiling = self._ceiling()
        at_least = missing / ceiling if ceiling else None
        if seconds <= 0 or arrived <= 0:
            return 0.0, at_least
        speed = (stored_bytes - bytes_then) / seconds
        by_bytes = (total_bytes - stored_bytes) / speed if speed > 0 else 0.0
        return speed, max(missing / (arrived / seconds), by_bytes, at_least or 0.0, 0.0)


def read_moment(text: str) -> float:
    """Return the Unix time of an RFC 3339 text; 0 when it is none."""
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return 0.0
