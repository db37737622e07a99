"""What becomes of the folders under k8s/, as `kubectl kustomize` says."""

import copy
import functools
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[3]
OVERLAYS = ("stage", "prod")
Resource = dict[str, Any]

# Beside the interpreter, as the lock file has it: not whatever version is on the path.
KUBECTL = Path(sys.executable).with_name("kubectl")


def render(overlay: str) -> list[Resource]:
    """Return an overlay's resources."""
    return build(ROOT / "k8s/overlays" / overlay)


def render_with(folder: Path, *components: str, overlay: str = "stage") -> list[Resource]:
    """Return what an overlay becomes with more components; the folder is an empty one."""
    root = os.path.relpath(ROOT / "k8s", folder)
    more = [f"{root}/components/{name}" for name in components]
    (folder / "kustomization.yaml").write_text(
        yaml.safe_dump({"resources": [f"{root}/overlays/{overlay}"], "components": more})
    )
    return build(folder)


def of_kind(resources: list[Resource], *kinds: str) -> list[Resource]:
    """Return the resources of some kinds."""
    return [resource for resource in resources if resource["kind"] in kinds]


def pod_specs(resources: list[Resource]) -> dict[str, Resource]:
    """Return the pods that resources make, by the resource's name."""
    makers = of_kind(resources, "Deployment", "StatefulSet")
    return {maker["metadata"]["name"]: maker["spec"]["template"]["spec"] for maker in makers}


def settings(resources: list[Resource]) -> dict[str, str]:
    """Return the settings that web and worker get from their ConfigMap."""
    maps = {each["metadata"]["name"]: each["data"] for each in of_kind(resources, "ConfigMap")}
    (ours,) = (data for name, data in maps.items() if name.startswith("cloud-archive-settings"))
    return dict(ours)


@functools.cache
def _build(folder: Path) -> list[Resource]:
    built = subprocess.run([KUBECTL, "kustomize", folder], capture_output=True, text=True, timeout=60, check=False)
    assert built.returncode == 0, built.stderr
    return [resource for resource in yaml.safe_load_all(built.stdout) if resource]


def build(folder: Path) -> list[Resource]:
    """Return the resources that a kustomization's folder makes."""
    return copy.deepcopy(_build(folder.resolve()))
