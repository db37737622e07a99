"""Run jobs that are stopped while their message waits in a queue, so that their gallery is told at once."""

import logging
import random
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from queue import PriorityQueue
from typing import NamedTuple

from common.errors import Transient
from common.loops import guard
from common.messages.archive_job import NotOurMessage
from common.messages.ledger import Entry, Kind, Record
from common.telemetry import logs
from worker.transfer.stop import Interrupted, Signals

logger = logging.getLogger(__name__)

# Seconds. All workers hear of a stop at the same moment; by the time the others look, one has claimed the job.
MAX_DELAY_SECONDS = 3.0
# A gallery that does not take its call holds a thread for a minute at most, a broker that is away for ten seconds.
MAX_THREADS = 4

RunStopped = Callable[[str, Signals, bool], None]


class _Attempt(NamedTuple):
    """A job that is to be taken up, when: the first one first."""

    due: float
    job_id: str
    overtakes: bool
    is_first: bool


class StoppedJobs:
    """Runs stopped jobs on threads of its own. Thread-safe.

    Args:
        run_stopped: runs a job whose message waits, unless a worker has it, given its id, what ends the work, and
            whether to take it also from who has no message; errors as `worker.jobs.runner.JobRunner` has them.
        signals: end it with the process.
        now: monotonic seconds.
    """

    def __init__(self, run_stopped: RunStopped, signals: Signals, now: Callable[[], float] = time.monotonic) -> None:
        self._run_stopped = run_stopped
        self._signals = signals
        self._now = now
        # There may be hundreds after an outage: who waits for one waits for the next of all.
        self._attempts: PriorityQueue[_Attempt] = PriorityQueue()
        self._threads = ThreadPoolExecutor(MAX_THREADS, thread_name_prefix="take-up")

    def on_entry(self, entry: Entry, record: Record) -> None:
        """Run the job of an entry, if that says that it is stopped."""
        if entry.kind is Kind.STOPPED and record.is_idle:
            self._add(entry.job_id, overtakes=False)

    def run_all(self, job_ids: Iterable[str]) -> None:
        """Run what was stopped while no worker was there, or while one was that may be dead by now."""
        for job_id in job_ids:
            self._add(job_id, overtakes=True)

    def _add(self, job_id: str, *, overtakes: bool, is_first: bool = True) -> None:
        delay = random.random() * MAX_DELAY_SECONDS  # noqa: S311 - no secret
        self._attempts.put(_Attempt(self._now() + delay, job_id, overtakes, is_first))
        self._threads.submit(self._run_next)

    def _run_next(self) -> None:
        attempt = self._attempts.get()
        with suppress(Interrupted):
            self._signals.wind_down.sleep(max(0.0, attempt.due - self._now()))
            guard("taking up a stopped job", lambda: self._run(attempt))

    def _run(self, attempt: _Attempt) -> None:
        with logs.bound_fields(job_id=attempt.job_id):
            try:
                self._run_stopped(attempt.job_id, Signals(self._signals), attempt.overtakes)
            except Transient as error:
                # Its message comes back by itself, but its wait may be half an hour: the broker will be there before.
                level = logging.WARNING if attempt.is_first else logging.DEBUG
                logger.log(level, "a stopped job is not taken up yet: %s", error)
                self._add(attempt.job_id, overtakes=attempt.overtakes, is_first=False)
            except (NotOurMessage, Interrupted) as error:
                logger.warning("a stopped job is not taken up: %s", error or type(error).__name__)
