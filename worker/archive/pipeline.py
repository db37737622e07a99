"""Photos in flight: started in order, parked while their cloud processes them, resumed when that is due.

A cloud may take a second to store what it has. Meanwhile a photo needs neither a thread nor memory for its bytes, so
others move.
"""

import heapq
import threading
import time
from collections import deque
from collections.abc import Callable, Collection
from itertools import count

from common.clouds.photos import Photo, StoredPhoto
from common.errors import PhotoRejected, Refused
from worker.transfer.copy import PhotoCopy
from worker.transfer.stop import Cause, Interrupted, Signals

# Photos that may be parked, for each thread: enough that a cloud that needs three seconds for each holds nobody up, and
# a few kilobytes each.
PARKED_PER_THREAD = 8
# How late a thread that waits for a parked photo notices that it should stop, in seconds.
POLL_SECONDS = 0.5

StartCopy = Callable[[Photo, Signals], PhotoCopy]
Task = tuple[Photo, PhotoCopy | None]
"""A photo to go on with; without a copy while it was never started."""
_Parked = tuple[float, int, Photo, PhotoCopy]


class Pipeline:
    """The photos of one batch. Thread-safe: each thread takes a task, steps it, and takes the next.

    Args:
        photos: in the order in which they are started.
        start: makes the copy of one of them.
        tries: by photo key, how often a photo had failed when it was interrupted; written here.
        signals: end the work.
        threads: how many threads work on the photos.
        now: monotonic seconds.
    """

    def __init__(
        self,
        photos: Collection[Photo],
        start: StartCopy,
        tries: dict[str, int],
        signals: Signals,
        *,
        threads: int,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        # Photos wait here, not in the pool's queue, where each would be an object of several kilobytes.
        self._pending = deque(photos)
        self._start = start
        self._tries = tries
        self._signals = signals
        self._max_parked = threads * PARKED_PER_THREAD
        self._now = now
        self._parked: list[_Parked] = []
        self._numbers = count()
        self._changed = threading.Condition()

    @property
    def has_pending(self) -> bool:
        """Whether photos are left that were never started."""
        return bool(self._pending)

    def take(self) -> Task | None:
        """Return a parked photo that is due, else the next pending one; None when there is none, or on a stop.

        Waits while all that is left is parked.
        """
        with self._changed:
            while True:
                due = self._parked[0][0] - self._now() if self._parked else None
                # On a stop a parked photo is asked for once more: what the cloud has by now is worth knowing.
                if due is not None and (due <= 0 or self._signals.wind_down.is_set()):
                    _, _, photo, copy = heapq.heappop(self._parked)
                    return photo, copy
                if self._signals.wind_down.is_set():
                    return None
                if self._pending and len(self._parked) < self._max_parked:
                    return self._pending.popleft(), None
                if due is None:
                    return None
                self._changed.wait(min(due, POLL_SECONDS))

    def step(self, task: Task) -> StoredPhoto | BaseException | None:
        """Take one step with a photo and return how it ended; None when it was parked."""
        photo, copy = task
        try:
            copy = copy or self._start(photo, self._signals)
            step = copy.step()
            if isinstance(step, StoredPhoto):
                copy.close()
                return step
            self._signals.wind_down.check()
        except BaseException as error:  # noqa: BLE001  # it is raised where the batch is waited for
            return self._fail(photo, copy, error)
        with self._changed:
            heapq.heappush(self._parked, (self._now() + step, next(self._numbers), photo, copy))
            self._changed.notify()
        return None

    def _fail(self, photo: Photo, copy: PhotoCopy | None, error: BaseException) -> StoredPhoto | BaseException:
        match error:
            case Interrupted():
                if copy and copy.failures:
                    self._tries[photo.key] = copy.failures
            case PhotoRejected():
                pass
            case Refused():
                # It concerns them all: no other may start until the refusal was looked at. What moves may arrive.
                self._signals.wind_down.set(Cause.FAILED)
            case _:
                self._signals.stop(Cause.FAILED)
        stored = copy.close() if copy else None
        return stored if stored and isinstance(error, Interrupted | PhotoRejected) else error
