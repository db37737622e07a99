"""What becomes of the folders under k8s/: the part of kustomize that they use, so that tests need no kubectl.

Anything else that a kustomization says is an error here, and where there is a kubectl, test_kustomize.py compares.
https://kubectl.docs.kubernetes.io/references/kustomize/
"""

import copy
import functools
import hashlib
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[3]
OVERLAYS = ("stage", "prod")
Resource = dict[str, Any]

_UNDERSTOOD = {
    *("apiVersion", "kind", "resources", "components", "configMapGenerator", "patches", "namespace", "labels", "images")
}
_CLUSTER_WIDE = ("Namespace",)


def render(overlay: str) -> list[Resource]:
    """Return an overlay's resources."""
    return build(ROOT / "k8s/overlays" / overlay)


def render_with(folder: Path, *components: str) -> list[Resource]:
    """Return what the stage becomes with more components; the folder is an empty one."""
    root = os.path.relpath(ROOT / "k8s", folder)
    more = [f"{root}/components/{name}" for name in components]
    (folder / "kustomization.yaml").write_text(
        yaml.safe_dump({"resources": [f"{root}/overlays/stage"], "components": more})
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
    resources: list[Resource] = []
    _kustomize(folder, resources)
    _add_hashes(resources)
    return resources


def build(folder: Path) -> list[Resource]:
    """Return what `kubectl kustomize` would print of a folder, in any order."""
    return copy.deepcopy(_build(folder.resolve()))


def _kustomize(folder: Path, resources: list[Resource]) -> None:
    """Add a folder's resources to those there are, and change them as it says; a component changes all."""
    said = yaml.safe_load((folder / "kustomization.yaml").read_text())
    assert said.keys() <= _UNDERSTOOD, said.keys() - _UNDERSTOOD
    for name in said.get("resources", ()):
        _read((folder / name).resolve(), resources)
    for name in said.get("components", ()):
        _kustomize((folder / name).resolve(), resources)
    for generator in said.get("configMapGenerator", ()):
        _generate(folder, generator, resources)
    for patch in said.get("patches", ()):
        _patch(patch, resources)
    for label in said.get("labels", ()):
        _label(label, resources)
    for image in said.get("images", ()):
        _set_image(image, resources)
    if "namespace" in said:
        _set_namespace(said["namespace"], resources)


def _read(path: Path, resources: list[Resource]) -> None:
    if path.is_dir():
        _kustomize(path, resources)
    else:
        resources += [each for each in yaml.safe_load_all(path.read_text()) if each]


def _generate(folder: Path, generator: dict[str, Any], resources: list[Resource]) -> None:
    assert generator.keys() <= {"name", "envs", "files", "literals", "behavior", "options"}
    data: dict[str, str] = {}
    for name in generator.get("files", ()):
        data[name] = (folder / name).read_text()
    lines = [line for name in generator.get("envs", ()) for line in (folder / name).read_text().splitlines()]
    for line in (*lines, *generator.get("literals", ())):
        if line and not line.startswith("#"):
            name, _, value = line.partition("=")
            data[name] = value
    if generator.get("behavior") == "merge":
        (merged,) = (each for each in of_kind(resources, "ConfigMap") if each["metadata"]["name"] == generator["name"])
        merged["data"].update(data)
        return
    options = generator.get("options", {})
    assert options.keys() <= {"disableNameSuffixHash", "labels"}
    made = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": generator["name"]}, "data": data}
    if labels := options.get("labels"):
        made["metadata"]["labels"] = dict(labels)
    if not options.get("disableNameSuffixHash"):
        made["metadata"]["annotations"] = {"to be hashed": ""}
    resources.append(made)


def _patch(patch: dict[str, Any], resources: list[Resource]) -> None:
    assert patch.keys() == {"target", "patch"}
    target = patch["target"]
    for each in of_kind(resources, target["kind"]):
        if re.fullmatch(target["name"], each["metadata"]["name"]):
            for operation in yaml.safe_load(patch["patch"]):
                _operate(each, operation)


def _operate(resource: Any, operation: dict[str, Any]) -> None:
    """Do one operation of a JSON patch (RFC 6902)."""
    *way, last = [part.replace("~1", "/").replace("~0", "~") for part in operation["path"].split("/")[1:]]
    place = resource
    for part in way:
        place = place[int(part)] if isinstance(place, list) else place[part]
    key: Any = int(last) if isinstance(place, list) else last
    match operation["op"]:
        case "test":
            assert place[key] == operation["value"]
        case "remove":
            del place[key]
        case "add" if isinstance(place, list):
            place.insert(key, operation["value"])
        case "add":
            place[key] = operation["value"]
        case "replace":
            assert place[key] is not None
            place[key] = operation["value"]
        case other:
            raise AssertionError(f"an operation that nobody here knows: {other}")


def _places_of_labels(resources: list[Resource]) -> Iterator[dict[str, Any]]:
    for each in resources:
        yield each["metadata"]
        if each["kind"] in ("Deployment", "StatefulSet"):
            yield each["spec"]["template"]["metadata"]


def _label(label: dict[str, Any], resources: list[Resource]) -> None:
    assert label.keys() == {"pairs", "includeTemplates"}
    for place in _places_of_labels(resources):
        place.setdefault("labels", {}).update(label["pairs"])


def _set_namespace(namespace: str, resources: list[Resource]) -> None:
    for each in resources:
        each["metadata"]["name" if each["kind"] in _CLUSTER_WIDE else "namespace"] = namespace


def _set_image(image: dict[str, str], resources: list[Resource]) -> None:
    assert image.keys() <= {"name", "newName", "newTag", "digest"}
    digest = f"@{image['digest']}" if "digest" in image else ""
    for pod in pod_specs(resources).values():
        for container in pod["containers"]:
            name, _, tag = container["image"].partition(":")
            if name == image["name"]:
                container["image"] = f"{image.get('newName', name)}:{image.get('newTag', tag)}{digest}"


def _add_hashes(resources: list[Resource]) -> None:
    """Give generated maps names of their content, and tell who refers to them."""
    names = {}
    for each in of_kind(resources, "ConfigMap"):
        if each["metadata"].pop("annotations", None):
            name = each["metadata"]["name"]
            names[name] = f"{name}-{hashlib.sha256(json.dumps(each['data']).encode()).hexdigest()[:10]}"
            each["metadata"]["name"] = names[name]
    for each in resources:
        _rename(each, names)


def _rename(value: Any, names: dict[str, str]) -> None:
    if isinstance(value, list):
        for each in value:
            _rename(each, names)
    elif isinstance(value, dict):
        for key, each in value.items():
            if key in ("configMap", "configMapRef", "configMapKeyRef"):
                each["name"] = names.get(each["name"], each["name"])
            _rename(each, names)
