"""The Dockerfile and the compose file, as far as they can be looked at without a container engine."""

import fnmatch
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml

from common.clouds import CLOUDS
from common.config.settings import WebSettings, WorkerSettings
from sandbox.world import World

ROOT = Path(__file__).resolve().parents[3]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
COMPOSE = yaml.safe_load((ROOT / "compose/docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = ("web", "worker", "sandbox", "sandbox-web", "sandbox-worker")


def stages() -> dict[str, str]:
    """Return the Dockerfile's stages, each with those it is built on."""
    found: dict[str, str] = {}
    for text in re.split(r"^FROM ", DOCKERFILE, flags=re.M)[1:]:
        parent, name = re.match(r"(\S+) AS (\S+)", text).groups()  # type: ignore[union-attr]
        found[name] = found.get(parent, "") + text
    return found


def test_hadolint_agrees() -> None:
    """The Dockerfile follows the rules that its linter knows."""
    hadolint = shutil.which("hadolint", path=str(Path(sys.executable).parent))
    assert hadolint
    linted = subprocess.run(
        [hadolint, str(ROOT / "Dockerfile")], capture_output=True, text=True, timeout=60, check=False
    )
    assert (linted.returncode, linted.stdout) == (0, "")


@pytest.mark.parametrize("target", ["web", "worker"])
def test_images_hold_what_runs_and_nothing_else(target: str) -> None:
    """Its own package, the common one and the operators' commands; no user but a numbered one, and no pip."""
    stage = stages()[target]
    assert {"common", "tools", target} == set(re.findall(r"^COPY (\w+) \1$", stage, re.M))
    assert "pip uninstall" in stage
    assert "pip install" not in stage.replace("pip --python", "")
    assert re.findall(r"^USER (.+)$", stage, re.M) == ["10001:10001"]
    assert json.loads(re.findall(r"^ENTRYPOINT (.+)$", stage, re.M)[-1]) == ["python", "-m", target]
    assert "MALLOC_ARENA_MAX=2" in stage
    assert "org.opencontainers.image.revision" in stage


def test_the_bench_runs_as_the_services_do() -> None:
    """Its image is built on theirs and has every package of ours that it imports."""
    stage = stages()["bench"]
    sources = [file.read_text() for file in (ROOT / "bench").rglob("*.py")]
    imported = {name for source in sources for name in re.findall(r"^from (\w+)", source, re.M)}
    assert {name for name in imported if (ROOT / name).is_dir()} == set(re.findall(r"^COPY (\w+) \1$", stage, re.M))
    assert "MALLOC_ARENA_MAX=2" in stage


@pytest.mark.parametrize("target", ["web", "worker", "sandbox"])
def test_health_checks_are_programs(target: str) -> None:
    """The health check needs no shell and no curl, and its code compiles."""
    (command,) = re.findall(r"^\s+CMD (\[.+\])$", stages()[target], re.M)
    python, flag, code = json.loads(command)
    assert (python, flag) == ("python", "-c")
    compile(code, target, "exec")


def test_packages_are_installed_by_their_hashes() -> None:
    """Every installation demands hashes and takes wheels only."""
    commands = re.findall(r"pip --python .+$", DOCKERFILE, re.M)
    assert len(commands) == 3
    assert all("--require-hashes" in command and "--only-binary :all:" in command for command in commands)


def test_the_context_holds_no_secret() -> None:
    """Everything is left out of the build's context but what is named."""
    rules = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    assert rules[0] == "*"
    let_in = [rule[1:] for rule in rules if rule.startswith("!")]
    copied = {name for line in re.findall(r"^COPY (?!--from)(\S+) ", DOCKERFILE, re.M) for name in [line]}
    assert copied == set(let_in)
    assert not any(fnmatch.fnmatch(name, pattern) for pattern in let_in for name in (".env", ".git", "tests"))


def test_ports_are_published_on_loopback_only() -> None:
    """Nobody else in the network reaches the broker, or a development server."""
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert ports
    assert all(str(port).startswith("127.0.0.1:") for port in ports)


@pytest.mark.parametrize("name", SERVICES)
def test_containers_are_locked_down(name: str) -> None:
    """Ours or not: read-only, no capability and no way to gain one, no root, bounds of memory and threads."""
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "cap_add" not in service
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not {"privileged", "pid", "ipc", "network_mode", "devices"} & service.keys()
    assert int(service["user"].split(":")[0]) > 0
    assert int(service["pids_limit"]) > 0
    assert re.fullmatch(r"\d+[mg]", service["mem_limit"])
    assert service["restart"] == "unless-stopped"


@pytest.mark.parametrize("name", OURS)
def test_our_containers_write_nothing(name: str) -> None:
    """Neither to a volume nor to memory that looks like a disk."""
    assert not {"volumes", "tmpfs"} & SERVICES[name].keys()
    assert SERVICES[name]["user"] == "10001:10001"


@pytest.mark.parametrize("name", sorted(SERVICES.keys() - set(OURS)))
def test_images_of_others_are_named_by_their_digests(name: str) -> None:
    """A tag may be another image tomorrow."""
    image = re.fullmatch(r"\$\{\w+:-(.+)\}", SERVICES[name]["image"])
    assert image
    assert re.fullmatch(r"[a-z/]+(:\w[\w.-]*)?@sha256:[0-9a-f]{64}", image[1])


def test_the_base_image_is_named_by_its_digest() -> None:
    """The Dockerfile's only one; and the tests run in the same, so that they say something of the images."""
    (base,) = re.findall(r"^ARG PYTHON_IMAGE=(\S+)$", DOCKERFILE, re.M)
    assert re.fullmatch(r"python:3\.\d+-slim@sha256:[0-9a-f]{64}", base)
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())
    assert workflow["jobs"]["test"]["container"]["image"] == base


def test_labels_say_what_the_image_is() -> None:
    """Compose and the documented command tell all that the Dockerfile can't know; what is not told is not guessed."""
    stage = stages()["web"]
    told = dict(re.findall(r"^ARG (\w+)=(.*)$", stage, re.M))
    assert told == dict.fromkeys(("CREATED", "REVISION", "SOURCE", "VERSION"), "unknown")
    labels = dict(re.findall(r'org\.opencontainers\.image\.(\w+)="\$\{(\w+)\}"', stage))
    assert labels == {name.lower(): name for name in told}
    guide = (ROOT / "docs/operations.md").read_text()
    (command,) = re.findall(r"^    docker build (?:.+\\\n)*.+", guide, re.M)
    assert set(re.findall(r"--build-arg (\w+)=", command)) == told.keys()
    for service in ("sandbox", "sandbox-web", "sandbox-worker", "web", "worker"):
        assert set(SERVICES[service]["build"]["args"]) == {*told, "PYTHON_IMAGE"}


def test_broker_keeps_its_queues_and_has_a_user_of_its_own() -> None:
    """A container that is made anew finds its data, which lie under its host name; guest is nobody."""
    broker = SERVICES["rabbitmq"]
    assert broker["hostname"] == "rabbitmq"
    assert "rabbitmq:/var/lib/rabbitmq" in broker["volumes"]
    assert broker["environment"]["RABBITMQ_DEFAULT_USER"] == "cloud_archive"
    for name in ("web", "worker", "sandbox-web", "sandbox-worker"):
        assert "cloud_archive:${RABBITMQ_PASSWORD" in SERVICES[name]["environment"]["RABBITMQ_URL"]
        assert SERVICES[name]["depends_on"]["rabbitmq"] == {"condition": "service_healthy"}


def test_profiles_start_what_they_say() -> None:
    """Without a profile named the live services start; the sandbox's never start beside them."""
    default = dict(re.findall(r"^(\w+)=(.*)$", (ROOT / "compose/.env").read_text(), re.M))["COMPOSE_PROFILES"]

    def started(profile: str) -> set[str]:
        return {name for name, each in SERVICES.items() if not each.get("profiles") or profile in each["profiles"]}

    assert started(default) == {"rabbitmq", "web", "worker"}
    assert started("sandbox") == {"rabbitmq", "sandbox", "sandbox-web", "sandbox-worker"}
    assert started("monitoring") == {"rabbitmq", "prometheus", "grafana"}
    assert started("tunnel") == {"rabbitmq", "web", "worker", "ngrok"}


def test_who_is_told_to_stop_has_time_for_it() -> None:
    """SIGKILL comes after the grace that the services take themselves."""
    for name in ("worker", "sandbox-worker"):
        assert int(SERVICES[name]["stop_grace_period"].removesuffix("s")) >= 25 + 5
    for name in ("web", "sandbox-web"):
        assert int(SERVICES[name]["stop_grace_period"].removesuffix("s")) > 32


def test_the_sandbox_is_pointed_at_as_it_says() -> None:
    """What compose sets is what the pretend world itself would print, and both services take it, with every cloud."""
    printed = (ROOT / "compose/sandbox.env").read_text()
    arguments = dict(part.removeprefix("--").split("=", 1) for part in SERVICES["sandbox"]["command"])
    assert f"--public-host={arguments['public-host']} --ports={arguments['ports']}\n" in printed
    first, last = map(int, arguments["ports"].split("-"))
    with World(host="127.0.0.1", public_host=arguments["public-host"]) as world:
        told = world.environment()
        free = [server.server_address[1] for server in world._servers]
    # What is told once compose's ports are taken, one after the other.
    assert first + len(free) - 1 <= last
    lines = _move("".join(f"{name}={value}\n" for name, value in told.items()), free, range(first, last + 1))
    assert "".join(line for line in printed.splitlines(keepends=True) if not line.startswith("#")) == lines
    for name in ("sandbox-web", "sandbox-worker"):
        assert SERVICES[name]["env_file"] == "sandbox.env"
        own = {key: _fill(value) for key, value in SERVICES[name]["environment"].items()}
        assert own.keys() & told.keys() == {"REDIRECT_HOSTS", "CORS_HOSTS"}
        environment = dict(line.split("=", 1) for line in lines.splitlines()) | own
        variables = {cloud.name: cloud.variables for cloud in CLOUDS}
        assert sorted(WebSettings.read(environment, variables).clouds) == sorted(variables)
        assert WorkerSettings.read(environment, variables).network.allow_private


def test_every_port_of_the_sandbox_is_reached() -> None:
    """By a guest's browser, on loopback; a cloud more finds its ports open."""
    (ports,) = (part.removeprefix("--ports=") for part in SERVICES["sandbox"]["command"] if "--ports=" in part)
    assert SERVICES["sandbox"]["ports"] == [f"127.0.0.1:{ports}:{ports}"]
    assert re.findall(r"^EXPOSE (.+)$", stages()["sandbox"], re.M) == [ports]


def _fill(value: str) -> str:
    """Fill in the defaults of compose's variables."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", value)


def _move(text: str, before: Iterable[int], after: Iterable[int]) -> str:
    for port, other in zip(before, after, strict=False):
        text = re.sub(rf":{port}\b", f":{other}", text)
    return text
