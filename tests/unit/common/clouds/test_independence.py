"""Clouds do not import each other, however many there are: import-linter would need a list of them."""

import ast
from pathlib import Path

import pytest

import common.clouds
from common.clouds import CLOUDS

FOLDER = Path(common.clouds.__file__).parent
NAMES = sorted(path.parent.name for path in FOLDER.glob("*/__init__.py"))


def find_imports(path: Path) -> set[str]:
    """Return every module that a file imports, absolute or not."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize("name", NAMES)
def test_a_cloud_imports_no_other(name: str) -> None:
    """What two of them need stands beside their folders."""
    others = tuple(f"common.clouds.{other}." for other in NAMES if other != name)
    foreign = {module for path in (FOLDER / name).rglob("*.py") for module in find_imports(path)}
    assert [module for module in foreign if f"{module}.".startswith(others) or module == "common.clouds.CLOUDS"] == []


def test_every_folder_is_a_cloud() -> None:
    """And stands in the list."""
    assert len(NAMES) == len(CLOUDS) == len({cloud.name for cloud in CLOUDS})
