"""Publish job changes that happened in this replica: a job was queued, did not begin, or was cancelled."""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from common.errors import Transient
from common.messages.progress import Progress, State
from common.messages.publisher import Publisher
from common.messages.topology import EVENT_KEY, EXCHANGE
from web.progress.store import ProgressStore

logger = logging.getLogger(__name__)

# Between two attempts while the broker cannot be reached.
RETRY_SECONDS = 1.0
# Changes that may wait for the broker, about 1 kB each. Further ones are dropped: workers publish what follows.
MAX_PENDING = 10_000


class ProgressPublisher:
    """Publish changes to every replica, from a thread of its own. Thread-safe.

    Args:
        publisher: publishes with confirms.
        store: of this replica; updated when a change is confirmed.
        is_stopping: whether this process ends, so that nothing is retried.
    """

    def __init__(
        self, publisher: Publisher, store: ProgressStore, is_stopping: Callable[[], bool] = lambda: False
    ) -> None:
        self._publisher = publisher
        self._store = store
        self._is_stopping = is_stopping
        # One thread, so that changes keep their order and no guest waits for the broker.
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="progress-publisher")
        self._retry = threading.Event()
        self._lock = threading.Lock()
        self._pending = 0

    def publish(self, progress: Progress) -> None:
        """Publish a change in the background; never raises, never waits.

        This replica shows the change once the broker has confirmed it, so that no restart takes it back. A failure to
        begin is shown at once: no worker will ever publish it.
        """
        if progress.state is State.FAILED:
            self._store.update(progress)
        with self._lock:
            if self._pending >= MAX_PENDING:
                return
            self._pending += 1
        self._executor.submit(self._run, progress)

    def publish_now(self, progress: Progress) -> None:
        """Publish a change and show it before this returns, as long as the broker is there; else as `publish` does.

        Never raises; waits as long as one publish may take.
        """
        if self._try_publish(progress, is_first=True):
            self._store.update(progress)
        else:
            self.publish(progress)

    def _run(self, progress: Progress) -> None:
        try:
            self._publish_until_confirmed(progress)
        except Exception:
            # Nobody reads the pool's futures. While the process ends, its publisher may be closed already.
            if not self._is_stopping():
                logger.exception("a change could not be published: a bug", extra={"job_id": progress.job_id})
        finally:
            with self._lock:
                self._pending -= 1

    def _publish_until_confirmed(self, progress: Progress) -> None:
        confirmed = self._try_publish(progress, is_first=True)
        while not confirmed and not self._is_stopping():
            self._retry.wait(RETRY_SECONDS)
            confirmed = self._try_publish(progress, is_first=False)
        if confirmed:
            self._store.update(progress)

    def _try_publish(self, progress: Progress, *, is_first: bool) -> bool:
        try:
            self._publisher.publish(EXCHANGE, EVENT_KEY, progress.encode(), message_id=progress.job_id)
        except Transient as error:
            if is_first:
                logger.warning("a change is not published yet: %s", error, extra={"job_id": progress.job_id})
            return False
        return True
