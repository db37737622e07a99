"""What is shown of a job when its snapshots come in any order, twice, late, or from workers with strange clocks."""

from dataclasses import dataclass, replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.messages.progress import FailedPhoto, Progress, State

TOTAL = 60
MOMENTS = st.floats(0, 1e11)
NUMBERS = ("photos_total", "photos_copied", "photos_skipped", "photos_failed", "bytes_total", "bytes_copied")


@dataclass(frozen=True)
class History:
    """What was told of one job, in the order in which it happened, and an order in which it is heard."""

    told: list[Progress]
    heard: list[Progress]


@st.composite
def histories(draw: st.DrawFn) -> History:
    """Draw a job of a few claims, each of which may crash; the first look after a crash finds the job's own photos."""
    before = draw(st.integers(0, 20))
    told, stored, claim, knows_before = [Progress(job_id="x", updated_at=draw(MOMENTS))], before, -1, False
    for _ in range(draw(st.integers(1, 4))):
        claim += draw(st.integers(1, 1000))
        skipped = before if knows_before or claim == -1 else stored
        for number in range(1, draw(st.integers(1, 4))):
            stored = min(stored + draw(st.integers(0, 9)), TOTAL)
            state = draw(st.sampled_from((State.RUNNING, State.WAITING)))
            told.append(_tell(claim, number, state, stored, skipped, draw(MOMENTS)))
        knows_before = draw(st.booleans())
    if draw(st.booleans()):
        state = draw(st.sampled_from((State.DONE, State.FAILED, State.CANCELLED)))
        told.append(_tell(claim, 99, state, stored, skipped, draw(MOMENTS)))
    if draw(st.booleans()):
        told.append(Progress(job_id="x", state=State.CANCELLED, reason="cancelled", updated_at=draw(MOMENTS)))
    heard = draw(st.permutations(told * draw(st.integers(1, 2))))
    return History(told, heard)


def _tell(claim: int, number: int, state: State, stored: int, skipped: int, moment: float) -> Progress:
    reason = "storage_full" if state is State.FAILED else ""
    return Progress(
        job_id="x",
        state=state,
        reason=reason,
        photos_total=TOTAL,
        photos_copied=stored - skipped,
        photos_skipped=skipped,
        photos_failed=TOTAL - stored if state.is_final else 0,
        bytes_total=TOTAL * 10,
        bytes_copied=stored * 10,
        updated_at=moment,
        claim=claim,
        number=number,
    )


def show(heard: list[Progress]) -> list[Progress]:
    """Return what is shown after each snapshot that is heard."""
    shown: list[Progress] = []
    for each in heard:
        shown.append(each.after(shown[-1] if shown else None))
    return shown


def read(shown: Progress) -> tuple[object, ...]:
    """Return what a guest sees of a snapshot that no clock may change."""
    return (shown.state, shown.reason, *(getattr(shown, name) for name in NUMBERS))


@given(histories())
def test_numbers_and_states_never_go_back(history: History) -> None:
    """In whatever order snapshots come; an end stays an end, and its photos add up."""
    shown = show(history.heard)
    for earlier, later in pairwise(shown):
        assert later.stored >= earlier.stored
        assert later.photos_copied >= earlier.photos_copied
        assert later.bytes_copied >= earlier.bytes_copied
        assert later.photos_total >= earlier.photos_total
        assert later.state.is_final or not earlier.state.is_final
    for each in shown:
        assert each.stored <= each.photos_total
        assert not each.state.is_final or each.stored + each.photos_failed == each.photos_total


@given(histories())
def test_every_replica_shows_the_same_in_the_end(history: History) -> None:
    """One that heard it all as it happened, and one that started later and read the past after the news."""
    assert read(show(history.heard)[-1]) == read(show(history.told)[-1])


@given(histories(), st.data())
def test_no_clock_changes_what_is_shown(history: History, data: st.DataObject) -> None:
    """A worker whose clock is an hour off, or jumps, tells the same."""
    otherwise = [replace(each, updated_at=data.draw(MOMENTS), finished_at=data.draw(MOMENTS)) for each in history.heard]
    assert [read(each) for each in show(history.heard)] == [read(each) for each in show(otherwise)]


