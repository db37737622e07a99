"""SECURITY.md and REQUIREMENTS.md name a guard for each threat and requirement, and the guard is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TABLE = (ROOT / "SECURITY.md").read_text().split("## Threats")[1]
REQUIREMENTS = [line for line in (ROOT / "tests/REQUIREMENTS.md").read_text().splitlines() if line.startswith("- ")]
LAST = {1: 19, 2: 13, 3: 3, 4: 13, 8: 7}
NUMBERS = [f"{part}.{number}" for part, last in LAST.items() for number in range(1, last + 1)]


@pytest.mark.parametrize("text", [TABLE, "\n".join(REQUIREMENTS)], ids=["threats", "requirements"])
def test_every_named_test_is_there(text: str) -> None:
    """By file and name; a test that is renamed takes its row along."""
    named = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", text)
    assert len(named) > 40
    assert [f"{path}::{name}" for path, name in named if not is_there(path, name)] == []


def test_every_row_has_its_guard() -> None:
    """No threat without a test or a script."""
    rows = [line for line in TABLE.splitlines() if line.startswith("| ")][1:]
    assert [row for row in rows if "::test_" not in row and "`scripts/audit`" not in row] == []


def test_every_requirement_is_held_or_explained() -> None:
    """Each once; ticked ones name their tests and nothing else, the others none; what was decided against says why."""
    lines = [
        re.fullmatch(r"- \[([x -])] R([\d.]+)\. ([^→\[]+?)( \[[^]]+])?(?: → (.+))?", line) for line in REQUIREMENTS
    ]
    assert [line for line, read in zip(REQUIREMENTS, lines, strict=True) if read is None] == []
    read = [line.groups() for line in lines if line]
    assert sorted(number for _, number, *_ in read) == sorted([*NUMBERS, "6.5", "6.6", "6.7", "6.8"])
    for mark, number, _, why, tests in read:
        assert bool(tests) == (mark == "x"), number
        assert why or mark != "-", number
        assert re.fullmatch(r"`[\w/.]+\.py::test_\w+`(, `[\w/.]+\.py::test_\w+`)*", tests or "`a.py::test_a`"), number


def test_every_excused_advisory_has_a_date_and_a_reason() -> None:
    """What `scripts/audit` lets pass, it lets pass for a while and for something."""
    lines = (ROOT / "scripts/audit-exceptions").read_text().splitlines()
    excused = [line for line in lines if line and not line.startswith("#")]
    assert [line for line in excused if not re.fullmatch(r"\S+ \d{4}-\d{2}-\d{2} \S.*", line)] == []


def is_there(path: str, name: str) -> bool:
    """Say whether a test stands in a file."""
    file = ROOT / path
    return file.exists() and f"\ndef {name}(" in file.read_text()
