"""A setting is named wherever a deployment is set up, and nothing is named that nobody reads."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from common.clouds import CLOUDS
from common.config.env import Variable
from common.config.settings import NAMES, SECRET_NAMES
from tests.unit.deploy.kustomize import KUBECTL, OVERLAYS, ROOT, pod_specs, render, settings
from tools.cloud_settings import list_settings

EXAMPLE = (ROOT / ".env.example").read_text()
OF_CLOUDS: list[Variable] = [variable for cloud in CLOUDS for variable in cloud.variables]
# What a cloud gave us.
CREDENTIALS = {variable.name for variable in OF_CLOUDS if variable.default is None}
SECRETS = set(SECRET_NAMES)
PLAIN = set(NAMES) - SECRETS
# Of components: the broker's password, and where KEDA asks for the queue's length.
NOT_OURS = {"RABBITMQ_PASSWORD", "RABBITMQ_MANAGEMENT_URL"}
# What the operator's broker is reached with, which RABBITMQ_URL is made of.
OPERATORS = {"BROKER_USER", "BROKER_PASSWORD"}


def read_secret() -> dict[str, Any]:
    """Return the secret's example."""
    return dict(yaml.safe_load((ROOT / "k8s/secret.example.yaml").read_text())["stringData"])


def make_clouds_secret(folder: Path) -> dict[str, Any]:
    """Return the clouds' secret as docs/operations.md makes it, nothing filled in; the folder is an empty one."""
    file = folder / "clouds.env"
    file.write_text("\n".join(list_settings()))
    command = [KUBECTL, "create", "secret", "generic", "x", f"--from-env-file={file}", "--dry-run=client", "-o=yaml"]
    made = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert made.returncode == 0, made.stderr
    return dict(yaml.safe_load(made.stdout)["data"])


def test_example_names_every_setting_once() -> None:
    """`.env.example` is complete, with those that are commented out, and holds nothing that is not read."""
    names = re.findall(r"^#?([A-Z][A-Z0-9_]+)=", EXAMPLE, re.M)
    assert sorted([*NAMES, *(variable.name for variable in OF_CLOUDS)]) == sorted(names)


def test_example_holds_no_secret() -> None:
    """Of a secret it shows nothing."""
    shown = dict(re.findall(r"^#?([A-Z][A-Z0-9_]+)=(.*)$", EXAMPLE, re.M))
    assert {shown[name] for name in SECRETS | CREDENTIALS} == {""}


def test_example_has_each_cloud_as_the_command_prints_it() -> None:
    """Its part of the clouds is `python -m tools.cloud_settings`: put in there what that prints."""
    part = EXAMPLE.split("# ── Clouds")[1].split("\n\n")[0]
    assert part.endswith(
        "\n".join(["# `.venv/bin/python -m tools.cloud_settings` prints what follows.", *list_settings()])
    )


def test_manifests_know_no_cloud() -> None:
    """What a cloud takes comes from it: no manifest or compose file names a variable of one, but what is printed."""
    files = [path for folder in ("k8s", "compose") for path in (ROOT / folder).rglob("*") if path.is_file()]
    files.remove(ROOT / "compose/sandbox.env")
    assert len(files) > 20
    named = {name for path in files for name in re.findall(r"[A-Z][A-Z0-9_]+", path.read_text())}
    assert named & {variable.name for variable in OF_CLOUDS} == set()


def test_cluster_names_every_setting() -> None:
    """A cluster's settings and secret together are complete, and each is where it belongs."""
    plain = re.findall(r"^([A-Z][A-Z0-9_]+)=", (ROOT / "k8s/base/settings.env").read_text(), re.M)
    assert sorted(PLAIN) == sorted(plain)
    assert set(read_secret()) == SECRETS | NOT_OURS
    assert not any(read_secret().values())


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_each_container_gets_what_its_service_reads_and_no_other_secret(overlay: str, tmp_path: Path) -> None:
    """`web` signs nothing, neither is told the broker's own password, and what clouds gave us changes no setting."""
    assert set(make_clouds_secret(tmp_path)) == CREDENTIALS
    resources = render(overlay)
    assert set(settings(resources)) == PLAIN
    for service, read in (("web", SECRETS - {"DONE_SIGNING_SECRET"}), ("worker", SECRETS)):
        (container,) = pod_specs(resources)[f"cloud-archive-{service}"]["containers"]
        # Of a name that stands in both the last one counts. Without the first no pod starts, and a rollout stops.
        clouds, plain = container["envFrom"]
        assert clouds == {"secretRef": {"name": "cloud-archive-clouds"}}
        assert plain["configMapRef"]["name"].startswith("cloud-archive-settings")
        single = {each["name"]: each.get("valueFrom", {}).get("secretKeyRef") for each in container["env"]}
        assert set(single) - OPERATORS == read
        for name in read:
            assert single[name] is None or (single[name]["name"], single[name]["key"]) == ("cloud-archive", name)
