"""What can be tried again, and what is said when it cannot."""

from dataclasses import replace
from typing import Any

import pytest

from common.crypto.sealing import Sealer, Secret, make_key
from common.errors import Reason
from common.messages.archive_job import ArchiveJob, JobState, grant_context
from common.messages.job_id import is_job_id
from common.messages.ledger import Entry, Kind
from common.messages.past import Noted
from common.messages.progress import Progress, State
from common.messages.topology import EVENT_KEY, JOB_KEY
from tests.fakes.job import JOB
from tools import retry as retry_room
from tools.history import JobHistory
from tools.retry import retry
from tools.terminal import NotPossible

KEY = make_key()
SEALER = Sealer([Secret(KEY)])
URL = Secret("amqp://127.0.0.1:1/")
ENVIRON = {"SECRET_KEYS": KEY, "PUBLIC_BASE_URL": "https://app.example/"}
SEALED = replace(JOB, grant=SEALER.seal("permission", grant_context(JOB.id)))


class Published:
    """What was published: keys and bodies."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, bytes, str]] = []

    def take(self, _url: Secret, messages: list[tuple[str, str, bytes, str]]) -> None:
        """Take messages."""
        self.messages += [(key, body, message_id) for _, key, body, message_id in messages]

    def take_first(self, _url: Secret, job: ArchiveJob) -> None:
        """Take a job's first message."""
        self.messages.append((JOB_KEY, job.encode(), job.id))


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> Published:
    """A broker that takes everything."""
    taken = Published()
    monkeypatch.setattr(retry_room, "publish", taken.take)
    monkeypatch.setattr(retry_room, "_publish_first", taken.take_first)
    return taken


def make(*said: tuple[Kind, dict[str, Any]], **progress: Any) -> JobHistory:
    """Return a job that a worker has claimed, and what was said after that."""
    job = JobHistory(JOB.id)
    for place, (kind, fields) in enumerate([(Kind.CLAIMED, {"by": "a", "worker": "pod-1"}), *said]):
        job.add_entry(Noted(place, 1.0 + place, Entry(job_id=JOB.id, kind=kind, **fields)))
    if progress:
        job.add_event(Noted(0, 1.0, Progress(job_id=JOB.id, claim=0, photos_total=5, **progress)))
    return job


WAITS = (Kind.WENT_ON, {"by": "a", "edition": "e1", "body": SEALED.encode().decode(), "wait": 45})
ENDED = (Kind.ENDED, {"by": "b"})
AGAIN = (Kind.CLAIMED, {"by": "b", "edition": "e1"})


def test_what_waits_goes_on_now(published: Published) -> None:
    """By the very same bytes: whoever gets both knows them for one."""
    assert "as soon as a worker is free" in retry(make(WAITS), URL, {})
    assert published.messages == [(JOB_KEY, SEALED.encode(), JOB.id)]


def test_what_failed_begins_as_another_job_with_its_permission(published: Published) -> None:
    """Under its own id the gallery has a count by now, and the page an end."""
    said = retry(make(WAITS, AGAIN, ENDED, state=State.FAILED, reason=Reason.STORAGE_FULL), URL, ENVIRON)
    (key, body, job_id), (event_key, event, _) = published.messages
    began = ArchiveJob.decode(body)
    assert (key, event_key) == (JOB_KEY, EVENT_KEY)
    assert (began.id, Progress.decode(event).job_id) == (job_id, job_id)
    assert is_job_id(SEALER, began.id)
    assert SEALER.open(began.grant, grant_context(began.id)) == "permission"
    assert (began.archive_url, began.state, began.edition) == (JOB.archive_url, JobState(), "")
    assert said.endswith(f"https://app.example/cloud_archive/jobs/{began.id}")


def test_the_newest_permission_is_taken(published: Published) -> None:
    """The one in the message may have been replaced since."""
    newest = (Kind.GRANTED, {"by": "b", "grant": SEALER.seal("newest", grant_context(JOB.id))})
    retry(make(WAITS, AGAIN, newest, ENDED, state=State.DONE, photos_failed=1), URL, ENVIRON)
    began = ArchiveJob.decode(published.messages[0][1])
    assert SEALER.open(began.grant, grant_context(began.id)) == "newest"


@pytest.mark.parametrize(
    ("job", "why"),
    [
        (make(), "pod-1 has it since"),
        (make(WAITS, (Kind.STOPPED, {})), "it was stopped"),
        (make((Kind.WENT_ON, {**WAITS[1], "wait": 0})), "lies in the queue already"),
        (make(WAITS, AGAIN, ENDED, state=State.DONE, photos_copied=5), "nothing of it failed"),
        (make(WAITS, AGAIN, ENDED, state=State.CANCELLED), "its guest has stopped it"),
        (make(WAITS, AGAIN, ENDED, state=State.FAILED, reason="grant_revoked"), "no permission any more"),
        (make((Kind.ENDED, {"by": "a"}), state=State.FAILED, reason="storage_full"), "went with its message"),
    ],
)
def test_what_cannot_be_tried_again_says_why(published: Published, job: JobHistory, why: str) -> None:
    """And where its guest can help, that they press again."""
    with pytest.raises(NotPossible, match=why) as told:
        retry(job, URL, ENVIRON)
    assert published.messages == []
    assert ("presses the button again" in str(told.value)) == job.is_over


def test_a_permission_that_was_given_back_is_not_tried(published: Published) -> None:
    """As the setting says."""
    job = make(WAITS, AGAIN, ENDED, state=State.FAILED, reason="storage_full")
    with pytest.raises(NotPossible, match="REVOKE_WHEN_DONE"):
        retry(job, URL, {**ENVIRON, "REVOKE_WHEN_DONE": "true"})
    with pytest.raises(NotPossible, match="none of SECRET_KEYS"):
        retry(job, URL, {**ENVIRON, "SECRET_KEYS": make_key()})
    assert published.messages == []
