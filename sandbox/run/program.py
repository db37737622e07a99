"""Child process that never outlives this one, even if this one is killed."""

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

# The program keeps the process id that we see (exec). In the same process group a reader waits on a pipe that only this
# process holds open: when this process ends, even by SIGKILL, the pipe closes and the reader kills the group.
_LAUNCHER = 'exec 3<&0 </dev/null; (cat <&3 >/dev/null; kill -KILL 0) & exec 3<&-; exec "$@"'
_EXIT_SECONDS = 5.0  # what the kernel may need to free a killed node's memory on a busy machine


class Program:
    """A running program with its own process group and log file. Not thread-safe.

    Args:
        name: for error messages.
        arguments: the program and its arguments.
        environment: all its environment variables.
        log: file that its output is appended to.
        folder: working directory; None: this process's.

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
        self._group_pipe, write_end = os.pipe()
        with log.open("ab") as output, os.fdopen(write_end, "wb"):
            self._process = subprocess.Popen(
                ["/bin/sh", "-c", _LAUNCHER, "sh", *arguments],
                env=dict(environment),
                cwd=folder,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                # Inherited by all processes it starts: the other end closes when the last of them has ended.
                pass_fds=[write_end],
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
        """Exit code (negative: the signal that killed it); None while it runs."""
        return self._process.poll()

    def terminate(self) -> None:
        """Send SIGTERM to the program itself, not to its children."""
        self._process.terminate()

    def stop(self, seconds: float = 30.0) -> int:
        """Send SIGTERM, after `seconds` SIGKILL, and return the exit code. May be called again."""
        self._process.terminate()
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            pass
        finally:
            code = self.kill()
        return code

    def kill(self) -> int:
        """Kill it and its process group, wait for the end, return the exit code. May be called again."""
        if self._process.stdin and not self._process.stdin.closed:
            # The pipe's reader is still in the group, so the group's id cannot have been reused.
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.stdin.close()
            select.select([self._group_pipe], [], [], _EXIT_SECONDS)
            os.close(self._group_pipe)
        return self._process.wait()


def last_lines(log: Path, count: int = 30) -> str:
    """Return the last lines of a log file."""
    return "\n".join(log.read_text("utf-8", "replace").splitlines()[-count:])


def find_port() -> int:
    """Return a free loopback port that stays free until a program listens on it, also between restarts.

    It is below the range that the kernel uses for outgoing connections (32768 and up), which could take it meanwhile:
    https://docs.kernel.org/networking/ip-sysctl.html (ip_local_port_range).
    """
    while True:
        port = random.randrange(20_000, 32_768)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
