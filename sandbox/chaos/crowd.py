"""The guests of a chaos run: press the button, allow, and press again if that led nowhere. Knows no fault."""

import random
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

from sandbox import tree
from sandbox.demo import guest
from sandbox.gallery import Archive
from sandbox.world import World

LOGINS = ("anna", "ivan")
_AGAIN_SECONDS = 1.0
_AT_ONCE = 8


@dataclass(frozen=True)
class Press:
    """A guest's wish: when (seconds after the beginning), who, which gallery, into which cloud."""

    at: float
    login: str
    archive: Archive
    cloud: str


@dataclass(frozen=True)
class Begun:
    """An archive that a guest was promised, in one cloud."""

    job_id: str
    login: str
    archive: Archive
    cloud: str


class Crowd:
    """Guests at their browsers. Thread-safe.

    Args:
        world: where their accounts are.
        web_url: the service.
        note: writes into the run's diary.

    Attributes:
        begun: what was promised to them.
        refused: how often a guest was told that it did not work.
    """

    def __init__(self, world: World, web_url: str, note: Callable[[str], None]) -> None:
        self._world = world
        self._note = note
        self._web_url = web_url
        self._guard = threading.Lock()
        self.begun: list[Begun] = []
        self.refused = 0

    def come(self, presses: list[Press], wait: Callable[[float], object]) -> None:
        """Do everything the guests want, each at its time; return when all have their promise.

        Args:
            presses: what they want.
            wait: waits so many seconds.
        """
        began = time.monotonic()
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="guest") as guests:
            pressing = []
            for press in sorted(presses, key=lambda press: press.at):
                wait(max(0.0, began + press.at - time.monotonic()))
                pressing.append(guests.submit(self._press, press))
            for each in pressing:
                each.result()

    def _press(self, press: Press) -> None:
        while True:
            try:
                job_id = guest.save(self._web_url, self._world, self._account(press), press.archive, press.cloud)
            except guest.GuestError:
                with self._guard:
                    self.refused += 1
                time.sleep(_AGAIN_SECONDS)
                continue
            self._note(f"{press.login} saves {press.archive.name} into {press.cloud}: job {job_id}")
            with self._guard:
                self.begun.append(Begun(job_id, press.login, press.archive, press.cloud))
            return

    def _account(self, press: Press) -> guest.Account:
        account = account_of(self._world, press.login, press.cloud)
        door = self._world.accounts if press.cloud == "google_drive" else self._world.yandex_accounts
        return guest.Account(partial(door.consent, login=press.login), account.tree, account.used)


def account_of(world: World, login: str, cloud: str) -> tree.Account[Any]:
    """Return a guest's account at a cloud."""
    return world.drive.account(login) if cloud == "google_drive" else world.yandex.account(login)


def plan_presses(galleries: Sequence[tuple[Archive, str]], seconds: float, chance: random.Random) -> list[Press]:
    """Plan who wants what when: every gallery at least once, many twice at the same moment, and by both guests.

    Args:
        galleries: each with the cloud that it is saved into.
        seconds: within which everything is asked for.
        chance: decides the rest.
    """
    presses = []
    for number, (archive, cloud) in enumerate(galleries):
        at = seconds * number / len(galleries)
        first, second = chance.sample(LOGINS, 2)
        presses.append(Press(at, first, archive, cloud))
        if number % 2 == 0:
            presses.append(Press(at, first, archive, cloud))  # a double click
        if number % 3 == 0:
            presses.append(Press(at + chance.uniform(0, 5), second, archive, cloud))
        if number % 3 == 1:
            presses.append(Press(at + chance.uniform(1, 8), first, archive, cloud))  # again, a little later
    return presses
