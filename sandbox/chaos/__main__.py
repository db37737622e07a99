"""`python -m sandbox.chaos`: the arguments, the order of things, the figures and the exit code."""

import argparse
import contextlib
import itertools
import random
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pika

from sandbox.broker import Broker, BrokerError
from sandbox.browser import PageError
from sandbox.chaos import verdict
from sandbox.chaos.crew import Workman
from sandbox.chaos.crowd import LOGINS, Begun, Crowd, account_of, plan_presses
from sandbox.chaos.diary import Diary
from sandbox.chaos.faults import GRACE_SECONDS, aim_at_photos
from sandbox.chaos.galleries import add_gallery, draw_pool
from sandbox.chaos.storm import Storm
from sandbox.demo import guest
from sandbox.demo.services import ServiceError, Services
from sandbox.demo.show import write_bytes
from sandbox.gallery import Archive
from sandbox.program import last_lines
from sandbox.proxy import Proxy
from sandbox.world import World

_WORKERS = 2
_GALLERIES_PER_MINUTE = 10
# Everything small, so that a minute shows what takes hours.
_SETTINGS = {
    "CHUNK_SIZE_MIB": "1",
    "LOG_LEVEL": "DEBUG",  # a line for each photo: doubles are counted there, and what is wrong is found there
    "RATE_LIMIT_PER_MINUTE": "0",
    "RETRY_BASE_SECONDS": "0.1",
    "RETRY_MAX_SECONDS": "1",
    "SLICE_SECONDS": "4",
    "WORKER_JOBS": "3",
    "WORKER_PHOTOS": "4",
}
# Guests come in the first part of the storm, so that it meets with work to its end.
_COMING = 0.8
# A job that met with the worst is in the waiting queue of five minutes.
_SETTLING_SECONDS = 330.0
_SHOWN = 60  # differences


