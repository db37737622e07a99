"""What becomes of a job in one worker's hands while others have it too; without a broker."""

import threading
from collections.abc import Callable
from dataclasses import replace

import pytest

from common.errors import Reason, Transient
from common.messages.archive_job import ArchiveJob, JobState, Phase
from common.messages.ledger import Entry, Kind
from tests.fakes.job import JOB
from tests.fakes.memory_ledger import MemoryLedger
from worker.jobs.claim import Claim, Overtaken
from worker.jobs.claims import Claims
from worker.transfer.stop import Cause, Interrupted, Signals


class Process:
    """One worker's claims."""

    def __init__(self, ledger: MemoryLedger) -> None:
        self.claims = Claims(ledger)
        ledger.followers.append(self.claims.on_entry)
        self.signals = Signals()

    def take(self, job: ArchiveJob = JOB, returns: int = 0) -> Claim | None:
        """Claim a job and keep it."""
        self.signals = Signals()
        self._held = self.claims.claim_message(job, returns, self.signals)
        return self._held.__enter__()


@pytest.fixture
def ledger() -> MemoryLedger:
    """One that remembers the jobs that ended."""
    return MemoryLedger(forgets_ended=False)


def claimed(claim: Claim | None) -> Claim:
    """Return a claim that must be one."""
    assert claim
    return claim


def test_the_later_of_two_works_and_the_earlier_hears_it(ledger: MemoryLedger) -> None:
    """It steps aside, and what it writes counts for nothing."""
    one, other = Process(ledger), Process(ledger)
    first = claimed(one.take())
    second = claimed(other.take())
    assert (first.is_overtaken, second.is_overtaken) == (True, False)
    assert (one.signals.cause, other.signals.cause) == (Cause.TAKEN_OVER, None)
    published: list[ArchiveJob] = []
    with pytest.raises(Overtaken):
        first.continue_as(JOB, published.append)
    assert published == []


def test_a_leftover_is_nobodys(ledger: MemoryLedger) -> None:
    """The job went on, or has ended."""
    process, published = Process(ledger), []
    claimed(process.take()).continue_as(replace(JOB, state=JobState(slices=1)), published.append)
    assert process.take() is None
    claimed(process.take(published[0])).end()
    assert process.take(published[0], returns=3) is None


def test_whoever_brings_an_old_message_goes_on_from_what_is_written(ledger: MemoryLedger) -> None:
    """The worker died before the broker had the next one."""
    process = Process(ledger)

    def die(_job: ArchiveJob) -> None:
        raise Transient(Reason.TRY_LATER, "the broker is away")

    with pytest.raises(Transient):
        claimed(process.take()).continue_as(replace(JOB, state=JobState(slices=4)), die)
    again = claimed(process.take(returns=1))
    assert (again.job.state.slices, again.job.edition) == (4, ledger.entries[1].edition)


@pytest.mark.parametrize("is_early", [True, False])
def test_a_stop_is_heard_whenever_it_was_written(ledger: MemoryLedger, is_early: bool) -> None:
    """Before the job was taken, or while it is worked on."""
    process, stop = Process(ledger), Entry(job_id=JOB.id, kind=Kind.STOPPED)
    if is_early:
        ledger.append(stop)
    claimed(process.take())
    if not is_early:
        ledger.append(stop)
    assert process.signals.cause is Cause.CANCELLED


def test_a_job_that_waits_is_taken_up_once(ledger: MemoryLedger) -> None:
    """By whoever is first; whoever has a message later takes it from them."""
    process, other, published = Process(ledger), Process(ledger), []
    claimed(process.take()).continue_as(replace(JOB, state=JobState(slices=1)), published.append)
    idle = process.claims.claim_waiting_job(JOB.id, Signals())
    taken = claimed(idle.__enter__())
    assert taken.job == published[0]
    with other.claims.claim_waiting_job(JOB.id, Signals()) as nobody:
        assert nobody is None
    claimed(other.take(published[0]))
    assert taken.is_overtaken


