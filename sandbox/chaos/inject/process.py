"""The programs of a chaos run: ended in every way there is, and started again."""

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path

import requests

from sandbox.chaos.inject.trigger import Trap
from sandbox.run.program import Program, find_port
from sandbox.run.proxy import Proxy

# What each may take to end: SHUTDOWN_GRACE_SECONDS as `sandbox.demo.services` sets it, and what web gives the guests
# that are on their way through it.
_GRACE_SECONDS = {"worker": 5.0, "web": 32.0}
# What a busy machine may add to it until the process is gone.
_MARGIN_SECONDS = 3.0
_READY_SECONDS = 60.0
# Debian's package libfaketime; the one for programs with threads.
_OTHER_CLOCK = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)


class Workman:
    """One `python -m worker` or `python -m web`, with a line of its own to the broker. Whoever moves it holds `guard`.

    Args:
        name: told from the others.
        package: which of them.
        environment: the whole of it, but where the broker is and where it listens.
        broker_url: where the broker is.
        folder: where it runs and where its log is.
        clock: seconds by which its clock is ahead; needs libfaketime.

    Attributes:
        url: where it listens.
        line: to the broker.
        trap: on that line.
        complaints: what was wrong with the ways it ended.
        lives: how often it was started.
        deaths: when it was killed, monotonic seconds.
        ends: when it ended as it was asked to, monotonic seconds.
        log: everything that it said in all its lives.
    """

    def __init__(
        self, name: str, package: str, environment: Mapping[str, str], broker_url: str, folder: Path, clock: float = 0.0
    ) -> None:
        self.name = name
        self._package = package
        port = find_port()
        self.url = f"http://127.0.0.1:{port}"
        self.guard = threading.RLock()
        self.trap = Trap()
        broker_port = broker_url.rpartition(":")[2].partition("/")[0]
        self.line = Proxy(int(broker_port), self.trap.watch)
        self._environment = {
            **environment,
            f"{package.upper()}_PORT": str(port),
            "RABBITMQ_URL": broker_url.replace(f":{broker_port}/", f":{self.line.port}/"),
        }
        self._clock = _shift_clock(clock)
        self._folder = folder
        self.log = folder / f"{name.replace(' ', '-')}.log"
        self.log.touch()
        self.complaints: list[str] = []
        self.lives = 0
        self.deaths: list[float] = []
        self.ends: list[float] = []
        self._program: Program | None = None

    def start(self) -> None:
        """Begin another life."""
        self.lives += 1
        # By `env`, so that it holds for nobody else in the program's group.
        command = ["env", *self._clock, sys.executable, "-m", self._package]
        self._program = Program(self.name, command, self._environment, self.log, folder=self._folder)

    def kill(self) -> None:
        """End it in mid-word, with kill -9."""
        self.deaths.append(time.monotonic())
        self._running().kill()
        self._sweep()

    def strike(self) -> None:
        """Send kill -9 and do nothing else; for other threads while somebody holds `guard`, who then calls `bury`."""
        assert self._program
        self.deaths.append(time.monotonic())
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._program.pid, signal.SIGKILL)

    def bury(self) -> None:
        """End it whatever it does. May be called again."""
        if self._program:
            self._program.kill()
            self._sweep()

    def freeze(self) -> None:
        """Stop it from doing anything, without its knowing."""
        os.killpg(self._running().pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen one go on."""
        os.killpg(self._running().pid, signal.SIGCONT)

    def terminate(self) -> None:
        """Ask it to end with SIGTERM, as every deployment does; complains when it does not within its grace."""
        program = self._running()
        # Before its handlers stand SIGTERM simply ends a Python program: nothing to be learned from that.
        self.wait_until("/healthz")
        began = time.monotonic()
        code = program.stop(_GRACE_SECONDS[self._package] + _MARGIN_SECONDS)
        self._sweep()
        (self.deaths if code else self.ends).append(time.monotonic())
        if code:
            took = time.monotonic() - began
            self.complaints.append(f"{self.name} ended with {code}, {took:.1f} s after SIGTERM")

    def wait_until(self, path: str) -> None:
        """Wait until it answers 200 to a probe.

        Raises:
            TimeoutError: it does not within a minute.
        """
        deadline = time.monotonic() + _READY_SECONDS
        while not self._answers(path):
            self._running()
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.name} does not answer {path}")
            time.sleep(0.1)

    def _running(self) -> Program:
        assert self._program
        if self._program.exit_code is not None:
            self.complaints.append(f"{self.name} ended by itself with {self._program.exit_code}")
            self.start()
        return self._program

    def _sweep(self) -> None:
        """Remove what libfaketime leaves of a program that was killed."""
        if self._clock and self._program:
            for name in ("faketime_shm_", "sem.faketime_sem_"):
                Path(f"/dev/shm/{name}{self._program.pid}").unlink(missing_ok=True)

    def _answers(self, path: str) -> bool:
        with requests.Session() as session, contextlib.suppress(requests.RequestException):
            session.trust_env = False
            return session.get(f"{self.url}{path}", timeout=5).status_code == 200
        return False


def can_shift_clocks() -> bool:
    """Say whether programs can be given another clock on this machine."""
    return _OTHER_CLOCK is not None


def _shift_clock(seconds: float) -> list[str]:
    if not seconds or not _OTHER_CLOCK:
        return []
    # https://github.com/wolfcw/libfaketime: only the time of day is shifted.
    return [f"LD_PRELOAD={_OTHER_CLOCK}", f"FAKETIME={seconds:+.0f}", "FAKETIME_DONT_FAKE_MONOTONIC=1"]
