"""`python -m web`, a real RabbitMQ and a pretend Google: from the button to the message."""

import json
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pika
import pytest
import requests

from common.clouds.grant import Grant
from common.crypto.sealing import Sealer, Secret, make_key
from common.errors import Reason, Transient
from common.messages.archive_job import ArchiveJob, grant_context
from common.messages.publisher import Publisher
from common.messages.topology import EXCHANGE, JOBS
from sandbox.faults.plan import Fault
from sandbox.run.program import Program, find_port
from sandbox.world import World

ROOT = Path(__file__).parents[2]
SUCCESS, FAIL = "https://app.litegallery.io/saved/?a=%2f", "https://app.litegallery.io/not-saved/"
REQUEST = {
    "redirect_success_link": SUCCESS,
    "redirect_fail_link": FAIL,
    "archive_url": "https://arch-d.lite.gallery/g/api/stream/858329/f9d24b1dfb81a1bfa215cc008f46f3d3?mod=web",
    "gallery_name": "Название галереи",
    "archive_type": "originals",
    "cloud_type": "google_drive",
}


@dataclass
class RunningWeb:
    """One process of `web`."""

    program: Program
    url: str
    job_ids: list[str]

    def get(self, path: str) -> requests.Response:
        """Read an address, ours or whole."""
        return requests.get(path if "://" in path else self.url + path, allow_redirects=False, timeout=60)

    def agree(self, world: World) -> str:
        """Press the button and agree; return where the consent page sends the guest."""
        answer = requests.post(self.url + "/cloud_archive", json=REQUEST, timeout=60)
        assert answer.status_code == 200, answer.text
        self.job_ids.append(answer.json()["job_id"])
        return world.accounts.consent(answer.json()["redirect_to"])

    def read_log(self) -> str:
        """Return what it has said so far."""
        return self.program.log.read_text()


StartWeb = Callable[..., RunningWeb]


@pytest.fixture
def environ(world: World, tmp_path: Path) -> dict[str, str]:
    """The environment of a deployment in the pretend world, but for the broker."""
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        **world.environment(),
        "SECRET_KEYS": make_key(),
        "REDIRECT_HOSTS": "*.litegallery.io",
        "LOG_LEVEL": "DEBUG",
        "WEB_HOST": "127.0.0.1",
    }


@pytest.fixture
def job_ids() -> list[str]:
    """The jobs that were asked for."""
    return []


@pytest.fixture
def queue_url(rabbitmq_url: str, job_ids: list[str]) -> Iterator[str]:
    """The broker; it may be others' too, so the jobs asked for are taken out again."""
    yield rabbitmq_url
    with pika.BlockingConnection(pika.URLParameters(rabbitmq_url)) as connection:
        channel = connection.channel()
        for method, properties, _ in iter(lambda: channel.basic_get(JOBS), (None, None, None)):
            if properties.message_id in job_ids:
                channel.basic_ack(method.delivery_tag)


@pytest.fixture
def start_web(environ: dict[str, str], tmp_path: Path, job_ids: list[str]) -> Iterator[StartWeb]:
    """Start `web` with changes to the environment; all are stopped in the end."""
    programs = []

    def start(**changes: str) -> RunningWeb:
        port = find_port()
        url = f"http://127.0.0.1:{port}"
        variables = {**environ, "WEB_PORT": str(port), "PUBLIC_BASE_URL": url, **changes}
        log = tmp_path / f"web-{len(programs)}.log"
        program = Program("web", [sys.executable, "-W", "error", "-m", "web"], variables, log, tmp_path)
        programs.append(program)
        web = RunningWeb(program, url, job_ids)
        while program.exit_code is None:
            try:
                assert web.get("/healthz").json() == {"status": "ok"}
            except requests.ConnectionError:
                time.sleep(0.05)
            else:
                return web
        return web

    yield start
    for program in programs:
        program.stop()


def read_message(url: str, job_id: str) -> tuple[pika.BasicProperties, bytes]:
    """Return a job's message; it stays in the work queue."""
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        while True:
            method, properties, body = channel.basic_get(JOBS)
            assert method, "the job is not in the queue"
            if properties.message_id == job_id:
                return properties, body