def test_a_worker_that_starts_takes_over_from_one_that_has_no_message_either(ledger: MemoryLedger) -> None:
    """That one may be dead, and the message may wait for half an hour; from who has a message nobody takes it."""
    process, other, published = Process(ledger), Process(ledger), []
    claimed(process.take()).continue_as(replace(JOB, state=JobState(slices=1)), published.append)
    first = process.claims.claim_waiting_job(JOB.id, Signals())
    dead = claimed(first.__enter__())
    second = other.claims.claim_waiting_job(JOB.id, Signals(), overtakes=True)
    taken = claimed(second.__enter__())
    assert (dead.is_overtaken, taken.is_overtaken) == (True, False)
    claimed(process.take(published[0]))
    with other.claims.claim_waiting_job(JOB.id, Signals(), overtakes=True) as nobody:
        assert nobody is None


def test_what_the_gallery_is_told_is_the_first_count(ledger: MemoryLedger, monkeypatch: pytest.MonkeyPatch) -> None:
    """And how the page shows the end, whoever goes on."""
    monkeypatch.setattr("worker.jobs.claim.HANDOVER_SECONDS", 0.01)
    process = Process(ledger)
    assert claimed(process.take()).begin_telling(3, b'{"version":1}') == 3
    again = claimed(process.take(returns=1))
    assert (again.begin_telling(0, b"other"), again.read_end()) == (3, b'{"version":1}')


