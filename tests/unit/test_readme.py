"""README.md says what is there."""

import re
from pathlib import Path

from common.clouds import CLOUDS

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
SETTINGS = (ROOT / "common/settings.py").read_text()


def test_tree_names_every_room() -> None:
    """Each module of the three packages stands in the tree under its package, and nothing stands there that is gone."""
    tree = README.split("## The tree")[1].split("```")[1]
    for package in ("web", "worker", "common"):
        files = [*(ROOT / package).glob("*.py"), *(ROOT / package).glob("clouds/*.py")]
        rooms = {path.name for path in files} - {"__init__.py", "__main__.py"}
        told = set(re.findall(r"\b[a-z0-9_]+\.py\b", re.split(rf"^{package}/", tree, flags=re.M)[1].split("\n\n")[0]))
        section = re.split(r"^\w+/", re.split(rf"^{package}/", tree, flags=re.M)[1], flags=re.M)[0]
        told = set(re.findall(r"\b[a-z0-9_]+\.py\b", section))
        assert told == rooms


def test_settings_table_names_every_variable() -> None:
    """What is read is told, and what is told is read."""
    table = README.split("## Settings")[1].split("\n## ")[0]
    told = set(re.findall(r"`([A-Z][A-Z0-9_]+)`", table)) - {"RABBITMQ", "INFO"}
    read = set(re.findall(r'"([A-Z][A-Z0-9_]+)"', SETTINGS)) - {"DEBUG", "INFO", "WARNING", "ERROR"}
    read |= {variable.name for cloud in CLOUDS for variable in cloud.variables}
    read -= {"OAUTHLIB_INSECURE_TRANSPORT"}
    assert told == read
