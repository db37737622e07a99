"""A program of ours never outlives us."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sandbox.run.program import Program, find_port, last_lines

ENVIRONMENT = {"PATH": os.environ["PATH"]}


def wait_until_gone(pid: int) -> bool:
    """Whether the process ends (a zombie that nobody collects has ended) within ten seconds."""
    status = Path(f"/proc/{pid}/stat")
    for _ in range(1000):
        try:
            if status.read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.01)
    return False


def read_pid(file: Path) -> int:
    """Wait for the process id that a program writes into a file."""
    for _ in range(1000):
        if file.exists() and file.read_text().endswith("\n"):
            return int(file.read_text())
        time.sleep(0.01)
    raise AssertionError(f"nothing was written to {file}")


def test_exit_code_and_log_are_kept(tmp_path):
    """What a program prints and ends with can be read afterwards."""
    program = Program("speaker", ["sh", "-c", "echo to out; echo to err >&2; exit 7"], ENVIRONMENT, tmp_path / "log")
    program._process.wait(10)
    assert program.exit_code == 7
    assert program.stop() == 7
    assert last_lines(program.log) == "to out\nto err"
    assert last_lines(program.log, 1) == "to err"


def test_stop_asks_first(tmp_path):
    """A program may end in good order."""
    ready = tmp_path / "ready"
    script = f"trap 'echo bye; exit 3' TERM; echo $$ > {ready}; while :; do sleep 0.01; done"
    program = Program("polite", ["sh", "-c", script], ENVIRONMENT, tmp_path / "log")
    assert read_pid(ready) == program.pid
    assert program.exit_code is None
    assert program.stop() == 3
    assert last_lines(program.log) == "bye"


def test_stop_ends_the_deaf_with_all_they_started(tmp_path):
    """A program that does not listen is killed, and so are its children."""
    ready = tmp_path / "ready"
    script = f"trap '' TERM; sleep 1000 & echo $! > {ready}; wait; sleep 1000"
    with Program("deaf", ["sh", "-c", script], ENVIRONMENT, tmp_path / "log") as program:
        child = read_pid(ready)
        assert program.stop(seconds=0.1) == -signal.SIGKILL
        assert wait_until_gone(child)
        assert program.kill() == -signal.SIGKILL


def test_programs_end_with_us_even_if_we_are_killed(tmp_path):
    """Not even kill -9 of whoever started it leaves a program behind."""
    ready, log = tmp_path / "ready", tmp_path / "log"
    starter = f"""
import pathlib, time
from sandbox.run.program import Program
program = Program("orphan", ["sh", "-c", "echo $$ > {ready}; sleep 1000"], {ENVIRONMENT!r}, pathlib.Path("{log}"))
time.sleep(1000)
"""
    parent = subprocess.Popen([sys.executable, "-c", starter], cwd=Path(__file__).parents[3])
    pid = read_pid(ready)
    parent.kill()
    parent.wait()
    assert wait_until_gone(pid)


def test_a_program_that_is_not_there_says_so(tmp_path):
    """A missing program is an exit code and a log line, as a shell tells it."""
    program = Program("nobody", ["no-such-program"], ENVIRONMENT, tmp_path / "log")
    program._process.wait(10)
    assert program.stop() == 127
    assert "no-such-program" in last_lines(program.log)


@pytest.mark.parametrize("_", range(3))
def test_ports_are_below_those_of_outgoing_connections(_):
    """A port found now can't be taken by an outgoing connection before the program listens on it."""
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert 1024 <= find_port() < max(lowest, 32_768)
