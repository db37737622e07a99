"""Stop signals: set once, for one cause; whoever sleeps on one wakes."""

import gc
import threading
import weakref
from collections.abc import Callable

import pytest

from worker.transfer import stop as stopping
from worker.transfer.stop import Cause, GracePeriod, Interrupted, Signals, Stop

WAIT = 20.0  # seconds until a test gives up on a thread that ought to wake at once


def test_nothing_stops_by_itself() -> None:
    """No cause, no exception, and a sleep is slept out."""
    stop = Stop()
    stop.check()
    stop.sleep(0.0)
    assert (stop.is_set(), stop.cause) == (False, None)


def test_a_set_stop_interrupts() -> None:
    """By the check and by the sleep, as often as they are asked."""
    stop = Stop()
    stop.set(Cause.CANCELLED)
    for ask in (stop.check, lambda: stop.sleep(WAIT)) * 2:
        with pytest.raises(Interrupted):
            ask()
    assert (stop.is_set(), stop.cause) == (True, Cause.CANCELLED)


def test_the_first_cause_counts() -> None:
    """A process that ends does not undo that the guest cancelled."""
    stop = Stop()
    stop.set(Cause.CANCELLED)
    stop.set(Cause.SHUTDOWN)
    assert stop.cause == Cause.CANCELLED


def test_that_another_worker_has_the_job_counts_more_than_the_first_cause() -> None:
    """Here and in all children; and it was set when the first cause was."""
    stop = Stop()
    child = Stop(stop)
    stop.set(Cause.CANCELLED)
    since = stop.since
    stop.set(Cause.TAKEN_OVER)
    stop.set(Cause.SHUTDOWN)
    assert (stop.cause, child.cause, stop.since) == (Cause.TAKEN_OVER, Cause.TAKEN_OVER, since)


def start_sleeper(stop: Stop) -> Callable[[], bool]:
    """Let a thread sleep; return what waits for it and tells whether it was interrupted."""
    interrupted = threading.Event()
    asleep = threading.Event()

    def sleep() -> None:
        asleep.set()
        try:
            stop.sleep(WAIT)
        except Interrupted:
            interrupted.set()

    thread = threading.Thread(target=sleep, daemon=True)
    thread.start()
    assert asleep.wait(WAIT)

    def finish() -> bool:
        thread.join(WAIT / 2)
        return interrupted.is_set()

    return finish


def test_a_sleeper_wakes() -> None:
    """Here, and below."""
    stop = Stop()
    sleepers = [start_sleeper(stop), start_sleeper(Stop(stop)), start_sleeper(Stop(Stop(stop)))]
    stop.set(Cause.SHUTDOWN)
    assert [finish() for finish in sleepers] == [True, True, True]


def test_a_child_stops_with_its_parent_and_not_the_other_way_round() -> None:
    """One photo's end is not the job's."""
    parent = Stop()
    first, second = Stop(parent), Stop(parent)
    first.set(Cause.FAILED)
    assert [stop.cause for stop in (parent, first, second)] == [None, Cause.FAILED, None]
    parent.set(Cause.SHUTDOWN)
    assert [stop.cause for stop in (parent, first, second)] == [Cause.SHUTDOWN, Cause.FAILED, Cause.SHUTDOWN]


def test_a_child_of_what_has_stopped_has_stopped() -> None:
    """Whoever comes late is told as well."""
    parent = Stop()
    parent.set(Cause.SLICE_OVER)
    child = Stop(parent)
    assert (child.is_set(), child.cause) == (True, Cause.SLICE_OVER)


def test_a_child_that_is_over_is_forgotten() -> None:
    """A worker runs for months; its jobs do not add up."""
    parent = Stop()
    child = weakref.ref(Stop(parent))
    gc.collect()
    assert child() is None
    parent.set(Cause.SHUTDOWN)


def test_children_may_come_while_it_is_set() -> None:
    """Whatever the order of the threads, none is left running."""
    parent = Stop()
    children: list[Stop] = []
    begin = threading.Barrier(2)

    def adopt() -> None:
        begin.wait(WAIT)
        children.extend(Stop(parent) for _ in range(2000))

    thread = threading.Thread(target=adopt)
    thread.start()
    begin.wait(WAIT)
    parent.set(Cause.SHUTDOWN)
    thread.join(WAIT)
    assert [child.cause for child in children] == [Cause.SHUTDOWN] * 2000


def test_winding_down_lets_what_moves_end() -> None:
    """The two signals of a job are two; stopping at once is both."""
    job = Signals()
    job.wind_down.set(Cause.SLICE_OVER)
    assert (job.wind_down.is_set(), job.abort.is_set(), job.cause) == (True, False, Cause.SLICE_OVER)
    job.stop(Cause.SHUTDOWN)
    assert (job.abort.is_set(), job.cause) == (True, Cause.SHUTDOWN)


def test_signals_go_down_one_by_one() -> None:
    """A process's signals are those of its jobs."""
    process = Signals()
    job = Signals(process)
    process.wind_down.set(Cause.SHUTDOWN)
    assert (job.wind_down.is_set(), job.abort.is_set()) == (True, False)
    process.abort.set(Cause.SHUTDOWN)
    assert job.abort.is_set()


def test_requests_end_when_everything_is_aborted() -> None:
    """Not when only nothing new is to begin."""
    job = Signals(Signals())
    job.wind_down.set(Cause.SLICE_OVER)
    job.check()
    job.abort.set(Cause.SHUTDOWN)
    with pytest.raises(Interrupted):
        job.check()


def test_final_requests_are_allowed_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    """After everything was aborted; a cloud that hangs does not make it longer."""
    job = Signals()
    job.stop(Cause.CANCELLED)
    job.allow_final_requests()
    job.check()
    monkeypatch.setattr(stopping, "FINAL_REQUESTS_SECONDS", 0.0)
    job.allow_final_requests()
    with pytest.raises(Interrupted):
        job.check()


def test_whoever_cleans_up_has_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted from the abort; other threads of the job have none."""
    job = Signals()
    job.stop(Cause.CANCELLED)
    heard: list[bool] = []

    def check_elsewhere() -> None:
        try:
            job.check()
            heard.append(False)
        except Interrupted:
            heard.append(True)

    with job.clean_up():
        job.check()
        other = threading.Thread(target=check_elsewhere)
        other.start()
        other.join()
        monkeypatch.setattr(stopping, "CLEAN_UP_SECONDS", 0.0)
        with pytest.raises(Interrupted):
            job.check()
    monkeypatch.undo()
    with pytest.raises(Interrupted):
        job.check()
    assert heard == [True]


def test_a_refresh_may_come_to_its_end() -> None:
    """For a moment, counted from when its end was noticed; one that has not begun does not begin."""
    job = Signals()
    grace = GracePeriod(job, WAIT)
    job.stop(Cause.SHUTDOWN)
    grace.check()
    grace = GracePeriod(Signals(), 0.0)
    grace.check()
    with pytest.raises(Interrupted):
        GracePeriod(job)


def test_a_moment_is_no_minute() -> None:
    """A token endpoint that hangs is left."""
    job = Signals()
    grace = GracePeriod(job, 0.0)
    job.stop(Cause.SHUTDOWN)
    with pytest.raises(Interrupted):
        grace.check()
