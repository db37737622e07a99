"""What kubectl makes of the folders under k8s/."""

import functools
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
OVERLAYS = ("stage", "prod")
Resource = dict[str, Any]


def render(overlay: str) -> list[Resource]:
    """Return an overlay's resources."""
    return _build(ROOT / "k8s/overlays" / overlay)


def render_with(folder: Path, *components: str) -> list[Resource]:
    """Return what the stage becomes with more components; the folder is an empty one."""
    root = os.path.relpath(ROOT / "k8s", folder)
    more = [f"{root}/components/{name}" for name in components]
    (folder / "kustomization.yaml").write_text(
        yaml.safe_dump({"resources": [f"{root}/overlays/stage"], "components": more})
    )
    return _build(folder)


@functools.cache
def _build(folder: Path) -> list[Resource]:
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("kubectl is not installed")
    built = subprocess.run([kubectl, "kustomize", str(folder)], capture_output=True, text=True, timeout=60, check=False)
    assert built.returncode == 0, built.stderr
    return [resource for resource in yaml.safe_load_all(built.stdout) if resource]


def of_kind(resources: list[Resource], *kinds: str) -> list[Resource]:
    """Return the resources of some kinds."""
    return [resource for resource in resources if resource["kind"] in kinds]


def pod_specs(resources: list[Resource]) -> dict[str, Resource]:
    """Return the pods that resources make, by the resource's name."""
    makers = of_kind(resources, "Deployment", "StatefulSet")
    return {maker["metadata"]["name"]: maker["spec"]["template"]["spec"] for maker in makers}


def settings(resources: list[Resource]) -> dict[str, str]:
    """Return the settings that web and worker get from their ConfigMap."""
    maps = [each for each in of_kind(resources, "ConfigMap") if each["metadata"]["name"].startswith("cloud-archive-")]
    assert len(maps) == 1
    return dict(maps[0]["data"])
