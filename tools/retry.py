"""What failed, once more: what can be tried again, and how."""

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime

from common.config import parsers
from common.config.env import Environment
from common.crypto.sealing import NotSealedByUs, Sealer, Secret
from common.errors import Reason, Transient
from common.messages.archive_job import ArchiveJob, JobState, grant_context
from common.messages.dead_letters import replay_dead
from common.messages.job_id import make_job_id
from common.messages.past import NAME
from common.messages.progress import Progress, State
from common.messages.publisher import InDoubt, Publisher
from common.messages.topology import EVENT_KEY, EXCHANGE, JOB_KEY
from common.messages.verdict import make_ticket
from tools.history import JobHistory
from tools.terminal import NotPossible, publish, write_time

PRESS_AGAIN = "its guest presses the button again: only what is missing is copied"


def retry(job: JobHistory, url: Secret, environ: Mapping[str, str]) -> str:
    """Try a job again, whatever became of it; return what was done.

    Args:
        job: what is known of it.
        url: of the broker.
        environ: for a job that has ended: its grant is opened and sealed again.

    Raises:
        NotPossible: it cannot be tried again; says what to do instead.
        Transient: the broker cannot be had.
        WrongSetting: as `environ` has it.
    """
    if job.letter and not job.record.has_ended:
        replayed, _ = replay_dead(url, lambda letter: letter.id == job.id)
        if not replayed:
            raise NotPossible(f"{job.id}: the dead letter is no job: {job.letter.fault}")
        return "its dead letter is back in the queue, with its patience renewed"
    if job.is_in_hand:
        raise NotPossible(
            f"{job.id}: {job.worker or 'a worker'} has it since {write_time(job.claimed_at)}; if that one has died, "
            "its message comes back by itself"
        )
    return _begin_anew(job, url, environ) if job.is_over else _take_up(job, url)


def _take_up(job: JobHistory, url: Secret) -> str:
    """Put a copy of a waiting job's message into the queue; the one that waits is a leftover when it comes back."""
    if job.is_stopping:
        raise NotPossible(f"{job.id}: it was stopped, and ends when a worker takes its message")
    if not job.body or not job.due_at:
        raise NotPossible(f"{job.id}: its message lies in the queue already; its turn comes (python -m tools.workers)")
    # The very same bytes: a worker that gets the waiting message while it works on this one knows it again.
    publish(url, [(EXCHANGE, JOB_KEY, job.message.encode(), job.id)])
    return "a copy of its message is in the queue: it goes on as soon as a worker is free"


def _begin_anew(job: JobHistory, url: Secret, environ: Mapping[str, str]) -> str:
    """Begin a job that has ended as another one, with the same grant.

    Under its own id nothing more may be said: the gallery has one count by it.
    """
    if impossible := _find_obstacle(job, environ):
        raise NotPossible(f"{job.id}: {impossible}; {PRESS_AGAIN}")
    assert job.body, "an obstacle"
    env = Environment(environ)
    sealer = env.read_secret("SECRET_KEYS", parsers.sealing_keys)
    env.raise_problems()
    following = _copy_job(job.body, job.grant, sealer)
    _publish_first(url, following)
    # Its page knows it from then on; else from the moment when a worker has it.
    with suppress(Transient):
        publish(url, [(EXCHANGE, EVENT_KEY, _queued(following).encode(), following.id)])
    status = environ.get("PUBLIC_BASE_URL", "").rstrip("/")
    page = f"; its page: {status}/cloud_archive/jobs/{following.id}" if status else ""
    return f"it begins again as {following.id}, and copies what is missing{page}"


def _publish_first(url: Secret, job: ArchiveJob) -> None:
    """Publish a job's first message; raises Transient when no worker will begin with it."""
    publisher = Publisher(url, NAME)
    try:
        publisher.publish(EXCHANGE, JOB_KEY, job.encode(), message_id=job.id)
    except InDoubt:
        if publisher.withdraw(job.ticket):
            raise
    finally:
        publisher.close()


def _find_obstacle(job: JobHistory, environ: Mapping[str, str]) -> str:
    """Return why a job that has ended cannot begin anew; empty when it can."""
    shown = job.progress
    if shown and shown.state is State.CANCELLED:
        return "its guest has stopped it"
    if shown and shown.state is State.DONE and not shown.photos_failed:
        return "nothing of it failed"
    if shown and shown.reason in (Reason.GRANT_REVOKED, Reason.DENIED, Reason.SCOPE_MISSING, Reason.NO_REFRESH_TOKEN):
        return f"there is no permission any more ({shown.reason})"
    revokes = Environment(environ).read("REVOKE_WHEN_DONE", parsers.boolean, "false")
    if revokes and shown and shown.claim >= 0:
        return "its permission was given back when it ended (REVOKE_WHEN_DONE)"
    if not job.body and shown and shown.claim < 0:
        return "it never began"
    if not job.body:
        return "its permission went with its message when it ended"
    return ""


def _copy_job(job: ArchiveJob, grant: str, sealer: Sealer) -> ArchiveJob:
    job_id = make_job_id(sealer, time.time())
    try:
        opened = sealer.open(grant or job.grant, grant_context(job.id))
    except NotSealedByUs:
        raise NotPossible(f"{job.id}: none of SECRET_KEYS opens its permission; {PRESS_AGAIN}") from None
    return replace(
        job,
        id=job_id,
        grant=sealer.seal(opened, grant_context(job_id)),
        created_at=datetime.now(UTC).isoformat(),
        state=JobState(),
        edition="",
        ticket=make_ticket(),
    )


def _queued(job: ArchiveJob) -> Progress:
    now = time.time()
    return Progress(
        job_id=job.id,
        cloud_type=job.cloud_type,
        archive_type=job.archive_type,
        gallery_name=job.gallery_name,
        archive=job.archive,
        state=State.QUEUED,
        created_at=now,
        updated_at=now,
    )
