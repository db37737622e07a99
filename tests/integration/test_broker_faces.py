"""Brokers that are silent, talk nonsense or have other queues: no thread ends by them, and the log says why."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import pika
import pytest
from pika.adapters.blocking_connection import BlockingChannel

from common.crypto.sealing import Secret
from common.errors import Transient
from common.messages import publisher
from common.messages.progress import Progress, State
from common.messages.publisher import Publisher
from common.messages.topology import EVENT_KEY, EVENTS, EXCHANGE, JOBS, LIVE, OtherTopology, list_queues, waiting_key
from sandbox.run.proxy import Proxy
from tests.fakes.job import JOB
from tests.integration.test_consumer import ConsumerHarness, wait_for
from tests.unit.common.messages.test_publisher import Broker, hang_up, keep_silent, talk_nonsense
from tools.doctor import check_broker
from web.http.readiness import Readiness
from web.progress.store import ProgressStore
from web.progress.subscriber import ProgressSubscriber
from worker.queue import consumer as consumer_room
from worker.queue.consumer import Consumer
from worker.queue.reporter import Reporter
from worker.transfer.stop import Cause, Signals


class Threads:
    """Everything of ours that lives as long as a process and talks to a broker."""

    def __init__(self, url: Secret) -> None:
        self.store = ProgressStore()
        self.subscriber = ProgressSubscriber(url, self.store)
        self.subscriber.start()
        self.reporter = Reporter(url)
        self.signals = Signals()
        self.worked: list[str] = []
        self.consumer = Consumer(
            url,
            lambda job, _returns, _signals: self.worked.append(job.id),
            lambda _body, _id, _reason: None,
            jobs=1,
            signals=self.signals,
            grace=1,
        )
        self.thread = threading.Thread(target=self.consumer.run)
        self.thread.start()

    @property
    def are_alive(self) -> bool:
        """Whether all of them say that they move."""
        return self.subscriber.is_alive and self.reporter.is_alive and self.consumer.is_alive and self.thread.is_alive()

    def close(self) -> None:
        """End them."""
        self.signals.wind_down.set(Cause.SHUTDOWN)
        self.subscriber.close()
        self.reporter.close(5)
        self.thread.join(20)


@pytest.fixture
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bounds that tests need not wait for."""
    monkeypatch.setattr(publisher, "STACK_SECONDS", 0.2)
    monkeypatch.setattr(publisher, "WAIT_SECONDS", 2.0)
    monkeypatch.setattr(consumer_room, "FIRST_RECONNECT_DELAY", 0.05)
    monkeypatch.setattr(consumer_room, "MAX_RECONNECT_DELAY", 0.4)


@pytest.fixture
def start() -> Iterator[Callable[[Secret], Threads]]:
    """Start threads that are ended afterwards."""
    with ExitStack() as ends:

        def begin(url: Secret) -> Threads:
            threads = Threads(url)
            ends.callback(threads.close)
            return threads

        yield begin


def through(url: str, line: Proxy) -> Secret:
    """Return a broker's address by way of a line."""
    parts = urlsplit(url)
    account, _, _ = parts.netloc.rpartition("@")
    return Secret(parts._replace(netloc=f"{account}@127.0.0.1:{line.port}").geturl())


@pytest.fixture
def line(rabbitmq_url: str) -> Iterator[Proxy]:
    """What leads to the broker."""
    broker = urlsplit(rabbitmq_url)
    if broker.hostname not in ("127.0.0.1", "localhost"):
        pytest.skip("the line to a broker elsewhere is not ours to hold")
    with Proxy(broker.port or 5672) as line:
        yield line


def test_a_broker_that_was_silent_finds_everybody_there(
    hurry: None, line: Proxy, rabbitmq_url: str, start: Callable[[Secret], Threads], caplog: pytest.LogCaptureFixture
) -> None:
    """It takes connections and says nothing; when it speaks again jobs are taken, told of, and heard of."""
    queue = ConsumerHarness(rabbitmq_url)
    try:
        line.pause()
        threads = start(through(rabbitmq_url, line))
        for name in ("the consumer", "the reporter", "the progress subscriber"):
            told = f"{name}: the broker cannot be reached (AMQPConnectorStackTimeout)"
            wait_for(lambda told=told: caplog.messages.count(told) >= 2)  # type: ignore[misc]
        assert threads.are_alive
        assert not threads.consumer.is_ready
        assert "AMQPConnectorStackTimeout" in threads.consumer.trouble
        # Those who are still silent were asked before.
        publisher.STACK_SECONDS = 10.0
        line.resume()
        queue.job_publisher.requeue(JOB)
        told = Progress(job_id=f"silent-{time.time_ns()}", state=State.DONE, updated_at=time.time())
        threads.reporter.tell(told)
        wait_for(lambda: threads.worked == [JOB.id])
        wait_for(lambda: threads.store.find(told.job_id) is not None)
        wait_for(lambda: threads.consumer.is_ready and not threads.consumer.trouble)
    finally:
        queue.close()


