"""One chaos run, with everything started: it storms, it settles, it is judged."""

import itertools
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from email.message import Message
from pathlib import Path

from sandbox.chaos.drain import Settling
from sandbox.chaos.inject.fault_catalog import aim_at_photos
from sandbox.chaos.inject.injector import Ship, Storm
from sandbox.chaos.judge.done_calls import Sight
from sandbox.chaos.judge.evidence import Evidence, collect_cases, judge
from sandbox.chaos.judge.verdicts import count_doubles, count_slices
from sandbox.chaos.load.galleries import add_gallery, draw_pool
from sandbox.chaos.load.guests import Crowd, plan_presses
from sandbox.chaos.load.stops import Stopper
from sandbox.chaos.observe.clouds import LOGINS, account_of, count_missing
from sandbox.chaos.observe.status_poller import Album, Watcher
from sandbox.chaos.report import show_faults, show_figures, show_verdicts, tell_bytes
from sandbox.gallery.host import Archive
from sandbox.run.program import last_lines

# Guests come in the first part of the storm, so that it meets with work to its end.
_COMING = 0.8
# How long the news of an end may be on its way to a page when all is over, in seconds, and how often it is looked at.
_ON_ITS_WAY_SECONDS, _AGAIN_SECONDS = 30.0, 1.0


@dataclass(frozen=True)
class Plan:
    """What is decided before anything starts.

    Args:
        seed: decides all the rest.
        seconds: for which everything goes wrong.
        galleries: how many are saved.
        clouds: where to.
    """

    seed: int
    seconds: float
    galleries: int
    clouds: list[str]


