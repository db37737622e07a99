"""The consumer at a real RabbitMQ over a line that breaks: no job is begun twice, none is held on to for too long."""

import threading
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from pika.adapters.blocking_connection import BlockingConnection
from pika.exceptions import AMQPConnectionError

from common.crypto.sealing import Secret
from common.messages.archive_job import ArchiveJob
from common.messages.topology import DEAD, JOBS
from sandbox.run.proxy import Proxy
from tests.integration.test_consumer import JOB, ConsumerHarness, wait_for
from worker.queue import consumer as consumer_room
from worker.transfer.stop import Cause, Signals

AGAIN = "a message came again; its job goes on"


class Work:
    """What a consumer is given to do: it goes on until it is let go or told to end.

    Attributes:
        begun: how often.
        ended: how often it came to its end.
        causes: why it was interrupted, each time.
        may_end: set by the test.
    """

    def __init__(self) -> None:
        self.begun = 0
        self.ended = 0
        self.causes: list[Cause | None] = []
        self.may_end = threading.Event()

    def __call__(self, job: ArchiveJob, returns: int, signals: Signals) -> None:
        """Work."""
        self.begun += 1
        while not self.may_end.wait(0.01):
            if signals.abort.is_set():
                self.causes.append(signals.cause)
                signals.abort.check()
        self.ended += 1


@pytest.fixture
def harness(rabbitmq_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[ConsumerHarness]:
    """A harness at the real broker, whose consumers are in a hurry."""
    monkeypatch.setattr(consumer_room, "TICK_SECONDS", 0.05)
    monkeypatch.setattr(consumer_room, "FIRST_RECONNECT_DELAY", 0.05)
    monkeypatch.setattr(consumer_room, "MAX_RECONNECT_DELAY", 0.4)
    harness = ConsumerHarness(rabbitmq_url)
    try:
        yield harness
    finally:
        harness.close()


@pytest.fixture
def line(harness: ConsumerHarness, rabbitmq_url: str) -> Iterator[Proxy]:
    """What the harness's next consumers are connected through."""
    broker = urlsplit(rabbitmq_url)
    if broker.hostname not in ("127.0.0.1", "localhost"):
        pytest.skip("the line to a broker elsewhere is not ours to cut")
    with Proxy(broker.port or 5672) as line:
        account, _, _ = broker.netloc.rpartition("@")
        host = f"127.0.0.1:{line.port}"
        harness.url = Secret(broker._replace(netloc=f"{account}@{host}" if account else host).geturl())
        yield line
        # While there is a line: without one the consumer would end only by its grace.
        harness.stop()


@pytest.fixture
def work() -> Iterator[Work]:
    """A job's work, which ends with the test at the latest."""
    work = Work()
    yield work
    work.may_end.set()


@pytest.mark.parametrize("silent", [False, True])
def test_a_job_goes_on_under_the_message_that_came_again(
    harness: ConsumerHarness, line: Proxy, work: Work, caplog: pytest.LogCaptureFixture, silent: bool
) -> None:
    """Its line ends, or falls silent long before that: it is begun once, and acknowledged over the next line."""
    caplog.set_level("INFO", consumer_room.__name__)
    harness.job_publisher.requeue(JOB)
    harness.start(work)
    wait_for(lambda: work.begun == 1)
    if silent:
        # The broker knows at once, the worker not before a heartbeat fails: pika looks for it seconds later.
        assert line.make_half_open() > 0
        wait_for(lambda: harness.count(JOBS) == 1)
    assert line.cut() > 0
    wait_for(lambda: AGAIN in caplog.messages)
    work.may_end.set()
    wait_for(lambda: work.ended == 1)
    harness.stop()
    assert (work.begun, work.causes) == (1, [])
    assert (harness.count(JOBS), harness.count(DEAD)) == (0, 0)


def test_a_job_that_ends_without_a_line_is_not_worked_again(
    harness: ConsumerHarness, line: Proxy, work: Work, caplog: pytest.LogCaptureFixture
) -> None:
    """Its message comes again when all is done: it is only acknowledged."""
    caplog.set_level("INFO", consumer_room.__name__)
    harness.job_publisher.requeue(JOB)
    harness.start(work)
    wait_for(lambda: work.begun == 1)
    line.pause()
    line.cut()
    work.may_end.set()
    wait_for(lambda: work.ended == 1)
    line.resume()
    wait_for(lambda: AGAIN in caplog.messages)
    harness.stop()
    assert work.begun == 1
    assert harness.count(JOBS) == 0


def test_a_job_that_another_worker_has_is_let_go(
    harness: ConsumerHarness, line: Proxy, work: Work, rabbitmq_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The line is back and the message is not: after a while the job ends here, and only here."""
    monkeypatch.setattr(consumer_room, "TAKEN_OVER_AFTER", 0.5)
    others = Work()
    harness.job_publisher.requeue(JOB)
    harness.start(work)
    wait_for(lambda: work.begun == 1)
    harness.url = Secret(rabbitmq_url)
    harness.start(others)
    line.cut()
    wait_for(lambda: work.causes == [Cause.TAKEN_OVER])
    assert (others.begun, others.causes) == (1, [])
    others.may_end.set()
    wait_for(lambda: others.ended == 1)
    harness.stop()
    assert (work.begun, work.ended, harness.count(JOBS)) == (1, 0, 0)


def test_a_worker_whose_line_stays_away_lets_its_jobs_go(
    harness: ConsumerHarness, line: Proxy, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By then the broker may have given them to others; a short absence is none of that."""
    monkeypatch.setattr(consumer_room, "MAX_ABSENCE", 1.0)
    refuse = refuse_connections(monkeypatch)
    harness.job_publisher.requeue(JOB)
    harness.start(work)
    wait_for(lambda: work.begun == 1)
    refuse.set()
    cut_at = time.monotonic()
    line.cut()
    wait_for(lambda: harness.count(JOBS) == 1)
    wait_for(lambda: work.causes == [Cause.TAKEN_OVER])
    assert time.monotonic() - cut_at >= 1.0
    assert harness.count(JOBS) == 1
    # And when the line is back it begins anew, as any worker would.
    refuse.clear()
    wait_for(lambda: work.begun == 2)
    work.may_end.set()
    wait_for(lambda: work.ended == 1)
    harness.stop()
    assert harness.count(JOBS) == 0


def test_a_good_line_makes_the_next_wait_a_short_one(
    harness: ConsumerHarness, line: Proxy, work: Work, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Waits double while there is no line; one that broke after it was good tells nothing of how long it will take."""
    refuse = refuse_connections(monkeypatch)
    refuse.set()
    harness.job_publisher.requeue(JOB)
    harness.start(work)
    wait_for(lambda: len(waits(caplog)) >= 4)
    refuse.clear()
    wait_for(lambda: work.begun == 1)
    before = len(waits(caplog))
    line.cut()
    wait_for(lambda: len(waits(caplog)) > before)
    assert waits(caplog)[:4] == [0.05, 0.1, 0.2, 0.4]
    assert waits(caplog)[before] == 0.05


def refuse_connections(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Return what lets every new connection fail at once while it is set."""
    refuse = threading.Event()

    def connect(*parameters: Any) -> BlockingConnection:
        if refuse.is_set():
            raise AMQPConnectionError
        return BlockingConnection(*parameters)

    monkeypatch.setattr(consumer_room, "BlockingConnection", connect)
    return refuse


def waits(caplog: pytest.LogCaptureFixture) -> list[float]:
    """Return the seconds of every wait for the broker so far."""
    return [record.__dict__["retry_in"] for record in caplog.records if "retry_in" in record.__dict__]
