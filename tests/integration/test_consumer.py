"""The consumer at a real RabbitMQ: what becomes of messages, whatever happens to their jobs and their connection."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pika
import pytest
from pika.adapters.blocking_connection import BlockingChannel

from common.crypto.sealing import Secret
from common.errors import Reason, Transient
from common.messages.archive_job import ArchiveJob, JobState, NotOurMessage, Phase
from common.messages.dead_letters import replay_dead
from common.messages.progress import Progress, State
from common.messages.publisher import BrokerRefuses, Publisher
from common.messages.topology import (
    DEAD,
    EXCHANGE,
    JOB_KEY,
    JOBS,
    PROGRESS_EXCHANGE,
    WAITING_SECONDS,
    cancel_key,
    declare,
    waiting_key,
)
from tests.fakes.job import JOB
from worker.queue import failures as room
from worker.queue.consumer import Consumer
from worker.queue.job_publisher import JobPublisher
from worker.transfer.stop import Cause, Interrupted, Signals

PATIENCE = 20.0  # seconds until a wait here counts as never


class ConsumerHarness:
    """A broker with empty queues, and consumers that are stopped in the end."""

    def __init__(self, url: str) -> None:
        self.url = Secret(url)
        self.told: list[Progress] = []
        self.waits: list[float] = []
        self.job_publisher = JobPublisher(Publisher(self.url, "test"), self.told.append)
        self._connection = pika.BlockingConnection(pika.URLParameters(url))
        self.channel: BlockingChannel = self._connection.channel()
        declare(self.channel)
        for queue in (JOBS, DEAD, *(f"{EXCHANGE}.{waiting_key(level)}" for level in range(len(WAITING_SECONDS)))):
            self.channel.queue_purge(queue)
        self._running: list[tuple[Signals, threading.Thread]] = []

    def start(
        self, work: Callable[[ArchiveJob, int, Signals], None], jobs: int = 2, grace: float = 5, **options: Any
    ) -> Signals:
        """Run a consumer; returns what stops it."""
        signals = Signals()
        consumer = Consumer(
            self.url,
            work,
            self.job_publisher.dead_letter,
            jobs=jobs,
            signals=signals,
            grace=grace,
            observe_wait=self.waits.append,
            **options,
        )
        thread = threading.Thread(target=consumer.run)
        thread.start()
        self._running.append((signals, thread))
        return signals

    def stop(self) -> None:
        """End every consumer, and wait for it."""
        for signals, thread in self._running:
            signals.wind_down.set(Cause.SHUTDOWN)
            thread.join(PATIENCE)
            assert not thread.is_alive()
        self._running.clear()

    def close(self) -> None:
        """Leave nothing behind."""
        self.stop()
        self._connection.close()

    def count(self, queue: str) -> int:
        """Return how many messages are ready in a queue."""
        return int(self.channel.queue_declare(queue, passive=True).method.message_count)


@pytest.fixture
def harness(rabbitmq_url: str) -> Iterator[ConsumerHarness]:
    """A harness at the real broker."""
    harness = ConsumerHarness(rabbitmq_url)
    try:
        yield harness
    finally:
        harness.close()


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it never came about"
        time.sleep(0.02)


def test_job_that_is_kept_is_gone(harness: ConsumerHarness) -> None:
    """The worker gets the job as it was published; its message is acknowledged."""
    kept: list[ArchiveJob] = []
    harness.job_publisher.requeue(JOB)
    harness.start(lambda job, returns, signals: kept.append(job))
    wait_for(lambda: kept == [JOB])
    harness.stop()
    assert (harness.count(JOBS), harness.count(DEAD)) == (0, 0)


def test_only_a_fresh_messages_wait_is_noted(harness: ConsumerHarness) -> None:
    """One that came back has not waited for a worker since it was published."""
    returned: list[int] = []

    def work(job: ArchiveJob, returns: int, signals: Signals) -> None:
        returned.append(returns)
        if not returns:
            raise Interrupted

    harness.job_publisher.requeue(JOB)
    harness.start(work)
    wait_for(lambda: returned == [0, 1])
    harness.stop()
    (wait,) = harness.waits
    assert 0 <= wait < PATIENCE


@pytest.mark.parametrize("body", [b"", b"\xff", b"[]", b'{"version": 99}', b'{"version": 1}', b"[" * 100_000])
def test_message_that_is_not_ours_lies_among_the_dead_with_its_reason(harness: ConsumerHarness, body: bytes) -> None:
    """It is never worked on, never lost, never tried again."""
    worked: list[ArchiveJob] = []
    harness.channel.basic_publish(EXCHANGE, JOB_KEY, body)
    harness.start(lambda job, returns, signals: worked.append(job))
    wait_for(lambda: harness.count(DEAD) == 1)
    _, properties, dead = harness.channel.basic_get(DEAD, auto_ack=True)
    assert properties is not None
    assert (dead, worked) == (body, [])
    assert properties.headers["reason"]


@pytest.mark.parametrize("failure", [NotOurMessage("its grant does not open"), KeyError("a bug")])
def test_job_that_is_beyond_us_lies_among_the_dead(harness: ConsumerHarness, failure: Exception) -> None:
    """A bug is loud and tried once; the message keeps its id."""
    tries: list[int] = []

    def work(job: ArchiveJob, returns: int, signals: Signals) -> None:
        tries.append(1)
        raise failure

    harness.job_publisher.requeue(JOB)
    harness.start(work)
    wait_for(lambda: harness.count(DEAD) == 1 and bool(harness.told))
    _, properties, _ = harness.channel.basic_get(DEAD, auto_ack=True)
    assert properties is not None
    assert (properties.message_id, len(tries)) == ("job-1", 1)
    assert [(told.job_id, told.state, told.reason) for told in harness.told] == [("job-1", State.FAILED, "internal")]


def test_queue_in_trouble_gives_the_message_back(harness: ConsumerHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    """When a job's rest cannot be published its message returns, and says so by its count."""
    monkeypatch.setattr(room, "REQUEUE_DELAY", 0.01)
    seen: list[int] = []

    def work(job: ArchiveJob, returns: int, signals: Signals) -> None:
        seen.append(returns)
        if len(seen) < 3:
            raise Transient(Reason.TRY_LATER)

    harness.job_publisher.requeue(JOB)
    harness.start(work)
    wait_for(lambda: len(seen) == 3)
    harness.stop()
    assert seen == sorted(seen)
    assert seen[-1] > 0
    assert harness.count(JOBS) == 0