def main() -> int:
    """Run the chaos test and give back its exit code: 0 only if nothing was lost and nothing came twice."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _frame: sys.exit(128 + number))
    arguments = _parse_arguments()
    try:
        return run(arguments)
    except KeyboardInterrupt:
        print("\nstopped", file=sys.stderr)
        return 128 + signal.SIGINT
    except (BrokerError, ServiceError, PageError, TimeoutError) as error:
        print(f"\nThe chaos run failed: {error}", file=sys.stderr)
        return 1


def run(arguments: argparse.Namespace) -> int:
    """Start everything, let it storm, let it settle, judge, and stop everything."""
    with contextlib.ExitStack() as started:
        clouds = " and ".join(arguments.clouds)
        _say(f"seed {arguments.seed}, {arguments.minutes:g} minutes, {arguments.galleries} galleries, into {clouds}")
        folder = arguments.logs or Path(
            started.enter_context(tempfile.TemporaryDirectory(prefix="cloud_archive-chaos-"))
        )
        folder.mkdir(parents=True, exist_ok=True)
        broker = started.enter_context(Broker())
        line = started.enter_context(Proxy(pika.URLParameters(broker.url).port))
        world = started.enter_context(World(keep_bytes=False))
        world.yandex_accounts.tokens.grace = GRACE_SECONDS
        # A guest here presses again every second while the broker is down, and each time is another "device".
        world.yandex_accounts.tokens.most_devices = 10_000
        # Shorter than the tries of a photo whose place another worker's upload holds.
        world.yandex.operations.seconds = 0.5
        rabbitmq_url = broker.url.replace(broker.url.split(":")[-1].split("/")[0], str(line.port))
        services = started.enter_context(Services(world.environment() | _SETTINGS, rabbitmq_url, folder, workers=0))
        crew = [Workman(f"worker {number + 1}", services.environment | _SETTINGS, folder) for number in range(_WORKERS)]
        for workman in crew:
            started.callback(workman.stop)
            workman.start()
        return ChaosRun(world, broker, line, services, crew, arguments, Diary(folder / "diary.log")).run()


class ChaosRun:
    """One run, with everything started. Used by one thread.

    Args:
        world, broker, line, services, crew: the parts.
        arguments: of the command.
        diary: of what is done.
    """

    def __init__(
        self,
        world: World,
        broker: Broker,
        line: Proxy,
        services: Services,
        crew: list[Workman],
        arguments: argparse.Namespace,
        diary: Diary,
    ) -> None:
        self._note = diary.note
        self._world = world
        self._broker = broker
        self._line = line
        self._services = services
        self._crew = crew
        self._seed: int = arguments.seed
        self._seconds: float = arguments.minutes * 60
        self._clouds: list[str] = arguments.clouds
        self._crowd = Crowd(world, services.url, diary.note)
        self._archives = self._put_up_galleries(arguments.galleries)
        self._logs = [diary.log, *(program.log for program in services.programs), *(workman.log for workman in crew)]

    def run(self) -> int:
        """Do it all and give back the exit code."""
        began = time.monotonic()
        try:
            struck = self._storm()
            self._note("all heals")
            _say(f"all heals; {len(self._find_untold())} of {len(self._crowd.begun)} archives are still under way")
            left = self._settle()
        except BaseException:
            self._show_logs()
            raise
        wrong = self._judge(left)
        self._show_figures(struck, time.monotonic() - began)
        if wrong:
            print(f"\nNOT AS IT SHOULD BE ({len(wrong)}, seed {self._seed})\n" + "\n".join(wrong[:_SHOWN]))
            self._show_logs()
            return 1
        print("\nnothing lost, nothing twice")
        return 0

    def _put_up_galleries(self, count: int) -> list[tuple[Archive, str]]:
        """Return the galleries, each with the cloud that it is saved into: they take turns."""
        chance = random.Random(f"{self._seed} galleries")
        pool = draw_pool(chance)
        clouds = [self._clouds[number % len(self._clouds)] for number in range(count)]
        for number, cloud in enumerate(clouds):
            self._world.faults.add(*aim_at_photos(number, cloud, chance))
        return [(add_gallery(self._world, number, pool, chance), cloud) for number, cloud in enumerate(clouds)]

    def _storm(self) -> Counter[str]:
        chance = random.Random(f"{self._seed} guests")
        presses = plan_presses(self._archives, self._seconds * _COMING, chance)
        storm = Storm(self._world, self._broker, self._line, self._crew, self._clouds, self._seed, self._note)
        interrupted = threading.Event()
        with ThreadPoolExecutor(1) as guests:
            coming = guests.submit(self._crowd.come, presses, interrupted.wait)
            try:
                struck = storm.rage(self._seconds)
            except BaseException:
                interrupted.set()
                raise
            # What was to strike and has not yet is forgotten; what struck is told.
            struck.update(f"{each.operation}: {each.fault.does}" for each in self._world.faults.fired)
            self._world.faults.clear()
            coming.result()
        return struck

    def _settle(self) -> dict[str, int]:
        """Wait until all is done; return what is left in the queues."""
        deadline = time.monotonic() + _SETTLING_SECONDS + self._seconds / 2
        while True:
            left = self._wait_for_queues(deadline)
            # What workers have in their hands shows only when they let go.
            for workman in self._crew:
                workman.terminate()
            time.sleep(0.5)
            left = verdict.count_messages(self._broker.url)
            if not any(left.values()) or time.monotonic() > deadline:
                return left
            for workman in self._crew:
                workman.start()

    def _wait_for_queues(self, deadline: float) -> dict[str, int]:
        told_at = time.monotonic()
        while time.monotonic() < deadline:
            left = verdict.count_messages(self._broker.url)
            untold = self._find_untold()
            if not untold and not any(left.values()):
                break
            if time.monotonic() - told_at > 10:
                told_at = time.monotonic()
                print(f"   {len(untold)} untold; {verdict.judge_queues(left)}", flush=True)
            self._services.check()
            time.sleep(0.2)
        return left

    def _find_untold(self) -> list[Begun]:
        return verdict.find_untold(self._crowd.begun, guest.accepted_dones(self._world))

    def _judge(self, left: Mapping[str, int]) -> list[str]:
        wrong: list[str] = []
        for login, cloud in itertools.product(LOGINS, self._clouds):
            saved = [each for each in self._crowd.begun if (each.login, each.cloud) == (login, cloud)]
            wanted = {each.archive.url: each.archive for each in saved}
            wrong += verdict.judge_account(account_of(self._world, login, cloud), wanted.values(), cloud)
        wrong += verdict.judge_dones(self._crowd.begun, list(self._world.gallery.dones), self._archives)
        wrong += verdict.judge_queues(dict(left))
        wrong += verdict.judge_manners(list(self._world.violations))
        wrong += [complaint for workman in self._crew for complaint in workman.complaints]
        return wrong + verdict.judge_logs(self._logs)

    def _show_figures(self, struck: Counter[str], seconds: float) -> None:
        accounts = [account_of(self._world, *each) for each in itertools.product(LOGINS, self._clouds)]
        files = [file for account in accounts for file in account.files()]
        size, received = (
            sum(file.size for file in files),
            self._world.drive.uploads.received + self._world.yandex.received,
        )
        _say("faults survived")
        for name, count in sorted(struck.items()):
            print(f"{count:5}  {name}")
        _say("figures")
        print(f"jobs           {len(self._crowd.begun)} ({self._crowd.refused} times a guest had to press again)")
        print(f"galleries      {len(self._archives)}, {len(accounts)} accounts")
        print(f"photos         {len(files)}")
        print(f"bytes          {size} ({write_bytes(size)})")
        print(f"sent again     {100 * (received - size) / max(size, 1):.1f} % of the bytes")
        print(f"doubles        {verdict.count_doubles(self._logs)} made by two at once, and removed")
        print(f"done calls     {len(self._world.gallery.dones)} for {len(self._crowd.begun)} archives")
        print(f"slices         {verdict.count_slices(self._logs)}")
        print(f"faults         {sum(struck.values())}")
        print(f"seconds        {seconds:.1f}")

    def _show_logs(self) -> None:
        for log in self._logs:
            print(f"--- the end of {log.stem}'s log\n{last_lines(log)}", file=sys.stderr)


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/chaos", description="Save many galleries while everything goes wrong, and look what arrived."
    )
    parser.add_argument("--minutes", type=float, default=1.0, help="how long everything goes wrong (1)")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="decides what happens (random)")
    parser.add_argument("--cloud", choices=[*guest.CLOUDS, "both"], default="both", help="where to (both)")
    parser.add_argument("--galleries", type=int, help=f"how many ({_GALLERIES_PER_MINUTE} a minute)")
    parser.add_argument("--logs", type=Path, help="a folder to keep the logs in")
    arguments = parser.parse_args()
    arguments.clouds = list(guest.CLOUDS) if arguments.cloud == "both" else [arguments.cloud]
    arguments.galleries = arguments.galleries or max(3, round(_GALLERIES_PER_MINUTE * arguments.minutes))
    return arguments


def _say(what: str) -> None:
    print(f"== {what}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
