"""One chaos run on a started system: inject faults, wait for the jobs to end, judge, report."""

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

from sandbox.chaos.drain import Drain
from sandbox.chaos.inject.fault_catalog import plan_photo_faults
from sandbox.chaos.inject.injector import FaultInjector
from sandbox.chaos.judge.done_calls import CloudSnapshot
from sandbox.chaos.judge.evidence import Evidence, collect_cases, judge
from sandbox.chaos.judge.verdicts import count_doubles, count_slices
from sandbox.chaos.load.galleries import add_gallery, draw_pool
from sandbox.chaos.load.guests import Guests, plan_saves
from sandbox.chaos.load.stops import Stopper
from sandbox.chaos.observe.clouds import LOGINS, account_of, count_missing
from sandbox.chaos.observe.status_poller import ObservationLog, StatusPoller
from sandbox.chaos.report import describe_bytes, print_faults, print_figures, print_verdicts
from sandbox.chaos.system import SystemUnderTest
from sandbox.gallery.host import Archive
from sandbox.run.program import last_lines

# Guests save in the first part of the injection, so that faults meet work until its end.
_SAVING_SHARE = 0.8
# How long the end of a job may take to reach a page when all is over, and how often it is polled.
_PROPAGATION_SECONDS, _POLL_SECONDS = 30.0, 1.0


@dataclass(frozen=True)
class Plan:
    """Parameters of a run.

    Args:
        seed: decides everything that is drawn.
        seconds: how long faults are injected.
        galleries: how many are saved.
        clouds: the `cloud_type`s they are saved into, in turn.
    """

    seed: int
    seconds: float
    galleries: int
    clouds: list[str]


