"""The chaos test in its short form: everything goes wrong for a while, and nothing is lost and nothing comes twice."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.chaos.judge.verdicts import NAMES
from tests.integration.processes import processes_of

ROOT = Path(__file__).parents[2]
# One whose broker, workers and pages are struck early, so that twelve seconds have them all.
SEED = "52"
MINUTES = "0.2"
STRUCK = (
    *("broker ", "lines ", "worker (?:killed|asked to end|frozen)", "web ", "a message sent again", "photo: "),
    # Which of its ends a worker meets depends on what it is about to do in those seconds.
    # What strikes Yandex's own operations depends on how far its archives are when the storm comes.
    *("upload: ", "initiate: ", "(?:yandex_|disk)"),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where all of the run happens."""
    return tmp_path_factory.mktemp("chaos")


@pytest.fixture(scope="module")
def chaos(folder: Path) -> subprocess.CompletedProcess[str]:
    """A run that has ended: two workers, two replicas, two clouds, a real broker, all ended, cut off and refused."""
    environment = {"PATH": os.environ["PATH"], "PYTHONUNBUFFERED": "1", "TMPDIR": str(folder)}
    command = [sys.executable, "-m", "sandbox.chaos", "--seed", SEED, "--minutes", MINUTES]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240, check=False)


def test_everything_is_struck_and_judged(chaos, folder):
    """Every sort of trouble comes, every verdict is told with its count, and nothing is left running or lying about."""
    assert chaos.stderr == ""
    assert f"seed {SEED}" in chaos.stdout
    assert "into google_drive and yadisk" in chaos.stdout
    for trouble in STRUCK:
        assert re.search(rf"^ +[1-9]\d*  {trouble}", chaos.stdout, re.MULTILINE), f"{trouble}: {chaos.stdout}"
    counts = [re.search(rf"^ +(\d+)  {name}$", chaos.stdout, re.MULTILINE) for name in NAMES]
    assert all(counts), chaos.stdout
    assert (chaos.returncode == 0) == all(count[1] == "0" for count in counts if count)
    assert processes_of(folder) == {}
    assert list(folder.iterdir()) == []


def test_nothing_is_lost_and_nothing_comes_twice(chaos):
    """Every photo once, every archive told once and truly, every page right, every stop heard, nothing left over."""
    assert chaos.returncode == 0, chaos.stdout
    assert "nothing lost, nothing twice" in chaos.stdout
