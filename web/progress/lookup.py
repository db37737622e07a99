"""Finds what is known of a job, for the page, the status, the events and the cancel."""

from collections.abc import Callable

from common.crypto.sealing import Sealer
from common.messages.job_id import is_job_id, read_job_time
from common.messages.progress import Progress, State
from web.http.problems import ProblemWithCode
from web.progress.store import KEPT_SECONDS, News

# How soon it is worth looking again, in seconds: snapshots come once a second while a job runs and somebody looks, and
# most jobs begin at once; what waits moves rarely.
LOOK_AGAIN_SECONDS = {State.RUNNING: 2, State.QUEUED: 2, State.AWAITING_CONSENT: 5, State.WAITING: 10}
FindProgress = Callable[[str], Progress | None]

# The past is read within seconds, and a minute at most.
STARTING_SECONDS = 1
# What a worker may have in hand, or soon will: it had better be told that somebody looks.
_MAY_MOVE = (State.QUEUED, State.RUNNING, State.WAITING)


class Starting(ProblemWithCode):
    """This replica has just started: what it knows may be older than what was shown before."""

    def __init__(self) -> None:
        told = "This replica is starting; ask again in a moment."
        super().__init__(503, "starting", told, {"Retry-After": str(STARTING_SECONDS)})


def show_newest(
    find: FindProgress, is_caught_up: Callable[[], bool], note_watcher: Callable[[str], None]
) -> FindProgress:
    """Return what finds a job for somebody who looks at it; it raises Starting for one that is known.

    Args:
        find: as `find_progress`.
        is_caught_up: whether the past has been read.
        note_watcher: lets workers know that somebody looks at a job.
    """

    def find_newest(job_id: str) -> Progress | None:
        progress = find(job_id)
        if progress is None:
            return None
        if not is_caught_up():
            raise Starting
        if progress.state in _MAY_MOVE:
            note_watcher(job_id)
        return progress

    return find_newest


def find_progress(sealer: Sealer, news: News, now: Callable[[], float], job_id: str) -> Progress | None:
    """Return what is known of a job; None for an id that was not issued here, or whose archive is forgotten by now.

    Of one that nobody told of, its guest is still at the consent page.

    Args:
        sealer: knows the ids that were issued here.
        news: what workers told.
        now: Unix time in seconds.
        job_id: as it came in.
    """
    if not is_job_id(sealer, job_id):
        return None
    if known := news.find(job_id):
        return known
    created_at = read_job_time(job_id)
    if now() - created_at > KEPT_SECONDS:
        return None
    return Progress(job_id=job_id, state=State.AWAITING_CONSENT, created_at=created_at, updated_at=created_at)
