"""The chaos test in its short form: everything goes wrong for a while, and nothing is lost and nothing comes twice."""

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.integration.processes import processes_of

ROOT = Path(__file__).parents[2]
# One whose broker and workers are struck early, so that twelve seconds have them all.
SEED = "52"
MINUTES = "0.2"
STRUCK = (
    *("broker ", "lines ", "worker killed", "worker asked to end", "photo: "),
    # What strikes Yandex's own operations depends on how far its archives are when the storm comes.
    *("upload: ", "initiate: ", "(?:yandex_|disk)"),
)


def test_nothing_is_lost_and_nothing_comes_twice(tmp_path):
    """Two workers, two clouds, a real broker, all ended, cut off and refused: every photo once, all told."""
    environment = {"PATH": os.environ["PATH"], "PYTHONUNBUFFERED": "1", "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-m", "sandbox.chaos", "--seed", SEED, "--minutes", MINUTES]
    chaos = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=150, check=False)
    assert (chaos.returncode, chaos.stderr) == (0, ""), chaos.stdout + chaos.stderr
    assert f"seed {SEED}" in chaos.stdout
    assert "into google_drive and yadisk" in chaos.stdout
    assert "nothing lost, nothing twice" in chaos.stdout
    for trouble in STRUCK:
        assert re.search(rf"^ +[1-9]\d*  {trouble}", chaos.stdout, re.MULTILINE), f"{trouble}: {chaos.stdout}"
    assert processes_of(tmp_path) == {}
    assert list(tmp_path.iterdir()) == []
