"""What docs/operations.md promises, with a real broker and a real Prometheus: dead messages go, and alerts ring."""

import re
import shlex
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pika
import pytest
import requests
import yaml
from pika.adapters.blocking_connection import BlockingChannel

from common.crypto.sealing import Secret
from common.messages.dead_letters import drop_dead, list_dead
from common.messages.topology import DEAD, DEAD_EXCHANGE, EXCHANGE, JOB_KEY, JOBS, declare, waiting_key
from sandbox.demo import guest
from sandbox.demo.services import Services
from sandbox.run.broker import Broker
from sandbox.run.program import Program, find_port, last_lines
from sandbox.world import World
from tests.unit.deploy.kustomize import ROOT
from tests.unit.deploy.monitoring import alerts, asked_for, queries, read_rules, shown

CLOUD = "google_drive"
WAITING = f"{EXCHANGE}.{waiting_key(3)}"
PATIENCE = 90.0  # seconds until a wait here counts as never
# The cluster's: told by kube-state-metrics.
ELSEWHERE = "kube_"
# A broker starts for it, and Prometheus is downloaded at the first run ever.
pytestmark = pytest.mark.timeout(300)


class Prometheus:
    """A Prometheus of our own, asked by its API: https://prometheus.io/docs/prometheus/latest/querying/api/.

    Args:
        url: of it.
        program: runs it.
    """

    def __init__(self, url: str, program: Program) -> None:
        self._url = url
        self._program = program

    def ask(self, path: str, **parameters: str) -> Any:
        """Return the data of an answer, which must be a good one."""
        with requests.Session() as session:
            session.trust_env = False
            answer = session.get(f"{self._url}/api/v1/{path}", params=parameters, timeout=30).json()
        assert answer["status"] == "success", (parameters, answer)
        return answer["data"]

    def find(self, query: str) -> list[dict[str, Any]]:
        """Return the series of a query."""
        return list(self.ask("query", query=query)["result"])

    def raised(self) -> dict[str, str]:
        """Return the alerts whose cause is there, and whether each rings or waits for the cause to last."""
        return {alert["labels"]["alertname"]: alert["state"] for alert in self.ask("alerts")["alerts"]}

    def wait_until(self, holds: Callable[[], object]) -> None:
        """Wait until something holds here."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                if holds():
                    return
            except requests.RequestException:  # it starts
                assert self._program.exit_code is None, last_lines(self._program.log)
            assert time.monotonic() < deadline, (self.raised(), self.find("up"))
            time.sleep(0.1)


def write_settings(folder: Path, targets: dict[str, str]) -> None:
    """Write compose's settings and the rules for a Prometheus that looks often, at other addresses."""
    settings = yaml.safe_load((ROOT / "compose/monitoring/prometheus.yml").read_text())
    settings["global"] = {"scrape_interval": "1s", "evaluation_interval": "500ms"}
    settings["rule_files"] = ["rules.yaml"]
    for job in settings["scrape_configs"]:
        job.pop("dns_sd_configs", None)
        job["static_configs"] = [{"targets": [targets[job["job_name"]]]}]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(settings))
    (folder / "rules.yaml").write_text(read_rules())


@pytest.fixture(scope="module")
def broker_port() -> int:
    """Where the broker tells of its queues."""
    return find_port()


@pytest.fixture(scope="module")
def broker(broker_port: int) -> Iterator[Broker]:
    """A broker with the plugin that the manifests' has, quicker to tell."""
    settings = (
        f"prometheus.tcp.ip = 127.0.0.1\nprometheus.tcp.port = {broker_port}\ncollect_statistics_interval = 500\n"
    )
    with Broker(settings, ["rabbitmq_prometheus"]) as running:
        yield running


@pytest.fixture
def services(world: World, broker: Broker, tmp_path: Path) -> Iterator[Services]:
    """A web and a worker."""
    with Services(world.environment(), broker.url, tmp_path) as running:
        yield running


@pytest.fixture
def prometheus(services: Services, broker_port: int, tmp_path: Path) -> Iterator[Prometheus]:
    """It reads all three."""
    targets = {name: url.removeprefix("http://") for name, url in services.addresses.items()}
    write_settings(tmp_path, targets | {"rabbitmq": f"127.0.0.1:{broker_port}"})
    address = f"127.0.0.1:{find_port()}"
    command = [
        ROOT / "scripts/prometheus",
        "--config.file=prometheus.yml",
        f"--storage.tsdb.path={tmp_path / 'data'}",
        f"--web.listen-address={address}",
    ]
    with Program("Prometheus", command, services.environment, tmp_path / "prometheus.log", tmp_path) as program:
        running = Prometheus(f"http://{address}", program)
        running.wait_until(lambda: len(running.find("up == 1")) == len(targets) + 1)
        yield running


@pytest.fixture
def channel(broker: Broker) -> Iterator[BlockingChannel]:
    """A channel on which publishing is confirmed; our queues are there, and empty."""
    broker.start()
    with pika.BlockingConnection(pika.URLParameters(broker.url)) as connection:
        opened = connection.channel()
        declare(opened)
        opened.confirm_delivery()
        yield opened
        for queue in (DEAD, JOBS, WAITING):
            opened.queue_purge(queue)


