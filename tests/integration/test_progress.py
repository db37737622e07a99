"""Progress from workers to every replica of web, over a real RabbitMQ."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from common.progress import Progress, State
from common.publisher import Publisher
from common.sealing import Secret
from web.news import News, Reader, Teller
from worker.reporter import Reporter

PATIENCE = 20.0


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it never came about"
        time.sleep(0.02)


@pytest.fixture
def open_replica(rabbitmq_url: str) -> Iterator[Callable[[], News]]:
    """Start replicas that read; all are stopped in the end."""
    readers: list[Reader] = []

    def start() -> News:
        news = News()
        readers.append(Reader(Secret(rabbitmq_url), news))
        readers[-1].start()
        wait_for(lambda: readers[-1].is_caught_up)
        return news

    yield start
    for reader in readers:
        reader.close()
        reader._thread.join(PATIENCE)


@pytest.fixture
def reporter(rabbitmq_url: str) -> Iterator[Reporter]:
    """A worker's reporter."""
    reporter = Reporter(Secret(rabbitmq_url))
    yield reporter
    reporter.close(PATIENCE)


def state_of(news: News, job_id: str) -> State | None:
    """Return where a replica thinks a job stands."""
    progress = news.find(job_id)
    return progress.state if progress else None


def test_every_replica_hears_and_one_that_starts_later_knows(
    reporter: Reporter, open_replica: Callable[[], News], rabbitmq_url: str
) -> None:
    """A job told by web, run and ended by a worker stands the same everywhere, also after a restart."""
    first, second = open_replica(), open_replica()
    job = Progress(job_id=f"all-{time.time()}", gallery_name="Свадьба", updated_at=time.time())
    publisher = Publisher(Secret(rabbitmq_url), "test")
    Teller(publisher, first).tell(job)
    assert state_of(first, job.job_id) is State.QUEUED
    wait_for(lambda: state_of(second, job.job_id) is State.QUEUED)
    reporter.tell(replace(job, state=State.DONE, photos_copied=5, updated_at=time.time()))
    for replica in (first, second, open_replica()):
        wait_for(lambda replica=replica: state_of(replica, job.job_id) is State.DONE)  # type: ignore[misc]
        known = replica.find(job.job_id)
        assert known
        assert (known.photos_copied, known.gallery_name) == (5, "Свадьба")
    publisher.close()


def test_replica_that_starts_on_a_busy_day_gets_ready(reporter: Reporter, open_replica: Callable[[], News]) -> None:
    """Where something happens all the time there is no quiet moment to wait for."""
    stopped = threading.Event()

    def go_on_telling() -> None:
        while not stopped.wait(0.1):
            reporter.tell(Progress(job_id="busy", state=State.RUNNING, updated_at=time.time()))

    talk = threading.Thread(target=go_on_telling)
    talk.start()
    try:
        assert state_of(open_replica(), "busy") is State.RUNNING
    finally:
        stopped.set()
        talk.join()


def test_running_job_is_seen_moving(reporter: Reporter, open_replica: Callable[[], News]) -> None:
    """Snapshots come about once a second while a job is watched, and stop with it."""
    news = open_replica()
    taken = 0

    def take() -> Progress:
        nonlocal taken
        taken += 1
        return Progress(job_id="moving", state=State.RUNNING, photos_copied=taken, updated_at=time.time())

    with reporter.watch(take):
        wait_for(lambda: (news.find("moving") or Progress(job_id="")).photos_copied >= 2)
    seen = taken
    time.sleep(2.5)
    assert taken <= seen + 1


def test_broker_that_is_away_holds_up_nobody() -> None:
    """What a job tells is kept for later; telling returns at once, and the end comes in time."""
    reporter = Reporter(Secret("amqp://127.0.0.1:1/"))
    reporter.tell(Progress(job_id="x"))
    reporter.close(5.0)