def test_shutdown_waits_for_the_acknowledgement(harness: ConsumerHarness) -> None:
    """A job that ends within the grace is settled: it does not run again."""
    started = threading.Event()

    def work(job: ArchiveJob, returns: int, signals: Signals) -> None:
        started.set()
        wait_for(signals.wind_down.is_set)
        time.sleep(0.3)

    harness.job_publisher.requeue(JOB)
    harness.start(work)
    assert started.wait(PATIENCE)
    harness.stop()
    assert harness.count(JOBS) == 0


def test_shutdown_lets_go_what_does_not_end(harness: ConsumerHarness) -> None:
    """After most of the grace what still moves is told to let go, and its message returns."""
    started = threading.Event()

    def work(job: ArchiveJob, returns: int, signals: Signals) -> None:
        started.set()
        while True:
            time.sleep(0.01)
            signals.abort.check()

    harness.job_publisher.requeue(JOB)
    harness.start(work, grace=1.5)
    assert started.wait(PATIENCE)
    harness.stop()
    wait_for(lambda: harness.count(JOBS) == 1)


def test_a_cancel_that_a_web_of_the_version_before_tells_of_is_written_down(harness: ConsumerHarness) -> None:
    """It writes nothing down itself."""
    stopped: list[str] = []
    harness.start(lambda job, returns, signals: None, stop_job=stopped.append)

    def tell() -> bool:
        # Who is told before it listens hears nothing.
        harness.channel.basic_publish(PROGRESS_EXCHANGE, cancel_key(JOB.id), b"")
        return bool(stopped)

    wait_for(tell)
    assert set(stopped) == {JOB.id}


