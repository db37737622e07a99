"""The time limit of a slice: it begins with its first photo and ends no sooner than a step further."""

import threading

from worker.transfer.stop import Cause, Stop


class SliceClock:
    """Ends a slice when its time is up, though not before it has come a step further. Thread-safe.

    Its time begins with its first photo: to read a list of a hundred thousand alone may take longer than that.

    Args:
        seconds: how long.
        stop: set then. What moves may come to its end: a photo larger than a slice must arrive too.
    """

    def __init__(self, seconds: float, stop: Stop) -> None:
        self._stop = stop
        self._timer = threading.Timer(seconds, self._run_out)
        self._timer.daemon = True
        self._lock = threading.Lock()
        self._has_begun = self._has_stepped = self._is_up = False

    @property
    def has_begun(self) -> bool:
        """Whether a photo was begun."""
        return self._has_begun

    def start(self) -> None:
        """Let the time begin, unless it has begun."""
        if not self._has_begun:
            self._has_begun = True
            self._timer.start()

    def note_step(self) -> None:
        """Note that a photo arrived, failed, or used up a try: so each slice brings its job nearer to its end."""
        with self._lock:
            self._has_stepped = True
        self._end()

    def cancel(self) -> None:
        """End nothing any more."""
        self._timer.cancel()

    def _run_out(self) -> None:
        with self._lock:
            self._is_up = True
        self._end()

    def _end(self) -> None:
        if self._is_up and self._has_stepped:
            self._stop.set(Cause.SLICE_OVER)