class ChaosRun:
    """One run. Used by one thread.

    Args:
        ship: the parts.
        plan: of it.
        public_url: the address that the service believes to have.
        diary: the file that tells what was done.
    """

    def __init__(self, ship: Ship, plan: Plan, public_url: str, diary: Path) -> None:
        self._ship = ship
        self._plan = plan
        self._album = Album()
        self._stopper = Stopper(ship.webs, self._album, ship.calm, ship.note)
        urls = [web.url for web in ship.webs]
        self._crowd = Crowd(ship.world, urls, public_url, self._stopper, ship.note)
        self._watchers = [Watcher(web, self._album, ship.calm, self._crowd.list_jobs) for web in ship.webs]
        self._archives = self._put_up_galleries()
        ship.world.gallery.witness = self._look_around
        self._logs = [diary, *(workman.log for workman in (*ship.webs, *ship.workers))]

    def run(self) -> int:
        """Do it all and give back the exit code."""
        began = time.monotonic()
        is_over = threading.Event()
        try:
            with ThreadPoolExecutor(len(self._watchers), thread_name_prefix="watcher") as pages:
                watching = [pages.submit(watcher.watch, is_over.wait) for watcher in self._watchers]
                try:
                    struck = self._storm()
                    self._ship.note("all heals")
                    settling = Settling(self._ship, self._crowd, self._plan.seconds)
                    settling.settle()
                finally:
                    is_over.set()
            for each in watching:
                each.result()
            self._look_for_the_last_time()
            settling.let_go()
        except BaseException:
            self._show_logs()
            raise
        evidence = Evidence(self._ship, self._crowd, self._stopper, self._album, self._archives, self._logs)
        cases = collect_cases(evidence)
        findings, helpless = judge(evidence, cases, settling.leftovers)
        show_faults(struck)
        show_figures(self._measure(cases, helpless, sum(struck.values()), time.monotonic() - began))
        show_verdicts(findings)
        if any(findings.values()):
            print(f"\nNOT AS IT SHOULD BE ({sum(map(len, findings.values()))}, seed {self._plan.seed})")
            return 1
        print("\nnothing lost, nothing twice, nothing told or shown that was not so")
        return 0

    def _put_up_galleries(self) -> list[tuple[Archive, str]]:
        """Return the galleries, each with the cloud that it is saved into: they take turns."""
        chance = random.Random(f"{self._plan.seed} galleries")
        pool = draw_pool(chance)
        clouds = list(itertools.islice(itertools.cycle(self._plan.clouds), self._plan.galleries))
        for number, cloud in enumerate(clouds):
            self._ship.world.faults.add(*aim_at_photos(number, cloud, chance))
        return [(add_gallery(self._ship.world, number, pool, chance), cloud) for number, cloud in enumerate(clouds)]

    def _storm(self) -> Counter[str]:
        chance, stops = (random.Random(f"{self._plan.seed} {what}") for what in ("guests", "stops"))
        presses = plan_presses(self._archives, self._plan.seconds * _COMING, chance, stops)
        storm = Storm(self._ship, self._plan.seed, self._plan.seconds)
        interrupted = threading.Event()
        with ThreadPoolExecutor(1) as guests:
            coming = guests.submit(self._crowd.come, presses, interrupted.wait)
            try:
                struck = storm.rage(self._plan.seconds)
            except BaseException:
                interrupted.set()
                raise
            # What was to strike and has not yet is forgotten; what struck is told.
            faults = self._ship.world.faults
            struck.update(f"{each.operation}: {each.fault.does}" for each in faults.fired)
            faults.clear()
            coming.result()
        return struck

    def _look_around(self, headers: Message) -> Sight | None:
        """Count, when the gallery is told of an archive, what is missing of it."""
        url, calm = str(headers["X-Cloud-Archive-Url"]), self._ship.calm.read()
        for archive, cloud in self._archives:
            if archive.url == url:
                accounts = {login: account_of(self._ship.world, login, cloud) for login in LOGINS}
                missing = {login: count_missing(account, archive, cloud) for login, account in accounts.items()}
                return Sight(missing, calm)
        return None

    def _look_for_the_last_time(self) -> None:
        """Look at every page once more; what is told of an end may still be on its way to it on a busy machine."""
        until = time.monotonic() + _ON_ITS_WAY_SECONDS
        for watcher, web in zip(self._watchers, self._ship.webs, strict=True):
            web.wait_until("/readyz")
            jobs = self._crowd.list_jobs()
            while jobs:
                looks = [(job_id, watcher.look(job_id)) for job_id in jobs]
                jobs = [job_id for job_id, look in looks if not look or not look.has_ended]
                if time.monotonic() > until:
                    break
                time.sleep(_AGAIN_SECONDS)

    def _measure(self, cases: Mapping[str, object], helpless: int, faults: int, seconds: float) -> dict[str, str]:
        world, crowd = self._ship.world, self._crowd
        accounts = [account_of(world, *each) for each in itertools.product(LOGINS, self._plan.clouds)]
        files = [file for account in accounts for file in account.files()]
        received = world.drive.uploads.received + world.yandex.received
        lost_grants = sum(bool(getattr(case, "lost_grant", False)) for case in cases.values())
        return {
            "jobs": f"{len(cases)} ({crowd.refused.total()} times a guest had to press again)",
            "galleries": f"{len(self._archives)}, {len(accounts)} accounts",
            "photos": f"{len(files)}",
            **tell_bytes(sum(file.size for file in files), received),
            "doubles": f"{count_doubles(self._logs)} made by two at once, and removed",
            "stops": f"{len(self._stopper.accepted)} accepted: {self._tell_states()}",
            "looks": f"{sum(map(len, self._album.looks.values()))} different ones at the pages",
            "done calls": f"{len(world.gallery.dones)} for {len(cases)} archives, {helpless} that nobody could help",
            "lost grants": f"{lost_grants} with a killed worker, before anybody else had them",
            "slices": f"{count_slices(self._logs)}",
            "faults": f"{faults}",
            "seconds": f"{seconds:.1f}",
        }

    def _tell_states(self) -> str:
        states = Counter(stop.state or "unknown" for stop in self._stopper.accepted.values())
        return ", ".join(f"{count} {state}" for state, count in sorted(states.items())) or "none"

    def _show_logs(self) -> None:
        for log in self._logs:
            print(f"--- the end of {log.stem}'s log\n{last_lines(log)}", file=sys.stderr)
