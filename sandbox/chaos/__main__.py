"""`python -m sandbox.chaos`: the arguments, the parts of a run, and the exit code."""

import argparse
import contextlib
import random
import signal
import sys
import tempfile
from pathlib import Path

from sandbox.chaos.event_log import Diary
from sandbox.chaos.inject.injector import Ship
from sandbox.chaos.inject.process import Workman, can_shift_clocks
from sandbox.chaos.inject.replay import Copies
from sandbox.chaos.observe.undisturbed_clock import Calm
from sandbox.chaos.report import say
from sandbox.chaos.run import ChaosRun, Plan
from sandbox.demo import guest
from sandbox.demo.services import ServiceError, Services
from sandbox.oauth.browser import PageError
from sandbox.run.broker import Broker, BrokerError
from sandbox.run.cluster import Cluster
from sandbox.world import World

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
_CLOCKS = (0.0, -3600.0, 3600.0)  # seconds by which a worker's clock may be off


def main() -> int:
    """Run the chaos test and give back its exit code: 0 only if every verdict is nought."""
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
    plan: Plan = arguments.plan
    with contextlib.ExitStack() as started:
        say(
            f"seed {plan.seed}, {plan.seconds / 60:g} minutes, {plan.galleries} galleries, "
            f"into {' and '.join(plan.clouds)}, {arguments.workers} workers, {arguments.replicas} replicas of web, "
            f"a broker of {arguments.nodes} node{'s' * (arguments.nodes > 1)}"
        )
        folder = arguments.logs or Path(
            started.enter_context(tempfile.TemporaryDirectory(prefix="cloud_archive-chaos-"))
        )
        folder.mkdir(parents=True, exist_ok=True)
        broker = started.enter_context(_make_broker(plan.seed, arguments.nodes))
        world = started.enter_context(World(keep_bytes=False))
        _loosen(world)
        services = started.enter_context(Services(world.environment(), broker.url, folder, workers=0, web=False))
        environment = services.environment | _SETTINGS
        workers = _list_workers(plan.seed, arguments.workers, environment, world.gallery.url, broker.url, folder)
        webs = [
            Workman(f"web {number}", "web", environment, broker.url, folder)
            for number in range(1, arguments.replicas + 1)
        ]
        copies = Copies(broker.url)
        for workman in (*workers, *webs):
            workman.line.watch = copies.watch(workman)
            started.enter_context(workman.line)
            started.callback(workman.bury)
            workman.start()
        for web in webs:
            web.wait_until("/readyz")
        diary = Diary(folder / "diary.log")
        ship = Ship(world, broker, workers, webs, plan.clouds, copies, Calm(), diary.note)
        return ChaosRun(ship, plan, services.url, diary.log).run()


def _make_broker(seed: int, nodes: int) -> Broker:
    return Broker() if nodes == 1 else Cluster(random.Random(f"{seed} nodes"))


def _loosen(world: World) -> None:
    """Take from the pretend clouds the limits that these guests exceed as no real ones do, and every kindness.

    A guest here saves a gallery every few seconds, and presses again every second while the broker is down; each time
    is another "device" and another refresh token. A spent one is spent: Yandex promises no second use.
    """
    world.yandex_accounts.tokens.grace = 0.0
    world.yandex_accounts.tokens.most_devices = 1_000_000
    world.accounts.tokens.most_refresh_tokens = 1_000_000
    # Shorter than the tries of a photo whose place another worker's upload holds.
    world.yandex.operations.seconds = 0.5


def _list_workers(
    seed: int, count: int, environment: dict[str, str], gallery_url: str, broker_url: str, folder: Path
) -> list[Workman]:
    """Return the workers, each with an address of its own for done calls, by which they are told apart."""
    chance = random.Random(f"{seed} clocks")
    # One at least has another clock than the others.
    clocks = [chance.choice(_CLOCKS[1:]), *(chance.choice(_CLOCKS) for _ in range(count - 1))]
    if can_shift_clocks():
        say(f"the workers' clocks are off by {', '.join(f'{seconds:+.0f}' for seconds in clocks)} s")
    else:
        say("the workers' clocks are right: libfaketime is not installed")
    workers = []
    for number, clock in enumerate(clocks, 1):
        done_url = {"DONE_URL": f"{gallery_url}/worker-{number}/cloud_archive/done"}
        workers.append(Workman(f"worker {number}", "worker", environment | done_url, broker_url, folder, clock))
    return workers


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/chaos",
        description="Save many galleries while everything goes wrong, and look what arrived, and what was told.",
    )
    parser.add_argument("--minutes", type=float, default=1.0, help="how long everything goes wrong (1)")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="decides what happens (random)")
    parser.add_argument("--cloud", choices=[*guest.CLOUDS, "both"], default="both", help="where to (both)")
    parser.add_argument("--galleries", type=int, help=f"how many ({_GALLERIES_PER_MINUTE} a minute)")
    parser.add_argument("--workers", type=int, default=2, help="how many (2)")
    parser.add_argument("--replicas", type=int, default=2, help="of web (2)")
    parser.add_argument(
        "--nodes", type=int, choices=[1, 3], default=1, help="of the broker; of three one ends at a time (1)"
    )
    parser.add_argument("--logs", type=Path, help="a folder to keep the logs in")
    arguments = parser.parse_args()
    if arguments.workers < 1 or arguments.replicas < 1:
        parser.error("there must be at least one of each")
    clouds = list(guest.CLOUDS) if arguments.cloud == "both" else [arguments.cloud]
    galleries = arguments.galleries or max(3, round(_GALLERIES_PER_MINUTE * arguments.minutes))
    arguments.plan = Plan(arguments.seed, arguments.minutes * 60, galleries, clouds)
    return arguments


if __name__ == "__main__":
    sys.exit(main())
