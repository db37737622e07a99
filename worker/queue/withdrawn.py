"""Messages that their publisher withdrew: whoever promised nothing to a guest gets no work done. Knows no queue."""

import logging
from collections.abc import Callable

from common.messages.archive_job import ArchiveJob
from worker.transfer.stop import Signals

logger = logging.getLogger(__name__)

Keep = Callable[[ArchiveJob, int, Signals], None]


def keep_promised(claim: Callable[[str], bool], keep: Keep) -> Keep:
    """Return what keeps a job, unless its message was withdrawn before any worker began with it.

    Args:
        claim: says at the broker that work on a message begins, by its ticket, and whether it may; raises Transient.
        keep: keeps a job.
    """

    def keep_if_promised(job: ArchiveJob, returns: int, signals: Signals) -> None:
        if job.ticket and job.is_fresh and not claim(job.ticket):
            logger.info("a message was withdrawn before it came: its guest was told so")
            return
        keep(job, returns, signals)

    return keep_if_promised
