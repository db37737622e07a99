"""Guests who want no more of it: press stop, and remember what was answered. Judges nothing."""

import random
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import requests

from sandbox.chaos.inject.process import Workman
from sandbox.chaos.observe.status_poller import ENDS, Album
from sandbox.chaos.observe.undisturbed_clock import Calm
from sandbox.gallery.host import Archive

_SHARE = 0.3  # of all archives
_STATES = ("", "", "queued", "running", "running", "waiting", "waiting")  # empty: whatever
_LONGEST = 15.0  # seconds after which whoever waits for a state presses all the same
_TRIES = 40
_AGAIN_SECONDS = 0.5
_AT_ONCE = 8


@dataclass(frozen=True)
class Begun:
    """An archive that a guest was promised, in one cloud.

    Args:
        job_id, login, archive, cloud: which one.
        at: when it was asked for, monotonic seconds.
        device: the cloud's name for what was allowed, if it has one.
        there_before: photos of the gallery that were in the account.
    """

    job_id: str
    login: str
    archive: Archive
    cloud: str
    at: float = 0.0
    device: str = ""
    there_before: int = 0


@dataclass(frozen=True)
class Wish:
    """When somebody stops: after so many seconds, or when the page shows a state, whichever comes first."""

    seconds: float
    state: str


@dataclass(frozen=True)
class Stop:
    """A stop that was accepted.

    Attributes:
        at, calm: when that was answered, monotonic and in calm seconds.
        replica: by whom.
        state: what that replica had shown last; empty if nothing.
        missing: photos that were not in the cloud then.
    """

    at: float
    calm: float
    replica: str
    state: str
    missing: int


def draw_wish(chance: random.Random) -> Wish | None:
    """Decide whether somebody wants no more of an archive, and when."""
    wants, seconds, state = chance.random() < _SHARE, chance.uniform(0, _LONGEST), chance.choice(_STATES)
    return Wish(_LONGEST if state else seconds, state) if wants else None


class Stopper:
    """Presses the button. Thread-safe.

    Args:
        replicas: of the service.
        album: what they show.
        calm: the clock of promises.
        note: writes into the run's diary.

    Attributes:
        accepted: the first accepted stop of each job.
        refused: the jobs of which a stop was answered by an error, or not at all.
    """

    def __init__(self, replicas: Sequence[Workman], album: Album, calm: Calm, note: Callable[[str], None]) -> None:
        self._replicas = replicas
        self._album = album
        self._calm = calm
        self._note = note
        self._guard = threading.Lock()
        self._fingers = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="stop")
        self._pressing: list[Future[None]] = []
        self.accepted: dict[str, Stop] = {}
        self.refused: set[str] = set()

    def press(self, begun: Begun, wish: Wish, count_missing: Callable[[], int]) -> None:
        """Press as wished, some time; returns at once."""
        with self._guard:
            self._pressing.append(self._fingers.submit(self._press, begun, wish, count_missing))

    def finish(self) -> None:
        """Wait until all have pressed."""
        self._fingers.shutdown()
        for each in self._pressing:
            each.result()

    def _press(self, begun: Begun, wish: Wish, count_missing: Callable[[], int]) -> None:
        until = time.monotonic() + wish.seconds
        while time.monotonic() < until and not ({wish.state, *ENDS} & self._shown(begun.job_id)):
            time.sleep(0.1)
        for number in range(_TRIES):
            replica = self._replicas[(len(begun.job_id) + ord(begun.job_id[-1]) + number) % len(self._replicas)]
            newest = self._album.newest(begun.job_id, replica.name)
            state = newest.state if newest else ""
            if state in ENDS:
                return
            if self._ask(replica, begun.job_id):
                stop = Stop(time.monotonic(), self._calm.read(), replica.name, state, count_missing())
                with self._guard:
                    self.accepted[begun.job_id] = stop
                self._note(f"{begun.login} stops job {begun.job_id}, which was {state or 'unknown'}: accepted")
                return
            with self._guard:
                self.refused.add(begun.job_id)
            time.sleep(_AGAIN_SECONDS)

    def _ask(self, replica: Workman, job_id: str) -> bool:
        with requests.Session() as browser:
            browser.trust_env = False
            try:
                answer = browser.post(f"{replica.url}/cloud_archive/jobs/{job_id}/cancel", timeout=20)
            except requests.RequestException:
                return False
        return 200 <= answer.status_code < 300

    def _shown(self, job_id: str) -> set[str]:
        looks = (self._album.newest(job_id, replica.name) for replica in self._replicas)
        return {look.state for look in looks if look and look.state}
