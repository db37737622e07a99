"""Publish jobs that go on and messages that cannot be worked on, confirmed by the broker."""

import heapq
import threading
import time
from collections.abc import Callable

from common.errors import Reason
from common.messages.archive_job import ArchiveJob, Phase
from common.messages.progress import Progress, State
from common.messages.publisher import Publisher
from common.messages.topology import DEAD_EXCHANGE, EXCHANGE, JOB_KEY, REASON_HEADER, WAITING_SECONDS, waiting_key
from common.telemetry import metrics


class JobPublisher:
    """Publishes jobs. Thread-safe; each method raises Transient when the message may not be in a queue.

    Args:
        publisher: confirms each message.
        report: tells those who watch a job of its end.
    """

    def __init__(self, publisher: Publisher, report: Callable[[Progress], None]) -> None:
        self._publisher = publisher
        self._report = report
        self._lock = threading.Lock()
        # When the done calls that were delayed here are due, Unix time in seconds. A call that comes back and must wait
        # again counts at whatever worker delays it then; so the sum over all workers is right.
        self._done_calls_due: list[float] = []
        metrics.done_pending.set_function(self._count_pending_done_calls)

    def requeue(self, job: ArchiveJob) -> None:
        """Put a job behind the others."""
        self._publisher.publish(EXCHANGE, JOB_KEY, job.encode(), message_id=job.id, headers=job.headers)

    def requeue_delayed(self, job: ArchiveJob, level: int) -> None:
        """Put a job into a waiting queue; level 0 is the shortest wait."""
        self._publisher.publish(EXCHANGE, waiting_key(level), job.encode(), message_id=job.id, headers=job.headers)
        if job.state.phase is Phase.TELLING:
            with self._lock:
                heapq.heappush(self._done_calls_due, time.time() + WAITING_SECONDS[level])

    def dead_letter(self, body: bytes, message_id: str, reason: str) -> None:
        """Put a message among the dead letters, and report its job as failed."""
        self._publisher.publish(DEAD_EXCHANGE, "", body, message_id=message_id, headers={REASON_HEADER: reason})
        if message_id:
            now = time.time()
            self._report(
                Progress(job_id=message_id, state=State.FAILED, reason=Reason.INTERNAL, updated_at=now, finished_at=now)
            )

    def _count_pending_done_calls(self) -> float:
        with self._lock:
            while self._done_calls_due and self._done_calls_due[0] <= time.time():
                heapq.heappop(self._done_calls_due)
            return len(self._done_calls_due)