@pytest.mark.parametrize("serve", [hang_up, talk_nonsense, keep_silent])
def test_no_thread_ends_by_what_a_broker_does(
    hurry: None, start: Callable[[Secret], Threads], serve: Callable[..., None]
) -> None:
    """Whoever listens there: everybody asks again, and again."""
    broker = Broker(serve)
    try:
        threads = start(broker.url)
        wait_for(lambda: broker.accepted >= 8)
        assert threads.are_alive
    finally:
        broker.close()


def test_one_snapshot_that_fails_is_told_once_and_the_others_go_on(
    rabbitmq_url: str, start: Callable[[Secret], Threads], caplog: pytest.LogCaptureFixture
) -> None:
    """One that raises, one that has no wire form, a change that has none: each once in the log."""
    threads = start(Secret(rabbitmq_url))
    wait_for(lambda: threads.subscriber.is_caught_up)
    taken: list[int] = []

    def break_down() -> Progress:
        taken.append(1)
        raise ZeroDivisionError

    good = Progress(job_id=f"good-{time.time_ns()}", state=State.RUNNING, updated_at=time.time())
    unwritable = replace(good, job_id="half", gallery_name="\ud800")
    threads.reporter.tell(unwritable)
    with (
        threads.reporter.watch(break_down),
        threads.reporter.watch(lambda: unwritable),
        threads.reporter.watch(lambda: replace(good, photos_copied=len(taken))),
    ):
        wait_for(lambda: (threads.store.find(good.job_id) or good).photos_copied >= 3)
    told = [record.message for record in caplog.records if record.name == "worker.queue.reporter"]
    assert sorted(told) == [
        "a change of state cannot be told",
        *["a job's progress cannot be told; the others' goes on"] * 2,
    ]
    assert threads.are_alive


