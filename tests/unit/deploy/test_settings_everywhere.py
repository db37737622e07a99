"""A setting is named wherever a deployment is set up, and nothing is named that nobody reads."""

import re
from pathlib import Path

import yaml

from common.clouds import CLOUDS
from common.config.env import Variable

ROOT = Path(__file__).resolve().parents[3]
# Of components: the broker's password, and where KEDA asks for the queue's length.
NOT_OURS = {"RABBITMQ_PASSWORD", "RABBITMQ_MANAGEMENT_URL"}


def read_by_code() -> set[str]:
    """Return the variables that the services read."""
    source = (ROOT / "common/config/settings.py").read_text()
    names = set(re.findall(r'env\.\w+\(\s*"([A-Z][A-Z0-9_]+)"', source))
    return names | {variable.name for variable in _of_clouds()}


def secrets() -> set[str]:
    """Return those of them that are secret, or go with a secret."""
    source = (ROOT / "common/config/settings.py").read_text()
    names = set(re.findall(r'env\.read_secret\(\s*"([A-Z][A-Z0-9_]+)"', source))
    return names | {variable.name for variable in _of_clouds() if variable.default is None}


def _of_clouds() -> list[Variable]:
    return [variable for cloud in CLOUDS for variable in cloud.variables]


def example() -> list[tuple[str, str]]:
    """Return the variables of .env.example, those that are commented out as well."""
    return re.findall(r"^#?([A-Z][A-Z0-9_]+)=(.*)$", (ROOT / ".env.example").read_text(), re.M)


def test_example_names_every_setting_once() -> None:
    """`.env.example` is complete, and holds nothing that is not read."""
    names = [name for name, _ in example()]
    assert sorted(read_by_code()) == sorted(names)


def test_example_gives_the_defaults_and_no_secret() -> None:
    """What it shows of a cloud is the default, and of a secret nothing."""
    shown = dict(example())
    assert dict.fromkeys(secrets(), "") == {name: shown[name] for name in secrets()}
    defaults = {each.name: each.default for each in _of_clouds() if each.default}
    assert defaults == {name: shown[name] for name in defaults}


def test_cluster_names_every_setting() -> None:
    """A cluster's settings and secret together are complete, and each is where it belongs."""
    plain = re.findall(r"^([A-Z][A-Z0-9_]+)=", (ROOT / "k8s/base/settings.env").read_text(), re.M)
    assert sorted(read_by_code() - secrets()) == sorted(plain)
    secret = yaml.safe_load((ROOT / "k8s/secret.example.yaml").read_text())["stringData"]
    assert secrets() | NOT_OURS == set(secret)
    assert not any(secret.values())


def test_pods_get_every_secret_they_need() -> None:
    """Each Deployment takes the secret's keys that its service reads."""
    for service in ("web", "worker"):
        (pod,) = (
            each["spec"]["template"]["spec"]
            for each in yaml.safe_load_all((ROOT / f"k8s/base/{service}.yaml").read_text())
            if each["kind"] == "Deployment"
        )
        taken = {each["name"] for each in pod["containers"][0]["env"]}
        assert secrets() - ({"DONE_SIGNING_SECRET"} if service == "web" else set()) == taken