def test_dead_messages_go_and_nothing_else_does(broker: Broker, channel: BlockingChannel) -> None:
    """The command for a broker without our settings, with a second for two weeks; those from before must be dropped."""
    command = find_command("set_operator_policy")
    assert "1209600000" in command
    assert find_command("clear_operator_policy").split()[-1] in command
    channel.basic_publish(DEAD_EXCHANGE, "", b"{}", pika.BasicProperties(message_id="before"), mandatory=True)
    broker.control(*shlex.split(command.replace("VHOST", "/").replace("1209600000", "1000")))
    for exchange, key in ((DEAD_EXCHANGE, ""), (EXCHANGE, JOB_KEY), (EXCHANGE, waiting_key(3))):
        channel.basic_publish(exchange, key, b"{}", pika.BasicProperties(message_id="after"), mandatory=True)
    url = Secret(broker.url)
    # Who looks does not keep them.
    assert "before" in {letter.id for letter in list_dead(url)}
    drop_dead(url, lambda letter: letter.id == "before")
    deadline = time.monotonic() + PATIENCE
    while count_messages(channel, DEAD):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert [count_messages(channel, queue) for queue in (JOBS, WAITING)] == [1, 1]
    broker.control(*shlex.split(find_command("clear_operator_policy").replace("VHOST", "/")))


def count_messages(channel: BlockingChannel, queue: str) -> int:
    """Return how many messages lie in a queue."""
    return int(channel.queue_declare(queue, passive=True).method.message_count)


def find_command(name: str) -> str:
    """Return a command of rabbitmqctl's as docs/operations.md has it."""
    (found,) = re.findall(rf"^rabbitmqctl ({name} .+)$", (ROOT / "docs/operations.md").read_text(), re.M)
    return str(found)


def test_the_brokers_settings_make_the_policy(broker: Broker) -> None:
    """A broker that starts anew with compose's settings has the policy, and its user and virtual host all the same."""
    version = broker.control("--silent", "version").strip().split("\n")[-1]
    if int(version.split(".")[0]) < 4:
        pytest.skip(f"RabbitMQ {version} knows no such settings; the manifests run 4.3")
    settings = (ROOT / "compose/rabbitmq.conf").read_text()
    with Broker("".join(re.findall(r"^default_policies.*\n", settings, re.M))) as fresh:
        assert '{"message-ttl":1209600000}' in fresh.control("--silent", "list_operator_policies")
        with pika.BlockingConnection(pika.URLParameters(fresh.url)) as connection:
            declare(connection.channel())


def test_prometheus_sees_what_is_there_and_what_is_gone(
    world: World, broker: Broker, services: Services, prometheus: Prometheus
) -> None:
    """After a demo every metric is there and the dashboard is full; without broker, web and worker it says so."""
    archive = world.gallery.add(guest.GALLERY_NAME, guest.draw_photos(5, 20_000))
    account = guest.open_account(world, CLOUD)
    guest.save(services.url, world.gallery.url, account, archive, CLOUD)
    prometheus.wait_until(lambda: prometheus.find('cloud_archive_jobs_total{outcome="done"} == 1'))

    asked = {name for query in queries() for name, _ in asked_for(query) if not name.startswith(ELSEWHERE)}
    prometheus.wait_until(lambda: asked <= set(prometheus.ask("label/__name__/values")))
    for query in shown():
        # What compares shows nothing when all is well; a query that cannot be read is no success at all.
        prometheus.wait_until(lambda query=query: prometheus.find(query) or " > 0" in query)
    rules = [rule for group in prometheus.ask("rules")["groups"] for rule in group["rules"]]
    assert {rule["name"]: rule["health"] for rule in rules} == {alert["alert"]: "ok" for alert in alerts()}
    # The broker's queues were not there at first.
    prometheus.wait_until(lambda: prometheus.raised() == {})

    begun = press(world, services)
    assert begun.status_code == 200
    callback = account.consent(begun.json()["redirect_to"])
    broker.kill()
    assert get(callback).headers["Location"] == f"{world.gallery.url}/fail"
    prometheus.wait_until(lambda: press(world, services).status_code == 503)
    gone = {"CloudArchiveBrokerGone", "CloudArchiveBrokerUnseen", "CloudArchiveGuestsTurnedAway"}
    prometheus.wait_until(lambda: prometheus.raised().keys() >= gone)
    prometheus.wait_until(lambda: prometheus.raised().get("CloudArchiveGuestsLost") == "firing")
    lost = prometheus.find('ALERTS{alertname="CloudArchiveGuestsLost"}')
    assert {alert["metric"]["cloud"] for alert in lost} == {CLOUD}

    for program in services.programs:
        program.kill()
    prometheus.wait_until(lambda: prometheus.raised().keys() >= {"CloudArchiveWebGone", "CloudArchiveWorkerGone"})


def press(world: World, services: Services) -> requests.Response:
    """Press the button of a demo gallery and return the answer."""
    (archive,) = world.gallery.archives()
    asked = {
        "redirect_success_link": f"{world.gallery.url}/ok",
        "redirect_fail_link": f"{world.gallery.url}/fail",
        "archive_url": archive.url,
        "gallery_name": archive.name,
        "archive_type": "webs",
        "cloud_type": CLOUD,
    }
    with requests.Session() as session:
        session.trust_env = False
        return session.post(f"{services.url}/cloud_archive", json=asked, timeout=30)


def get(url: str) -> requests.Response:
    """Open an address as a browser would, and stay there."""
    with requests.Session() as session:
        session.trust_env = False
        return session.get(url, allow_redirects=False, timeout=60)
