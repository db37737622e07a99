"""The pretend world of another process, over its published ports: its control interface, and a guest's way."""

import functools
import json
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from email.message import Message
from typing import Any

import requests

from sandbox.demo import guest
from sandbox.faults.plan import UPLOADS
from sandbox.gallery.host import Done
from sandbox.oauth import browser
from sandbox.rehearsal.compose import RehearsalError

_SECONDS = 30


@dataclass(frozen=True)
class Archive:
    """The gallery's archive as the control interface tells it."""

    name: str
    url: str
    expected: tuple[guest.Stored, ...]


class PublishedWorld:
    """The stand-ins that compose's profile `sandbox` publishes. Not thread-safe.

    Args:
        url: Address of the gallery, on which the control interface is as well.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._session = requests.Session()
        self._session.trust_env = False

    def archive(self) -> Archive:
        """Return the first gallery's archive."""
        told = self._ask("GET", "archives")[0]
        return Archive(told["name"], told["url"], tuple((path, size, md5) for path, size, md5 in told["expected"]))

    def tree(self, cloud: str, login: str) -> list[guest.Stored]:
        """Return all files of a guest at a cloud."""
        return [(path, size, md5) for path, size, md5 in self._ask("GET", f"{cloud}/{login}")]

    def dones(self, job_id: str) -> list[Done]:
        """Return the done calls about a job that the gallery took."""
        found = []
        for told in self._ask("GET", "dones"):
            headers = Message()
            for name, value in told["headers"].items():
                headers[name] = value
            body = json.dumps(told["json"]).encode()
            found.append(Done("POST", "/cloud_archive/done", headers, body, told["json"], told["status"]))
        return [
            each for each in found if each.headers["X-Cloud-Archive-Job"] == job_id and each.status in range(200, 300)
        ]

    def violations(self) -> list[str]:
        """Return the requests that the real services forbid."""
        return list(self._ask("GET", "violations"))

    def slow_down(self, seconds: float) -> None:
        """Let every request of an upload take so long, so that an archive has a middle."""
        for operation in sorted(UPLOADS):
            self._ask("POST", "faults", {"on": operation, "does": "stall", "times": None, "seconds": seconds})

    def speed_up(self) -> None:
        """Let everything be as fast as it is."""
        self._ask("DELETE", "faults")

    def _ask(self, method: str, what: str, content: Any = None) -> Any:
        answer = self._session.request(method, f"{self.url}/sandbox/{what}", json=content, timeout=_SECONDS)
        answer.raise_for_status()
        return answer.json()


def read_done(told: Any) -> Done:
    """Return a done call as the control interface tells it."""
    headers = Message()
    for name, value in told["headers"].items():
        headers[name] = value
    return Done("POST", "", headers, json.dumps(told["json"]).encode(), told["json"], told["status"])


class Save:
    """One archive of one guest, from the button to the done call. Not thread-safe.

    Args:
        world: The pretend world.
        web_url: Address of `web`.
        cloud: Where to.
        login: Whose account; a new one is empty.
    """

    def __init__(self, world: PublishedWorld, web_url: str, cloud: str, login: str) -> None:
        self._world = world
        self._cloud, self._login = cloud, login
        self._archive = world.archive()
        consent = functools.partial(browser.consent, allow=True, login=login, scopes=None)
        account = guest.Account(consent, functools.partial(world.tree, cloud, login), lambda: 0)
        self._began = time.monotonic()
        self.job_id = guest.save(web_url, world.url, account, self._archive, cloud)

    def count(self) -> int:
        """Return how many photos are there."""
        return len(self._world.tree(self._cloud, self._login))

    def wait_for_middle(self) -> str:
        """Wait until some of the photos are there, and return how many in words.

        Raises:
            RehearsalError: none came, or all were there before anybody looked.
        """
        wait_until(lambda: self.count() > 0, "no photo arrived")
        count, all_of_them = self.count(), len(self._archive.expected)
        if count >= all_of_them:
            raise RehearsalError(f"all {count} photos were there before anything could be done in the middle")
        return f"{count} of {all_of_them} photos were there"

    def finish(self) -> str:
        """Wait until the gallery is told, and return what is there in words.

        Raises:
            RehearsalError: it is not told; or a photo is missing, double or another one; or the call is not right.
        """
        wait_until(lambda: bool(self._world.dones(self.job_id)), f"the gallery was not told of job {self.job_id}")
        seconds = time.monotonic() - self._began
        self.check()
        return f"{self.count()} photos by MD5, each once; gallery told once, {seconds:.0f} s after the button"

    def check(self) -> None:
        """Compare the guest's cloud with the gallery, and the done calls with what they must be.

        Raises:
            RehearsalError: they differ.
        """
        found = self._world.tree(self._cloud, self._login)
        dones = self._world.dones(self.job_id)
        wrong = guest.find_differences(list(self._archive.expected), found)
        wrong += guest.find_wrong_done_calls(dones, self.job_id, self._archive.url, self._cloud)
        wrong += [f"the gallery was told {len(dones)} times"] if len(dones) > 1 else []
        wrong += [f"the cloud forbids: {violation}" for violation in self._world.violations()]
        if wrong:
            same, files = Counter(wrong), len(found)
            raise RehearsalError(f"job {self.job_id}: {files} photos are there; " + "\n".join(list(same)[:20]))


def wait_until(is_so: Callable[[], bool], otherwise: str, seconds: float = 600.0) -> None:
    """Wait until something is so.

    Args:
        is_so: asked every half second.
        otherwise: what is said when it never comes.
        seconds: how long, at most.

    Raises:
        RehearsalError: it was not so in time.
    """
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > deadline:
            raise RehearsalError(f"{otherwise} within {seconds:.0f} s")
        time.sleep(0.5)
