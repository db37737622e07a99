"""What commands know of a job, put together from entries, snapshots and dead letters."""

from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.errors import Reason
from common.messages.dead_letters import DeadLetter
from common.messages.ledger import Entry, Kind
from common.messages.past import Noted
from common.messages.progress import Progress, State
from tests.fakes.job import JOB
from tests.fakes.worker_harness import later
from tools.history import STATES, JobHistory, Jobs, find_job
from tools.timeline import list_moments

NOON = 1_795_867_200.0


def entries(*said: Entry) -> list[Noted[Entry]]:
    """Return entries as the ledger holds them, ten seconds apart."""
    return [Noted(place, NOON + 10 * place, each) for place, each in enumerate(said)]


def entry(kind: Kind, **fields: object) -> Entry:
    """Return an entry of the job."""
    return Entry(job_id=JOB.id, kind=kind, **fields)  # type: ignore[arg-type]


def shown(state: State, **fields: object) -> Noted[Progress]:
    """Return a snapshot of the job."""
    return Noted(0, NOON, Progress(job_id=JOB.id, state=state, updated_at=NOON, **fields))  # type: ignore[arg-type]


CLAIMED = entry(Kind.CLAIMED, by="a", worker="pod-1")
WAITS = entry(
    Kind.WENT_ON,
    by="a",
    edition="e1",
    body=later(JOB, reason="gallery_unavailable").encode().decode(),
    wait=45,
)


def put_all(
    said: Iterable[Entry], events: Iterable[Noted[Progress]], letters: list[DeadLetter], *, is_detailed: bool = True
) -> dict[str, JobHistory]:
    """Return the jobs that all of that is about."""
    jobs = Jobs(lambda _job_id: is_detailed)
    for each in entries(*said):
        jobs.add_entry(each)
    for event in events:
        jobs.add_event(event)
    for letter in letters:
        jobs.add_letter(letter)
    return jobs.by_id


def put(*said: Entry, events: tuple[Noted[Progress], ...] = (), letter: DeadLetter | None = None) -> JobHistory:
    """Return the job that all of that is about."""
    return put_all(said, events, [letter] if letter else [])[JOB.id]


def test_a_claimed_job_is_at_work_with_its_worker_since_then() -> None:
    """Also when its page says that it is queued."""
    job = put(CLAIMED, events=(shown(State.QUEUED),))
    assert (job.state, job.worker, job.claimed_at, job.due_at) == ("running", "pod-1", NOON, 0.0)


def test_a_waiting_job_tells_when_it_comes_back_and_why_it_waits() -> None:
    """No worker has it, and its archive is known from its message."""
    job = put(CLAIMED, WAITS, entry(Kind.QUEUED, by="a", edition="e1"), events=(shown(State.WAITING, reason="x"),))
    assert (job.state, job.worker, job.due_at) == ("waiting", "", NOON + 10 + 45)
    assert job.archive == "/g/api/stream/1/2"
    assert "lets it wait for 45s: gallery_unavailable" in [moment.what for moment in list_moments(job)]


def test_a_dead_letter_is_told_by_its_reason() -> None:
    """It is nobody's, whoever had it."""
    letter = DeadLetter(JOB.id, "bug: KeyError", NOON, JOB)
    job = put(CLAIMED, entry(Kind.PUT_DOWN, by="a"), events=(shown(State.FAILED, reason="internal"),), letter=letter)
    assert (job.state, job.reason, job.is_in_hand, job.is_over) == ("dead", "bug: KeyError", False, False)
    assert list_moments(job)[-1].what == "lies among the dead letters: bug: KeyError"


def test_a_job_that_has_ended_shows_the_end_that_was_written_down() -> None:
    """Even if its snapshot was lost."""
    end = Progress(job_id=JOB.id, state=State.FAILED, reason=Reason.STORAGE_FULL, photos_total=4, photos_failed=4)
    telling = entry(Kind.TELLING, by="a", failed_photos=4, body=end.encode().decode())
    job = put(CLAIMED, telling, entry(Kind.TOLD, by="a"), entry(Kind.ENDED, by="a"))
    assert (job.state, job.reason, job.is_over) == ("failed", "storage_full", True)


