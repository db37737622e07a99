"""`python -m sandbox.chaos`: command line and wiring of a chaos run."""

import argparse
import contextlib
import random
import signal
import sys
import tempfile
from pathlib import Path

from sandbox.chaos.event_log import EventLog
from sandbox.chaos.inject.fault_catalog import CLOUDS
from sandbox.chaos.inject.process import ServiceProcess, can_shift_clocks
from sandbox.chaos.inject.replay import MessageReplay
from sandbox.chaos.observe.undisturbed_clock import UndisturbedClock
from sandbox.chaos.report import print_heading
from sandbox.chaos.run import ChaosRun, Plan
from sandbox.chaos.system import SystemUnderTest
from sandbox.demo.services import ServiceError, Services
from sandbox.oauth.browser import PageError
from sandbox.run.broker import Broker, BrokerError
from sandbox.run.cluster import Cluster
from sandbox.world import World

_GALLERIES_PER_MINUTE = 10
# Small values, so that a minute shows what takes hours in production.
_SETTINGS = {
    "CHUNK_SIZE_MIB": "1",
    "LOG_LEVEL": "DEBUG",  # a line for each photo: doubles are counted there, and failures can be traced
    "RATE_LIMIT_PER_MINUTE": "0",
    "RETRY_BASE_SECONDS": "0.1",
    "RETRY_MAX_SECONDS": "1",
    "SLICE_SECONDS": "4",
    "WORKER_JOBS": "3",
    "WORKER_PHOTOS": "4",
}
_CLOCK_OFFSETS = (0.0, -3600.0, 3600.0)  # seconds by which a worker's wall clock may be ahead


def main() -> int:
    """Run the chaos test and return its exit code: 0 only if there is no finding."""
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
    """Start everything, run the chaos test, stop everything; return the exit code."""
    plan: Plan = arguments.plan
    with contextlib.ExitStack() as started:
        print_heading(
            f"seed {plan.seed}, {plan.seconds / 60:g} minutes, {plan.galleries} galleries, "
            f"into {' and '.join(plan.clouds)}, {arguments.workers} workers, {arguments.replicas} replicas of web, "
            f"a broker of {arguments.nodes} node{'s' * (arguments.nodes > 1)}"
        )
        folder = arguments.logs or Path(
            started.enter_context(tempfile.TemporaryDirectory(prefix="cloud_archive-chaos-"))
        )
        folder.mkdir(parents=True, exist_ok=True)
        print_heading("starting the broker")
        broker = started.enter_context(_make_broker(plan.seed, arguments.nodes))
        world = started.enter_context(World(keep_bytes=False))
        _relax_limits(world)
        services = started.enter_context(Services(world.environment(), broker.url, folder, workers=0, web=False))
        environment = services.environment | _SETTINGS
        workers = _list_workers(plan.seed, arguments.workers, environment, world.gallery.url, broker.url, folder)
        webs = [
            ServiceProcess(f"web {number}", "web", environment, broker.url, folder)
            for number in range(1, arguments.replicas + 1)
        ]
        replay = MessageReplay(broker.url)
        print_heading("starting web and workers")
        for program in (*workers, *webs):
            program.proxy.watch = replay.watch(program)
            started.enter_context(program.proxy)
            started.callback(program.ensure_killed)
            program.start()
        for web in webs:
            web.wait_until("/readyz")
        event_log = EventLog(folder / "diary.log")
        system = SystemUnderTest(world, broker, workers, webs, plan.clouds, replay, UndisturbedClock(), event_log.note)
        return ChaosRun(system, plan, services.url, event_log.log).run()


def _make_broker(seed: int, nodes: int) -> Broker:
    return Broker() if nodes == 1 else Cluster(random.Random(f"{seed} nodes"))


def _relax_limits(world: World) -> None:
    """Lift the limits of the stand-ins that these guests exceed as no real ones do, and remove every grace period.

    A guest here saves a gallery every few seconds, and tries again every second while the broker is down; each time
    takes another "device" and refresh token. A spent token is refused at once: Yandex promises no second use.
    """
    world.yandex_accounts.tokens.grace = 0.0
    world.yandex_accounts.tokens.max_devices = 1_000_000
    world.accounts.tokens.max_refresh_tokens = 1_000_000
    # Shorter than all tries of a photo together, whose path another worker's upload may have locked.
    world.yandex.operations.seconds = 0.5


def _list_workers(
    seed: int, count: int, environment: dict[str, str], gallery_url: str, broker_url: str, folder: Path
) -> list[ServiceProcess]:
    """Create the workers, each with a DONE_URL of its own, by which done calls are attributed."""
    chance = random.Random(f"{seed} clocks")
    # The first one's clock is always shifted.
    clocks = [chance.choice(_CLOCK_OFFSETS[1:]), *(chance.choice(_CLOCK_OFFSETS) for _ in range(count - 1))]
    if can_shift_clocks():
        print_heading(f"the workers' clocks are off by {', '.join(f'{seconds:+.0f}' for seconds in clocks)} s")
    else:
        print_heading("the workers' clocks are right: libfaketime is not installed")
    workers = []
    for number, clock in enumerate(clocks, 1):
        done_url = {"DONE_URL": f"{gallery_url}/worker-{number}/cloud_archive/done"}
        workers.append(ServiceProcess(f"worker {number}", "worker", environment | done_url, broker_url, folder, clock))
    return workers


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/chaos",
        description="Save many galleries while everything goes wrong, and look what arrived, and what was told.",
    )
    parser.add_argument("--minutes", type=float, default=1.0, help="how long everything goes wrong (1)")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="decides what happens (random)")
    parser.add_argument("--cloud", choices=[*CLOUDS, "both"], default="both", help="where to (both)")
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
    clouds = list(CLOUDS) if arguments.cloud == "both" else [arguments.cloud]
    galleries = arguments.galleries or max(3, round(_GALLERIES_PER_MINUTE * arguments.minutes))
    arguments.plan = Plan(arguments.seed, arguments.minutes * 60, galleries, clouds)
    return arguments


if __name__ == "__main__":
    sys.exit(main())
