"""Run jobs that are stopped while their message waits in a queue, so that their gallery is told at once."""

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

# Seconds. All workers hear of a stop at the same moment; by the time the others look, one has claimed the job.
MAX_DELAY_SECONDS = 3.0
# A gallery that does not take its call holds a thread for a minute at most.
MAX_THREADS = 2

RunStopped = Callable[[str, Signals, bool], None]


class StoppedJobs:
    """Runs stopped jobs on threads of its own. Thread-safe.

    Args:
        run_stopped: runs a job whose message waits, unless a worker has it, given its id, what ends the work, and
            whether to take it also from who has no message; errors as `worker.jobs.runner.JobRunner` has them.
        signals: end it with the process.
    """

    def __init__(self, run_stopped: RunStopped, signals: Signals) -> None:
        self._run_stopped = run_stopped
        self._signals = signals
        self._threads = ThreadPoolExecutor(MAX_THREADS, thread_name_prefix="take-up")

    def on_entry(self, entry: Entry, record: Record) -> None:
        """Run the job of an entry, if that says that it is stopped."""
        if entry.kind is Kind.STOPPED and record.is_idle:
            self._threads.submit(self._run_after_delay, entry.job_id, overtakes=False)

    def run_all(self, job_ids: Iterable[str]) -> None:
        """Run what was stopped while no worker was there, or while one was that may be dead by now."""
        for job_id in job_ids:
            self._threads.submit(self._run_after_delay, job_id, overtakes=True)

    def _run_after_delay(self, job_id: str, *, overtakes: bool) -> None:
        with suppress(Interrupted):
            self._signals.wind_down.sleep(random.random() * MAX_DELAY_SECONDS)  # noqa: S311 - no secret
            guard("taking up a stopped job", lambda: self._run_now(job_id, overtakes))

    def _run_now(self, job_id: str, overtakes: bool) -> None:
        with logs.bound_fields(job_id=job_id):
            try:
                self._run_stopped(job_id, Signals(self._signals), overtakes)
            except Transient as error:
                # Its message comes back by itself, but its wait may be half an hour: the broker will be there before.
                logger.warning("a stopped job is not taken up yet: %s", error)
                self._threads.submit(self._run_after_delay, job_id, overtakes=overtakes)
            except (NotOurMessage, Interrupted) as error:
                logger.warning("a stopped job is not taken up: %s", error or type(error).__name__)
