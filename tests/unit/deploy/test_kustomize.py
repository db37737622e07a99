"""Our reading of the folders under k8s/ is kubectl's."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.deploy.kustomize import OVERLAYS, ROOT, Resource, build, render_with

KUBECTL = shutil.which("kubectl")


def by_name(resources: list[Resource]) -> dict[tuple[str, str], Any]:
    """Return resources by kind and name, without the hashes of generated ones: each tool has its own."""
    text = re.sub(r"\b((?:cloud-archive|rabbitmq)-settings)-[0-9a-z]{10}\b", r"\1", yaml.safe_dump(resources))
    found = {(each["kind"], each["metadata"]["name"]): each for each in yaml.safe_load(text)}
    assert len(found) == len(resources)
    return found


def ask_kubectl(folder: Path) -> list[Resource]:
    """Return what kubectl makes of a folder."""
    command = [str(KUBECTL), "kustomize", str(folder)]
    built = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert built.returncode == 0, built.stderr
    return [resource for resource in yaml.safe_load_all(built.stdout) if resource]


if KUBECTL:

    @pytest.mark.parametrize("overlay", OVERLAYS)
    def test_overlays_are_read_as_kubectl_reads_them(overlay: str) -> None:
        """Field by field."""
        folder = ROOT / "k8s/overlays" / overlay
        assert by_name(build(folder)) == by_name(ask_kubectl(folder))

    @pytest.mark.parametrize("components", [("keda",), ("monitoring",), ("keda", "monitoring")])
    def test_components_are_read_as_kubectl_reads_them(tmp_path: Path, components: tuple[str, ...]) -> None:
        """On top of the stage."""
        assert by_name(render_with(tmp_path, *components)) == by_name(ask_kubectl(tmp_path))


def test_what_is_not_understood_is_an_error(tmp_path: Path) -> None:
    """A field that we would pass over would be a test that looks at something else."""
    (tmp_path / "kustomization.yaml").write_text("resources: []\nnamePrefix: x-\n")
    with pytest.raises(AssertionError, match="namePrefix"):
        build(tmp_path)


def test_a_changed_setting_changes_its_maps_name(tmp_path: Path) -> None:
    """So that the pods roll."""
    names = []
    for value in ("1", "2"):
        folder = tmp_path / value
        folder.mkdir()
        said = {"configMapGenerator": [{"name": "x-settings", "literals": [f"A={value}"]}]}
        (folder / "kustomization.yaml").write_text(yaml.safe_dump(said))
        names.append(build(folder)[0]["metadata"]["name"])
    assert len(set(names)) == 2
