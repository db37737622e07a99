"""What the pages show: every replica is asked for every job's status, all the time. Judges nothing."""

import contextlib
import http.client
import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any

from sandbox.chaos.inject.process import Workman
from sandbox.chaos.observe.undisturbed_clock import Calm

ENDS = ("done", "failed", "cancelled")
_PAUSE_SECONDS = 0.8
_ENDED_EVERY = 4  # rounds
_PATIENCE_SECONDS = 5.0


@dataclass
class Look:
    """What one replica showed of one job, for as long as it showed the same.

    Attributes:
        replica, life: who showed it, and since which start.
        status: of HTTP.
        retry_after: whether it said when to come back.
        shown: the status; empty if there was none.
        first_at, last_at: when the first and the last such question was asked and answered, respectively; monotonic.
        first_calm, last_calm: the same in calm seconds: when the first was answered, and when the last was asked.
    """

    replica: str
    life: int
    status: int
    retry_after: bool
    shown: dict[str, Any]
    first_at: float
    last_at: float
    first_calm: float
    last_calm: float

    @property
    def state(self) -> str:
        """Where the job stands, empty if that was not shown."""
        return str(self.shown.get("state", ""))

    @property
    def has_ended(self) -> bool:
        """Whether it showed an end."""
        return self.state in ENDS

    def count(self, name: str) -> int:
        """Return a number of photos."""
        return int(self.shown["photos"][name])

    def shows_the_same(self, other: "Look") -> bool:
        """Tell whether another one showed the same, by the same replica in the same life."""
        mine, others = (_essence(each) for each in (self, other))
        return mine == others


def _essence(look: Look) -> tuple[Any, ...]:
    shown = look.shown
    told = [shown.get(name) for name in ("state", "photos", "bytes", "folder_url", "reason")]
    return look.replica, look.life, look.status, look.retry_after, told


class Album:
    """All that was shown. Thread-safe.

    Attributes:
        looks: by job, in order; what stayed the same is one look.
        ready_at: when a replica first showed something in one of its lives, monotonic seconds.
    """

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self.looks: dict[str, list[Look]] = {}
        self.ready_at: dict[tuple[str, int], float] = {}
        self._newest: dict[tuple[str, str], Look] = {}

    def add(self, job_id: str, look: Look) -> None:
        """Keep what was shown."""
        with self._guard:
            if look.status == 200:
                self.ready_at.setdefault((look.replica, look.life), look.first_at)
            newest = self._newest.get((job_id, look.replica))
            if newest and newest.shows_the_same(look):
                newest.last_at, newest.last_calm = look.last_at, look.last_calm
                return
            self._newest[job_id, look.replica] = look
            self.looks.setdefault(job_id, []).append(look)

    def newest(self, job_id: str, replica: str) -> Look | None:
        """Return what a replica showed of a job lately."""
        with self._guard:
            return self._newest.get((job_id, replica))


class Watcher:
    """Somebody who reads all the pages of one replica, again and again. Used by one thread.

    Args:
        replica: whose.
        album: where what is seen goes.
        calm: the clock of promises.
        list_jobs: names the jobs there are.
    """

    def __init__(self, replica: Workman, album: Album, calm: Calm, list_jobs: Callable[[], Sequence[str]]) -> None:
        self._replica = replica
        self._album = album
        self._calm = calm
        self._list_jobs = list_jobs
        self._line: http.client.HTTPConnection | None = None

    def watch(self, wait: Callable[[float], object]) -> None:
        """Look, until it is over.

        Args:
            wait: waits so many seconds, and returns true when it is over.
        """
        rounds = 0
        while not wait(_PAUSE_SECONDS):
            for job_id in self._list_jobs():
                newest = self._album.newest(job_id, self._replica.name)
                if rounds % _ENDED_EVERY == 0 or not newest or not newest.has_ended:
                    self.look(job_id)
            rounds += 1

    def look(self, job_id: str) -> Look | None:
        """Ask for one job's status; None if the replica did not answer."""
        life, asked_at, asked_calm = self._replica.lives, monotonic(), self._calm.read()
        try:
            answer, body = self._ask(f"/cloud_archive/jobs/{job_id}")
        except (OSError, http.client.HTTPException):
            self._hang_up()
            return None
        shown = json.loads(body) if answer.status == 200 else {}
        after = answer.headers["Retry-After"] is not None
        times = (asked_at, monotonic(), self._calm.read(), asked_calm)
        look = Look(self._replica.name, life, answer.status, after, shown, *times)
        self._album.add(job_id, look)
        return look

    def _ask(self, path: str) -> tuple[http.client.HTTPResponse, bytes]:
        if not self._line:
            address = self._replica.url.removeprefix("http://")
            self._line = http.client.HTTPConnection(address, timeout=_PATIENCE_SECONDS)
        self._line.request("GET", path, headers={"Accept": "application/json"})
        answer = self._line.getresponse()
        return answer, answer.read()

    def _hang_up(self) -> None:
        with contextlib.suppress(OSError):
            if self._line:
                self._line.close()
        self._line = None