class ChaosRun:
    """One run. Used by one thread.

    Args:
        system: the processes, the broker and the stand-ins.
        plan: its parameters.
        public_url: the service's PUBLIC_BASE_URL.
        event_log: the file that records what was injected.
    """

    def __init__(self, system: SystemUnderTest, plan: Plan, public_url: str, event_log: Path) -> None:
        self._system = system
        self._plan = plan
        self._observations = ObservationLog()
        self._stopper = Stopper(system.webs, self._observations, system.undisturbed, system.note)
        urls = [web.url for web in system.webs]
        self._guests = Guests(system.world, urls, public_url, self._stopper, system.note)
        self._pollers = [
            StatusPoller(web, self._observations, system.undisturbed, self._guests.list_jobs) for web in system.webs
        ]
        self._archives = self._add_galleries()
        system.world.gallery.inspect_done = self._snapshot_clouds
        self._logs = [event_log, *(program.log for program in (*system.webs, *system.workers))]

    def run(self) -> int:
        """Run it and return the exit code."""
        began = time.monotonic()
        is_over = threading.Event()
        try:
            with ThreadPoolExecutor(len(self._pollers), thread_name_prefix="watcher") as pages:
                polling = [pages.submit(poller.watch, is_over.wait) for poller in self._pollers]
                try:
                    injected = self._inject_faults()
                    self._system.note("all heals")
                    drain = Drain(self._system, self._guests)
                    drain.wait_for_jobs()
                finally:
                    is_over.set()
            for each in polling:
                each.result()
            self._poll_until_ended()
            drain.finish()
        except BaseException:
            self._show_logs()
            raise
        evidence = Evidence(self._system, self._guests, self._stopper, self._observations, self._archives, self._logs)
        cases = collect_cases(evidence)
        findings, excused = judge(evidence, cases, drain.leftovers)
        print_faults(injected)
        print_figures(self._measure(cases, excused, sum(injected.values()), time.monotonic() - began))
        print_verdicts(findings)
        if any(findings.values()):
            print(f"\nNOT AS IT SHOULD BE ({sum(map(len, findings.values()))}, seed {self._plan.seed})")
            return 1
        print("\nnothing lost, nothing twice, nothing told or shown that was not so")
        return 0

    def _add_galleries(self) -> list[tuple[Archive, str]]:
        """Add the galleries to the stand-in; return each with the cloud it is saved into, in turn."""
        chance = random.Random(f"{self._plan.seed} galleries")
        pool = draw_pool(chance)
        clouds = list(itertools.islice(itertools.cycle(self._plan.clouds), self._plan.galleries))
        for number, cloud in enumerate(clouds):
            self._system.world.faults.add(*plan_photo_faults(number, cloud, chance))
        return [(add_gallery(self._system.world, number, pool, chance), cloud) for number, cloud in enumerate(clouds)]

    def _inject_faults(self) -> Counter[str]:
        chance, stops = (random.Random(f"{self._plan.seed} {what}") for what in ("guests", "stops"))
        saves = plan_saves(self._archives, self._plan.seconds * _SAVING_SHARE, chance, stops)
        injector = FaultInjector(self._system, self._plan.seed, self._plan.seconds)
        interrupted = threading.Event()
        with ThreadPoolExecutor(1) as guests:
            saving = guests.submit(self._guests.run, saves, interrupted.wait)
            try:
                injected = injector.run(self._plan.seconds)
            except BaseException:
                interrupted.set()
                raise
            # Faults that have not fired are dropped; those that have are counted.
            faults = self._system.world.faults
            injected.update(f"{each.operation}: {each.fault.does}" for each in faults.fired)
            faults.clear()
            saving.result()
        return injected

    def _snapshot_clouds(self, headers: Message) -> CloudSnapshot | None:
        """Count the photos that are missing when the gallery is told of an archive."""
        url, undisturbed = str(headers["X-Cloud-Archive-Url"]), self._system.undisturbed.read()
        for archive, cloud in self._archives:
            if archive.url == url:
                accounts = {login: account_of(self._system.world, login, cloud) for login in LOGINS}
                missing = {login: count_missing(account.tree(), archive, cloud) for login, account in accounts.items()}
                return CloudSnapshot(missing, undisturbed)
        return None

    def _poll_until_ended(self) -> None:
        """Poll every page until it shows an end: on a busy machine that may take a moment to get there."""
        until = time.monotonic() + _PROPAGATION_SECONDS
        for poller, web in zip(self._pollers, self._system.webs, strict=True):
            web.wait_until("/readyz")
            jobs = self._guests.list_jobs()
            while jobs:
                observations = [(job_id, poller.poll(job_id)) for job_id in jobs]
                jobs = [job_id for job_id, observation in observations if not observation or not observation.has_ended]
                if time.monotonic() > until:
                    break
                time.sleep(_POLL_SECONDS)

    def _measure(self, cases: Mapping[str, object], excused: int, faults: int, seconds: float) -> dict[str, str]:
        world, guests = self._system.world, self._guests
        accounts = [account_of(world, *each) for each in itertools.product(LOGINS, self._plan.clouds)]
        files = [file for account in accounts for file in account.files()]
        received = world.drive.uploads.received + world.yandex.received
        lost_grants = sum(bool(getattr(case, "lost_grant", False)) for case in cases.values())
        return {
            "jobs": f"{len(cases)} ({guests.refused.total()} times a guest had to press again)",
            "galleries": f"{len(self._archives)}, {len(accounts)} accounts",
            "photos": f"{len(files)}",
            **describe_bytes(sum(file.size for file in files), received),
            "doubles": f"{count_doubles(self._logs)} made by two at once, and removed",
            "stops": f"{len(self._stopper.accepted)} accepted: {self._describe_states()}",
            "looks": f"{sum(map(len, self._observations.observations.values()))} different ones at the pages",
            "done calls": f"{len(world.gallery.dones)} for {len(cases)} archives, {excused} that nobody could help",
            "lost grants": f"{lost_grants} with a killed worker, before anybody else had them",
            "slices": f"{count_slices(self._logs)}",
            "faults": f"{faults}",
            "seconds": f"{seconds:.1f}",
        }

    def _describe_states(self) -> str:
        states = Counter(stop.state or "unknown" for stop in self._stopper.accepted.values())
        return ", ".join(f"{count} {state}" for state, count in sorted(states.items())) or "none"

    def _show_logs(self) -> None:
        for log in self._logs:
            print(f"--- the end of {log.stem}'s log\n{last_lines(log)}", file=sys.stderr)
