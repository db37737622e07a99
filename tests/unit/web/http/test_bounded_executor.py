"""What waits does so on threads of its own, and not without bound."""

import asyncio
import threading
from contextvars import ContextVar

import pytest

from web.http.bounded_executor import BoundedExecutor, Overloaded

NAME = ContextVar("NAME", default="")


async def let_others_go() -> None:
    """Let every task that can go on do so."""
    for _ in range(5):
        await asyncio.sleep(0.01)


def test_what_a_call_returns_or_raises_comes_back() -> None:
    """From a thread of that name, in the caller's context."""

    async def run() -> None:
        executor = BoundedExecutor("mine", max_threads=1, max_queued=1, queue_timeout=5)
        NAME.set("a request")
        assert await executor.run(lambda: (threading.current_thread().name[:4], NAME.get())) == ("mine", "a request")
        with pytest.raises(ZeroDivisionError):
            await executor.run(lambda: 1 / 0)
        executor.close()
        with pytest.raises(Overloaded):
            await executor.run(lambda: None)

    asyncio.run(run())


def test_so_many_run_so_many_wait_and_the_rest_is_told() -> None:
    """Two threads, three that wait; when they are free again, all of those are served, in their order."""

    async def run() -> None:
        go_on, begun = threading.Event(), list[int]()
        executor = BoundedExecutor("test", max_threads=2, max_queued=3, queue_timeout=30)

        def work(number: int) -> int:
            begun.append(number)
            go_on.wait(30)
            return number

        tasks = [asyncio.create_task(executor.run(lambda number=number: work(number))) for number in range(5)]  # type: ignore[misc]
        await let_others_go()
        assert sorted(begun) == [0, 1]
        with pytest.raises(Overloaded):
            await executor.run(lambda: work(5))
        go_on.set()
        assert await asyncio.gather(*tasks) == [0, 1, 2, 3, 4]
        assert await executor.run(lambda: work(6)) == 6
        executor.close()

    asyncio.run(run())


def test_patience_ends() -> None:
    """Who waited long enough is told so, and was never begun."""

    async def run() -> None:
        go_on, begun = threading.Event(), list[str]()
        executor = BoundedExecutor("test", max_threads=1, max_queued=3, queue_timeout=0.05)
        slow = asyncio.create_task(executor.run(lambda: go_on.wait(30)))
        await let_others_go()
        with pytest.raises(Overloaded):
            await executor.run(lambda: begun.append("late"))
        go_on.set()
        assert await slow
        assert begun == []
        await executor.run(lambda: begun.append("next"))
        assert begun == ["next"]
        executor.close()

    asyncio.run(run())


def test_a_thread_counts_until_it_is_free() -> None:
    """Not only as long as somebody waits for it: a request that is given up does not make two of one."""

    async def run() -> None:
        go_on = threading.Event()
        executor = BoundedExecutor("test", max_threads=1, max_queued=0, queue_timeout=0)
        slow = asyncio.create_task(executor.run(lambda: go_on.wait(30)))
        await let_others_go()
        slow.cancel()
        await let_others_go()
        with pytest.raises(Overloaded):
            await executor.run(lambda: None)
        go_on.set()
        await let_others_go()
        await executor.run(lambda: None)
        executor.close()

    asyncio.run(run())
