"""A thread pool with a bounded queue, so that blocking calls of one kind only ever wait for each other."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from typing import Any, TypeVar

Value = TypeVar("Value")


class Overloaded(Exception):
    """Too many wait already, or one waited too long: nothing was begun, and the same may be asked for again."""


class BoundedExecutor:
    """Run blocking calls on threads of its own. For one event loop.

    Args:
        name: of the threads.
        max_threads: how many calls run at a time.
        max_queued: how many more may wait for a thread.
        queue_timeout: the longest wait for a thread, in seconds.
    """

    def __init__(self, name: str, *, max_threads: int, max_queued: int, queue_timeout: float) -> None:
        self._pool = ThreadPoolExecutor(max_threads, thread_name_prefix=name)
        self._free = asyncio.Semaphore(max_threads)
        self._max_queued = max_queued
        self._queue_timeout = queue_timeout
        self._queued = 0

    async def run(self, call: Callable[[], Value]) -> Value:
        """Return what a call returns, or raise what it raises; it runs in a copy of this context.

        A call that has begun runs to its end and holds its thread so long, even if its caller is cancelled.

        Raises:
            Overloaded: the queue is full, the wait for a thread was too long, or the executor is closed.
        """
        await self._acquire_thread()
        loop = asyncio.get_running_loop()
        try:
            running = self._pool.submit(copy_context().run, call)
        except RuntimeError:  # closed: the process ends
            self._free.release()
            raise Overloaded from None

        def release_thread(_ended: "Future[Any]") -> None:
            # RuntimeError: the loop is closed, and nobody waits any more.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(self._free.release)

        running.add_done_callback(release_thread)
        return await asyncio.wrap_future(running)

    def close(self) -> None:
        """Begin no further calls; those that run go on."""
        self._pool.shutdown(wait=False)

    async def _acquire_thread(self) -> None:
        if not self._free.locked():
            await self._free.acquire()
            return
        if self._queued >= self._max_queued:
            raise Overloaded
        self._queued += 1
        try:
            async with asyncio.timeout(self._queue_timeout):
                await self._free.acquire()
        except TimeoutError:
            raise Overloaded from None
        finally:
            self._queued -= 1
