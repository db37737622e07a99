"""Processes of a chaos run: `web` and `worker` instances that are killed, terminated, frozen and restarted."""

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path

import requests

from sandbox.chaos.inject.trigger import Trigger
from sandbox.run.program import Program, find_port
from sandbox.run.proxy import Proxy

# Allowed duration of a shutdown: SHUTDOWN_GRACE_SECONDS as `sandbox.demo.services` sets it for workers; for web what it
# grants to requests in flight.
_GRACE_SECONDS = {"worker": 5.0, "web": 32.0}
# Slack for a busy machine until the process is gone.
_MARGIN_SECONDS = 3.0
_READY_SECONDS = 60.0
# Of Debian's package libfaketime: the variant for programs with threads.
_LIBFAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)


class ServiceProcess:
    """One `python -m worker` or `python -m web` behind a proxy of its own to the broker. Callers hold `guard`.

    Args:
        name: distinguishes it from the others, e.g. "worker 1".
        package: `worker` or `web`.
        environment: all variables except the broker's URL and the port to listen on.
        broker_url: of the broker itself, not of the proxy.
        folder: working directory; also holds the log.
        clock: seconds by which its wall clock is ahead; needs libfaketime.

    Attributes:
        url: where it listens.
        guard: held by whoever starts, stops or freezes it.
        proxy: between it and the broker.
        trigger: called for the AMQP events on that proxy.
        problems: unexpected exits, for the verdicts.
        starts: how often it was started.
        killed_at: monotonic seconds of each kill.
        terminated_at: monotonic seconds of each orderly exit after SIGTERM.
        log: file with the output of all its starts.
    """

    def __init__(
        self, name: str, package: str, environment: Mapping[str, str], broker_url: str, folder: Path, clock: float = 0.0
    ) -> None:
        self.name = name
        self._package = package
        port = find_port()
        self.url = f"http://127.0.0.1:{port}"
        self.guard = threading.RLock()
        self.trigger = Trigger()
        broker_port = broker_url.rpartition(":")[2].partition("/")[0]
        self.proxy = Proxy(int(broker_port), self.trigger.watch)
        self._environment = {
            **environment,
            f"{package.upper()}_PORT": str(port),
            "RABBITMQ_URL": broker_url.replace(f":{broker_port}/", f":{self.proxy.port}/"),
        }
        self._clock = _shift_clock(clock)
        self._folder = folder
        self.log = folder / f"{name.replace(' ', '-')}.log"
        self.log.touch()
        self.problems: list[str] = []
        self.starts = 0
        self.killed_at: list[float] = []
        self.terminated_at: list[float] = []
        self._program: Program | None = None

    def start(self) -> None:
        """Start the process."""
        self.starts += 1
        # Set by `env`, so that the clock is not shifted for other processes in the group.
        command = ["env", *self._clock, sys.executable, "-m", self._package]
        self._program = Program(self.name, command, self._environment, self.log, folder=self._folder)

    def kill(self) -> None:
        """End it with SIGKILL."""
        self.killed_at.append(time.monotonic())
        self._running().kill()
        self._remove_faketime_files()

    def send_kill(self) -> None:
        """Only send SIGKILL; for other threads while somebody holds `guard`, who then calls `ensure_killed`."""
        assert self._program
        self.killed_at.append(time.monotonic())
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._program.pid, signal.SIGKILL)

    def ensure_killed(self) -> None:
        """End it whatever state it is in. May be called again."""
        if self._program:
            self._program.kill()
            self._remove_faketime_files()

    def freeze(self) -> None:
        """Suspend it with SIGSTOP."""
        os.killpg(self._running().pid, signal.SIGSTOP)

    def unfreeze(self) -> None:
        """Resume it with SIGCONT."""
        os.killpg(self._running().pid, signal.SIGCONT)

    def terminate(self) -> None:
        """End it with SIGTERM, as every deployment does; record a problem if it takes longer than its grace period."""
        program = self._running()
        # Before its signal handlers are installed, SIGTERM just ends a Python process: that would test nothing.
        self.wait_until("/healthz")
        began = time.monotonic()
        code = program.stop(_GRACE_SECONDS[self._package] + _MARGIN_SECONDS)
        self._remove_faketime_files()
        (self.killed_at if code else self.terminated_at).append(time.monotonic())
        if code:
            took = time.monotonic() - began
            self.problems.append(f"{self.name} ended with {code}, {took:.1f} s after SIGTERM")

    def wait_until(self, path: str) -> None:
        """Wait until a probe (`/healthz`, `/readyz`) answers 200.

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
            self.problems.append(f"{self.name} ended by itself with {self._program.exit_code}")
            self.start()
        return self._program

    def _remove_faketime_files(self) -> None:
        """Remove the shared memory that libfaketime leaves behind when a process is killed."""
        if self._clock and self._program:
            for name in ("faketime_shm_", "sem.faketime_sem_"):
                Path(f"/dev/shm/{name}{self._program.pid}").unlink(missing_ok=True)

    def _answers(self, path: str) -> bool:
        with requests.Session() as session, contextlib.suppress(requests.RequestException):
            session.trust_env = False
            return session.get(f"{self.url}{path}", timeout=5).status_code == 200
        return False


def can_shift_clocks() -> bool:
    """Tell whether libfaketime is installed, so that clocks can be shifted."""
    return _LIBFAKETIME is not None


def _shift_clock(seconds: float) -> list[str]:
    if not seconds or not _LIBFAKETIME:
        return []
    # https://github.com/wolfcw/libfaketime: only the time of day is shifted.
    return [f"LD_PRELOAD={_LIBFAKETIME}", f"FAKETIME={seconds:+.0f}", "FAKETIME_DONT_FAKE_MONOTONIC=1"]
