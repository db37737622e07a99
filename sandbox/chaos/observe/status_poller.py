"""Poll every job's status at every replica of `web` and record what it showed over time."""

import contextlib
import http.client
import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any

from sandbox.chaos.inject.process import ServiceProcess
from sandbox.chaos.observe.undisturbed_clock import UndisturbedClock

ENDS = ("done", "failed", "cancelled")
_PAUSE_SECONDS = 0.8
_POLL_ENDED_EVERY = 4  # rounds
_TIMEOUT_SECONDS = 5.0


@dataclass
class Observation:
    """The status of one job at one replica, for as long as it stayed the same.

    Attributes:
        replica, life: name of the replica, and which of its starts.
        status: HTTP status.
        retry_after: whether there was a Retry-After header.
        body: the job's status as parsed JSON; empty unless `status` is 200.
        first_at: monotonic seconds at which the first such request was sent.
        last_at: monotonic seconds at which the last such request was answered.
        first_undisturbed: undisturbed seconds at which the first was answered.
        last_undisturbed: undisturbed seconds at which the last was sent.
    """

    replica: str
    start: int
    status: int
    retry_after: bool
    body: dict[str, Any]
    first_at: float
    last_at: float
    first_undisturbed: float
    last_undisturbed: float

    @property
    def state(self) -> str:
        """The job's state; empty if there was no status."""
        return str(self.body.get("state", ""))

    @property
    def has_ended(self) -> bool:
        """Whether the state is final."""
        return self.state in ENDS

    def count(self, name: str) -> int:
        """Return one of the photo counts: total, copied, skipped or failed."""
        return int(self.body["photos"][name])

    def shows_the_same_as(self, other: "Observation") -> bool:
        """Tell whether another one shows the same, by the same start of the same replica."""
        mine, others = (_shown(each) for each in (self, other))
        return mine == others


def _shown(observation: Observation) -> tuple[Any, ...]:
    body = observation.body
    values = [body.get(name) for name in ("state", "photos", "bytes", "folder_url", "reason")]
    return observation.replica, observation.start, observation.status, observation.retry_after, values


class ObservationLog:
    """All observations. Thread-safe.

    Attributes:
        observations: by job id, in order; equal ones in a row are merged.
        ready_at: monotonic seconds at which a replica first answered 200, by replica and start.
    """

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self.observations: dict[str, list[Observation]] = {}
        self.ready_at: dict[tuple[str, int], float] = {}
        self._newest: dict[tuple[str, str], Observation] = {}

    def add(self, job_id: str, observation: Observation) -> None:
        """Add an observation, or extend the newest one if it shows the same."""
        with self._guard:
            if observation.status == 200:
                self.ready_at.setdefault((observation.replica, observation.start), observation.first_at)
            newest = self._newest.get((job_id, observation.replica))
            if newest and newest.shows_the_same_as(observation):
                newest.last_at, newest.last_undisturbed = observation.last_at, observation.last_undisturbed
                return
            self._newest[job_id, observation.replica] = observation
            self.observations.setdefault(job_id, []).append(observation)

    def newest(self, job_id: str, replica: str) -> Observation | None:
        """Return the newest observation of a job at a replica."""
        with self._guard:
            return self._newest.get((job_id, replica))


class StatusPoller:
    """Polls the status of all jobs at one replica. Used by one thread.

    Args:
        replica: the replica.
        observations: where the results go.
        undisturbed: the clock of undisturbed time.
        list_jobs: returns the ids of the jobs so far.
    """

    def __init__(
        self,
        replica: ServiceProcess,
        observations: ObservationLog,
        undisturbed: UndisturbedClock,
        list_jobs: Callable[[], Sequence[str]],
    ) -> None:
        self._replica = replica
        self._observations = observations
        self._undisturbed = undisturbed
        self._list_jobs = list_jobs
        self._line: http.client.HTTPConnection | None = None

    def watch(self, wait: Callable[[float], object]) -> None:
        """Poll until the run is over.

        Args:
            wait: waits so many seconds; returns true when the run is over.
        """
        rounds = 0
        while not wait(_PAUSE_SECONDS):
            for job_id in self._list_jobs():
                newest = self._observations.newest(job_id, self._replica.name)
                if rounds % _POLL_ENDED_EVERY == 0 or not newest or not newest.has_ended:
                    self.poll(job_id)
            rounds += 1

    def poll(self, job_id: str) -> Observation | None:
        """Request one job's status; None if the replica did not answer."""
        start, asked_at, asked_undisturbed = self._replica.starts, monotonic(), self._undisturbed.read()
        try:
            answer, body = self._request(f"/cloud_archive/jobs/{job_id}")
        except (OSError, http.client.HTTPException):
            self._close()
            return None
        body = json.loads(body) if answer.status == 200 else {}
        after = answer.headers["Retry-After"] is not None
        times = (asked_at, monotonic(), self._undisturbed.read(), asked_undisturbed)
        observation = Observation(self._replica.name, start, answer.status, after, body, *times)
        self._observations.add(job_id, observation)
        return observation

    def _request(self, path: str) -> tuple[http.client.HTTPResponse, bytes]:
        if not self._line:
            address = self._replica.url.removeprefix("http://")
            self._line = http.client.HTTPConnection(address, timeout=_TIMEOUT_SECONDS)
        self._line.request("GET", path, headers={"Accept": "application/json"})
        answer = self._line.getresponse()
        return answer, answer.read()

    def _close(self) -> None:
        with contextlib.suppress(OSError):
            if self._line:
                self._line.close()
        self._line = None
