"""Runs a command that installs something, and shows meanwhile how far it is.

On a terminal one line moves; elsewhere a line is printed now and then. The command's own words are shown if it fails.
It uses the standard library only: scripts/setup runs this file before anything is installed.
"""

import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Sequence
from typing import TextIO

# Seconds between two looks: what moves should seem to, and a log should stay short.
_ON_TERMINAL, _ELSEWHERE = 0.2, 10.0
# What pip and apt-get tell of themselves, and what we make of it.
_WORDS = (
    (re.compile(r"\s*Downloading ([\w.]+)-\S+ (\([\d.]+ \w+\))"), "downloading {} {}"),
    (re.compile(r"Collecting ([\w.-]+)"), "looking for {}"),
    (re.compile(r"Installing collected packages: "), "unpacking them all"),
    (re.compile(r"Get:\d+ \S+ \S+(?: \S+)? ([^\s\[]+)"), "downloading {}"),
    (re.compile(r"Unpacking ([\w.+-]+)"), "unpacking {}"),
    (re.compile(r"Setting up ([\w.+-]+)"), "setting up {}"),
)
# A requirement that pip has dealt with.
_DEALT_WITH = re.compile(r"(?:Collecting|Ignoring) ")


class InstallationFailed(Exception):
    """A command failed; the message is all that it said."""


def run_shown(what: str, command: Sequence[str | os.PathLike[str]], count: int = 0, told: TextIO | None = None) -> None:
    """Run a command to its end and show how far it is.

    Args:
        what: it does, in a few words.
        command: the command line.
        count: number of packages that pip is to install, which are then counted; 0: nothing is.
        told: where to show it; standard error by default.

    Raises:
        InstallationFailed: it ended with another status than 0.
        OSError: there is no such program.
    """
    output = told or sys.stderr
    environment = os.environ | {"PYTHONUNBUFFERED": "1", "LC_ALL": "C.UTF-8"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", env=environment
    ) as process:
        progress = Progress(what, process.stdout or (), count)
        try:
            show(progress, output)
        except BaseException:
            process.kill()
            progress.wait(None)
            raise
    if process.returncode:
        raise InstallationFailed("".join(progress.lines))


class Progress:
    """How far a command is, by what it says. It is read on a thread of its own, which ends with the output.

    Args:
        what: it does.
        output: its lines.
        count: see `run_shown`.
    """

    def __init__(self, what: str, output: Iterable[str], count: int = 0) -> None:
        self.what = what
        self.lines: list[str] = []
        self._begun = time.monotonic()
        self._output = output
        self._count = count
        self._dealt_with = 0
        self._doing = ""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def wait(self, seconds: float | None) -> bool:
        """Wait so long for the end, or for ever, and tell whether it came."""
        self._reader.join(seconds)
        return not self._reader.is_alive()

    def describe(self) -> str:
        """Return how far it is, since when, and what is being done, which is cut off first where there is no room."""
        counted = f"{self._dealt_with} of {self._count}" if self._count else ""
        return ", ".join(part for part in (counted, self.seconds, self._doing) if part)

    @property
    def seconds(self) -> str:
        """How long it has taken so far."""
        return f"{time.monotonic() - self._begun:.0f} s"

    def _read(self) -> None:
        for line in self._output:
            self.lines.append(line)
            self._dealt_with = min(self._dealt_with + bool(_DEALT_WITH.match(line)), self._count)
            for pattern, words in _WORDS:
                if match := pattern.match(line):
                    self._doing = words.format(*match.groups())
                    break


def show(progress: Progress, output: TextIO) -> None:
    """Show it until its end."""
    if output.isatty():
        while not progress.wait(_ON_TERMINAL):
            line = f"{progress.what}: {progress.describe()}"
            output.write(f"\r\x1b[K{line[: shutil.get_terminal_size().columns - 1]}")
            output.flush()
        output.write(f"\r\x1b[K{progress.what}: {progress.seconds}\n")
        output.flush()
        return
    print(progress.what, file=output, flush=True)
    while not progress.wait(_ELSEWHERE):
        print(f"    {progress.describe()}", file=output, flush=True)


def main(arguments: Sequence[str]) -> int:
    """Run the command behind what it does and the number of packages; return its exit status, or 130 after Ctrl-C."""
    what, count, *command = arguments
    try:
        run_shown(what, command, int(count))
    except InstallationFailed as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
