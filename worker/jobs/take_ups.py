"""Jobs that are stopped while their message waits in a queue: somebody takes them up at once, and tells the gallery."""

import logging
import random
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from common.errors import Transient
from common.loops import guard
from common.messages.archive_job import NotOurMessage
from common.messages.ledger import Entry, Kind, Record
from common.telemetry import logs
from worker.transfer.stop import Interrupted, Signals

logger = logging.getLogger(__name__)

# All workers hear of it at the same moment; by the time the others look, one has it.
MOST_PATIENCE = 3.0
# A gallery that does not take its call holds a thread for a minute at most.
AT_ONCE = 2

TakeUp = Callable[[str, Signals, bool], None]


class TakeUps:
    """Takes up stopped jobs on threads of its own. Thread-safe.

    Args:
        take_up: works on a job whose message waits, unless somebody has it, given its id, what ends the work, and
            whether to take it also from who has no message; errors as `worker.jobs.runner.Keeper` has them.
        signals: end it with the process.
    """

    def __init__(self, take_up: TakeUp, signals: Signals) -> None:
        self._take_up = take_up
        self._signals = signals
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="take-up")

    def hear(self, entry: Entry, record: Record) -> None:
        """Learn of an entry of the ledger."""
        if entry.kind is Kind.STOPPED and record.is_idle:
            self._threads.submit(self._try, entry.job_id, overtakes=False)

    def take_all(self, job_ids: Iterable[str]) -> None:
        """Take up what was stopped while no worker was there, or while one was that may be dead by now."""
        for job_id in job_ids:
            self._threads.submit(self._try, job_id, overtakes=True)

    def _try(self, job_id: str, *, overtakes: bool) -> None:
        # Who cannot do it now does nothing: its message comes back by itself when its wait is over.
        with suppress(Interrupted):
            self._signals.wind_down.sleep(random.random() * MOST_PATIENCE)  # noqa: S311 - no secret
            guard("taking up a stopped job", lambda: self._try_now(job_id, overtakes))

    def _try_now(self, job_id: str, overtakes: bool) -> None:
        with logs.bound_fields(job_id=job_id):
            try:
                self._take_up(job_id, Signals(self._signals), overtakes)
            except (Transient, NotOurMessage, Interrupted) as error:
                logger.warning("a stopped job is not taken up: %s", error or type(error).__name__)
