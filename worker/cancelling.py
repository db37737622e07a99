"""Which jobs their guests want no more of. Knows no queue."""

import time
from collections.abc import Callable

# A job that waits comes back within half an hour, again and again for a day; two days are plenty.
REMEMBERED_SECONDS = 2 * 24 * 3600.0


class Cancelled:
    """The ids of cancelled jobs, for as long as they may still come back. Used by one thread.

    Args:
        now: seconds of a clock that only goes forward.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._since: dict[str, float] = {}

    def add(self, job_id: str) -> None:
        """Remember a job."""
        oldest = self._now() - REMEMBERED_SECONDS
        self._since = {known: since for known, since in self._since.items() if since > oldest}
        self._since[job_id] = self._now()

    def __contains__(self, job_id: object) -> bool:
        return job_id in self._since
