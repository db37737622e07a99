"""The rehearsal of a deployment, as far as it goes without a container engine."""

import socket
import stat
from pathlib import Path

import pytest

from sandbox import World
from sandbox.clouds import CLOUDS
from sandbox.gallery.pictures import album
from sandbox.rehearsal import __main__ as program
from sandbox.rehearsal import compose
from sandbox.rehearsal.compose import PROJECT, Project, RehearsalError, find_taken_ports, run_docker
from sandbox.rehearsal.names import localhost_names
from sandbox.rehearsal.published import PublishedWorld, read_done, wait_until
from sandbox.rehearsal.steps import Rehearsal, Skipped


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A `docker` that writes down what it is asked, and fails when told; returns the file it writes."""
    asked = tmp_path / "asked"
    fake = tmp_path / "docker"
    fake.write_text(
        f'#!/bin/sh\necho "$*" >>{asked}\nenv | grep ^COMPOSE_ >>{asked}\n'
        'case "$*" in *broken*) echo "no such thing" >&2; exit 1;; esac\necho told\n'
    )
    fake.chmod(fake.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return asked


def test_names_below_localhost_are_this_machine() -> None:
    """As in browsers, and only within the block."""
    before = socket.getaddrinfo
    with localhost_names():
        assert socket.getaddrinfo("sandbox.localhost", 80, socket.AF_INET)[0][4] == ("127.0.0.1", 80)
        assert socket.getaddrinfo("127.0.0.1", 80)[0][4] == ("127.0.0.1", 80)
    assert socket.getaddrinfo is before


def test_the_project_is_nobody_elses(docker: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own name, images and ports, whatever an operator's shell says of theirs."""
    monkeypatch.setenv("COMPOSE_PROJECT_NAME", "cloud_archive")
    monkeypatch.setenv("COMPOSE_PROFILES", "live")
    monkeypatch.setenv("WEB_IMAGE", "registry.example/theirs")
    project = Project()
    assert project.run("ps") == "told\n"
    assert docker.read_text() == f"compose --ansi never -p {PROJECT} -f {compose.FILE} --profile sandbox ps\n"
    images = {name: value for name, value in project.environment.items() if name.endswith("_IMAGE")}
    ours = {"WEB_IMAGE", "WORKER_IMAGE", "SANDBOX_IMAGE"}
    assert all(value.startswith(f"{PROJECT}-") for name, value in images.items() if name in ours)
    assert ours <= images.keys()
    ports = [int(value) for name, value in project.environment.items() if name.endswith("_PUBLISHED_PORT")]
    assert len(set(ports)) == 5
    assert not {8000, 5672, 15672, 9090, 3000} & set(ports)


def test_every_port_that_has_a_variable_is_ours() -> None:
    """The compose file's variables for ports and images are all set by a rehearsal, so that nothing is shared."""
    text = compose.FILE.read_text()
    used = {name for name in text.replace("$", "\n$").split("\n") if name.startswith("${")}
    names = {name[2:].partition(":")[0] for name in used}
    told = Project().environment
    assert {name for name in names if name.endswith("_PUBLISHED_PORT")} <= told.keys()
    built = {"WEB_IMAGE", "WORKER_IMAGE", "SANDBOX_IMAGE"}
    assert built <= names & told.keys()


def test_what_docker_says_is_told(docker: Path) -> None:
    """A command that fails names itself and the engine's words; so does an engine that is not there."""
    with pytest.raises(RehearsalError, match="no such thing"):
        Project().run("broken")
    docker.parent.joinpath("docker").unlink()
    with pytest.raises(RehearsalError, match="docker version"):
        run_docker("version")


def test_taken_ports_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody who listens on one of the fixed ports is seen before anything is started."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        monkeypatch.setattr(compose, "SANDBOX_PORTS", range(port, port + 1))
        assert find_taken_ports() == [port]
    assert find_taken_ports() == []


def test_a_world_is_looked_at_over_its_ports() -> None:
    """Its archive, a guest's files, done calls, violations, and faults that make uploads slow."""
    with World(album(3, 1000)) as world:
        published = PublishedWorld(world.gallery.url)
        archive = published.archive()
        assert (archive.name, archive.url) == (world.archive.name, world.archive.url)
        assert list(archive.expected) == world.archive.expected()
        assert published.tree("yadisk", "guest") == []
        assert published.dones("job") == []
        assert published.violations() == []
        published.slow_down(0.01)
        assert all(world.faults.take(cloud.operations.send, "PUT /x") for cloud in CLOUDS)
        published.speed_up()
        assert not any(world.faults.take(cloud.operations.send, "PUT /x") for cloud in CLOUDS)


def test_a_done_call_is_read_as_it_was() -> None:
    """Headers of any case, the body's JSON, the gallery's answer."""
    done = read_done({"headers": {"x-cloud-archive-job": "j"}, "json": {"failed_photos": 0}, "status": 200})
    assert (done.headers["X-Cloud-Archive-Job"], done.json, done.status) == ("j", {"failed_photos": 0}, 200)


def test_waiting_ends() -> None:
    """With what is so, or with what is said otherwise."""
    wait_until(lambda: True, "never")
    with pytest.raises(RehearsalError, match="it never came within 0 s"):
        wait_until(lambda: False, "it never came", 0.0)


class Played(Rehearsal):
    """A rehearsal of given steps; it remembers whether it was ended."""

    def __init__(self, *outcomes: str | Exception) -> None:
        super().__init__()
        self._outcomes = outcomes
        self.done: list[str] = []

    def steps(self):  # type: ignore[no-untyped-def]
        """Return steps that do what they were given."""
        return [
            (f"step {number}", lambda outcome=each: self._play(outcome)) for number, each in enumerate(self._outcomes)
        ]

    def _play(self, outcome: str | Exception) -> str:
        self.done.append(str(outcome))
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


def test_each_step_is_one_line(docker: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What was seen; what can't be done here is said, and is no failure."""
    assert program.run(Played("seen", Skipped("no image"))) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["ok", "skipped", "ok"]
    assert "seen" in lines[0]
    assert "no image" in lines[1]


def test_the_first_that_fails_ends_it(docker: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With its reason, the containers' last lines, and exit status 1."""
    played = Played("seen", RehearsalError("a photo is missing"), "not reached")
    assert program.run(played) == 1
    told = capsys.readouterr()
    assert told.out.splitlines()[-1].startswith("FAILED")
    assert "a photo is missing" in told.out
    assert "told" in told.err
    assert played.done == ["seen", "a photo is missing"]


def test_it_cleans_up_after_itself(docker: Path) -> None:
    """Containers, volumes and images of its own go; what can't be removed is only told."""
    Rehearsal().end()
    asked = docker.read_text()
    assert f"-p {PROJECT}" in asked
    assert "down --volumes --remove-orphans" in asked
    assert f"--filter reference={PROJECT}-*" in asked
    assert "rmi --force told" in asked
