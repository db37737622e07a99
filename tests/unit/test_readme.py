"""README.md says what is there."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
SETTINGS = (ROOT / "common/config/settings.py").read_text()


def read_tree() -> list[str]:
    """Return the paths that stand in the tree, folders with a slash at their end."""
    paths: list[str] = []
    folders: list[str] = []
    for line in README.split("## The tree")[1].split("```")[1].splitlines():
        match = re.match(r"((?:  )*)([A-Za-z_0-9.]+/?)(?: |$)", line)
        if match:
            depth = len(match[1]) // 2
            folders = [*folders[:depth], match[2]]
            paths.append("".join(folders))
    return paths


def test_tree_names_every_module() -> None:
    """Each module stands in the tree under its folder, and nothing stands there that is gone."""
    modules = {
        str(path.relative_to(ROOT))
        for package in ("web", "worker", "common", "tools")
        for path in (ROOT / package).rglob("*.py")
        if path.name not in ("__init__.py", "__main__.py") and path.parent.parent != ROOT / "common/clouds"
    }
    assert {path for path in read_tree() if path.endswith(".py") and not path.startswith("sandbox/")} == modules


def test_tree_names_every_folder() -> None:
    """A folder that is told of is there, and those of the services are all told of."""
    told = [path for path in read_tree() if path.endswith("/")]
    assert [path for path in told if not (ROOT / path).is_dir()] == []
    rooms = [path for package in ("web", "worker", "common") for path in (ROOT / package).rglob("*/__init__.py")]
    assert {f"{path.parent.relative_to(ROOT)}/" for path in rooms} <= set(told)


def test_tree_names_the_parts_of_each_cloud() -> None:
    """A cloud's own modules stand in its line."""
    tree = README.split("## The tree")[1].split("```")[1]
    for folder in (ROOT / "common/clouds").glob("*/"):
        if folder.name != "__pycache__":
            line = re.search(rf"^    {folder.name}/.*(\n {{8,}}.*)*", tree, re.M)
            assert line, f"{folder.name} does not stand in the tree"
            parts = {path.stem for path in folder.glob("*.py")} - {"__init__"}
            assert parts <= set(re.findall(r"\w+", line[0]))


def test_settings_table_names_every_variable() -> None:
    """What is read is told, and what is told is read; what clouds take `.env.example` tells."""
    table = README.split("## Settings")[1].split("\n## ")[0]
    told = set(re.findall(r"`([A-Z][A-Z0-9_]+)`", table)) - {"RABBITMQ", "INFO"}
    read = set(re.findall(r'"([A-Z][A-Z0-9_]+)"', SETTINGS)) - {"DEBUG", "INFO", "WARNING", "ERROR"}
    read -= {"OAUTHLIB_INSECURE_TRANSPORT"}
    assert told == read