def test_one_message_that_cannot_be_read_is_passed_over(
    rabbitmq_url: str, start: Callable[[Secret], Threads], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nonsense, and one that a bug of ours stumbles over: what comes after them is heard of."""
    decode = Progress.decode

    def stumble(body: bytes) -> Progress:
        if b"stumble" in body:
            raise ZeroDivisionError
        return decode(body)

    monkeypatch.setattr(Progress, "decode", stumble)
    threads = start(Secret(rabbitmq_url))
    wait_for(lambda: threads.subscriber.is_caught_up)
    sender = Publisher(Secret(rabbitmq_url), "test")
    told = Progress(job_id=f"after-{time.time_ns()}", state=State.DONE, updated_at=time.time())
    for body in (b"\xff", b"[" * 5000, b'{"stumble": 1}', told.encode()):
        sender.publish(EXCHANGE, "event", body, message_id="x")
    wait_for(lambda: threads.store.find(told.job_id) is not None)
    sender.close()
    assert threads.are_alive


def test_a_broken_metric_and_a_foreign_message_end_nothing(
    rabbitmq_url: str, start: Callable[[Secret], Threads], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A count that raises, a cancelling whose id is no text: jobs are taken all the same."""
    queue = ConsumerHarness(rabbitmq_url)
    try:
        threads = start(Secret(rabbitmq_url))
        monkeypatch.setattr(threads.consumer, "_observe_wait", lambda _seconds: 1 / 0)
        wait_for(lambda: threads.consumer.is_ready)
        queue.channel.basic_publish("cloud_archive.progress", "job.\xff.cancel", b"")
        queue.job_publisher.requeue(JOB)
        wait_for(lambda: threads.worked == [JOB.id])
        wait_for(lambda: not threads.consumer._deliveries)
        assert threads.are_alive
        assert queue.count(JOBS) == 0
    finally:
        queue.close()


@pytest.fixture
def other_vhost(rabbitmq_url: str) -> Iterator[Callable[..., str]]:
    """Take a queue of ours for another: it is declared anew, with other arguments, and put right again afterwards."""
    names: list[str] = []
    with pika.BlockingConnection(pika.URLParameters(rabbitmq_url)) as connection:
        channel = connection.channel()

        def declare_otherwise(name: str, **arguments: object) -> str:
            channel.queue_delete(name)
            names.append(name)
            channel.queue_declare(name, durable=True, arguments=arguments)
            return rabbitmq_url

        try:
            yield declare_otherwise
        finally:
            for name in names:
                channel.queue_delete(name)
            Publisher(Secret(rabbitmq_url), "test").check()


@pytest.mark.parametrize(
    ("name", "arguments", "difference"),
    [
        (
            f"{EXCHANGE}.{waiting_key(1)}",
            {
                **{queue.name: queue.arguments for queue in list_queues()}[f"{EXCHANGE}.{waiting_key(1)}"],
                "x-message-ttl": 300_000,
            },
            (
                "the queue cloud_archive.waiting.2 was declared otherwise before: "
                "its x-message-ttl is 300000, this version needs 45000"
            ),
        ),
        (JOBS, {}, "the queue cloud_archive.jobs was declared otherwise before: its x-"),
    ],
)
def test_a_queue_of_an_earlier_version_is_named(
    other_vhost: Callable[..., str],
    start: Callable[[Secret], Threads],
    caplog: pytest.LogCaptureFixture,
    name: str,
    arguments: dict[str, object],
    difference: str,
) -> None:
    """In the log as an error, by both kinds of readiness, by the doctor with a cure; nobody's thread ends by it."""
    url = Secret(other_vhost(name, **arguments))
    threads = start(url)
    wait_for(lambda: difference in threads.consumer.trouble)
    wait_for(lambda: len([record for record in caplog.records if difference in record.getMessage()]) >= 4)
    assert {record.levelno for record in caplog.records if difference in record.getMessage()} == {logging.ERROR}
    assert threads.are_alive
    assert not threads.consumer.is_ready
    assert difference in threads.consumer.trouble
    sender = Publisher(url, "test")
    readiness = Readiness(sender.check)
    assert not readiness.is_ready()
    assert difference in readiness.trouble
    with pytest.raises(OtherTopology):
        sender.publish(EXCHANGE, "job", b"{}", message_id="x")
    sender.close()
    finding = check_broker(url)
    assert finding[0] is False
    assert difference in finding[2]
    assert "docs/operations.md" in finding[2]


def test_a_broker_that_refuses_us_says_why(rabbitmq_url: str) -> None:
    """A wrong password, a virtual host that is not there: which of them, and never the password."""
    parts = urlsplit(rabbitmq_url)
    for wrong, word in (
        (parts._replace(netloc=f"guest:hush@{parts.hostname}:{parts.port}"), "user or password"),
        (parts._replace(path="/nowhere"), "virtual host"),
    ):
        sender = Publisher(Secret(wrong.geturl()), "test")
        with pytest.raises(Transient, match=word) as caught:
            sender.check()
        assert "hush" not in str(caught.value)
        sender.close()


def test_a_reader_whose_queue_is_deleted_reads_on(rabbitmq_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An operator deletes the stream: the broker ends one consumer and says no more."""
    queues: list[str] = []
    consume = BlockingChannel.basic_consume

    def note(channel: BlockingChannel, queue: str, *args: Any, **more: Any) -> Any:
        queues.append(queue)
        return consume(channel, queue, *args, **more)

    monkeypatch.setattr(BlockingChannel, "basic_consume", note)
    store = ProgressStore()
    subscriber = ProgressSubscriber(Secret(rabbitmq_url), store)
    subscriber.start()
    sender = Publisher(Secret(rabbitmq_url), "test")
    try:
        wait_for(lambda: subscriber.is_caught_up)
        with pika.BlockingConnection(pika.URLParameters(rabbitmq_url)) as connection:
            connection.channel().queue_delete(EVENTS)
        wait_for(lambda: queues[2:] == [EVENTS, LIVE])
        told = Progress(job_id=f"anew-{time.time_ns()}", state=State.DONE, updated_at=time.time())
        sender.publish(EXCHANGE, EVENT_KEY, told.encode(), message_id="x")
        wait_for(lambda: store.find(told.job_id) is not None)
        assert subscriber.is_alive
    finally:
        sender.close()
        subscriber.close()


def test_one_change_that_no_key_can_carry_holds_up_no_other(
    rabbitmq_url: str, start: Callable[[Secret], Threads], caplog: pytest.LogCaptureFixture
) -> None:
    """A foreign message may have an id of 255 letters: with what belongs to a routing key it is too long for one."""
    threads = start(Secret(rabbitmq_url))
    wait_for(lambda: threads.subscriber.is_caught_up)
    good = Progress(job_id=f"behind-{time.time_ns()}", state=State.FAILED, updated_at=time.time())
    running = replace(good, job_id=f"beside-{time.time_ns()}", state=State.RUNNING)
    threads.reporter.tell(replace(good, job_id="x" * 255))
    threads.reporter.tell(good)
    with (
        threads.reporter.watch(lambda: replace(running, job_id="y" * 255)),
        threads.reporter.watch(lambda: running),
    ):
        wait_for(lambda: threads.store.find(good.job_id) is not None and threads.store.find(running.job_id) is not None)
    assert "a change of state cannot be told" in caplog.messages