def test_a_guests_yes_becomes_one_message(
    start_web: StartWeb, world: World, environ: dict[str, str], queue_url: str
) -> None:
    """Persistent, named by the job, with all that the worker needs, the grant sealed; and the guest is sent on."""
    web = start_web(RABBITMQ_URL=queue_url)
    answer = web.get(web.agree(world))
    assert (answer.status_code, answer.headers["Location"]) == (303, SUCCESS)
    (job_id,) = web.job_ids
    properties, body = read_message(queue_url, job_id)
    job = ArchiveJob.decode(body)
    assert properties.content_type == "application/json"
    assert properties.delivery_mode == 2
    assert properties.type == "cloud_archive.job.v1"
    assert properties.app_id == "cloud_archive"
    assert properties.timestamp
    assert properties.headers["traceparent"] == ArchiveJob.decode(body).traceparent
    assert (job.id, job.archive_url, job.gallery_name) == (job_id, REQUEST["archive_url"], REQUEST["gallery_name"])
    sealer = Sealer([Secret(environ["SECRET_KEYS"])])
    grant = Grant.from_text(sealer.open(job.grant, grant_context(job_id)))
    assert world.accounts.tokens.owner(grant.refresh_token.reveal())


def test_another_process_takes_the_callback(start_web: StartWeb, world: World, queue_url: str) -> None:
    """Two replicas with the same keys; the first is gone when the guest comes back."""
    began = start_web(RABBITMQ_URL=queue_url)
    address = began.agree(world)
    assert began.program.stop() == 0
    completed = start_web(RABBITMQ_URL=queue_url, PUBLIC_BASE_URL=began.url)
    answer = completed.get(address.replace(began.url, completed.url))
    assert (answer.status_code, answer.headers["Location"]) == (303, SUCCESS)


def test_nothing_it_says_holds_a_secret(start_web: StartWeb, world: World, queue_url: str) -> None:
    """Every line at DEBUG is JSON; none has a code, state, token, key, password or client secret, or a query."""
    web = start_web(RABBITMQ_URL=queue_url)
    address = web.agree(world)
    web.get(address)
    web.get(address.replace("code=", "code=4%2Fno"))
    web.program.stop()
    log = web.read_log()
    lines = [json.loads(line) for line in log.splitlines()]
    query = parse_qs(urlsplit(address).query)
    password = urlsplit(queue_url).password
    assert {"ts", "level", "logger", "event"} <= set(lines[0])
    assert any(line["event"] == "request" and line["path"].endswith("/callback/google_drive") for line in lines)
    for secret in (query["code"][0], query["state"][0], "ya29.", "1//0", "GOCSPX", f":{password}@", "code=", "%2F"):
        assert secret not in log


def start_cut_off(start_web: StartWeb, whole: RunningWeb, rabbitmq_url: str) -> RunningWeb:
    """Start another replica of one whose broker is there; it has another broker."""
    return start_web(RABBITMQ_URL=rabbitmq_url, PUBLIC_BASE_URL=whole.url)


def test_a_broker_that_is_not_there_leads_to_the_fail_link(start_web: StartWeb, world: World, queue_url: str) -> None:
    """Guests who agreed before; who asks by now is told to come again. Readiness says so; the process is alive."""
    whole = start_web(RABBITMQ_URL=queue_url)
    address = whole.agree(world)
    web = start_cut_off(start_web, whole, f"amqp://guest:guest@127.0.0.1:{find_port()}/")
    refused = requests.post(web.url + "/cloud_archive", json=REQUEST, timeout=60)
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "5")
    answer = web.get(address.replace(whole.url, web.url))
    assert (answer.status_code, answer.headers["Location"]) == (303, FAIL)
    assert web.get("/readyz").status_code == 503
    assert web.get("/readyz").headers["Content-Type"] == "application/problem+json"
    assert web.get("/healthz").status_code == 200
    assert web.program.stop() == 0


