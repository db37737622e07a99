"""Limits on how many photos are at each stage of a copy at the same time."""

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from worker.transfer.stop import Stop

# A photo's session is opened, its source is opened, its bytes move: while some photos move, the answers that the next
# ones wait for are on their way, so nobody's bytes wait for another's round trips.
STAGE_COUNT = 3


class Stages:
    """Slots for opening sessions and for moving bytes. Thread-safe.

    No limit is needed while a source is opened: the number of threads, one for each stage and slot, sets it.

    Args:
        slots: sessions being opened, and photos being transferred, at a time.
    """

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self.threads = STAGE_COUNT * slots
        self._opening = threading.Semaphore(slots)
        self._transferring = threading.Semaphore(slots)

    def opening_slot(self, stop: Stop) -> AbstractContextManager[None]:
        """Hold a slot for opening a session; raises Interrupted if the stop is set by the time there is one."""
        return _hold(self._opening, stop)

    def transfer_slot(self, stop: Stop) -> AbstractContextManager[None]:
        """Hold a slot for moving bytes; raises Interrupted if the stop is set by the time there is one."""
        return _hold(self._transferring, stop)


@contextmanager
def _hold(slots: threading.Semaphore, stop: Stop) -> Iterator[None]:
    with slots:
        stop.check()
        yield
