"""Threads of one's own for what waits: so many, so many calls waiting for one, and for so long."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from typing import Any, TypeVar

Value = TypeVar("Value")


class Busy(Exception):
    """No thread was free in time: nothing was begun, and the same may be asked for again."""


class Threads:
    """Runs calls that wait for somebody, so that only calls of the same kind ever wait for them. For one event loop.

    Args:
        name: of the threads.
        at_once: how many there are.
        waiting: how many calls may wait for one.
        patience: seconds that each of those waits.
    """

    def __init__(self, name: str, *, at_once: int, waiting: int, patience: float) -> None:
        self._pool = ThreadPoolExecutor(at_once, thread_name_prefix=name)
        self._free = asyncio.Semaphore(at_once)
        self._most_waiting = waiting
        self._patience = patience
        self._waiting = 0

    async def run(self, call: Callable[[], Value]) -> Value:
        """Return what a call returns, or raise what it raises; it runs in a copy of this context.

        Who is not waited for any more goes on to its end, and holds its thread so long.

        Raises:
            Busy: too many wait already, or this one waited long enough.
        """
        await self._take_thread()
        loop = asyncio.get_running_loop()
        try:
            running = self._pool.submit(copy_context().run, call)
        except RuntimeError:  # closed: the process ends
            self._free.release()
            raise Busy from None

        def give_back(_ended: "Future[Any]") -> None:
            # A loop that is closed has nobody left who waits.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(self._free.release)

        running.add_done_callback(give_back)
        return await asyncio.wrap_future(running)

    def close(self) -> None:
        """Begin nothing any more; what runs goes on."""
        self._pool.shutdown(wait=False)

    async def _take_thread(self) -> None:
        if not self._free.locked():
            await self._free.acquire()
            return
        if self._waiting >= self._most_waiting:
            raise Busy
        self._waiting += 1
        try:
            async with asyncio.timeout(self._patience):
                await self._free.acquire()
        except TimeoutError:
            raise Busy from None
        finally:
            self._waiting -= 1