def test_a_broker_that_never_answers_costs_one_bounded_wait(start_web: StartWeb, world: World, queue_url: str) -> None:
    """Many guests at once get the fail link, the rest of the site is not slower for it, and it still ends cleanly."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as silent:
        whole = start_web(RABBITMQ_URL=queue_url)
        web = start_cut_off(start_web, whole, f"amqp://guest:guest@127.0.0.1:{silent.getsockname()[1]}/")
        addresses = [whole.agree(world).replace(whole.url, web.url) for _ in range(6)]
        with ThreadPoolExecutor(6) as guests:
            answers = [guests.submit(web.get, address) for address in addresses]
            assert web.get("/healthz").status_code == 200
            assert not any(answer.done() for answer in answers)
            assert {answer.result().headers["Location"] for answer in answers} == {FAIL}
        assert web.program.stop() == 0


def wait_until_ready(web: RunningWeb) -> None:
    """Wait until the past has been read."""
    deadline = time.monotonic() + 20
    while web.get("/readyz").status_code != 200:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_without_a_broker_nobody_knows_how_archives_get_on(start_web: StartWeb, world: World, queue_url: str) -> None:
    """The past cannot be read: who asks is told to come back, and nothing is made up."""
    whole = start_web(RABBITMQ_URL=queue_url)
    whole.agree(world)
    web = start_cut_off(start_web, whole, f"amqp://127.0.0.1:{find_port()}")
    answer = web.get(f"/cloud_archive/jobs/{web.job_ids[0]}")
    assert (answer.status_code, answer.json()["code"], answer.headers["Retry-After"]) == (503, "starting", "1")


def test_readiness_is_the_brokers(start_web: StartWeb, queue_url: str) -> None:
    """With a broker it is ready, as soon as it has read what happened before it."""
    wait_until_ready(start_web(RABBITMQ_URL=queue_url))


def test_a_message_that_no_queue_takes_is_no_success(queue_url: str) -> None:
    """The broker would confirm it and drop it."""
    publisher = Publisher(Secret(queue_url), "a test")
    try:
        with pytest.raises(Transient) as caught:
            publisher.publish(EXCHANGE, "nowhere", b"{}", message_id="x")
        assert caught.value.reason is Reason.TRY_LATER
    finally:
        publisher.close()


def test_a_guest_on_the_way_back_is_served_before_it_stops(start_web: StartWeb, world: World, queue_url: str) -> None:
    """SIGTERM in the middle of a callback: the job is queued, the guest is sent on, exit 0."""
    web = start_web(RABBITMQ_URL=queue_url)
    address = web.agree(world)
    world.faults.add(Fault(on="token", does="stall", seconds=1.0))
    locations: list[str] = []
    guest = threading.Thread(target=lambda: locations.append(web.get(address).headers["Location"]))
    guest.start()
    while not world.faults.fired:
        time.sleep(0.01)
    assert web.program.stop() == 0
    guest.join()
    assert locations == [SUCCESS]


def test_guests_who_watch_do_not_hold_it_up(start_web: StartWeb, world: World, queue_url: str) -> None:
    """SIGTERM while a stream is open: the stream comes to its end, which it would not if it were cut, and exit 0."""
    web = start_web(RABBITMQ_URL=queue_url)
    web.agree(world)
    wait_until_ready(web)
    address = f"{web.url}/cloud_archive/jobs/{web.job_ids[0]}/events"
    with requests.get(address, stream=True, timeout=60) as stream:
        lines = stream.iter_lines(chunk_size=1)
        assert any(b"awaiting_consent" in line for line in lines)
        web.program.terminate()
        assert not [line for line in lines if line.startswith(b"data")]
    assert web.program.stop(60) == 0


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("RABBITMQ_URL", "", "web: RABBITMQ_URL is required"),
        ("RABBITMQ_URL", "http://hush/", "web: RABBITMQ_URL must be an amqp:// or amqps:// URL"),
        ("SECRET_KEYS", "hush", "web: SECRET_KEYS is wrong: a key is 32 random bytes"),
        ("GOOGLE_CLIENT_SECRET", "", "web: GOOGLE_CLIENT_SECRET is required"),
        ("WEB_PORT", "hush", "web: WEB_PORT must be a whole number"),
    ],
)
def test_a_wrong_setting_stops_it_at_once(
    start_web: StartWeb, queue_url: str, name: str, value: str, said: str
) -> None:
    """Exit 2 and one line that names the variable, not what stood in it."""
    web = start_web(**{"RABBITMQ_URL": queue_url, name: value})
    assert web.program.exit_code == 2
    assert web.read_log().startswith(said)
    assert web.read_log().count("\n") == 1
    assert "hush" not in web.read_log()


def test_only_a_configured_proxy_says_who_the_client_is(start_web: StartWeb, queue_url: str) -> None:
    """FORWARDED_ALLOW_IPS as the process reads it: strangers are not believed, a proxy only for what it added."""

    def post(web: RunningWeb, forwarded: str) -> int:
        headers = {"X-Forwarded-For": forwarded}
        return requests.post(f"{web.url}/cloud_archive", json=REQUEST, headers=headers, timeout=60).status_code

    limit = {"RABBITMQ_URL": queue_url, "RATE_LIMIT_PER_MINUTE": "2"}
    alone = start_web(**limit, FORWARDED_ALLOW_IPS="10.0.0.7")
    assert [post(alone, f"8.8.8.{number}") for number in range(3)] == [200, 200, 429]
    behind = start_web(**limit, FORWARDED_ALLOW_IPS="127.0.0.1,10.0.0.0/8")
    assert [post(behind, f"1.2.3.{number}, 8.8.8.8, 10.0.0.7") for number in range(3)] == [200, 200, 429]
    assert post(behind, "8.8.8.8, 8.8.4.4") == 200


def test_the_local_network_is_allowed_loudly(start_web: StartWeb, queue_url: str) -> None:
    """Whoever runs a sandbox's setting in production reads it in the log."""
    lines = map(json.loads, start_web(RABBITMQ_URL=queue_url).read_log().splitlines())
    assert any(line["level"] == "WARNING" and "ALLOW_LOCAL_NETWORK" in line["event"] for line in lines)
