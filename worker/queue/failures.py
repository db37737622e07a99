"""What a failed job does to its message: it is dropped, given back at once or after a wait, or dead-lettered."""

import logging
from collections.abc import Callable

from common.errors import Transient
from common.loops import error_level
from common.messages.archive_job import NotOurMessage, StaleMessage
from common.messages.topology import DELIVERY_LIMIT
from worker.queue.in_flight import InFlight, Settle, acknowledge, drop_stale, nack
from worker.transfer.stop import Interrupted

logger = logging.getLogger(__name__)

# Seconds before a message is returned because the queue itself is in trouble: without it the two would race. It
# doubles with each return, so that the returns a queue allows (`DELIVERY_LIMIT`) last three quarters of an hour, not
# two minutes.
REQUEUE_DELAY, MAX_REQUEUE_DELAY = 3.0, 60.0

DeadLetter = Callable[[bytes, str, str], None]


class Failures:
    """Decides how the messages of failed jobs are settled. Thread-safe.

    Args:
        dead_letter: publishes a message among the dead letters: its body, its id and the reason; raises Transient.
        sleep: waits so many seconds, or less when the message comes again by itself.
    """

    def __init__(self, dead_letter: DeadLetter, sleep: Callable[[float], None]) -> None:
        self._dead_letter = dead_letter
        self._sleep = sleep

    def settle(self, body: bytes, message: InFlight, error: Exception) -> Settle:
        """Do what a failed job needs, and return how its message is settled.

        Args:
            body: the message's.
            message: as it came.
            error: what ended the job.
        """
        match error:
            case StaleMessage():
                logger.info("a leftover of a job that went on or has ended", extra={"returns": message.returns})
                return drop_stale
            case Interrupted():
                return nack
            case Transient():
                logger.log(error_level(error), "the job goes back to the queue: %s", error)
                return self._nack_after_delay(message)
            case NotOurMessage():
                logger.error("a message cannot be worked on: %s", error)
                reason = str(error)
            case _:
                logger.error("a job met a bug", exc_info=error)
                reason = f"bug: {type(error).__name__}"
        try:
            self._dead_letter(body, message.message_id, reason)
        except Exception as failure:
            if not isinstance(failure, Transient):
                logger.exception("dead-lettering a message met a bug")
            return self._nack_after_delay(message)
        return acknowledge

    def _nack_after_delay(self, message: InFlight) -> Settle:
        doublings = max(0, min(message.returns, DELIVERY_LIMIT))
        self._sleep(min(REQUEUE_DELAY * 2**doublings, MAX_REQUEUE_DELAY))
        return nack
