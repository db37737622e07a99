"""`docker compose` with a project of its own, which touches nobody else's containers, volumes, images or ports."""

import json
import os
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sandbox.run.program import find_port

ROOT = Path(__file__).parents[2]
FILE = ROOT / "compose/docker-compose.yml"
PROJECT = "cloud_archive-rehearsal"
# Published without a variable, since browsers and both services must call them the same.
SANDBOX_PORTS = range(8101, 8114)
SERVICES = ("web", "worker", "sandbox")
_SECONDS = 1800.0  # an image is pulled, or built on a slow machine


class RehearsalError(Exception):
    """A step did not end as it must; the message says what was seen."""


class Project:
    """The compose file as it is, under a name, ports and image names of our own. Not thread-safe.

    Attributes:
        environment: What the compose file's variables are.
        web_url: Where `web` is published.
    """

    def __init__(self) -> None:
        names = ("WEB", "RABBITMQ", "RABBITMQ_MANAGEMENT", "PROMETHEUS", "GRAFANA")
        ports = {f"{name}_PUBLISHED_PORT": str(find_port()) for name in names}
        # What an operator's own shell says of compose must not lead this one to their project.
        kept = {name: value for name, value in os.environ.items() if not name.startswith("COMPOSE_")}
        images = {f"{name.upper()}_IMAGE": image_of(name) for name in SERVICES}
        self.environment = {**kept, **ports, **images, "SANDBOX_PHOTOS": "48", "SANDBOX_PHOTO_BYTES": "200000"}
        self.web_url = f"http://localhost:{ports['WEB_PUBLISHED_PORT']}"

    def run(self, *command: str, profiles: tuple[str, ...] = ("sandbox",), **changed: str) -> str:
        """Run a command of compose and return what it printed.

        Args:
            command: it and its arguments.
            profiles: which of the file's profiles are meant.
            changed: variables that are other ones for this command.

        Raises:
            RehearsalError: it failed.
        """
        chosen = [part for profile in profiles for part in ("--profile", profile)]
        return run_docker(
            "compose",
            "--ansi",
            "never",
            "-p",
            PROJECT,
            "-f",
            str(FILE),
            *chosen,
            *command,
            environment=self.environment | changed,
        )

    def up(self, **changed: str) -> None:
        """Start what does not run, make anew what is another image now, and wait until all is healthy."""
        self.run("up", "--detach", "--no-build", "--wait", "--wait-timeout", "300", **changed)

    def remove(self) -> None:
        """Remove every container, network and volume of this project; no harm when there is none."""
        self.run("down", "--volumes", "--remove-orphans", "--timeout", "5", profiles=("sandbox", "monitoring"))

    def image_of_running(self, service: str) -> str:
        """Return the id of the image that a service's container was made of."""
        container = self.run("ps", "--quiet", service).strip()
        return run_docker("inspect", "--format", "{{.Image}}", container).strip()

    def labels_of(self, image: str) -> dict[str, str]:
        """Return an image's labels of the OCI's names, without their prefix."""
        told: Any = json.loads(run_docker("image", "inspect", "--format", "{{json .Config.Labels}}", image))
        prefix = "org.opencontainers.image."
        return {name.removeprefix(prefix): value for name, value in told.items() if name.startswith(prefix)}

    def read_logs(self) -> str:
        """Return the last lines of every container."""
        try:
            return self.run("logs", "--no-color", "--tail", "30", profiles=("sandbox", "monitoring"))
        except RehearsalError as error:
            return str(error)


def image_of(service: str, version: str = "latest") -> str:
    """Return what a rehearsal calls an image of ours."""
    return f"{PROJECT}-{service}:{version}"


def run_docker(*command: str, environment: Mapping[str, str] | None = None, given: bytes | None = None) -> str:
    """Run `docker` and return what it printed.

    Args:
        command: its arguments.
        environment: all its variables; None: this process's.
        given: its standard input.

    Raises:
        RehearsalError: it failed, or is not there.
    """
    try:
        ended = subprocess.run(
            ["docker", *command], input=given, capture_output=True, env=environment, timeout=_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RehearsalError(f"docker {command[0]}: {error}") from None
    if ended.returncode:
        told = (ended.stderr + ended.stdout).decode("utf-8", "replace").strip().splitlines()
        raise RehearsalError(f"docker {' '.join(command[:1])} … {command[-1]}: " + "\n".join(told[-15:]))
    return ended.stdout.decode("utf-8", "replace")


def find_taken_ports() -> list[int]:
    """Return those of the pretend world's fixed ports that somebody else listens on."""
    taken = []
    for port in SANDBOX_PORTS:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                taken.append(port)
    return taken
