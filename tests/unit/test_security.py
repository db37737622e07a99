"""SECURITY.md names a guard for each threat, and the guard is there."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TABLE = (ROOT / "SECURITY.md").read_text().split("## Threats")[1]


def test_every_named_test_is_there() -> None:
    """By file and name; a test that is renamed takes its row along."""
    named = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", TABLE)
    assert len(named) > 40
    assert [f"{path}::{name}" for path, name in named if not is_there(path, name)] == []


def test_every_row_has_its_guard() -> None:
    """No threat without a test or a script."""
    rows = [line for line in TABLE.splitlines() if line.startswith("| ")][1:]
    assert [row for row in rows if "::test_" not in row and "`scripts/audit`" not in row] == []


def test_every_excused_advisory_has_a_date_and_a_reason() -> None:
    """What `scripts/audit` lets pass, it lets pass for a while and for something."""
    lines = (ROOT / "scripts/audit-exceptions").read_text().splitlines()
    excused = [line for line in lines if line and not line.startswith("#")]
    assert [line for line in excused if not re.fullmatch(r"\S+ \d{4}-\d{2}-\d{2} \S.*", line)] == []


def is_there(path: str, name: str) -> bool:
    """Say whether a test stands in a file."""
    file = ROOT / path
    return file.exists() and f"\ndef {name}(" in file.read_text()
