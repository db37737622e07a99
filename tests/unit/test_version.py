"""pyproject.toml says which version this is, and nobody else does."""

import re
import tomllib
from pathlib import Path

from common.telemetry import metrics

ROOT = Path(__file__).resolve().parents[2]
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
# What else may name it: what changed with it, and which images a cluster runs (`scripts/pin` writes it there).
MAY_NAME_IT = {
    "CHANGELOG.md",
    "pyproject.toml",
    *(f"k8s/overlays/{name}/kustomization.yaml" for name in ("stage", "prod")),
}
ROOMS = (".ci", ".github", "bench", "common", "compose", "docs", "k8s", "sandbox", "scripts", "web", "worker")


def test_the_services_say_the_projects_version() -> None:
    """In their logs and in the metric of what runs."""
    assert metrics.VERSION == VERSION


def test_the_images_have_it_where_the_repository_has_it() -> None:
    """Whatever holds `common` holds the file that it reads, in the folder above."""
    stages = re.split(r"^FROM ", (ROOT / "Dockerfile").read_text(), flags=re.M)[1:]
    assert [stage.split()[2] for stage in stages if "COPY common common" in stage] == [
        stage.split()[2] for stage in stages if "COPY pyproject.toml ./" in stage
    ]
    assert "!pyproject.toml" in (ROOT / ".dockerignore").read_text().splitlines()


def test_nothing_else_names_it() -> None:
    """A version that is written down twice is wrong once."""
    found = [path for room in ROOMS for path in (ROOT / room).rglob("*")]
    files = [path for path in [*ROOT.glob("*"), *found] if path.is_file() and path.suffix not in (".lock", ".pyc")]
    word = re.compile(rf"(?<![\w.]){re.escape(VERSION)}(?![\w.]*\w)")
    named = {str(path.relative_to(ROOT)) for path in files if word.search(path.read_text(errors="replace"))}
    assert "pyproject.toml" in named
    assert named <= MAY_NAME_IT


def test_overlays_name_it_until_they_are_pinned() -> None:
    """An image that was pushed keeps its own tag and digest; one that was not is this version's."""
    for overlay in ("stage", "prod"):
        text = (ROOT / f"k8s/overlays/{overlay}/kustomization.yaml").read_text()
        tags = re.findall(
            r'^  - \{name: cloud_archive-\w+, newName: \S+, newTag: "([\d.]+)"(, digest: .+)?\}$', text, re.M
        )
        assert len(tags) == 2
        assert {tag for tag, digest in tags if not digest} <= {VERSION}
