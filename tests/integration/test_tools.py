"""The commands for operators against a real RabbitMQ, with a web and a worker that have something to tell."""

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pika
import pytest
import requests

from common.crypto.sealing import Secret
from common.messages.archive_job import ArchiveJob
from common.messages.dead_letters import MAX_LOOKS, drop_dead, list_dead, replay_dead
from common.messages.publisher import Publisher
from common.messages.topology import DEAD, DEAD_EXCHANGE, EXCHANGE, JOB_KEY, JOBS, REASON_HEADER, delivery_count
from common.telemetry import logs
from sandbox.demo.services import Services
from sandbox.faults.plan import Fault
from sandbox.gallery.host import Archive
from sandbox.gallery.pictures import Picture, album
from sandbox.world import World
from tests.fakes.job import JOB
from tools import dead, doctor, jobs, workers

COMMANDS = {"tools.jobs": jobs.main, "tools.dead": dead.main, "tools.workers": workers.main}
DAILY_LIMIT = json.dumps({"error": {"code": 403, "errors": [{"reason": "dailyLimitExceeded"}]}})
PATIENCE = 60.0  # seconds until a wait here counts as never


class Operator:
    """Somebody at a container's shell.

    Args:
        services: of the deployment.
        captured: what commands say.
    """

    def __init__(self, services: Services, captured: pytest.CaptureFixture[str]) -> None:
        self._services = services
        self._captured = captured
        self.seen = ""

    def run(self, *command: str, status: int = 0) -> str:
        """Run a command and return what it says."""
        self._captured.readouterr()
        ended = COMMANDS[command[0]](command[1:])
        said = self._captured.readouterr()
        self.seen += said.out + said.err
        assert ended == status, f"{command}\n{said.out}\n{said.err}\n{self._services.read_logs()}"
        return said.out if status == 0 else said.err

    def ask(self, *command: str) -> Any:
        """Run a command and return its JSON."""
        return json.loads(self.run(*command, "--json"))

    def list_states(self, *options: str) -> dict[str, str]:
        """Return each listed job's state, by its id."""
        return {job["job_id"]: job["state"] for job in self.ask("tools.jobs", "list", *options)}

    def wait_for(self, job_id: str, *states: str) -> None:
        """Wait until a job stands somewhere."""
        deadline = time.monotonic() + PATIENCE
        while self.list_states("--gallery", job_id).get(job_id) not in states:
            assert time.monotonic() < deadline, self.run("tools.jobs", "show", job_id) + self._services.read_logs()
            time.sleep(0.2)


@pytest.fixture
def services(world: World, rabbitmq_url: str, tmp_path: Path) -> Iterator[Services]:
    """A web and a worker that are not patient."""
    running = Services(world.environment(), rabbitmq_url, tmp_path)
    running.environment.update({"RETRY_ATTEMPTS": "1", "RETRY_BASE_SECONDS": "0.01", "RETRY_MAX_SECONDS": "0.05"})
    with running:
        yield running


