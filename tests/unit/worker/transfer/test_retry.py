"""How often something is tried, and how long is waited first; on a clock that moves only by sleeping."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.errors import ArchiveError, JobStopped, PhotoRejected, Reason, SessionLost, Throttled, Transient
from tests.fakes.clock import Clock
from worker.transfer.retry import MAX_RETRY_AFTER, RetryBudget, RetryPolicy
from worker.transfer.stop import Cause, Interrupted, Stop
from worker.transfer.throttle import Throttle

BROKEN = Transient(Reason.CLOUD_UNAVAILABLE)
LOST = SessionLost(Reason.CLOUD_UNAVAILABLE)


def policy_of(clock: Clock, **changes: Any) -> RetryPolicy:
    """Return the contract's policy without chance: half of every delay is sure, and so is the other half."""
    return RetryPolicy(
        **{
            "tries": 5,
            "first_delay": 1.0,
            "max_delay": 60.0,
            "sleep": clock.sleep,
            "throttle": Throttle(clock.sleep, clock.now, lambda: 0.0),
            "jitter": lambda: 1.0,
            **changes,
        }
    )


@pytest.mark.parametrize("error", [BROKEN, LOST])
def test_five_tries_are_four_waits(error: Transient | SessionLost) -> None:
    """Each twice as long as the one before; after the fifth failure nobody waits."""
    clock = Clock()
    budget = RetryBudget(policy_of(clock))
    assert [budget.wait_or_give_up(error) for _ in range(5)] == [True, True, True, True, False]
    assert clock.slept == [1.0, 2.0, 4.0, 8.0]


@pytest.mark.parametrize("tries", [1, 2, 7])
def test_tries_are_counted_exactly(tries: int) -> None:
    """One try is no second one."""
    clock = Clock()
    budget = RetryBudget(policy_of(clock, tries=tries))
    assert [budget.wait_or_give_up(BROKEN) for _ in range(tries)] == [True] * (tries - 1) + [False]
    assert len(clock.slept) == tries - 1


def test_progress_buys_the_tries_back() -> None:
    """And the delays begin anew."""
    clock = Clock()
    budget = RetryBudget(policy_of(clock))
    for _ in range(4):
        assert budget.wait_or_give_up(BROKEN)
    budget.note_progress(1)
    assert [budget.wait_or_give_up(BROKEN) for _ in range(5)] == [True, True, True, True, False]
    assert clock.slept == [1.0, 2.0, 4.0, 8.0] * 2


def test_delays_end_growing() -> None:
    """At the longest one, however often it failed."""
    policy = policy_of(Clock())
    assert [policy.delay(failures) for failures in (6, 7, 8, 100, 10_000)] == [32.0, 60.0, 60.0, 60.0, 60.0]


@settings(deadline=None)
@given(st.integers(1, 2000), st.floats(0, 0.999), st.floats(0, 100), st.floats(0, 1000))
def test_chance_makes_up_half_of_a_delay(failures: int, jitter: float, base: float, longest: float) -> None:
    """Never less than half of it, never more than all, and never beyond the longest."""
    clock = Clock()
    full = policy_of(clock, first_delay=base, max_delay=longest).delay(failures)
    delay = policy_of(clock, first_delay=base, max_delay=longest, jitter=lambda: jitter).delay(failures)
    assert full / 2 <= delay <= full <= longest


@pytest.mark.parametrize(
    ("asked", "expected"),
    [(None, 1.0), (0.0, 1.0), (0.5, 1.0), (17.0, 17.0), (MAX_RETRY_AFTER, 300.0), (1e6, 300.0), (float("inf"), 300.0)],
)
def test_a_wait_that_is_asked_for_is_honoured_within_reason(asked: float | None, expected: float) -> None:
    """Longer than our own delay, but no million seconds."""
    clock = Clock()
    RetryBudget(policy_of(clock)).wait_or_give_up(Transient(Reason.CLOUD_UNAVAILABLE, wait=asked))
    assert clock.slept == [expected]


def test_throttling_uses_up_no_try() -> None:
    """The account is written to too fast: that is no failure, and the throttle knows how long to wait."""
    clock = Clock()
    budget = RetryBudget(policy_of(clock, tries=2))
    for _ in range(5):
        assert budget.wait_or_give_up(Throttled(Reason.CLOUD_UNAVAILABLE, wait=3.0))
    assert sum(clock.slept) >= 15.0
    assert [budget.wait_or_give_up(BROKEN) for _ in range(2)] == [True, False]


def test_every_failure_that_is_tried_again_is_reported() -> None:
    """Throttled ones as well; the last failure is not tried again."""
    reported: list[ArchiveError] = []
    budget, throttled = (
        RetryBudget(policy_of(Clock(), tries=2, on_retry=reported.append)),
        Throttled(Reason.DAILY_LIMIT),
    )
    for error in (throttled, BROKEN, BROKEN):
        budget.wait_or_give_up(error)
    assert reported == [throttled, BROKEN]


def test_a_call_is_repeated_until_it_succeeds() -> None:
    """Its value comes out."""
    clock = Clock()
    answers = iter([BROKEN, BROKEN, "value"])

    def call() -> str:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert policy_of(clock).call_with_retry(call) == "value"
    assert clock.slept == [1.0, 2.0]


def test_a_call_that_never_succeeds_raises_its_last_failure() -> None:
    """After five tries."""
    calls: list[Transient] = []

    def call() -> None:
        calls.append(Transient(Reason.CLOUD_UNAVAILABLE, f"number {len(calls) + 1}"))
        raise calls[-1]

    with pytest.raises(Transient) as raised:
        policy_of(Clock()).call_with_retry(call)
    assert (len(calls), raised.value) == (5, calls[-1])


@pytest.mark.parametrize(
    "error", [LOST, PhotoRejected(Reason.WRONG_BYTES), JobStopped(Reason.DENIED), KeyError("bug"), Interrupted()]
)
def test_a_call_is_not_repeated_for_anything_else(error: Exception) -> None:
    """A bug is loud, and an order to stop is no failure."""
    clock = Clock()
    calls: list[None] = []

    def call() -> None:
        calls.append(None)
        raise error

    with pytest.raises(type(error)):
        policy_of(clock).call_with_retry(call)
    assert (len(calls), clock.slept) == (1, [])


def test_a_sleeper_is_woken_to_stop() -> None:
    """What ends the sleep comes out, as what it is."""
    stop = Stop()
    stop.set(Cause.SHUTDOWN)
    with pytest.raises(Interrupted):
        RetryBudget(policy_of(Clock(), sleep=stop.sleep)).wait_or_give_up(BROKEN)
