"""What is left of a guest's photos, tokens and names: on disk, at third parties, in the queue when all is over."""

import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pika
import pytest
import requests
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import ConnectionClosedByBroker

from common.messages.progress import Progress
from common.messages.topology import DEAD, EVENTS, JOBS, WAITING_SECONDS, waiting_key
from sandbox.demo.services import Services
from sandbox.faults.plan import Fault
from sandbox.gallery.pictures import album
from sandbox.world import World
from tests.fakes.worker_harness import WorkerHarness
from tests.integration.test_tools import begin

CLOUDS = ["google_drive", "yadisk"]
PATIENCE = 60.0  # seconds until a wait here counts as never
WRITING = os.O_WRONLY | os.O_RDWR


class Watch:
    """What this process does with the outside meanwhile: files it opens for writing, and ports it connects to.

    Python tells its audit hooks of both, whoever does it: https://docs.python.org/3/library/audit_events.html
    """

    def __init__(self) -> None:
        self.written: list[str] = []
        self.ports: set[int] = set()
        self._on = False
        # A hook cannot be taken out again; it can only be deaf.
        sys.addaudithook(self._hear)

    def __enter__(self) -> "Watch":
        self._on = True
        return self

    def __exit__(self, *_: object) -> None:
        self._on = False

    def _hear(self, event: str, told: tuple[Any, ...]) -> None:
        if self._on and event == "open" and isinstance(told[2], int) and told[2] & WRITING:
            self.written.append(str(told[0]))
        if self._on and event == "socket.connect" and isinstance(told[1], tuple):
            self.ports.add(told[1][1])


@pytest.mark.parametrize("cloud", CLOUDS)
def test_no_photo_touches_a_disk_and_nobody_else_hears_of_it(world: World, cloud: str) -> None:
    """Not one file is opened for writing, broken lines included; gallery and cloud are all that is connected to."""
    archive = world.gallery.add("Свадьба", album(12, 600_000))
    world.faults.add(Fault("photo", "drop_midway", after=3, bytes=300_000))
    harness = WorkerHarness(world, cloud)
    with Watch() as watch:
        harness.deliver(harness.make_job(archive))
    assert [done.json["failed_photos"] for done in world.gallery.dones] == [0]
    assert watch.written == []
    assert watch.ports == {urlsplit(url).port for url in hosts_of(world, cloud)}


def hosts_of(world: World, cloud: str) -> list[str]:
    """Return all that an archive into a cloud has to do with; a fresh token needs no token endpoint."""
    clouds = {"google_drive": [world.drive.url], "yadisk": [world.yandex.url, world.yandex_uploader.url]}
    return [world.gallery.url, world.photos.url, *clouds[cloud]]


def test_the_watch_sees(tmp_path: Path) -> None:
    """A file that is written is noticed, one that is read is not."""
    with Watch() as watch:
        (tmp_path / "photo").write_bytes(b"x")
        (tmp_path / "photo").read_bytes()
        with tempfile.TemporaryFile(dir=tmp_path):
            pass
    assert watch.written[0] == str(tmp_path / "photo")
    assert str(tmp_path) in watch.written[1]


@pytest.mark.parametrize("cloud", CLOUDS)
def test_nothing_is_shared(world: World, cloud: str) -> None:
    """Folder and photos stay the guest's own: no permission, no publishing, nothing but files and their places."""
    archive = world.gallery.add("Свадьба", album(6, 2_000, albums=2))
    harness = WorkerHarness(world, cloud)
    harness.deliver(harness.make_job(archive))
    asked = [*world.drive.requests, *world.yandex.requests]
    assert len(asked) > 10
    paths = {(each.method, urlsplit(each.target).path.rstrip("/")) for each in asked}
    words = ("permission", "publish", "share", "public", "anyone")
    assert [path for path in paths if any(word in path[1].lower() for word in words)] == []
    bases = ("/drive/v3/files", "/drive/v3/about", "/upload/drive/v3/files", "/v1/disk")
    assert [path for path in paths if not path[1].startswith(bases)] == []
    assert world.violations == []


@pytest.fixture
def services(world: World, rabbitmq_url: str, tmp_path: Path) -> Iterator[Services]:
    """A web and a worker; one job at a time, a try for each photo."""
    running = Services(world.environment(), rabbitmq_url, tmp_path)
    running.environment.update({"RETRY_ATTEMPTS": "1", "WORKER_PHOTOS": "1"})
    with running:
        yield running


def wait_for(services: Services, job_id: str, states: set[str]) -> None:
    """Wait until a job is in one of these states."""
    deadline = time.monotonic() + PATIENCE
    while (
        state := requests.get(f"{services.url}/cloud_archive/jobs/{job_id}", timeout=30).json()["state"]
    ) not in states:
        assert time.monotonic() < deadline, f"{state}\n{services.read_logs()}"
        time.sleep(0.05)


def test_nothing_of_a_guest_is_left_when_all_is_over(services: Services, world: World, rabbitmq_url: str) -> None:
    """Of an archive that is done and one that was cancelled no queue holds a message; the stream knows no token."""
    done = begin(services, world, world.gallery.add("Готово", album(3, 2_000)))
    wait_for(services, done, {"done"})
    world.faults.add(Fault("photo", "stall", times=None, seconds=0.5))
    cancelled = begin(services, world, world.gallery.add("Отмена", album(30, 2_000)))
    wait_for(services, cancelled, {"running"})
    assert requests.post(f"{services.url}/cloud_archive/jobs/{cancelled}/cancel", timeout=30).status_code == 202
    wait_for(services, cancelled, {"cancelled"})
    jobs = {done, cancelled}
    with pika.BlockingConnection(pika.URLParameters(rabbitmq_url)) as connection:
        channel = connection.channel()
        queues = [JOBS, DEAD, *(f"cloud_archive.{waiting_key(level)}" for level in range(len(WAITING_SECONDS)))]
        left = [body for queue in queues for body in peek(channel, queue)]
        assert [job for job in jobs for body in left if job.encode() in body] == []
    events = [told for told in read_stream(rabbitmq_url) if told["job_id"] in jobs]
    assert {told["job_id"] for told in events} == jobs
    # A grant has no place in what is kept for a week, sealed or not.
    assert {name for told in events for name in told} <= {"version", *(field.name for field in fields(Progress))}
    text = json.dumps(events)
    tokens = {*world.accounts.tokens._access, *world.accounts.tokens._refresh}
    assert tokens
    assert [token for token in tokens if token in text] == []


def peek(channel: BlockingChannel, queue: str) -> list[bytes]:
    """Return what lies in a queue, and leave it there."""
    taken = list(iter(lambda: channel.basic_get(queue), (None, None, None)))
    if taken:
        channel.basic_nack(taken[-1][0].delivery_tag, multiple=True, requeue=True)
    return [body for _, _, body in taken]


def read_stream(rabbitmq_url: str) -> list[dict[str, object]]:
    """Return all that the stream of events has kept."""
    told: list[dict[str, object]] = []
    # A stream takes nothing back: what came after the last look ends the connection, and with it the reading.
    with suppress(ConnectionClosedByBroker), pika.BlockingConnection(pika.URLParameters(rabbitmq_url)) as connection:
        channel = connection.channel()
        channel.basic_qos(prefetch_count=1000)
        for method, _, body in channel.consume(EVENTS, arguments={"x-stream-offset": "first"}, inactivity_timeout=3.0):
            if method is None or body is None:
                break
            channel.basic_ack(method.delivery_tag)
            told.append(json.loads(body))
    return told