def test_a_call_that_was_taken_a_moment_ago_is_waited_for(
    ledger: MemoryLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who made it is overtaken, and alive: it writes down that the gallery has taken it."""
    one, other = Process(ledger), Process(ledger)
    first = claimed(one.take())
    first.begin_telling(0, b"")
    second = claimed(other.take())
    looks: list[Callable[[], None]] = [lambda: None, first.note_told]
    monkeypatch.setattr("worker.jobs.claim.Stop.sleep", lambda _self, _seconds: looks.pop(0)())
    second.begin_telling(0, b"")
    assert (looks, second.record.is_told) == ([], True)


def test_what_was_begun_long_ago_is_not_waited_for(ledger: MemoryLedger, monkeypatch: pytest.MonkeyPatch) -> None:
    """A minute before it was heard of again; or before this process began to hear."""
    clock = [1000.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    monkeypatch.setattr("worker.jobs.claim.Stop.sleep", lambda _self, _seconds: pytest.fail("waited"))
    one, other = Process(ledger), Process(ledger)
    claimed(one.take()).begin_telling(0, b"")
    clock[0] += 60
    assert claimed(other.take()).begin_telling(0, b"") == 0
    late = Process(ledger)
    clock[0] += 60
    assert claimed(late.take()).begin_telling(0, b"") == 0


def test_whoever_tells_again_after_a_wait_waits_for_nobody(
    ledger: MemoryLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The call that was not taken has ended, and the job went on."""
    process, published = Process(ledger), []
    monkeypatch.setattr("worker.jobs.claim.Stop.sleep", lambda _self, _seconds: pytest.fail("waited"))
    first = claimed(process.take())
    first.begin_telling(0, b"")
    first.continue_as(replace(JOB, state=JobState(slices=1, phase=Phase.TELLING)), published.append)
    assert claimed(process.take(published[0])).begin_telling(0, b"") == 0


def test_that_the_gallery_knows_is_written_down_however_often_that_fails(
    ledger: MemoryLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also by a worker that was overtaken: whoever has the job by then must not tell it once more."""
    monkeypatch.setattr("worker.jobs.claim.RETRY_SECONDS", 0.001)
    first = claimed(Process(ledger).take())
    first.begin_telling(0, b"")
    Process(ledger).take()
    append, away = ledger.append, [3]

    def refuse(entry: Entry):  # type: ignore[no-untyped-def]
        if away[0]:
            away[0] -= 1
            raise Transient(Reason.TRY_LATER, "away")
        return append(entry)

    monkeypatch.setattr(ledger, "append", refuse)
    first.note_told()
    assert ledger.find(JOB.id).is_told


def test_a_process_that_ends_waits_for_what_only_it_knows(
    ledger: MemoryLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As long as it may: a grant that stands nowhere is gone with it."""
    monkeypatch.setattr("worker.jobs.claim.RETRY_SECONDS", 0.01)
    process = Process(ledger)
    claim, ledger.is_away = claimed(process.take()), True
    begun = threading.Event()

    def renew() -> None:
        with claim.pending_write:
            begun.set()
            claim.replace_grant("newest")

    writing = threading.Thread(target=renew)
    writing.start()
    begun.wait()
    process.claims.wait_for_writes(0.05)
    assert writing.is_alive()
    ledger.is_away = False
    process.claims.wait_for_writes(60)
    assert ledger.find(JOB.id).grant == "newest"
    writing.join()


def test_what_is_done_after_the_gallery_was_told_is_not_stopped(ledger: MemoryLedger) -> None:
    """It copies nothing; and what came twice must go, whatever the guest wants."""
    ledger.append(Entry(job_id=JOB.id, kind=Kind.STOPPED))
    process, published = Process(ledger), []
    first = claimed(process.take())
    first.begin_telling(0, b"")
    first.note_told()
    first.continue_as(replace(JOB, state=JobState(slices=1, phase=Phase.TOLD)), published.append)
    claimed(process.take(published[0]))
    assert process.signals.cause is None


@pytest.mark.parametrize("returns", [0, 1])
def test_a_message_that_somebody_had_before_may_have_others(ledger: MemoryLedger, returns: int) -> None:
    """Whoever had it may be at work still, whether or not that was written down; with the next message it is over."""
    process, published = Process(ledger), []
    assert not claimed(process.take()).record.may_have_others
    again = claimed(process.take(returns=returns))
    assert again.record.may_have_others
    again.continue_as(replace(JOB, state=JobState(slices=1)), published.append)
    assert not claimed(process.take(published[0])).record.may_have_others
    assert claimed(Process(MemoryLedger()).take(returns=1)).record.may_have_others


def test_what_stood_there_before_survives_a_takeover(ledger: MemoryLedger) -> None:
    """Else the photos that this very job has brought would count as found."""
    process = Process(ledger)
    claimed(process.take()).settle_first_look(2)
    assert claimed(process.take(returns=1)).job.state.skipped == 2


def test_two_who_look_side_by_side_tell_one_count(ledger: MemoryLedger) -> None:
    """Whoever looks second sees what the first one brought: that was not there before."""
    process, other = Process(ledger), Process(ledger)
    first, second = claimed(process.take()), claimed(other.take(returns=1))
    assert first.settle_first_look(0) == 0
    assert second.settle_first_look(5) == 0


def test_a_first_look_is_written_down_before_anybody_is_told_of_it(ledger: MemoryLedger) -> None:
    """While the broker is away nothing is copied either; an end of the work ends that wait."""
    process = Process(ledger)
    claim = claimed(process.take())
    ledger.is_away = True
    process.signals.stop(Cause.SHUTDOWN)
    with pytest.raises(Interrupted):
        claim.settle_first_look(3)
    ledger.is_away = False
    assert ledger.find(JOB.id).skipped == -1


def test_what_goes_to_the_dead_can_be_put_back_to_work(ledger: MemoryLedger) -> None:
    """A copy of the message, which never came back before."""
    process = Process(ledger)
    claimed(process.take(returns=7)).abandon()
    assert process.take(returns=0)


def test_a_job_that_a_worker_of_the_version_before_let_go_on_is_no_leftover(ledger: MemoryLedger) -> None:
    """It writes nothing down, and its messages bear no edition; a rollout has both."""
    process, published = Process(ledger), []
    claimed(process.take()).continue_as(replace(JOB, state=JobState(slices=1)), published.append)
    theirs = replace(published[0], edition="", state=JobState(slices=2))
    taken = claimed(process.take(theirs))
    assert taken.job.state.slices == 2
    claimed(process.take(theirs, returns=1)).continue_as(replace(JOB, state=JobState(slices=3)), published.append)
    assert process.take(theirs, returns=2) is None
    claimed(process.take(published[1])).end()
    assert process.take(theirs, returns=3) is None
