"""The steps of a rehearsal: each does what an operator does, and says what was seen."""

import os
import re
import subprocess
import time
import tomllib
from collections.abc import Callable
from datetime import UTC, datetime

import requests

from sandbox.clouds import CLOUDS
from sandbox.rehearsal.compose import (
    PROJECT,
    ROOT,
    SERVICES,
    Project,
    RehearsalError,
    find_taken_ports,
    image_of,
    run_docker,
)
from sandbox.rehearsal.published import PublishedWorld, Save, wait_until

GALLERY = "http://sandbox.localhost:8101"
# Two requests of an upload, 48 photos, eight at a time: about half a minute.
_STALL_SECONDS = 2.5
# What compose calls ours in the profile `sandbox`.
_WEB, _WORKER = "sandbox-web", "sandbox-worker"


class Skipped(Exception):
    """A step that can't be done here; the message says why."""


class Rehearsal:
    """What the steps share. Not thread-safe.

    Args:
        revision: What to upgrade from; empty: the last release before this one.
    """

    def __init__(self, revision: str = "") -> None:
        self.revision = revision
        self.project = Project()
        self.world = PublishedWorld(GALLERY)
        self._saves: list[Save] = []

    def steps(self) -> list[tuple[str, Callable[[], str]]]:
        """Return the steps' names and what does each, in order."""
        return [
            ("look around", self.look_around),
            ("build", self.build),
            ("up", self.up),
            *((f"save into {cloud.name}", lambda name=cloud.name: self.save(name)) for cloud in CLOUDS),
            ("commands", self.ask_commands),
            *((f"restart {name}", lambda name=name: self.restart(name)) for name in (_WEB, _WORKER, "rabbitmq")),
            ("down and up", self.go_down_and_up),
            ("upgrade", self.upgrade),
            ("monitoring", self.monitor),
            ("look back", self.look_back),
        ]

    def look_around(self) -> str:
        """Tell which Docker this is, and that there is room for us."""
        if taken := find_taken_ports():
            raise RehearsalError(f"somebody listens on {taken}: another sandbox? Stop it first: its ports are fixed")
        self.project.remove()
        engine = run_docker("version", "--format", "{{.Server.Version}}").strip()
        return f"Docker {engine}, compose {self.project.run('version', '--short').strip()}; project {PROJECT}"

    def build(self) -> str:
        """Build the images as compose does, and compare their labels with what they were made of."""
        revision = git("rev-parse", "HEAD")
        version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
        began = datetime.now(UTC).replace(microsecond=0)
        created, source = f"{began:%Y-%m-%dT%H:%M:%SZ}", ROOT.as_uri()
        told = {"CREATED": created, "REVISION": revision, "SOURCE": source, "VERSION": version}
        self.project.environment.update(told)
        seconds = measure(lambda: self.project.run("build", "--quiet"))
        for service in ("web", "worker"):
            labels = self.project.labels_of(image_of(service))
            if wrong := {name: labels.get(name.lower()) for name in told if labels.get(name.lower()) != told[name]}:
                raise RehearsalError(f"{service}'s labels: {wrong}")
        return f"{', '.join(SERVICES)} in {seconds:.0f} s; labels say what they are: {revision[:7]}, {created}"

    def up(self) -> str:
        """Start the profile `sandbox` and wait until every health check is green."""
        seconds = measure(self.project.up)
        # Health never asks for the broker, readiness does.
        url = f"{self.project.web_url}/readyz"
        wait_until(lambda: requests.get(url, timeout=30).status_code == 200, "/readyz does not answer 200", 120)
        return f"all healthy after {seconds:.0f} s, /readyz answers 200"

    def save(self, cloud: str) -> str:
        """Save a gallery as a guest does."""
        return self._begin(cloud, "plain").finish()

    def ask_commands(self) -> str:
        """Ask the operators' commands in a container."""
        listed = self.project.run("exec", "-T", _WORKER, "python", "-m", "tools.jobs", "list")
        missing = [save.job_id for save in self._saves if not re.search(rf"{save.job_id} +done", listed)]
        if missing:
            raise RehearsalError(f"tools.jobs list does not call {missing} done:\n{listed}")
        return f"tools.jobs list in {_WORKER}: {len(self._saves)} done"

    def restart(self, service: str) -> str:
        """Restart a container in the middle of an archive."""
        return self._disturb(service, lambda: self.project.run("restart", service))

    def go_down_and_up(self) -> str:
        """Remove the broker's and our containers while a job waits in the queue; the volume stays."""
        self.project.run("stop", _WORKER)
        save = self._begin("google_drive", "volume")
        self.project.run("down", "rabbitmq", _WEB, _WORKER)
        if left := self.project.run("ps", "--all", "--quiet", "rabbitmq", _WEB, _WORKER).split():
            raise RehearsalError(f"{len(left)} containers are left after down")
        seconds = measure(self.project.up)
        return f"a job waited in the queue; up again in {seconds:.0f} s; {save.finish()}"

    def upgrade(self) -> str:
        """Go from the last release's images to these, in the middle of an archive."""
        revision = self.revision or find_release()
        if not revision:
            raise Skipped("there is no release before this revision; name one: --from REVISION")
        old = {f"{name.upper()}_IMAGE": build_of(revision, name) for name in ("web", "worker")}
        self.project.up(**old)
        before = {name: self.project.image_of_running(name) for name in (_WEB, _WORKER)}
        # An older one made the stand-ins anew if its settings differ; ours are those of this revision.
        seen = self._disturb("upgrade", self.project.up)
        after = {name: self.project.image_of_running(name) for name in (_WEB, _WORKER)}
        if same := [name for name in before if before[name] == after[name]]:
            raise RehearsalError(f"{same} run the image that they ran before")
        return f"from {revision} ({git('rev-parse', '--short', revision)}) to this; {seen}"

    def monitor(self) -> str:
        """Bring up the profile `monitoring`, as far as its images can be had."""
        had = [name for name in ("prometheus", "grafana") if self._can_have(name)]
        if not had:
            raise Skipped("the images of prometheus and grafana can't be pulled here")
        self.project.run("up", "--detach", "--no-deps", "--wait", *had, profiles=("sandbox", "monitoring"))
        asked = {"prometheus": self._find_targets, "grafana": self._find_dashboard}
        seen = [asked[name]() for name in had]
        seen += [f"{name}: not run, its image can't be pulled here" for name in asked if name not in had]
        return "; ".join(seen)

    def look_back(self) -> str:
        """Compare every archive once more, when all that could repeat itself has had its time."""
        for save in self._saves:
            save.check()
        listed = self.project.run(
            "exec", "-T", "rabbitmq", "rabbitmqctl", "-q", "list_queues", "-p", "cloud_archive", "name", "messages"
        )
        left = dict(re.findall(r"^(cloud_archive\.(?:jobs|waiting|dead)\S*)\s+(\d+)$", listed, re.M))
        if not left or set(left.values()) != {"0"}:
            raise RehearsalError(f"messages are left: {left}")
        return f"{len(self._saves)} archives, each told once; {len(left)} queues of jobs, all empty"

    def end(self) -> None:
        """Remove what the rehearsal made: containers, volumes, images."""
        self.project.remove()
        images = run_docker("images", "--quiet", "--filter", f"reference={PROJECT}-*").split()
        if images:
            run_docker("rmi", "--force", *sorted(set(images)))

    def _begin(self, cloud: str, login: str) -> Save:
        save = Save(self.world, self.project.web_url, cloud, login)
        self._saves.append(save)
        return save

    def _disturb(self, login: str, disturb: Callable[[], object]) -> str:
        """Begin an archive that takes a while, do something in its middle, and see it end."""
        self.world.slow_down(_STALL_SECONDS)
        try:
            save = self._begin("yadisk" if login == _WORKER else "google_drive", login)
            middle = save.wait_for_middle()
            seconds = measure(disturb)
            return f"{middle}; done in {seconds:.0f} s; {save.finish()}"
        finally:
            self.world.speed_up()

    def _can_have(self, service: str) -> bool:
        try:
            self.project.run("pull", "--quiet", "--policy", "missing", service, profiles=("monitoring",))
        except RehearsalError:
            return False
        return True

    def _find_targets(self) -> str:
        url = f"http://127.0.0.1:{self.project.environment['PROMETHEUS_PUBLISHED_PORT']}/api/v1/targets"

        def up() -> list[str]:
            targets = ask(url)["data"]["activeTargets"]
            return sorted(each["labels"]["job"] for each in targets if each["health"] == "up")

        wait_until(lambda: up() == ["rabbitmq", "web", "worker"], "Prometheus does not read all three", 120)
        rules = ask(url.replace("targets", "rules"))["data"]["groups"]
        return f"prometheus reads rabbitmq, web and worker, and has {sum(len(each['rules']) for each in rules)} rules"

    def _find_dashboard(self) -> str:
        url = f"http://127.0.0.1:{self.project.environment['GRAFANA_PUBLISHED_PORT']}/api/dashboards/uid/cloud_archive"
        wait_until(lambda: requests.get(url, timeout=30).status_code == 200, "Grafana has no dashboard", 120)
        return "grafana has the dashboard"


