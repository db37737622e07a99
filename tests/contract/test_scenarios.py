"""The list of scenarios says nothing that is not so: its cases are all there, and so are the tests it names."""

import ast
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
CASES = [line for line in (Path(__file__).parent / "SCENARIOS.md").read_text().splitlines() if line.startswith("- ")]
_CASE = re.compile(r"- \[(?P<mark>[x -])] (?P<number>\d+)\. (?P<what>[^→]+?)(?: → (?P<tests>.+))?")
_TEST = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")


@cache
def functions_of(path: str) -> frozenset[str]:
    """Return the names of a file's functions; none if there is no such file."""
    file = ROOT / path
    if not file.is_file():
        return frozenset()
    return frozenset(node.name for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.FunctionDef))


def test_every_case_is_listed_once() -> None:
    """One to ninety, each on a line of its own."""
    cases = [_CASE.fullmatch(line) for line in CASES]
    assert [line for line, case in zip(CASES, cases, strict=True) if case is None] == []
    assert list(range(1, 91)) == [int(case["number"]) for case in cases if case]


def test_every_ticked_case_names_its_tests() -> None:
    """Each of them can be found; what is written after the arrow is tests and nothing else."""
    missing = []
    for case in filter(None, map(_CASE.fullmatch, CASES)):
        named = (case["tests"] or "").split(", ")
        tests = [_TEST.fullmatch(name) for name in named if name]
        if case["mark"] == "x" and not tests:
            missing.append(f"{case['number']}: no test")
        for name, test in zip(named, tests, strict=False):
            if not test or test[2] not in functions_of(test[1]):
                missing.append(f"{case['number']}: {name}")
    assert missing == []


def test_every_case_of_the_clouds_we_have_is_shown() -> None:
    """Nothing is left to be ticked later."""
    assert [line for line in CASES if line.startswith("- [ ]")] == []