@pytest.mark.parametrize("hours", [-1, 1])
def test_worker_that_is_an_hour_off_is_seen_from_its_first_photo(hours: int) -> None:
    """Behind `web` its page stood at `queued` until the end."""
    queued = Progress(job_id="x", state=State.QUEUED, updated_at=1e9)
    running = replace(_tell(7, 1, State.RUNNING, 3, 0, 0.0), updated_at=1e9 + hours * 3600)
    assert running.after(queued).state is State.RUNNING
    assert queued.after(running).state is State.RUNNING


def test_what_the_job_copied_before_a_crash_is_not_what_was_there_before_it() -> None:
    """Its message came again as it was: the worker that has it now takes 30 photos for somebody else's."""
    first, second = _tell(5, 9, State.RUNNING, 30, 0, 0.0), _tell(8, 1, State.RUNNING, 35, 30, 0.0)
    for shown in (second.after(first), first.after(second)):
        assert (shown.photos_copied, shown.photos_skipped, shown.claim) == (35, 0, 8)


def test_a_stop_is_shown_at_once_and_then_counted() -> None:
    """`web` says that it was stopped; the worker who hears of it counts, and may still run until then."""
    waiting = _tell(5, 3, State.WAITING, 20, 4, 9.0)
    shown = Progress(job_id="x", state=State.CANCELLED, reason="cancelled", updated_at=1.0).after(waiting)
    assert (shown.state, shown.photos_copied, shown.photos_failed) == (State.CANCELLED, 16, 40)
    shown = _tell(5, 4, State.RUNNING, 21, 4, 99.0).after(shown)
    assert (shown.state, shown.photos_copied, shown.photos_failed) == (State.CANCELLED, 17, 39)
    ended = _tell(5, 5, State.CANCELLED, 22, 4, 0.0)
    assert read(ended.after(shown)) == read(ended)


def test_an_end_that_did_not_count_adds_up_too() -> None:
    """Who buries a job knows nothing but its id; what a worker of the version before counted twice counts once."""
    shown = Progress(job_id="x", state=State.FAILED, reason="internal", claim=5, number=9).after(
        _tell(5, 8, State.RUNNING, 20, 4, 0.0)
    )
    assert (shown.photos_total, shown.photos_copied, shown.photos_skipped, shown.photos_failed) == (60, 16, 4, 40)
    twice = Progress(job_id="x", state=State.CANCELLED, photos_total=60, photos_copied=44, photos_skipped=60)
    assert twice.after(None).stored == 60


def test_whoever_has_no_permission_left_did_not_count() -> None:
    """It knows what its message tells; what was shown before came from somebody who looked."""
    shown = replace(_tell(8, 1, State.FAILED, 12, 0, 0.0), reason="grant_revoked").after(
        _tell(5, 8, State.RUNNING, 20, 4, 0.0)
    )
    assert (shown.state, shown.stored, shown.photos_failed) == (State.FAILED, 20, 40)


def test_names_of_failed_photos_outlive_a_snapshot_without_them() -> None:
    """What is kept for those who come later holds numbers only."""
    named = replace(_tell(5, 3, State.RUNNING, 20, 4, 0.0), photos_failed=1, failures=(FailedPhoto("a", "gone", ""),))
    assert replace(named, number=4, failures=()).after(named).failures == named.failures
    assert replace(named, number=4, photos_failed=0, failures=()).after(named).failures == ()


def test_snapshots_of_the_version_before_are_read_and_it_reads_these() -> None:
    """They have no claim; to it, a claim is a field that it does not know."""
    old = Progress.decode(b'{"version": 1, "job_id": "x", "state": "running"}')
    assert (old.claim, old.number) == (-1, 0)
    assert b"claim" not in old.encode()
    new = replace(old, claim=0, number=3)
    assert Progress.decode(new.encode()) == new
    assert Progress.decode(b'{"version": 1, "job_id": "x", "claim": -7, "of_later": []}').claim == -1
