"""`web` and `worker` as child processes, as they are deployed."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

import requests

from sandbox.run.program import Program, find_port, last_lines

ROOT = Path(__file__).parents[2]
_START_SECONDS = 60.0
# Variables that are passed on. All others are not: a developer's own credentials or proxies must not change the demo.
_PASSED_ON = (
    "CHUNK_SIZE_MIB",
    "LOG_LEVEL",
    "RETRY_ATTEMPTS",
    "RETRY_BASE_SECONDS",
    "RETRY_MAX_SECONDS",
    "SLICE_SECONDS",
    "WORKER_JOBS",
    "WORKER_PHOTOS",
)


class ServiceError(Exception):
    """A service exited, or was not ready in time; the message names it."""


class Services:
    """One `web` and some `worker` processes that run as long as the `with` block. Not thread-safe.

    Args:
        world: the environment variables that point them at the stand-ins.
        rabbitmq_url: their broker.
        folder: working directory and place of their logs; must hold no `.env`.
        workers: number of workers.
        web: whether to start `web`; without it, `url` is only the address it would have.

    Attributes:
        url: Address of `web`.
        addresses: Address of each process, by its name; complete once started.
        environment: Environment variables of all processes; complete once started.
        programs: The processes.

    Raises:
        ServiceError: one is not ready within a minute.
    """

    def __init__(
        self, world: Mapping[str, str], rabbitmq_url: str, folder: Path, workers: int = 1, *, web: bool = True
    ) -> None:
        port = find_port()
        self.url = f"http://127.0.0.1:{port}"
        self._folder = folder
        self._workers = workers
        self._web = web
        self._running = contextlib.ExitStack()
        self.addresses: dict[str, str] = {}
        self.programs: list[Program] = []
        self.environment = {
            **{
                name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR", *_PASSED_ON) if name in os.environ
            },
            **world,
            "PYTHONPATH": str(ROOT),
            "PYTHONUNBUFFERED": "1",
            "RABBITMQ_URL": rabbitmq_url,
            "PUBLIC_BASE_URL": self.url,
            "WEB_HOST": "127.0.0.1",
            "WEB_PORT": str(port),
            "LOG_FORMAT": "text",
            "SHUTDOWN_GRACE_SECONDS": "5",
            "RATE_LIMIT_PER_MINUTE": "0",  # all guests of a demo have one address
        }

    def __enter__(self) -> "Services":
        try:
            self.environment["SECRET_KEYS"] = self._make_key()
            if self._web:
                self._start("web", self.url)
            for number in range(1, self._workers + 1):
                port = find_port()
                self._start("worker", f"http://127.0.0.1:{port}", number, WORKER_PORT=str(port))
            self._wait_until_ready()
        except BaseException:
            self._running.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for program in self.programs:
            program.terminate()  # all at once; the stack then waits for one after the other
        self._running.close()

    def check(self) -> None:
        """Check that all processes still run.

        Raises:
            ServiceError: one has exited.
        """
        for program in self.programs:
            if program.exit_code is not None:
                raise ServiceError(f"{program.name} ended by itself with {program.exit_code}")

    def read_logs(self) -> str:
        """Return the last lines of every log."""
        return "\n".join(f"--- the end of {program.name}'s log\n{last_lines(program.log)}" for program in self.programs)

    def _start(self, package: str, url: str, number: int = 0, **settings: str) -> None:
        name = f"{package} {number}" if self._workers > 1 and number else package
        log = self._folder / f"{name.replace(' ', '-')}.log"
        program = Program(name, [sys.executable, "-m", package], self.environment | settings, log, self._folder)
        self.programs.append(self._running.enter_context(program))
        self.addresses[name] = url

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        waiting = {name: f"{url}/readyz" for name, url in self.addresses.items()}
        while waiting:
            self.check()
            if time.monotonic() > deadline:
                raise ServiceError(f"{', '.join(waiting)} not ready after {_START_SECONDS:.0f} s")
            waiting = {name: url for name, url in waiting.items() if not answers(url)}
            time.sleep(0.05)

    def _make_key(self) -> str:
        made = subprocess.run(
            [sys.executable, "-m", "tools.make_key"], cwd=ROOT, capture_output=True, text=True, check=True
        )
        return made.stdout.strip()


def answers(url: str, seconds: float = 5.0) -> bool:
    """Tell whether a URL answers 200; raises requests' errors on a timeout."""
    with requests.Session() as session:
        session.trust_env = False
        try:
            return session.get(url, timeout=seconds).status_code == 200
        except requests.ConnectionError:
            return False
