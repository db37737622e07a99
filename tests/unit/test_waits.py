"""Nothing of the service sleeps deaf: whoever waits does so where the end of the work is heard."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MODULES = [path for room in ("common", "web", "worker") for path in sorted((ROOT / room).rglob("*.py"))]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_module_sleeps(path: Path) -> None:
    """`worker.transfer.stop` waits on events, `common.http.deadlines` says how long a look at a socket may be."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            assert (getattr(node.value, "id", ""), node.attr) != ("time", "sleep"), f"line {node.lineno}"
        if isinstance(node, ast.ImportFrom) and node.module == "time":
            assert "sleep" not in {name.name for name in node.names}, f"line {node.lineno}"
