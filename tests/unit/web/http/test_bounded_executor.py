"""The bounded executor: so many threads, so many queued calls, so long a wait."""

import asyncio
import threading
from contextvars import ContextVar

import pytest

from web.http.bounded_executor import BoundedExecutor, Overloaded

NAME = ContextVar("NAME", default="")


async def let_others_go() -> None:
    """Let every task that can run do so."""
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


def test_threads_and_queue_are_bounded() -> None:
    """Two run and three wait; those are served in order, and a sixth is refused."""

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


def test_wait_for_a_thread_ends() -> None:
    """A call that waited too long is refused and never begun."""

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
    """Also when its caller is cancelled: otherwise one thread would count as two."""

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
