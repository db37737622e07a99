"""Loops restart whatever happens, and know whether they are alive."""

import logging
import threading
from collections.abc import Callable

import pytest

from common.errors import Reason, Transient
from common.loops import (
    MAX_DELAY,
    MAX_SILENCE,
    MAX_STARTUP,
    MIN_DELAY,
    RESET_AFTER,
    Loop,
    error_level,
    guard,
)
from common.messages.publisher import NotLetIn
from common.messages.topology import OtherTopology
from common.telemetry import logs
from tests.fakes.clock import Clock


class LoopHarness:
    """A loop with a fake clock; its work is the test's, and its waits only advance the clock."""

    def __init__(self, *works: Callable[["LoopHarness"], None]) -> None:
        self.clock = 0.0
        self.waits: list[float] = []
        self._works = list(works)
        self.loop = Loop("a loop", self._work, is_over=lambda: not self._works, wait=self._wait, now=lambda: self.clock)

    def _work(self) -> None:
        self._works.pop(0)(self)

    def _wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.clock += seconds


def fail(error: BaseException) -> Callable[[LoopHarness], None]:
    """Return work that fails at once."""

    def work(_harness: LoopHarness) -> None:
        raise error

    return work


def move_and_fail(error: Exception, seconds: float = 1.0) -> Callable[[LoopHarness], None]:
    """Return work that makes progress for a while before it fails."""

    def work(harness: LoopHarness) -> None:
        harness.clock += seconds
        harness.loop.beat()
        raise error

    return work


AWAY = Transient(Reason.TRY_LATER, "the broker cannot be reached")


def test_whatever_fails_is_begun_again_after_growing_bounded_waits() -> None:
    """An outage and a bug alike; what returns too early as well."""
    errors = [AWAY, KeyError("x"), AssertionError(), RecursionError(), MemoryError(), AWAY, AWAY, AWAY]
    harness = LoopHarness(*map(fail, errors), lambda _: None, lambda _: None)
    harness.loop.run()
    assert harness.waits[:3] == [MIN_DELAY, 2 * MIN_DELAY, 4 * MIN_DELAY]
    assert len(harness.waits) == len(errors) + 1
    assert max(harness.waits) == MAX_DELAY


def test_an_outage_after_good_times_is_waited_for_anew() -> None:
    """How long it will last does not depend on earlier failures."""
    harness = LoopHarness(fail(AWAY), fail(AWAY), fail(AWAY), move_and_fail(AWAY), fail(AWAY), fail(AWAY))
    harness.loop.run()
    assert harness.waits == [0.5, 1.0, 2.0, 0.5, 1.0]


def test_a_bug_that_comes_again_and_again_fills_no_log() -> None:
    """Even if it made progress before: only a long run resets the delay."""
    harness = LoopHarness(
        *[move_and_fail(KeyError("x"))] * 4, move_and_fail(KeyError("x"), RESET_AFTER + 1), fail(AWAY)
    )
    harness.loop.run()
    assert harness.waits == [0.5, 1.0, 2.0, 4.0, 0.5]


def test_failures_are_told_as_loudly_as_they_are_bad(caplog: pytest.LogCaptureFixture) -> None:
    """An outage is a warning, what only an operator can mend an error, a bug an error with its trace."""
    refused = OtherTopology("the queue x differs")
    LoopHarness(fail(AWAY), fail(refused), fail(KeyError("x"))).loop.run()
    told = [(record.levelno, bool(record.exc_info)) for record in caplog.records]
    assert told == [(logging.WARNING, False), (logging.ERROR, False), (logging.ERROR, True)]
    assert "the queue x differs" in caplog.text


def test_a_loop_that_stands_still_is_dead_and_one_that_asks_is_not() -> None:
    """Before its first beat it may take longer: an outage elsewhere is no death here."""
    seen: list[bool] = []

    def work(harness: LoopHarness) -> None:
        for passed in (MAX_STARTUP - 1, 2):
            harness.clock += passed
            seen.append(harness.loop.is_alive)
        harness.loop.beat()
        for passed in (MAX_SILENCE - 1, 2):
            harness.clock += passed
            seen.append(harness.loop.is_alive)

    harness = LoopHarness(work, lambda _: None)
    assert harness.loop.is_alive
    harness.loop.run()
    assert seen == [True, False, True, False]
    assert harness.loop.is_alive  # it is over


def test_a_thread_that_ended_is_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    """By an exception that no loop catches."""
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    harness = LoopHarness(fail(SystemExit()), lambda _: None)
    harness.loop.start().join(10)
    assert not harness.loop.is_alive


def test_an_end_by_an_exception_is_told(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """For any thread, as a log record."""
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)  # put back afterwards
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        logs.configure("INFO", "json")
        thread = threading.Thread(target=lambda: {}["x"], name="photo 7")
        thread.start()
        thread.join()
    finally:
        root.handlers[:], root.level = handlers, level
    (line,) = capsys.readouterr().err.splitlines()
    assert "photo 7" in line
    assert "KeyError" in line


def test_a_guarded_failure_ends_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    """It is logged with its traceback."""
    assert guard("counting", lambda: None)
    assert not guard("counting", lambda: {}["x"])
    assert [bool(record.exc_info) for record in caplog.records] == [True]


def test_what_a_starting_broker_says_is_an_error_only_when_it_stays() -> None:
    """It takes connections before it knows its users; a queue of another version is an error at once."""
    refused, clock = NotLetIn(Reason.TRY_LATER, "who are you, asked once"), Clock()
    levels = []
    for seconds in (0, 5, 30, 30, 1, 100, 5):
        clock.sleep(seconds)
        levels.append(error_level(refused, clock.now))
    assert levels == [logging.WARNING] * 3 + [logging.ERROR] * 2 + [logging.WARNING] * 2
    assert error_level(OtherTopology("the queue x differs"), clock.now) == logging.ERROR
    assert error_level(Transient(Reason.TRY_LATER, "away"), clock.now) == logging.WARNING
