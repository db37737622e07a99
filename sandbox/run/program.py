"""A program run by this process that never outlives it, whatever ends it."""

import contextlib
import os
import random
import select
import signal
import socket
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

# The program keeps the process id that we see (exec). Beside it, in the same process group, waits a reader of a pipe
# that only this process holds open: when we are gone, kill -9 included, the pipe ends and the whole group with it.
_LEASH = 'exec 3<&0 </dev/null; (cat <&3 >/dev/null; kill -KILL 0) & exec 3<&-; exec "$@"'
_DYING_SECONDS = 5.0  # what the kernel may need to take a killed node's memory apart on a busy machine


class Program:
    """One running program with its own process group and log file. Not for use by several threads at once.

    Args:
        name: what people call it, for messages.
        arguments: the program and its arguments.
        environment: its whole environment.
        log: the file that its output is appended to.
        folder: where it runs; this process's folder if not given.

    Raises:
        OSError: if there is no shell or the log can't be written.
    """

    def __init__(
        self,
        name: str,
        arguments: Sequence[str | Path],
        environment: Mapping[str, str],
        log: Path,
        folder: Path | None = None,
    ) -> None:
        self.name = name
        self.log = log
        self._anybody_left, held = os.pipe()
        with log.open("ab") as output, os.fdopen(held, "wb"):
            self._process = subprocess.Popen(
                ["/bin/sh", "-c", _LEASH, "sh", *arguments],
                env=dict(environment),
                cwd=folder,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                # All that it starts inherit this end, so the other one ends when the last of them has.
                pass_fds=[held],
                start_new_session=True,
            )

    def __enter__(self) -> "Program":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """The process id, which is also the id of its process group."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """What it ended with (negative: the signal that ended it), or None while it runs."""
        return self._process.poll()

    def terminate(self) -> None:
        """Ask the program itself, not what it started, to end."""
        self._process.terminate()

    def stop(self, seconds: float = 30.0) -> int:
        """Ask it to end, make it end after `seconds`, and give back its exit code. May be called again."""
        self._process.terminate()
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            pass
        finally:
            code = self.kill()
        return code

    def kill(self) -> int:
        """End it and everything in its group at once, wait for that, give back its exit code. May be called again."""
        if self._process.stdin and not self._process.stdin.closed:
            # The leash is still in the group, so the group's id can't belong to anybody else by now.
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.stdin.close()
            select.select([self._anybody_left], [], [], _DYING_SECONDS)
            os.close(self._anybody_left)
        return self._process.wait()


def last_lines(log: Path, count: int = 30) -> str:
    """Give back the end of a log file."""
    return "\n".join(log.read_text("utf-8", "replace").splitlines()[-count:])


def find_port() -> int:
    """Give back a loopback port that is free and stays so while a program starts, or restarts, on it.

    Taken below the range that the kernel gives to outgoing connections (32768 and up), which could take it meanwhile:
    https://docs.kernel.org/networking/ip-sysctl.html (ip_local_port_range).
    """
    while True:
        port = random.randrange(20_000, 32_768)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
