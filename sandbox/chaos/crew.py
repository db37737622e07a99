"""The workers of a chaos run: programs that are ended in every way there is, and started again."""

import contextlib
import os
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import requests

from sandbox.program import Program, find_port

GRACE_SECONDS = 5.0  # SHUTDOWN_GRACE_SECONDS as `sandbox.demo.services` sets it
# What a busy machine may add to it until the process is gone.
_MARGIN_SECONDS = 3.0
_READY_SECONDS = 60.0


class Workman:
    """One `python -m worker`. Used by one thread at a time.

    Args:
        name: told from the others.
        environment: the whole of it.
        folder: where it runs and where its log is.

    Attributes:
        complaints: what was wrong with the ways it ended.
        log: everything that it said in all its lives.
    """

    def __init__(self, name: str, environment: Mapping[str, str], folder: Path) -> None:
        self.name = name
        port = find_port()
        self._environment = {**environment, "WORKER_PORT": str(port)}
        self._url = f"http://127.0.0.1:{port}"
        self._folder = folder
        self.log = folder / f"{name.replace(' ', '-')}.log"
        self.complaints: list[str] = []
        self._program: Program | None = None

    def start(self) -> None:
        """Begin another life."""
        self._program = Program(
            self.name, [sys.executable, "-m", "worker"], self._environment, self.log, folder=self._folder
        )

    def kill(self) -> None:
        """End it in mid-word, with kill -9."""
        self._running().kill()

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
        code = program.stop(GRACE_SECONDS + _MARGIN_SECONDS)
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

    def stop(self) -> None:
        """End it whatever it does. May be called again."""
        if self._program:
            self._program.kill()

    def _running(self) -> Program:
        assert self._program
        if self._program.exit_code is not None:
            self.complaints.append(f"{self.name} ended by itself with {self._program.exit_code}")
            self.start()
        return self._program

    def _answers(self, path: str) -> bool:
        with requests.Session() as session, contextlib.suppress(requests.RequestException):
            session.trust_env = False
            return session.get(f"{self._url}{path}", timeout=5).status_code == 200
        return False
