"""`scripts/audit`: which advisories it lets pass. The advisory source is a stand-in; the rest is the script itself."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with nothing but the script, and commands that only say how they are called."""
    for folder in ("scripts", ".venv/bin", "made/bin"):
        (tmp_path / folder).mkdir(parents=True)
    shutil.copy(ROOT / "scripts/audit", tmp_path / "scripts/audit")
    make_command(tmp_path / "scripts/setup", "")
    make_command(tmp_path / "made/bin/pip", "")
    make_command(tmp_path / "made/bin/pip-audit", 'echo "pip-audit $*"')
    # `python -m venv <folder>`
    make_command(tmp_path / ".venv/bin/python", f'cp -r "{tmp_path}/made/bin" "$3/"')
    return tmp_path


def make_command(path: Path, does: str) -> None:
    """Make a program of one line."""
    path.write_text(f"#!/bin/sh\n{does}\n")
    path.chmod(0o755)


def audit(checkout: Path, *exceptions: str) -> subprocess.CompletedProcess[str]:
    """Run the script with these exceptions."""
    (checkout / "scripts/audit-exceptions").write_text("# a comment\n\n" + "\n".join(exceptions))
    return subprocess.run(
        [checkout / "scripts/audit", "--desc"], capture_output=True, text=True, check=False, timeout=60
    )


def test_all_that_is_locked_is_asked_about(checkout: Path) -> None:
    """By hash, strictly, and without any exception; arguments are handed on."""
    done = audit(checkout)
    assert done.returncode == 0
    assert done.stdout == "pip-audit --strict --require-hashes --disable-pip --requirement requirements.lock --desc\n"


def test_an_exception_holds_until_its_day(checkout: Path) -> None:
    """What is excused is named with its reason; what was excused once is said, and asked about again."""
    done = audit(checkout, "PYSEC-2099-1 2099-12-31 we do not parse that", "GHSA-old 2020-01-01 it was so once")
    assert done.returncode == 0
    assert "excused until 2099-12-31: PYSEC-2099-1, we do not parse that\n" in done.stdout
    assert done.stdout.splitlines()[-1].endswith("requirements.lock --ignore-vuln PYSEC-2099-1 --desc")
    assert "the exception for GHSA-old ended on 2020-01-01" in done.stderr


@pytest.mark.parametrize(
    "line", ["PYSEC-2099-1", "PYSEC-2099-1 2099-12-31", "PYSEC-2099-1 soon because", "x 2099-1-1 y"]
)
def test_an_exception_needs_a_date_and_a_reason(checkout: Path, line: str) -> None:
    """Otherwise nothing is asked, and that is a failure."""
    done = audit(checkout, line)
    assert done.returncode == 2
    assert "needs a date and a reason" in done.stderr
    assert "pip-audit" not in done.stdout


def test_what_is_found_is_a_failure(checkout: Path) -> None:
    """The source's own exit status, though others are excused: an unknown exception excuses nothing else."""
    make_command(checkout / "made/bin/pip-audit", "exit 1")
    assert audit(checkout, "PYSEC-1999-1 2099-12-31 of nothing we use").returncode == 1
