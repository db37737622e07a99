"""A publish that nobody confirmed in time: the message counts for both sides, or for neither. With a real RabbitMQ."""

import time
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import urlsplit

import pika
import pytest

from common.crypto.sealing import Secret
from common.errors import Reason, Transient
from common.messages import publisher
from common.messages.progress import Progress, State
from common.messages.publisher import InDoubt, Publisher
from common.messages.topology import EXCHANGE, JOB_KEY, JOBS
from common.messages.verdict import make_ticket
from sandbox.run.broker import Broker
from sandbox.run.proxy import Proxy
from tests.integration.test_consumer import wait_for
from web.progress.store import ProgressStore
from web.progress.subscriber import ProgressSubscriber
from worker.queue.reporter import Reporter

WAIT = 2.0
# Nothing else that is sent holds these bytes.
BODY = b"the message whose confirm gets lost"


@pytest.fixture(autouse=True)
def _short_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for long."""
    monkeypatch.setattr(publisher, "WAIT_SECONDS", WAIT)


@pytest.fixture
def node() -> Iterator[Broker]:
    """A node of one's own: others need their memory."""
    with Broker() as running:
        yield running


@pytest.fixture
def proxy(rabbitmq_url: str) -> Iterator[Proxy]:
    """A line to the broker that can be disturbed."""
    with Proxy(urlsplit(rabbitmq_url).port or 5672) as running:
        yield running


@pytest.fixture
def sender(rabbitmq_url: str, proxy: Proxy) -> Iterator[Publisher]:
    """Publishes over that line."""
    parts = urlsplit(rabbitmq_url)
    running = Publisher(Secret(rabbitmq_url.replace(f":{parts.port}", f":{proxy.port}")), "a test")
    yield running
    running.close()


def take(url: str, queue: str) -> list[str]:
    """Take what is in a queue; return the messages' ids."""
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        found = iter(lambda: channel.basic_get(queue, auto_ack=True), (None, None, None))
        return [str(properties.message_id) for _, properties, _ in found if properties]


def test_nothing_is_sent_into_an_alarm(node: Broker) -> None:
    """The caller is told after a bounded wait, and when the alarm is over nothing lands; then all is as before."""
    sender = Publisher(Secret(node.url), "a test")
    sender.check()
    node.raise_alarm()
    with pytest.raises(Transient) as failed:
        sender.publish(EXCHANGE, JOB_KEY, BODY, message_id="unsent")
    assert type(failed.value) is Transient
    # Whoever is about to ask a guest for a permission can know it.
    with pytest.raises(Transient):
        sender.check_room()
    # Verdicts are no messages, so no alarm holds them up.
    ticket, other = make_ticket(), make_ticket()
    assert sender.withdraw(ticket)
    assert not sender.take_ticket(ticket)
    assert sender.take_ticket(other)
    node.clear_alarm()
    sender.publish(EXCHANGE, JOB_KEY, BODY, message_id="sent")
    sender.check_room()
    time.sleep(1)
    assert take(node.url, JOBS) == ["sent"]
    sender.close()


def test_a_change_of_state_outlives_an_alarm_and_a_power_cut(node: Broker) -> None:
    """What was only written to a line nobody reads is nowhere: it is told until the broker says that it has it."""
    url = Secret(node.url)
    reporter, store = Reporter(url), ProgressStore()
    first = Progress(job_id="before", state=State.DONE, updated_at=time.time())
    subscriber = ProgressSubscriber(url, store)
    try:
        reporter.tell(first)
        subscriber.start()
        wait_for(lambda: store.find("before") is not None)
        node.raise_alarm()
        reporter.tell(replace(first, job_id="within"))
        time.sleep(1)
        node.kill()
        node.start()
        wait_for(lambda: store.find("within") is not None)
    finally:
        subscriber.close()
        reporter.close(5)


def test_a_message_that_landed_unconfirmed_is_void(sender: Publisher, proxy: Proxy, rabbitmq_url: str) -> None:
    """Who published it says so first: no worker begins with it, whoever asks and however often."""
    ticket, queue = make_ticket(), f"test.{make_ticket()}"
    with pika.BlockingConnection(pika.URLParameters(rabbitmq_url)) as connection:
        connection.channel().queue_declare(queue, durable=True, arguments={"x-expires": 60_000})
    proxy.mute_after = BODY
    with pytest.raises(InDoubt) as failed:
        sender.publish("", queue, BODY, message_id="landed")
    assert failed.value.reason is Reason.TRY_LATER
    assert sender.withdraw(ticket)
    assert take(rabbitmq_url, queue) == ["landed"]
    worker = Publisher(Secret(rabbitmq_url), "a worker")
    assert [worker.take_ticket(ticket), worker.take_ticket(ticket), sender.withdraw(ticket)] == [False, False, True]
    assert worker.take_ticket(make_ticket())
    worker.close()


def test_a_message_that_a_worker_has_is_not_withdrawn(sender: Publisher, proxy: Proxy, rabbitmq_url: str) -> None:
    """The worker was quicker than the doubt: the publisher learns that all is well."""
    sender.check()
    ticket = make_ticket()
    worker = Publisher(Secret(rabbitmq_url), "a worker")
    assert worker.take_ticket(ticket)
    assert not sender.withdraw(ticket)
    assert worker.take_ticket(ticket)
    worker.close()


def test_a_broker_that_cannot_be_asked_is_asked_again(
    sender: Publisher, proxy: Proxy, rabbitmq_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The caller is told in time; as soon as the line is back the message is void."""
    monkeypatch.setattr(publisher, "WITHDRAW_SECONDS", 0.5)
    monkeypatch.setattr(publisher, "WITHDRAW_AGAIN_SECONDS", 0.1)
    ticket = make_ticket()
    proxy.pause()
    with pytest.raises(Transient):
        sender.withdraw(ticket)
    proxy.cut()
    proxy.resume()
    worker = Publisher(Secret(rabbitmq_url), "a worker")
    deadline = time.monotonic() + 30
    # Asking with another ticket would decide nothing; this one is void as soon as the publisher gets through.
    while not sender.withdraw(ticket):
        assert time.monotonic() < deadline
    assert not worker.take_ticket(ticket)
    worker.close()
