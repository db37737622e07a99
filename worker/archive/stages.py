"""How many photos are at each stage of their way at a time. Knows no cloud and no gallery."""

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from worker.transfer.stop import Stop

# A photo's session is opened, its source is opened, its bytes move: while some photos move, the answers that the next
# ones wait for are on their way, so nobody's bytes wait for another's round trips.
STAGE_COUNT = 3


class Stages:
    """Room for so many photos at a time. Thread-safe.

    No limit is needed while a source is opened: as many threads as there are stages and stages set it.

    Args:
        count: sessions that are opened, and photos that move, at a time.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self.threads = STAGE_COUNT * count
        self._beginning = threading.Semaphore(count)
        self._moving = threading.Semaphore(count)

    def begin(self, stop: Stop) -> AbstractContextManager[None]:
        """Hold room to open a session; raises Interrupted when work should stop by the time there is some."""
        return _hold(self._beginning, stop)

    def move(self, stop: Stop) -> AbstractContextManager[None]:
        """Hold room to move bytes; raises Interrupted when work should stop by the time there is some."""
        return _hold(self._moving, stop)


@contextmanager
def _hold(room: threading.Semaphore, stop: Stop) -> Iterator[None]:
    with room:
        stop.check()
        yield
