"""Guests who stop their archives: post the cancellation and record which were accepted."""

import random
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import requests

from sandbox.chaos.inject.process import ServiceProcess
from sandbox.chaos.observe.status_poller import ENDS, ObservationLog
from sandbox.chaos.observe.undisturbed_clock import UndisturbedClock
from sandbox.gallery.host import Archive

_SHARE = 0.3  # of all jobs are stopped
_STATES = ("", "", "queued", "running", "running", "waiting", "waiting")  # empty: any
_MAX_WAIT_SECONDS = 15.0  # then a job is stopped even if it has not shown the planned state
_TRIES = 40
_RETRY_SECONDS = 0.5
_MAX_THREADS = 8


@dataclass(frozen=True)
class SavedJob:
    """A job that `web` accepted.

    Args:
        job_id, login, archive, cloud: identify it.
        at: monotonic seconds at which it was requested.
        device: the `device_id` of its grant; Yandex only.
        there_before: photos of the gallery that were in the account before.
    """

    job_id: str
    login: str
    archive: Archive
    cloud: str
    at: float = 0.0
    device: str = ""
    there_before: int = 0


@dataclass(frozen=True)
class PlannedStop:
    """When to stop a job: after so many seconds, or when its page shows a state, whichever comes first."""

    seconds: float
    state: str


@dataclass(frozen=True)
class Stop:
    """A stop that was accepted.

    Attributes:
        at: monotonic seconds at which it was answered.
        undisturbed: the same in undisturbed seconds.
        replica: name of the replica that accepted it.
        state: the state that replica had shown last; empty if none.
        missing: photos that were not in the cloud at that time.
    """

    at: float
    undisturbed: float
    replica: str
    state: str
    missing: int


def draw_stop(chance: random.Random) -> PlannedStop | None:
    """Draw whether a job is stopped, and when."""
    wants, seconds, state = chance.random() < _SHARE, chance.uniform(0, _MAX_WAIT_SECONDS), chance.choice(_STATES)
    return PlannedStop(_MAX_WAIT_SECONDS if state else seconds, state) if wants else None


class Stopper:
    """Stops jobs. Thread-safe.

    Args:
        replicas: of `web`.
        observations: what they showed of each job.
        undisturbed: the clock of undisturbed time.
        note: appends a line to the event log.

    Attributes:
        accepted: the first accepted stop of each job, by id.
        refused: ids of the jobs for which a stop was answered by an error, or not at all.
    """

    def __init__(
        self,
        replicas: Sequence[ServiceProcess],
        observations: ObservationLog,
        undisturbed: UndisturbedClock,
        note: Callable[[str], None],
    ) -> None:
        self._replicas = replicas
        self._observations = observations
        self._undisturbed = undisturbed
        self._note = note
        self._guard = threading.Lock()
        self._threads = ThreadPoolExecutor(_MAX_THREADS, thread_name_prefix="stop")
        self._pending: list[Future[None]] = []
        self.accepted: dict[str, Stop] = {}
        self.refused: set[str] = set()

    def schedule(self, job: SavedJob, plan: PlannedStop, count_missing: Callable[[], int]) -> None:
        """Stop a job as planned, on another thread."""
        with self._guard:
            self._pending.append(self._threads.submit(self._stop, job, plan, count_missing))

    def finish(self) -> None:
        """Wait until all scheduled stops are made."""
        self._threads.shutdown()
        for each in self._pending:
            each.result()

    def _stop(self, job: SavedJob, plan: PlannedStop, count_missing: Callable[[], int]) -> None:
        until = time.monotonic() + plan.seconds
        while time.monotonic() < until and not ({plan.state, *ENDS} & self._shown_states(job.job_id)):
            time.sleep(0.1)
        for number in range(_TRIES):
            replica = self._replicas[(len(job.job_id) + ord(job.job_id[-1]) + number) % len(self._replicas)]
            newest = self._observations.newest(job.job_id, replica.name)
            state = newest.state if newest else ""
            if state in ENDS:
                return
            if self._post_cancel(replica, job.job_id):
                stop = Stop(time.monotonic(), self._undisturbed.read(), replica.name, state, count_missing())
                with self._guard:
                    self.accepted[job.job_id] = stop
                self._note(f"{job.login} stops job {job.job_id}, which was {state or 'unknown'}: accepted")
                return
            with self._guard:
                self.refused.add(job.job_id)
            time.sleep(_RETRY_SECONDS)

    def _post_cancel(self, replica: ServiceProcess, job_id: str) -> bool:
        with requests.Session() as browser:
            browser.trust_env = False
            try:
                answer = browser.post(f"{replica.url}/cloud_archive/jobs/{job_id}/cancel", timeout=20)
            except requests.RequestException:
                return False
        return 200 <= answer.status_code < 300

    def _shown_states(self, job_id: str) -> set[str]:
        observations = (self._observations.newest(job_id, replica.name) for replica in self._replicas)
        return {observation.state for observation in observations if observation and observation.state}