@pytest.fixture
def operator(
    services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Operator:
    """An operator whose shell has the services' variables."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(logs, "configure", lambda *_: None)
    for name, value in services.environment.items():
        monkeypatch.setenv(name, value)
    return Operator(services, capsys)


def begin(services: Services, world: World, archive: Archive, login: str = "guest") -> str:
    """Be a guest who saves a gallery; return the job's id."""
    wish = {
        "redirect_success_link": f"{world.gallery.url}/ok",
        "redirect_fail_link": f"{world.gallery.url}/fail",
        "archive_url": archive.url,
        "gallery_name": archive.name,
        "archive_type": "originals",
        "cloud_type": "google_drive",
    }
    answer = requests.post(f"{services.url}/cloud_archive", json=wish, timeout=30).json()
    page = world.accounts.consent(answer["redirect_to"], login=login)
    assert requests.get(page, allow_redirects=False, timeout=30).headers["Location"] == wish["redirect_success_link"]
    return str(answer["job_id"])


def path_of(archive: Archive) -> str:
    """Return the path by which people name an archive."""
    return urlsplit(archive.url).path


def bury(rabbitmq_url: str, archive: Archive, job_id: str) -> None:
    """Publish a job whose permission opens for nobody: it is a dead letter in a moment."""
    job = ArchiveJob(
        id=job_id,
        cloud_type="google_drive",
        archive_type="originals",
        archive_url=archive.url,
        gallery_name=archive.name,
        grant="sealed-by-a-stranger",
        created_at="2026-11-28T00:00:00+00:00",
    )
    publisher = Publisher(Secret(rabbitmq_url), "tests")
    publisher.publish(EXCHANGE, JOB_KEY, job.encode(), message_id=job.id)
    publisher.close()


def test_five_jobs_and_all_that_can_be_asked_of_them(
    services: Services, world: World, rabbitmq_url: str, operator: Operator
) -> None:
    """One done, one at work, one that waits, one that failed, one dead: each is found, told and dealt with."""
    names = ("Готово", "Идёт", "Полно", "Мёртвое")
    archives = {name: world.gallery.add(name, album(400 if name == "Идёт" else 4, 2_000)) for name in names}
    archives["Ждёт"] = world.gallery.add("Ждёт", [Picture("tomorrow.jpg", b"1" * 2_000)])
    world.faults.add(
        # For half an hour: what waits shorter may be at work whenever it is looked at.
        Fault("initiate", "status", times=None, status=403, body=DAILY_LIMIT, match="tomorrow"),
        Fault("list", "status", times=1, status=503, match=path_of(archives["Полно"])),
    )
    world.drive.account("full").limit = 100
    ids = {"Готово": begin(services, world, archives["Готово"])}
    operator.wait_for(ids["Готово"], "done")
    world.faults.add(Fault("photo", "stall", times=None, seconds=3.0))
    ids |= {name: begin(services, world, archives[name]) for name in ("Идёт", "Ждёт")}
    ids["Полно"] = begin(services, world, archives["Полно"], login="full")
    ids["Мёртвое"] = f"dead-{time.time_ns()}"
    bury(rabbitmq_url, archives["Мёртвое"], ids["Мёртвое"])
    for name, state in (("Ждёт", "waiting"), ("Полно", "waiting"), ("Мёртвое", "dead"), ("Идёт", "running")):
        operator.wait_for(ids[name], state)

    # What waits is taken up at once, and then it fails.
    assert "as soon as a worker is free" in operator.run("tools.jobs", "retry", ids["Полно"])
    operator.wait_for(ids["Полно"], "failed")
    states = {"Готово": "done", "Идёт": "running", "Ждёт": "waiting", "Полно": "failed", "Мёртвое": "dead"}
    assert {ids[name]: state for name, state in states.items()}.items() <= operator.list_states().items()
    failed = operator.list_states("--state", "failed", "--gallery", "полно")
    assert (ids["Полно"] in failed, set(failed.values())) == (True, {"failed"})
    assert list(operator.list_states("--gallery", path_of(archives["Полно"]), "--since", "1h")) == [ids["Полно"]]
    table = operator.run("tools.jobs", "list", "--gallery", path_of(archives["Ждёт"]))
    assert [word for word in (ids["Ждёт"], "waiting", "Ждёт", "daily_limit") if word not in table] == [], table

    waiting = operator.ask("tools.jobs", "show", ids["Ждёт"][:12])
    assert waiting["next_try_at"]
    assert waiting["archive"] == path_of(archives["Ждёт"])
    happened = [each["what"] for each in waiting["happened"]]
    assert any("takes the job" in what for what in happened)
    assert any("lets it wait for 30m: daily_limit" in what for what in happened)
    assert all(each["at"] for each in waiting["happened"])
    shown = operator.run("tools.jobs", "show", ids["Полно"])
    assert all(
        word in shown for word in ("storage_full", "tells the gallery that 4 failed", path_of(archives["Полно"]))
    )

    told = operator.ask("tools.workers")
    (busy,) = [job for job in told["jobs"] if job["job_id"] == ids["Идёт"]]
    assert (busy["answers"], bool(busy["worker"]), bool(busy["since"])) == (True, True, True)
    assert told["queues"]["consumers"] >= 1
    assert told["queues"]["dead"] >= 1
    assert busy["worker"] in operator.run("tools.workers")

    operator.run("tools.jobs", "stop", ids["Идёт"])
    operator.wait_for(ids["Идёт"], "cancelled")
    assert [each for each in operator.ask("tools.workers")["jobs"] if each["job_id"] == ids["Идёт"]] == []
    operator.run("tools.jobs", "stop", ids["Ждёт"])
    operator.wait_for(ids["Ждёт"], "cancelled")

    # What failed begins anew once there is room; what is done, runs or is gone does not, and says so.
    world.drive.account("full").limit = 10**9
    world.faults.clear()
    (done,) = [operator.ask("tools.jobs", "retry", ids["Полно"])["done"]]
    again = done.split("as ")[1].split(",")[0]
    operator.wait_for(again, "done")
    assert archives["Полно"].expected() == world.drive.account("full").tree()
    assert "nothing of it failed" in operator.run("tools.jobs", "retry", ids["Готово"], status=1)
    assert "ended already" in operator.run("tools.jobs", "stop", ids["Готово"], status=1)
    assert "no job of the last seven days" in operator.run("tools.jobs", "show", "nobody", status=1)

    letters = {letter["letter"]: letter for letter in operator.ask("tools.dead", "list")}
    assert letters[ids["Мёртвое"]]["why"] == "its grant does not open"
    assert path_of(archives["Мёртвое"]) in operator.run("tools.dead", "show", ids["Мёртвое"])
    assert operator.ask("tools.dead", "retry", ids["Мёртвое"])["put_back_to_work"] == 1
    operator.wait_for(ids["Мёртвое"], "dead")
    assert operator.ask("tools.dead", "drop", ids["Мёртвое"]) == {"thrown_away": 1}
    assert ids["Мёртвое"] not in {letter["letter"] for letter in operator.ask("tools.dead", "list")}
    assert "no dead letter" in operator.run("tools.dead", "drop", ids["Мёртвое"], status=1)

    assert "grant" not in operator.seen.replace("its grant does not open", "")
    secrets = (services.environment["SECRET_KEYS"], "sealed-by-a-stranger", *world.accounts.tokens._refresh)
    assert [secret for secret in secrets if secret in operator.seen] == []


def test_looking_wears_no_letter_out(rabbitmq_url: str) -> None:
    """RabbitMQ 4 drops what came back twenty times; a copy is no younger, and put back to work it has no end."""
    url, no_job, job = Secret(rabbitmq_url), f"none-{time.time_ns()}", replace(JOB, id=f"job-{time.time_ns()}")
    publisher = Publisher(url, "tests")
    publisher.publish(DEAD_EXCHANGE, "", b"no job at all", message_id=no_job, headers={REASON_HEADER: "why"})
    publisher.publish(DEAD_EXCHANGE, "", job.encode(), message_id=job.id, headers={REASON_HEADER: "why not"})
    publisher.close()
    wanted = {no_job, job.id}
    first = [letter for letter in list_dead(url) if letter.id in wanted]
    assert [(letter.reason, letter.fault) for letter in first] == [("why", "not JSON"), ("why not", "")]
    for _ in range(2 * MAX_LOOKS):
        # A copy comes behind the others.
        assert {letter.id: letter for letter in list_dead(url)}.items() >= {each.id: each for each in first}.items()
    with pika.BlockingConnection(pika.URLParameters(rabbitmq_url)) as connection:
        channel = connection.channel()
        left = list(iter(lambda: channel.basic_get(DEAD), (None, None, None)))
        counts = [delivery_count(properties.headers) for _, properties, _ in left if properties.message_id in wanted]
        assert len(counts) == 2
        assert max(counts) <= MAX_LOOKS
        assert all(properties.expiration for _, properties, _ in left if properties.message_id in wanted)
    assert replay_dead(url, lambda letter: letter.id in wanted) == (1, 1)
    with pika.BlockingConnection(pika.URLParameters(rabbitmq_url)) as connection:
        channel = connection.channel()
        replayed = list(iter(lambda: channel.basic_get(JOBS), (None, None, None)))
        (tag, properties, body), *_ = [each for each in replayed if each[1].message_id == job.id]
        channel.basic_ack(tag.delivery_tag)
        assert (properties.expiration, ArchiveJob.decode(body)) == (None, job)
    assert drop_dead(url, lambda letter: letter.id in wanted) == 1


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ("guest:hush@", "the broker refuses RABBITMQ_URL's user or password"),
        ("nobody:guest@", "the broker refuses RABBITMQ_URL's user or password"),
    ],
)
def test_the_doctor_tells_a_wrong_password_from_a_broker_that_is_away(rabbitmq_url: str, wrong: str, told: str) -> None:
    """A broker that is there says what is wrong; and whoever may come in is told so."""
    _, _, host = rabbitmq_url.rpartition("@")
    assert doctor.check_broker(Secret(f"amqp://{wrong}{host}")) == (False, "broker", told)
    assert doctor.check_broker(Secret(rabbitmq_url)).is_right
    elsewhere = doctor.check_broker(Secret(rabbitmq_url.removesuffix("%2F") + "nowhere"))
    assert elsewhere.message == "the broker has no such virtual host, or not for RABBITMQ_URL's user"
    assert "cannot be reached" in doctor.check_broker(Secret("amqp://guest:guest@127.0.0.1:1/")).message
