"""Run a program and measure time, CPU and peak memory."""

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

# How often a foreign program's peak is read: the kernel keeps it, so only a rise within its last moments is missed.
_PEAK_SECONDS = 0.05
_MARK = "bench: "


@dataclass(frozen=True)
class Usage:
    """Resources used by a program.

    Args:
        seconds: on the clock.
        cpu_seconds: user and system.
        peak_bytes: of resident memory.
    """

    seconds: float
    cpu_seconds: float
    peak_bytes: int


@contextmanager
def reporting_usage() -> Iterator[None]:
    """Measure what this process does meanwhile and print it for `run`: starting Python is no part of the work."""
    began, used = time.monotonic(), _cpu_seconds(resource.RUSAGE_SELF)
    yield
    usage = Usage(time.monotonic() - began, _cpu_seconds(resource.RUSAGE_SELF) - used, _peak_bytes(os.getpid()))
    print(_MARK + json.dumps(asdict(usage)), flush=True)


def run(command: list[str], environment: Mapping[str, str]) -> Usage:
    """Run a program to its end.

    Raises:
        RuntimeError: it failed; with what it complained about.
    """
    used, began = _cpu_seconds(resource.RUSAGE_CHILDREN), time.monotonic()
    with subprocess.Popen(
        command, env={**os.environ, **environment}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        peak = 0
        while True:
            peak = max(peak, _peak_bytes(process.pid))
            try:
                output, complaints = process.communicate(timeout=_PEAK_SECONDS)
                break
            except subprocess.TimeoutExpired:
                continue
    seconds, cpu = time.monotonic() - began, _cpu_seconds(resource.RUSAGE_CHILDREN) - used
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)}\n{output[-2000:]}\n{complaints[-2000:]}")
    told = [line for line in output.splitlines() if line.startswith(_MARK)]
    return Usage(**json.loads(told[-1].removeprefix(_MARK))) if told else Usage(seconds, cpu, peak)


def python(module: str) -> list[str]:
    """Return the command that runs one of our modules."""
    return [sys.executable, "-m", module]


def _cpu_seconds(who: int) -> float:
    used = resource.getrusage(who)
    return used.ru_utime + used.ru_stime


def _peak_bytes(pid: int) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    found = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")]
    return int(found[0]) * 1024 if found else 0
