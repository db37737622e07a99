"""Tells every replica of what changed here: a job is in the queue, did not begin, or was stopped. Knows no HTTP."""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from common.errors import Transient
from common.messages.progress import Progress, State
from common.messages.publisher import Publisher
from common.messages.topology import EVENT_KEY, EXCHANGE
from web.progress.store import News

logger = logging.getLogger(__name__)

# Between two tries at a broker that is away, in seconds.
AGAIN_SECONDS = 1.0
# Changes that wait for a broker that is away; what comes then is told by the workers alone. 1 kB each.
MOST_UNTOLD = 10_000


class Teller:
    """Tells every replica of a change that happened here. Thread-safe.

    Args:
        publisher: takes it to the others.
        news: of this replica.
        is_stopping: whether this process ends, and nothing is tried again.
    """

    def __init__(self, publisher: Publisher, news: News, is_stopping: Callable[[], bool] = lambda: False) -> None:
        self._publisher = publisher
        self._is_stopping = is_stopping
        self._news = news
        # On a thread of its own: no guest waits for it.
        self._threads = ThreadPoolExecutor(1, thread_name_prefix="teller")
        self._again = threading.Event()
        self._lock = threading.Lock()
        self._untold = 0

    def tell(self, progress: Progress) -> None:
        """Tell of a change; never raises, never waits.

        It is shown here when the others can know it, so that no restart takes it back. Why an archive did not begin is
        shown at once: nobody else will tell.
        """
        if progress.state is State.FAILED:
            self._news.learn(progress)
        with self._lock:
            if self._untold >= MOST_UNTOLD:
                return
            self._untold += 1
        self._threads.submit(self._publish, progress)

    def _publish(self, progress: Progress) -> None:
        try:
            self._insist(progress)
        except Exception:
            # Nobody looks at what a thread of a pool leaves. A process that ends has closed its publisher.
            if not self._is_stopping():
                logger.exception("telling a change met a bug", extra={"job_id": progress.job_id})
        finally:
            with self._lock:
                self._untold -= 1

    def _insist(self, progress: Progress) -> None:
        """Publish a change however long the broker is away, and then show it here too."""
        is_told = self._is_told(progress, is_first=True)
        while not is_told and not self._is_stopping():
            self._again.wait(AGAIN_SECONDS)
            is_told = self._is_told(progress, is_first=False)
        if is_told:
            self._news.learn(progress)

    def _is_told(self, progress: Progress, *, is_first: bool) -> bool:
        try:
            self._publisher.publish(EXCHANGE, EVENT_KEY, progress.encode(), message_id=progress.job_id)
        except Transient as error:
            if is_first:
                logger.warning("a change is not told yet: %s", error, extra={"job_id": progress.job_id})
            return False
        return True