def test_what_is_shown_as_its_end_may_still_have_to_be_told() -> None:
    """The gallery does not take the call: the job waits with nothing left but that."""
    job = put(CLAIMED, WAITS, entry(Kind.QUEUED, by="a", edition="e1"), events=(shown(State.DONE, photos_total=1),))
    assert (job.state, job.is_over, bool(job.due_at)) == ("done", False, True)


def test_entries_of_the_version_before_are_read() -> None:
    """They name neither a worker nor a wait."""
    old = Entry.decode(b'{"version":1,"key":"k","job_id":"job-1","kind":"claimed","by":"a","returns":1}')[1]
    job = put(old)
    assert (job.state, job.worker, job.is_in_hand) == ("running", "", True)
    assert list_moments(job)[0].who == "a worker (a)"


def test_the_version_before_reads_these() -> None:
    """What it does not know stands beside what it does, under the same version."""
    written = entry(Kind.CLAIMED, by="a", worker="pod-1", wait=10).encode("k")
    assert written == (b'{"version":1,"key":"k","job_id":"job-1","kind":"claimed","by":"a","worker":"pod-1","wait":10}')
    assert entry(Kind.CLAIMED, by="a").encode("k") == (
        b'{"version":1,"key":"k","job_id":"job-1","kind":"claimed","by":"a"}'
    )


def test_a_claim_that_came_too_late_says_so() -> None:
    """And changes nothing."""
    job = put(CLAIMED, entry(Kind.WENT_ON, by="b", edition="e2"))
    assert job.worker == "pod-1"
    assert "changed nothing" in list_moments(job)[-1].what


@pytest.mark.parametrize(
    ("text", "found"), [("1/2", True), ("свадь", True), ("job-1", True), ("sealed", False), ("мастер", False)]
)
def test_a_job_is_found_by_its_path_its_gallery_or_its_id(text: str, found: bool) -> None:
    """In whatever case, and by nothing else."""
    assert put(CLAIMED, WAITS).matches(text) is found


def test_the_beginning_of_an_id_is_enough() -> None:
    """A whole id is that job alone, even if it is another one's beginning."""
    jobs = {name: JobHistory(name) for name in ("ab", "abc", "b")}
    assert [job.id for job in find_job(jobs, "ab")] == ["ab"]
    assert [job.id for job in find_job(jobs, "a")] == ["ab", "abc"]
    assert find_job(jobs, "x") == []


def test_no_repr_shows_a_permission() -> None:
    """Sealed ones are none of an operator's."""
    assert JOB.grant not in repr(put(CLAIMED, WAITS, letter=DeadLetter(JOB.id, "why", NOON, JOB)))


ANY_ENTRY = st.builds(
    entry,
    st.sampled_from(Kind),
    by=st.sampled_from(["", "a", "b"]),
    edition=st.sampled_from(["", "e1", "e2"]),
    body=st.sampled_from(["", "garbage", JOB.encode().decode()]),
    worker=st.sampled_from(["", "pod-1"]),
    wait=st.integers(0, 1800),
)
ANY_EVENT = st.builds(shown, st.sampled_from(State), claim=st.integers(-1, 5), reason=st.sampled_from(["", "internal"]))


@settings(deadline=None)
@given(st.lists(ANY_ENTRY), st.lists(ANY_EVENT), st.booleans())
def test_whatever_stands_in_the_streams_can_be_told(
    said: list[Entry], events: list[Noted[Progress]], is_dead: bool
) -> None:
    """In any order: each entry is one line, and the state is one of those that can be asked for."""
    letters = [DeadLetter(JOB.id, "why", NOON, None, "not JSON")] if is_dead else []
    brief = put_all(said, events, letters, is_detailed=False)
    for job in put_all(said, events, letters).values():
        other = brief[job.id]
        assert (job.state, job.archive, job.updated_at, job.is_over, job.due_at) == (
            *(other.state, other.archive, other.updated_at, other.is_over, other.due_at),
        )
        assert (other.steps, other.events, other.message, other.grant) == ([], [], "", "")
        assert job.state in (*STATES, State.AWAITING_CONSENT)
        assert len(list_moments(job)) >= len(said)
        assert isinstance(job.is_over, bool)
        assert job.updated_at >= 0
