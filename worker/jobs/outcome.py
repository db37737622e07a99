"""How a slice ended, and what the job's next message remembers of it."""

from dataclasses import dataclass

from common.clouds.photos import StoredPhoto
from common.errors import ArchiveError, PhotoRejected, Reason, StorageFull
from common.messages.archive_job import ArchiveJob, JobState
from worker.archive.copies import Copies
from worker.jobs.meter import Meter


@dataclass(frozen=True)
class Outcome:
    """How a slice ended.

    Args:
        job: as its next message must be: with how far it has come, and the newest grant.
        ended: whether nothing is left to copy, or nothing can be.
        waits_for: what keeps it from going on now, if anything does.
        has_count: whether the gallery listed its photos, so that it can be told how many failed.
        meter: reads how far it came.
        detail: one line for people, when the job ended early.
        full: what told that the guest's cloud has no room, if that ended it.
    """

    job: ArchiveJob
    ended: bool
    waits_for: ArchiveError | None
    has_count: bool
    meter: Meter
    detail: str = ""
    full: StorageFull | None = None

    @property
    def state(self) -> JobState:
        """How far the job has come."""
        return self.job.state


def read_copies(state: JobState) -> Copies:
    """Return what earlier slices knew of a job's photos."""
    return Copies(
        arrived={key: StoredPhoto(key, file_id, -1) for key, file_id in state.arrived.items()},
        rejected={key: PhotoRejected(_read_reason(reason), detail) for key, (reason, detail) in state.rejected.items()},
        tries=dict(state.tries),
    )


def next_state(before: JobState, copies: Copies, meter: Meter, reason: str) -> JobState:
    """Return how far a job has come after a slice.

    Args:
        before: the state before it.
        copies: what has become of the photos.
        meter: read the slice.
        reason: why the job ended, a word of `common.errors.Reason`, or empty.
    """
    arrived = {key: item.id for key, item in copies.arrived.items() if before.arrived.get(key) != item.id}
    return JobState(
        slices=before.slices + 1,
        copied=max(before.copied + len(arrived), meter.copied),
        arrived=arrived,
        tries=dict(copies.tries),
        rejected={key: (str(failure.reason), failure.detail) for key, failure in copies.rejected.items()},
        phase=before.phase,
        failed_photos=meter.failed,
        # Who came further begins to wait anew.
        waits=0 if arrived else before.waits,
        waiting_since=0 if arrived else before.waiting_since,
        reason=reason,
        may_have_duplicates=before.may_have_duplicates or copies.may_have_duplicates,
        skipped=meter.skipped,
        started_at=meter.started_at,
    )


def _read_reason(word: str) -> Reason:
    """Return the reason a word names; one of another version of us is a photo's trouble all the same."""
    return Reason(word) if word in Reason.__members__.values() else Reason.PHOTO_UNAVAILABLE
