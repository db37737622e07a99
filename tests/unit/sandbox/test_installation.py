"""What is shown while something is installed."""

import io
import sys

import pytest

from sandbox.run.installation import InstallationFailed, Progress, main, run_shown, show

PIP = [
    "Ignoring colorama: markers 'sys_platform == \"win32\"' don't match your environment\n",
    "Collecting mypy==1.19.0 (from -r requirements-dev.lock (line 7))\n",
    "  Downloading mypy-1.19.0-cp311-cp311-manylinux_2_17_x86_64.whl (12.8 MB)\n",
]


class Terminal(io.StringIO):
    """A terminal, or what takes itself for one."""

    def isatty(self) -> bool:
        """Say so."""
        return True


class Slow(Progress):
    """What has said all, and is looked at twice before it ends."""

    looks = 2

    def wait(self, seconds: float | None) -> bool:
        """Wait for what is said, and hide the end."""
        super().wait(None)
        self.looks -= 1
        return self.looks < 0


def test_a_log_gets_a_line_for_each_step_and_one_now_and_then() -> None:
    """How many packages, what it does just now, and since when; no control characters."""
    told = io.StringIO()
    show(Slow("3 packages", PIP, 3), told)
    first, *later = told.getvalue().splitlines()
    assert first == "3 packages"
    assert len(later) == 2
    assert all(line.startswith("    2 of 3, ") and line.endswith("downloading mypy (12.8 MB)") for line in later)


def test_a_terminal_has_one_line_that_moves() -> None:
    """Each look writes over the one before; the last says how long it took."""
    told = Terminal()
    show(Slow("3 packages", PIP, 3), told)
    _, *moved, last = told.getvalue().split("\r\x1b[K")
    assert len(moved) == 2
    assert all(line.startswith("3 packages: 2 of 3, ") and "downloading mypy" in line for line in moved)
    assert last.startswith("3 packages: ")
    assert told.getvalue().count("\n") == 1


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("Get:7 http://deb.debian.org trixie/main amd64 erlang-base amd64 1:27 [7 kB]", "downloading erlang-base"),
        ("Get:1 http://deb.debian.org/debian trixie InRelease [151 kB]", "downloading InRelease"),
        ("Unpacking libc6:amd64 (2.36) ...", "unpacking libc6"),
        ("Setting up rabbitmq-server (3.10.8-1.1) ...", "setting up rabbitmq-server"),
        ("Installing collected packages: a, b", "unpacking them all"),
        ("nothing of theirs", ""),
    ],
)
def test_their_words_become_ours(line: str, words: str) -> None:
    """What pip and apt-get say is told in a few words; other words change nothing."""
    progress = Progress("it", [line])
    assert progress.wait(None)
    assert progress.describe().partition(", ")[2] == words


def test_a_failure_tells_all_that_was_said(capsys: pytest.CaptureFixture[str]) -> None:
    """The noise is what is needed then; scripts/setup gets the status."""
    failing = [sys.executable, "-c", "print('no such package')\nraise SystemExit(3)"]
    with pytest.raises(InstallationFailed, match="no such package"):
        run_shown("it", failing, told=io.StringIO())
    assert main(["1/2 it", "0", *failing]) == 1
    assert capsys.readouterr().err == "1/2 it\n\nno such package\n\n"
