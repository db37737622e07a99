"""Where jobs go on, and messages that do not: confirmed publishing in the queue's terms. Knows no pika."""

import time
from collections.abc import Callable

from common.errors import Reason
from common.messages.archive_job import ArchiveJob
from common.messages.progress import Progress, State
from common.messages.publisher import Publisher
from common.messages.topology import DEAD_EXCHANGE, EXCHANGE, JOB_KEY, REASON_HEADER, waiting_key


class JobPublisher:
    """Publishes jobs that go on and messages that do not. Thread-safe; everything raises Transient."""

    def __init__(self, publisher: Publisher, report: Callable[[Progress], None]) -> None:
        self._publisher = publisher
        self._report = report

    def requeue(self, job: ArchiveJob) -> None:
        """Put a job behind the others."""
        self._publisher.publish(EXCHANGE, JOB_KEY, job.encode(), message_id=job.id, headers=job.headers)

    def requeue_delayed(self, job: ArchiveJob, level: int) -> None:
        """Put a job into a waiting queue."""
        self._publisher.publish(EXCHANGE, waiting_key(level), job.encode(), message_id=job.id, headers=job.headers)

    def dead_letter(self, body: bytes, message_id: str, reason: str) -> None:
        """Put a message among the dead."""
        self._publisher.publish(DEAD_EXCHANGE, "", body, message_id=message_id, headers={REASON_HEADER: reason})
        if message_id:
            now = time.time()
            self._report(
                Progress(job_id=message_id, state=State.FAILED, reason=Reason.INTERNAL, updated_at=now, finished_at=now)
            )
