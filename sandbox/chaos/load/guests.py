"""Guests of a chaos run: save galleries through the consent page, and try again when that fails."""

import random
import threading
import time
import urllib.parse
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import requests

from sandbox.chaos.load.stops import PlannedStop, SavedJob, Stopper, draw_stop
from sandbox.chaos.observe.clouds import LOGINS, account_of, count_missing
from sandbox.demo import guest
from sandbox.gallery.host import Archive
from sandbox.oauth.browser import PageError
from sandbox.world import World

_RETRY_SECONDS = 1.0
_MAX_THREADS = 8


@dataclass(frozen=True)
class PlannedSave:
    """One save to make: when (seconds after the start), by whom, which gallery, which cloud, and whether to stop it."""

    at: float
    login: str
    archive: Archive
    cloud: str
    stop: PlannedStop | None = None


class Guests:
    """Guests in their browsers. Thread-safe.

    Args:
        world: the stand-ins, with the guests' accounts.
        web_urls: the replicas of `web`.
        public_url: the service's PUBLIC_BASE_URL; replaced by a replica's address in callbacks.
        stopper: stops jobs.
        note: appends a line to the event log.

    Attributes:
        saved_jobs: the jobs that were accepted.
        refused: failed attempts, by login, archive URL and cloud.
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
        self._chance = random.Random(0)  # which replica answers is not decided by the seed
        self.saved_jobs: list[SavedJob] = []
        self.refused: Counter[tuple[str, str, str]] = Counter()

    def run(self, saves: list[PlannedSave], wait: Callable[[float], bool]) -> None:
        """Make all saves, each at its time; return when all are accepted and all planned stops are made.

        Args:
            saves: what to save.
            wait: waits so many seconds; returns true when the run is over.
        """
        began = time.monotonic()
        with ThreadPoolExecutor(_MAX_THREADS, thread_name_prefix="guest") as guests:
            pending = []
            for save in sorted(saves, key=lambda save: save.at):
                wait(max(0.0, began + save.at - time.monotonic()))
                pending.append(guests.submit(self._save, save, wait))
            for each in pending:
                each.result()
        self._stopper.finish()

    def list_jobs(self) -> list[str]:
        """Return the ids of the jobs that were accepted."""
        with self._guard:
            return [each.job_id for each in self.saved_jobs]

    def _save(self, save: PlannedSave, wait: Callable[[float], bool]) -> None:
        devices: list[str] = []
        account = account_of(self._world, save.login, save.cloud)
        accounts = self._world.clouds[save.cloud].accounts

        def consent(url: str) -> str:
            devices.append(dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(url).query)).get("device_id", ""))
            return accounts.consent(url, login=save.login).replace(self._public_url, self._choose_replica(), 1)

        browser = guest.Account(consent, account.tree, account.used)
        while True:
            before = len(save.archive.pictures) - count_missing(account.tree(), save.archive, save.cloud)
            at = time.monotonic()
            try:
                job_id = guest.save(self._choose_replica(), self._world.gallery.url, browser, save.archive, save.cloud)
            except (guest.GuestError, PageError, requests.RequestException):
                with self._guard:
                    self.refused[save.login, save.archive.url, save.cloud] += 1
                if wait(_RETRY_SECONDS):
                    return
                continue
            break
        job = SavedJob(job_id, save.login, save.archive, save.cloud, at, devices[-1], before)
        self._note(f"{save.login} saves {save.archive.name} into {save.cloud}: job {job_id}")
        with self._guard:
            self.saved_jobs.append(job)
        if save.stop:
            self._stopper.schedule(job, save.stop, lambda: count_missing(account.tree(), save.archive, save.cloud))

    def _choose_replica(self) -> str:
        with self._guard:
            return self._chance.choice(self._web_urls)


def plan_saves(
    galleries: Sequence[tuple[Archive, str]], seconds: float, chance: random.Random, stops: random.Random
) -> list[PlannedSave]:
    """Plan the saves: every gallery at least once, many twice at the same moment or by both guests.

    Args:
        galleries: each with the cloud it is saved into.
        seconds: within which all saves are made, some a few seconds later.
        chance: the random source for saves.
        stops: the random source for stops.
    """
    saves = []
    for number, (archive, cloud) in enumerate(galleries):
        at = seconds * number / len(galleries)
        first, second = chance.sample(LOGINS, 2)
        saves.append((at, first, archive, cloud))
        if number % 2 == 0:
            saves.append((at, first, archive, cloud))  # a double click
        if number % 3 == 0:
            saves.append((at + chance.uniform(0, 5), second, archive, cloud))
        if number % 3 == 1:
            saves.append((at + chance.uniform(1, 8), first, archive, cloud))  # again, a little later
    return [PlannedSave(*each, draw_stop(stops)) for each in saves]