def test_twins_of_a_message_are_one_job_and_all_are_settled(harness: ConsumerHarness) -> None:
    """Else the first one's place would never be free again, and four of them would stop a worker."""
    worked: list[ArchiveJob] = []
    started = threading.Event()

    def work(job: ArchiveJob, returns: int, signals: Signals) -> None:
        worked.append(job)
        started.wait(PATIENCE)

    for _ in range(3):
        harness.job_publisher.requeue(JOB)
    harness.start(work, jobs=3)
    wait_for(lambda: harness.count(JOBS) == 0 and len(worked) == 1)
    started.set()
    harness.stop()
    assert (harness.count(JOBS), worked) == (0, [JOB])


def test_waiting_job_returns_by_itself(harness: ConsumerHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    """The shortest wait ends; the job comes back as it was put there."""
    kept: list[ArchiveJob] = []
    waiting = replace(JOB, state=JobState(waits=1, waiting_since=5.0, reason="gallery_unavailable"))
    harness.job_publisher.requeue_delayed(waiting, 0)
    assert harness.count(JOBS) == 0
    harness.start(lambda job, returns, signals: kept.append(job))
    wait_for(lambda: kept == [waiting])


def test_small_job_does_not_wait_for_the_end_of_a_huge_one(harness: ConsumerHarness) -> None:
    """A huge job that gives its rest back after every slice lets the small one behind it through."""
    order: list[str] = []

    def work(job: ArchiveJob, returns: int, signals: Signals) -> None:
        order.append(job.id)
        if job.id == "huge" and job.state.slices < 5:
            harness.job_publisher.requeue(replace(job, state=JobState(slices=job.state.slices + 1)))

    harness.job_publisher.requeue(replace(JOB, id="huge"))
    harness.job_publisher.requeue(replace(JOB, id="small"))
    harness.start(work, jobs=1)
    wait_for(lambda: len(order) == 7)
    assert order.index("small") == 1


def test_replay_puts_jobs_back_and_leaves_what_is_none(harness: ConsumerHarness) -> None:
    """Dead jobs get their patience back; a message that is no job stays where it is."""
    harness.job_publisher.dead_letter(
        replace(JOB, state=JobState(phase=Phase.TELLING, waits=40, waiting_since=1.0)).encode(), "job-1", "why"
    )
    harness.job_publisher.dead_letter(b"garbage", "", "not JSON")
    wait_for(lambda: harness.count(DEAD) == 2)
    assert replay_dead(harness.url) == (1, 1)
    wait_for(lambda: (harness.count(JOBS), harness.count(DEAD)) == (1, 1))
    _, _, body = harness.channel.basic_get(JOBS, auto_ack=True)
    assert ArchiveJob.decode(body or b"").state == JobState(phase=Phase.TELLING)


def test_a_rest_ends_with_the_line(harness: ConsumerHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    """An hour's rest would hold up others, while the broker is back and the message has come again."""
    monkeypatch.setattr(room, "REQUEUE_DELAY", 3600.0)
    monkeypatch.setattr(room, "MAX_REQUEUE_DELAY", 3600.0)
    returned = threading.Event()

    def lose_line(consumer: Consumer, _seconds: float) -> None:
        consumer._connection_changed_at += 1

    monkeypatch.setattr(Consumer, "_wait", lose_line)

    def ask(_job: ArchiveJob, returns: int, _signals: Signals) -> None:
        if not returns:
            raise Transient(Reason.TRY_LATER, "away")
        returned.set()

    harness.job_publisher.requeue(JOB)
    harness.start(ask)
    assert returned.wait(30)


def test_a_job_whose_worker_cannot_ask_rests_longer_each_time(
    harness: ConsumerHarness, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The returns that a queue allows must not be used up within minutes; what an operator must mend is an error."""
    rests: list[float] = []
    monkeypatch.setattr(Consumer, "_sleep_while_connected", lambda _, seconds: rests.append(seconds))

    def ask(_job: ArchiveJob, returns: int, _signals: Signals) -> None:
        if returns < 6:
            raise BrokerRefuses(Reason.TRY_LATER, "the user lacks a permission")

    harness.job_publisher.requeue(JOB)
    harness.start(ask)
    wait_for(lambda: len(rests) == 6)
    harness.stop()
    assert rests == [3, 6, 12, 24, 48, 60]
    assert {record.levelname for record in caplog.records if "goes back" in record.message} == {"ERROR"}
