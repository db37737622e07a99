"""`scripts/bench --quick`: the benchmark runs; what it measures is no matter of tests."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_programs_copy_and_are_compared() -> None:
    """Every program that can be run here copies the photos, byte for byte, and has its line in the table."""
    table = _bench("--case", "a", "--peers", "plain,rclone-copyurl,rclone-copy,google-client")
    programs = {line.split("|")[1].strip() for line in table.splitlines() if line.startswith("| ")}
    assert {"ours", "plain", "google-client"} <= programs


def test_everything_else_runs() -> None:
    """Throttling and failures are gone through; memory, posts and the stand-ins alone are measured."""
    told = _bench("--case", "efmps")
    assert "requests throttled" in told
    assert "sent again" in told
    assert "requests/s on one process" in told
    assert "stand-ins alone" in told


def _bench(*options: str) -> str:
    command = [sys.executable, "-m", "bench", "--quick", "--runs", "1", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    return done.stdout
