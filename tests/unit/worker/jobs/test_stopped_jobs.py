"""Jobs that are stopped while their message waits: who takes them up, and how often."""

import threading

import pytest

from common.errors import Reason, Transient
from common.messages.ledger import Entry, Kind, Record
from tests.fakes.clock import Clock
from worker.jobs import stopped_jobs
from worker.jobs.stopped_jobs import StoppedJobs
from worker.transfer.stop import Cause, Signals

IDLE = Record(body_offset=7)


class Tries:
    """Takes jobs up, and fails as often as it is told to."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.seen: list[tuple[str, bool]] = []
        self.is_over = threading.Event()

    def take_up(self, job_id: str, _signals: Signals, overtakes: bool) -> None:
        """Fail, or succeed."""
        self.seen.append((job_id, overtakes))
        if self.failures:
            raise self.failures.pop(0)
        self.is_over.set()


@pytest.fixture(autouse=True)
def _no_delays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stopped_jobs, "MAX_DELAY_SECONDS", 0.01)


def test_a_broker_that_is_away_is_asked_again() -> None:
    """The message itself may wait for half an hour; a stop is told within a minute."""
    away = Transient(Reason.TRY_LATER, "the broker cannot be reached")
    tries = Tries(away, away)
    StoppedJobs(tries.take_up, Signals()).run_all(["a"])
    assert tries.is_over.wait(10)
    assert tries.seen == [("a", True)] * 3


def test_the_end_of_the_process_ends_the_tries() -> None:
    """Nothing is begun, and no thread keeps the process."""
    signals, tries = Signals(), Tries()
    signals.stop(Cause.SHUTDOWN)
    taking = StoppedJobs(tries.take_up, signals)
    taking.on_entry(Entry(job_id="a", kind=Kind.STOPPED), IDLE)
    taking._threads.shutdown(wait=True)
    assert tries.seen == []


def test_only_a_stop_of_a_job_that_waits_is_taken_up() -> None:
    """What is in somebody's hands is stopped there."""
    tries = Tries()
    taking = StoppedJobs(tries.take_up, Signals())
    taking.on_entry(Entry(job_id="a", kind=Kind.STOPPED), Record(body_offset=7, is_claimed=True))
    taking.on_entry(Entry(job_id="b", kind=Kind.QUEUED), IDLE)
    taking.on_entry(Entry(job_id="c", kind=Kind.STOPPED), IDLE)
    assert tries.is_over.wait(10)
    taking._threads.shutdown(wait=True)
    assert tries.seen == [("c", False)]


def test_many_jobs_are_not_waited_for_one_after_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """After an outage hundreds are to be told: the last one has waited as long as one may."""
    monkeypatch.setattr(stopped_jobs, "MAX_THREADS", 1)
    monkeypatch.setattr(stopped_jobs, "MAX_DELAY_SECONDS", 3.0)
    clock, signals, tries, all_are_there = Clock(), Signals(), Tries(), threading.Event()

    def sleep(seconds: float) -> None:
        all_are_there.wait(10)
        clock.sleep(seconds)

    monkeypatch.setattr(signals.wind_down, "sleep", sleep)
    began = clock.now()
    taking = StoppedJobs(tries.take_up, signals, clock.now)
    taking.run_all([str(number) for number in range(300)])
    all_are_there.set()
    taking._threads.shutdown(wait=True)
    assert len({job_id for job_id, _ in tries.seen}) == 300
    assert clock.now() - began <= 3.0
