"""Find the newest progress of a job, for the page, the status and the events."""

from collections.abc import Callable

from common.crypto.sealing import Sealer
from common.messages.job_id import is_job_id, read_job_time
from common.messages.progress import Progress, State
from web.http.problems import ProblemWithCode
from web.progress.store import RETENTION_SECONDS, ProgressStore

# How often it is worth asking again: a watched job that runs publishes once a second, and most jobs begin at once; a
# waiting one changes rarely. Ended jobs are not here.
POLL_SECONDS = {State.RUNNING: 2, State.QUEUED: 2, State.AWAITING_CONSENT: 5, State.WAITING: 10}
# States in which a worker has the job or soon will: it can be watched and cancelled.
ACTIVE_STATES = (State.QUEUED, State.RUNNING, State.WAITING)
# The streams are read within seconds, a minute at most.
STARTING_RETRY_SECONDS = 1

FindProgress = Callable[[str], Progress | None]


class UnknownJob(ProblemWithCode):
    """No job with this id was issued here, or it ended too long ago."""

    def __init__(self) -> None:
        super().__init__(404, "not_found", "There is no such archive.")


class Starting(ProblemWithCode):
    """This replica has just started: what it knows may be older than what was shown before."""

    def __init__(self) -> None:
        detail = "This replica is starting; ask again in a moment."
        super().__init__(503, "starting", detail, {"Retry-After": str(STARTING_RETRY_SECONDS)})


class JobLookup:
    """Look up jobs by their ids. Thread-safe.

    Args:
        sealer: recognises the ids that were issued here.
        store: of this replica.
        now: Unix time in seconds.
        is_caught_up: whether the store holds all earlier snapshots.
        note_watched: lets workers know that somebody looks at a job.
    """

    def __init__(
        self,
        sealer: Sealer,
        store: ProgressStore,
        now: Callable[[], float],
        is_caught_up: Callable[[], bool],
        note_watched: Callable[[str], None],
    ) -> None:
        self._sealer = sealer
        self._store = store
        self._now = now
        self._is_caught_up = is_caught_up
        self._note_watched = note_watched

    def find(self, job_id: str) -> Progress | None:
        """Return what is known of a job; None for an id that was not issued here, or is too old to be known.

        A job without any snapshot awaits its guest's consent.
        """
        if not is_job_id(self._sealer, job_id):
            return None
        if known := self._store.find(job_id):
            return known
        created_at = read_job_time(job_id)
        if self._now() - created_at > RETENTION_SECONDS:
            return None
        return Progress(job_id=job_id, state=State.AWAITING_CONSENT, created_at=created_at, updated_at=created_at)

    def find_newest(self, job_id: str) -> Progress | None:
        """Return what is known of a job to somebody who watches it.

        Raises:
            Starting: the job exists, but its newest snapshot may not have been read yet.
        """
        progress = self.find(job_id)
        if progress is None:
            return None
        if not self._is_caught_up():
            raise Starting
        if progress.state in ACTIVE_STATES:
            self._note_watched(job_id)
        return progress
