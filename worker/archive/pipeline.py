"""Photos under way: begun one after another, put aside while their cloud needs time, gone on with. Knows no wire.

A cloud may take a second to store what it has. Meanwhile a photo needs neither a thread nor memory for its bytes, so
others move.
"""

import heapq
import threading
import time
from collections import deque
from collections.abc import Callable, Collection
from itertools import count
from typing import Protocol

from common.clouds.photos import Photo, StoredPhoto
from common.errors import PhotoRejected, Refused
from worker.transfer.stop import Cause, Interrupted, Signals

# Photos that may be put aside, for each thread that moves some: enough that a cloud that needs three seconds for each
# holds nobody up, and a few kilobytes each.
PARKED_PER_THREAD = 8
# How late a thread that waits for a photo's time notices that it should stop, in seconds.
POLL_SECONDS = 0.5


class Copying(Protocol):
    """One photo on its way, like `worker.transfer.copy.PhotoCopy`."""

    @property
    def failures(self) -> int:
        """How many of its tries are used up."""
        ...

    def step(self) -> StoredPhoto | float:
        """Return the photo, once it is in, or the seconds to let pass before the next step."""
        ...

    def close(self) -> None:
        """Let it go."""
        ...


BeginCopy = Callable[[Photo, Signals], Copying]
PhotoResult = tuple[Photo | None, StoredPhoto | BaseException]
_Parked = tuple[float, int, Photo, Copying]


class Pipeline:
    """The photos of one round. Thread-safe: each thread brings on one photo after another.

    Args:
        photos: in the order in which they are begun.
        begin: makes a copy of one of them.
        tries: where it is noted how often a photo had failed when it was told to stop.
        signals: end the work.
        threads: threads that bring photos on.
        now: seconds of a clock that only goes forward.
    """

    def __init__(
        self,
        photos: Collection[Photo],
        begin: BeginCopy,
        tries: dict[str, int],
        signals: Signals,
        *,
        threads: int,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        # Photos wait here, not in the pool's queue, where each would be an object of several kilobytes.
        self._pending = deque(photos)
        self._begin = begin
        self._tries = tries
        self._signals = signals
        self._max_parked = threads * PARKED_PER_THREAD
        self._now = now
        self._parked: list[_Parked] = []
        self._numbers = count()
        self._changed = threading.Condition()

    @property
    def has_pending(self) -> bool:
        """Whether photos are left that were never begun."""
        return bool(self._pending)

    def run_next(self) -> PhotoResult | None:
        """Go on with photos until one ends, and return how; None when there is none, or none may go on."""
        while (taken := self._take_next()) is not None:
            photo, copying = taken
            if (end := self._run_step(photo, copying)) is not None:
                return photo, end
        return None

    def _take_next(self) -> tuple[Photo, Copying | None] | None:
        """Return a photo whose time has come, else the next one; waits when there are others only."""
        with self._changed:
            while True:
                due = self._parked[0][0] - self._now() if self._parked else None
                # Who should stop asks once more: what the cloud has by now is worth knowing.
                if due is not None and (due <= 0 or self._signals.wind_down.is_set()):
                    _, _, photo, copying = heapq.heappop(self._parked)
                    return photo, copying
                if self._signals.wind_down.is_set():
                    return None
                if self._pending and len(self._parked) < self._max_parked:
                    return self._pending.popleft(), None
                if due is None:
                    return None
                self._changed.wait(min(due, POLL_SECONDS))

    def _run_step(self, photo: Photo, copying: Copying | None) -> StoredPhoto | BaseException | None:
        """Take one step with a photo and return how it ended; None when it was put aside."""
        try:
            copying = copying or self._begin(photo, self._signals)
            step = copying.step()
            if isinstance(step, StoredPhoto):
                copying.close()
                return step
            self._signals.wind_down.check()
        except BaseException as error:  # noqa: BLE001  # it is raised where the round is waited for
            return self._end(photo, copying, error)
        with self._changed:
            heapq.heappush(self._parked, (self._now() + step, next(self._numbers), photo, copying))
            self._changed.notify()
        return None

    def _end(self, photo: Photo, copying: Copying | None, error: BaseException) -> BaseException:
        match error:
            case Interrupted():
                if copying and copying.failures:
                    self._tries[photo.key] = copying.failures
            case PhotoRejected():
                pass
            case Refused():
                # It concerns them all: no other may begin until somebody has looked at it. What moves may arrive.
                self._signals.wind_down.set(Cause.FAILED)
            case _:
                self._signals.stop(Cause.FAILED)
        if copying:
            copying.close()
        return error
