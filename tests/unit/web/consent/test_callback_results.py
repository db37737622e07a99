"""Results of callbacks: one attempt for each answer, whoever asks, and not for ever."""

import asyncio
from collections.abc import Callable

import pytest

from web.consent import callback_results
from web.consent.callback_results import MAX_ANSWERS, TTL_SECONDS, CallbackResults
from web.http.bounded_executor import Overloaded


class Attempts:
    """Counts attempts and returns their results in order; the last one repeats."""

    def __init__(self, *results: bool) -> None:
        self.made = 0
        self._results = results

    def __call__(self) -> bool:
        """Make the next attempt."""
        self.made += 1
        return self._results[min(self.made, len(self._results)) - 1]


class Results:
    """`CallbackResults`, asked one call after another."""

    def __init__(self, now: Callable[[], float] = lambda: 0.0) -> None:
        self._results = CallbackResults(now)

    def get_or_attempt(self, job_id: str, answer: str, attempt: Callable[[], bool]) -> bool:
        """Attempt, and wait for the result."""

        async def attempt_it() -> bool:
            return attempt()

        return asyncio.run(self._results.get_or_attempt(job_id, answer, attempt_it))


def test_an_answer_is_attempted_once() -> None:
    """Its result stands, good or bad."""
    for result in (True, False):
        attempts, results = Attempts(result), Results()
        assert [results.get_or_attempt("job", "answer", attempts) for _ in range(3)] == [result] * 3
        assert attempts.made == 1


def test_another_answer_is_tried_until_one_succeeds() -> None:
    """After a success every answer is a success, tried or not."""
    attempts, results = Attempts(False, True), Results()
    assert [results.get_or_attempt("job", answer, attempts) for answer in "abca"] == [False, True, True, True]
    assert attempts.made == 2


def test_trials_come_to_an_end() -> None:
    """Who has a state cannot make us call the cloud for ever."""
    attempts, results = Attempts(False), Results()
    for number in range(MAX_ANSWERS * 2):
        assert not results.get_or_attempt("job", f"guess {number}", attempts)
    assert attempts.made == MAX_ANSWERS


def test_jobs_do_not_share_results() -> None:
    """One guest's failure is not another's."""
    attempts, results = Attempts(False, True), Results()
    assert [results.get_or_attempt(job, "answer", attempts) for job in "ab"] == [False, True]


def test_a_bug_is_not_remembered() -> None:
    """What an attempt raises comes out, and the next one is tried."""
    results = Results()
    with pytest.raises(ZeroDivisionError):
        results.get_or_attempt("job", "answer", lambda: bool(1 / 0))
    assert results.get_or_attempt("job", "answer", lambda: True)


def test_overload_is_no_result() -> None:
    """The guest may come back with the same answer, as often as it takes."""

    def refuse() -> bool:
        raise Overloaded

    results = Results()
    for _ in range(MAX_ANSWERS + 1):
        with pytest.raises(Overloaded):
            results.get_or_attempt("job", "answer", refuse)
    assert results.get_or_attempt("job", "answer", lambda: True)


def test_jobs_do_not_wait_for_each_other() -> None:
    """While one is tried, others pass; the same answer awaits it, another one has its turn after it."""

    async def come_back() -> None:
        results, go_on, tried = CallbackResults(), asyncio.Event(), list[str]()

        async def attempt(name: str, result: bool) -> bool:
            tried.append(name)
            await go_on.wait()
            return result

        slow = [
            asyncio.create_task(results.get_or_attempt("slow", "answer", lambda: attempt("slow", False)))
            for _ in range(60)
        ]
        other = asyncio.create_task(results.get_or_attempt("slow", "other", lambda: attempt("other", True)))
        quick = asyncio.create_task(results.get_or_attempt("quick", "answer", lambda: attempt("quick", True)))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert (tried, quick.done()) == (["slow", "quick"], False)
        go_on.set()
        assert (await asyncio.gather(*slow), await other, await quick) == ([False] * 60, True, True)
        assert tried == ["slow", "quick", "other"]

    asyncio.run(come_back())


def test_who_is_not_waited_for_takes_nobody_along() -> None:
    """The first of a double click gives up; the second still gets the result."""

    async def come_back() -> None:
        results, go_on = CallbackResults(), asyncio.Event()
        first = asyncio.create_task(results.get_or_attempt("job", "answer", go_on.wait))
        await asyncio.sleep(0)
        second = asyncio.create_task(results.get_or_attempt("job", "answer", go_on.wait))
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.sleep(0)
        go_on.set()
        assert await second

    asyncio.run(come_back())


def test_few_wait_for_one_job(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rest is told to come back, and others are not concerned."""
    monkeypatch.setattr(callback_results, "MAX_WAITING", 3)

    async def come_back() -> None:
        results, go_on = CallbackResults(), asyncio.Event()
        waiting = [asyncio.create_task(results.get_or_attempt("job", "answer", go_on.wait)) for _ in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(Overloaded):
            await results.get_or_attempt("job", "answer", go_on.wait)
        go_on.set()
        assert await asyncio.gather(*waiting) == [True] * 3
        assert await results.get_or_attempt("job", "answer", go_on.wait)

    asyncio.run(come_back())


def test_old_results_are_forgotten() -> None:
    """After the hour in which their state counts."""
    clock, attempts = [0.0], Attempts(False)
    results = Results(now=lambda: clock[0])
    results.get_or_attempt("job", "answer", attempts)
    clock[0] = TTL_SECONDS
    results.get_or_attempt("job", "answer", attempts)
    assert attempts.made == 1
    clock[0] = TTL_SECONDS + 1
    results.get_or_attempt("job", "answer", attempts)
    assert attempts.made == 2


def test_number_of_jobs_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest go first when there are too many."""
    monkeypatch.setattr(callback_results, "MAX_JOBS", 3)
    results, attempts = Results(), Attempts(True)
    for job in "abcd":
        results.get_or_attempt(job, "answer", attempts)
    results.get_or_attempt("d", "answer", attempts)
    assert attempts.made == 4
    results.get_or_attempt("a", "answer", attempts)
    assert attempts.made == 5