def measure(act: Callable[[], object]) -> float:
    """Do something and return how many seconds it took."""
    began = time.monotonic()
    act()
    return time.monotonic() - began


def ask(url: str) -> dict:
    """Return what a URL answers, as JSON."""
    answer = requests.get(url, timeout=30)
    answer.raise_for_status()
    return dict(answer.json())


def git(*command: str) -> str:
    """Return what a git command prints; raises RehearsalError when it fails."""
    ended = subprocess.run(["git", *command], cwd=ROOT, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise RehearsalError(f"git {' '.join(command)}: {ended.stderr.strip()}")
    return ended.stdout.strip()


def find_release() -> str:
    """Return the last tag before this revision; empty when there is none."""
    try:
        return git("describe", "--tags", "--abbrev=0", "HEAD^")
    except RehearsalError:
        return ""


def build_of(revision: str, service: str) -> str:
    """Build a service's image of another revision, from what git has of it, and return its name."""
    image = image_of(service, "before")
    packed = subprocess.run(["git", "archive", revision], cwd=ROOT, capture_output=True, check=False)
    if packed.returncode:
        raise RehearsalError(f"git archive {revision}: {packed.stderr.decode('utf-8', 'replace').strip()}")
    base = os.environ.get("PYTHON_IMAGE")
    arguments = ["--build-arg", f"PYTHON_IMAGE={base}"] if base else []
    run_docker("build", "--quiet", "--target", service, "--tag", image, *arguments, "-", given=packed.stdout)
    return image
