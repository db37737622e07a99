"""Command line of the worker: `python -m worker` consumes jobs, `python -m worker replay` requeues dead letters."""

import argparse
import logging
import os
import signal
import sys
import threading

from common.clouds import CLOUDS
from common.config.env import WrongSetting
from common.config.settings import WorkerSettings, load_environment
from common.errors import Transient
from common.messages.dead_letters import replay_dead
from common.telemetry import logs
from common.telemetry.metrics import VERSION
from worker.app import create_consumer
from worker.health import serve_health
from worker.transfer.stop import Cause, Signals

logger = logging.getLogger("worker")

# After the grace, to report what ended within it. Orchestrators wait ten seconds longer than the grace.
CLOSE_SECONDS = 5.0


def main() -> int:
    """Run until SIGTERM or SIGINT, or do what was asked for; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m worker", description="Copies archives from the queue.")
    parser.add_argument("command", nargs="?", choices=("run", "replay"), default="run")
    command = parser.parse_args().command
    try:
        settings = WorkerSettings.read(load_environment(), {cloud.name: cloud.variables for cloud in CLOUDS})
    except WrongSetting as error:
        print(f"worker: {error}", file=sys.stderr)  # noqa: T201 - there are no logs yet
        return 2
    logs.configure(settings.log_level, settings.log_format, {"service": "worker", "version": VERSION})
    if command == "replay":
        try:
            replayed, left = replay_dead(settings.rabbitmq_url)
        except Transient as error:
            print(f"worker: {error.detail}", file=sys.stderr)  # noqa: T201 - the answer
            return 1
        print(f"{replayed} put back to work, {left} no jobs and left where they are")  # noqa: T201 - the answer
        return 0
    status = 1
    try:
        run(settings)
        status = 0
    except Exception:
        logger.exception("the worker ends by a bug")
    finally:
        logging.shutdown()
        # The threads of a job that did not end in time are not waited for: its message has returned to the queue. After
        # a bug they would even keep a process alive that takes no messages.
        os._exit(status)


def run(settings: WorkerSettings) -> None:
    """Consume jobs until SIGTERM or SIGINT."""
    for doubt in settings.warnings:
        logger.warning("a setting: %s", doubt)
    if settings.network.allow_private:
        logger.warning("ALLOW_LOCAL_NETWORK is on: plain http and private addresses are let through")
    signals = Signals()
    for number in (signal.SIGTERM, signal.SIGINT):
        # On a thread of its own: the one that is interrupted may hold the very lock that is needed.
        signal.signal(number, lambda *_: threading.Thread(target=signals.wind_down.set, args=(Cause.SHUTDOWN,)).start())
    consumer, is_alive, finish = create_consumer(settings, signals)
    health = serve_health(
        settings.port,
        is_alive=is_alive,
        is_ready=lambda: consumer.is_ready,
        trouble=lambda: consumer.trouble,
    )
    logger.info("the worker starts", extra=settings.list_fields())
    consumer.run()
    finish(CLOSE_SECONDS)
    health.shutdown()
    logger.info("the worker stops")


if __name__ == "__main__":
    sys.exit(main())
