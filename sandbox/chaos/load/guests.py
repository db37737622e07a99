"""The guests of a chaos run: press the button, allow, press again if that led nowhere, and stop. Knows no fault."""

import random
import threading
import time
import urllib.parse
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import requests

from sandbox.chaos.load.stops import Begun, Stopper, Wish, draw_wish
from sandbox.chaos.observe.clouds import LOGINS, account_of, count_missing
from sandbox.demo import guest
from sandbox.gallery.host import Archive
from sandbox.oauth.browser import PageError
from sandbox.world import World

_AGAIN_SECONDS = 1.0
_AT_ONCE = 8


@dataclass(frozen=True)
class Press:
    """A guest's wish: when (seconds after the beginning), who, which gallery, into which cloud, and whether to stop."""

    at: float
    login: str
    archive: Archive
    cloud: str
    stop: Wish | None = None


class Crowd:
    """Guests at their browsers. Thread-safe.

    Args:
        world: where their accounts are.
        web_urls: the replicas of the service.
        public_url: the address that the service believes to have.
        stopper: presses the other button.
        note: writes into the run's diary.

    Attributes:
        begun: what was promised to them.
        refused: how often whose wish did not work.
    """

    def __init__(
        self, world: World, web_urls: Sequence[str], public_url: str, stopper: Stopper, note: Callable[[str], None]
    ) -> None:
        self._world = world
        self._note = note
        self._web_urls = web_urls
        self._public_url = public_url
        self._stopper = stopper
        self._guard = threading.Lock()
        self._chance = random.Random(0)  # which replica answers is no part of the plan
        self.begun: list[Begun] = []
        self.refused: Counter[tuple[str, str, str]] = Counter()

    def come(self, presses: list[Press], wait: Callable[[float], bool]) -> None:
        """Do everything the guests want, each at its time; return when all have their promise and have stopped.

        Args:
            presses: what they want.
            wait: waits so many seconds, and returns true when all is over.
        """
        began = time.monotonic()
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="guest") as guests:
            pressing = []
            for press in sorted(presses, key=lambda press: press.at):
                wait(max(0.0, began + press.at - time.monotonic()))
                pressing.append(guests.submit(self._press, press, wait))
            for each in pressing:
                each.result()
        self._stopper.finish()

    def list_jobs(self) -> list[str]:
        """Name the jobs that were promised."""
        with self._guard:
            return [each.job_id for each in self.begun]

    def _press(self, press: Press, wait: Callable[[float], bool]) -> None:
        devices: list[str] = []
        account = account_of(self._world, press.login, press.cloud)
        door = self._world.accounts if press.cloud == "google_drive" else self._world.yandex_accounts

        def consent(url: str) -> str:
            devices.append(dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(url).query)).get("device_id", ""))
            return door.consent(url, login=press.login).replace(self._public_url, self._pick_replica(), 1)

        browser = guest.Account(consent, account.tree, account.used)
        while True:
            before = len(press.archive.pictures) - count_missing(account, press.archive, press.cloud)
            at = time.monotonic()
            try:
                job_id = guest.save(self._pick_replica(), self._world, browser, press.archive, press.cloud)
            except (guest.GuestError, PageError, requests.RequestException):
                with self._guard:
                    self.refused[press.login, press.archive.url, press.cloud] += 1
                if wait(_AGAIN_SECONDS):
                    return
                continue
            break
        begun = Begun(job_id, press.login, press.archive, press.cloud, at, devices[-1], before)
        self._note(f"{press.login} saves {press.archive.name} into {press.cloud}: job {job_id}")
        with self._guard:
            self.begun.append(begun)
        if press.stop:
            self._stopper.press(begun, press.stop, lambda: count_missing(account, press.archive, press.cloud))

    def _pick_replica(self) -> str:
        with self._guard:
            return self._chance.choice(self._web_urls)


def plan_presses(
    galleries: Sequence[tuple[Archive, str]], seconds: float, chance: random.Random, stops: random.Random
) -> list[Press]:
    """Plan who wants what when: every gallery at least once, many twice at the same moment, and by both guests.

    Args:
        galleries: each with the cloud that it is saved into.
        seconds: within which everything is asked for.
        chance: decides the rest.
        stops: decides who wants no more of it, and when.
    """
    presses = []
    for number, (archive, cloud) in enumerate(galleries):
        at = seconds * number / len(galleries)
        first, second = chance.sample(LOGINS, 2)
        presses.append((at, first, archive, cloud))
        if number % 2 == 0:
            presses.append((at, first, archive, cloud))  # a double click
        if number % 3 == 0:
            presses.append((at + chance.uniform(0, 5), second, archive, cloud))
        if number % 3 == 1:
            presses.append((at + chance.uniform(1, 8), first, archive, cloud))  # again, a little later
    return [Press(*each, draw_wish(stops)) for each in presses]
