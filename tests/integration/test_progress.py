"""Progress from workers to every replica of web, over a real RabbitMQ."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from common.crypto.sealing import Secret
from common.messages.progress import Progress, State
from common.messages.publisher import Publisher
from web.progress.publisher import ProgressPublisher
from web.progress.store import ProgressStore
from web.progress.subscriber import ProgressSubscriber
from worker.jobs import sampling
from worker.queue.reporter import Reporter

# Twice what a test may take on two busy cores: it is waited for only when something is wrong.
PATIENCE = 60.0


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it never came about"
        time.sleep(0.02)


@pytest.fixture
def open_replica(rabbitmq_url: str) -> Iterator[Callable[[], ProgressStore]]:
    """Start replicas that read; all are stopped in the end."""
    subscribers: list[ProgressSubscriber] = []

    def start() -> ProgressStore:
        store = ProgressStore()
        subscribers.append(ProgressSubscriber(Secret(rabbitmq_url), store))
        subscribers[-1].start()
        wait_for(lambda: subscribers[-1].is_caught_up)
        return store

    yield start
    for subscriber in subscribers:
        subscriber.close()
        subscriber._thread.join(PATIENCE)


@pytest.fixture
def reporter(rabbitmq_url: str) -> Iterator[Reporter]:
    """A worker's reporter."""
    reporter = Reporter(Secret(rabbitmq_url))
    yield reporter
    reporter.close(PATIENCE)


def state_of(store: ProgressStore, job_id: str) -> State | None:
    """Return where a replica thinks a job stands."""
    progress = store.find(job_id)
    return progress.state if progress else None


def test_every_replica_hears_and_one_that_starts_later_knows(
    reporter: Reporter, open_replica: Callable[[], ProgressStore], rabbitmq_url: str
) -> None:
    """A job told by web, run and ended by a worker stands the same everywhere, also after a restart."""
    first, second = open_replica(), open_replica()
    job = Progress(job_id=f"all-{time.time()}", gallery_name="Свадьба", updated_at=time.time())
    publisher = Publisher(Secret(rabbitmq_url), "test")
    ProgressPublisher(publisher, first).publish(job)
    for replica in (first, second):
        wait_for(lambda replica=replica: state_of(replica, job.job_id) is State.QUEUED)  # type: ignore[misc]
    reporter.tell(replace(job, state=State.DONE, photos_copied=5, updated_at=time.time()))
    for replica in (first, second, open_replica()):
        wait_for(lambda replica=replica: state_of(replica, job.job_id) is State.DONE)  # type: ignore[misc]
        known = replica.find(job.job_id)
        assert known
        assert (known.photos_copied, known.gallery_name) == (5, "Свадьба")
    publisher.close()


def test_replica_that_starts_on_a_busy_day_gets_ready(
    reporter: Reporter, open_replica: Callable[[], ProgressStore]
) -> None:
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


def test_running_job_is_seen_moving(reporter: Reporter, open_replica: Callable[[], ProgressStore]) -> None:
    """Snapshots come while a job runs, and stop with it."""
    store = open_replica()
    taken = 0

    def take() -> Progress:
        nonlocal taken
        taken += 1
        return Progress(job_id="moving", state=State.RUNNING, photos_copied=taken, updated_at=time.time())

    with reporter.watch(take):
        wait_for(lambda: (store.find("moving") or Progress(job_id="")).photos_copied >= 2)
    seen = taken
    time.sleep(2.5)
    assert taken <= seen + 1


def run(job_id: str, **changes: object) -> Progress:
    """Return a snapshot of a job that runs."""
    running = Progress(job_id=job_id, state=State.RUNNING, photos_total=60, photos_copied=40, claim=7, number=1)
    return replace(running, **{"updated_at": time.time(), **changes})  # type: ignore[arg-type]


def copied_of(store: ProgressStore, job_id: str) -> int:
    """Return how many photos of a job are known to be copied; -1 for an unknown one."""
    known = store.find(job_id)
    return known.photos_copied if known else -1


def test_replica_that_starts_knows_at_once_what_was_shown_before(
    reporter: Reporter, open_replica: Callable[[], ProgressStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says hello, and every worker answers, though nobody watches the job and nothing moves there."""
    monkeypatch.setattr(sampling, "UNWATCHED_SECONDS", 1000.0)
    monkeypatch.setattr(sampling, "REPEAT_SECONDS", 1000.0)
    job_id = f"hello-{time.time_ns()}"
    shot = run(job_id, latest=("a.jpg",))
    with reporter.watch(lambda: shot):
        first = open_replica()
        wait_for(lambda: copied_of(first, job_id) == 40)
        shot = replace(shot, photos_copied=50, number=2)
        # At once: a replica is ready when the answers have had half a second.
        assert copied_of(open_replica(), job_id) == 50


def test_replica_that_starts_when_the_worker_is_gone_knows_the_numbers(
    reporter: Reporter, open_replica: Callable[[], ProgressStore]
) -> None:
    """They are kept as soon as there are any, without the names."""
    job_id = f"kept-{time.time_ns()}"
    with reporter.watch(lambda: run(job_id, latest=("a.jpg",))):
        wait_for(lambda: open_replica().find(job_id) is not None)
    reporter.close(PATIENCE)
    known = open_replica().find(job_id)
    assert known
    assert (known.state, known.photos_total, known.photos_copied, known.latest) == (State.RUNNING, 60, 40, ())


@pytest.mark.parametrize("hours", [-1, 1])
def test_clock_that_is_an_hour_off_hides_no_news(
    reporter: Reporter, open_replica: Callable[[], ProgressStore], rabbitmq_url: str, hours: int
) -> None:
    """Of the worker: `web` says that the job is queued, then it is seen moving; a replica that starts reads to the end.

    One that took the worker's clock for its own would have thought the past over too early.
    """
    job_id, publisher, off = f"clock-{hours}-{time.time_ns()}", Publisher(Secret(rabbitmq_url), "test"), hours * 3600
    first = open_replica()
    ProgressPublisher(publisher, first).publish(Progress(job_id=job_id, updated_at=time.time()))
    for number in range(1, 200):
        reporter.tell(run(job_id, photos_copied=min(number, 59), number=number, updated_at=time.time() + off))
    reporter.tell(run(job_id, state=State.WAITING, number=200, updated_at=time.time() + off))
    wait_for(lambda: state_of(first, job_id) is State.WAITING)
    known = open_replica().find(job_id)
    assert known
    assert (known.state, known.photos_copied) == (State.WAITING, 59)
    publisher.close()


def test_what_somebody_looks_at_is_told_more_often(reporter: Reporter, rabbitmq_url: str) -> None:
    """Workers hear that a page is open."""
    job_id, taken = f"watched-{time.time_ns()}", 0

    def take() -> Progress:
        nonlocal taken
        taken += 1
        return run(job_id, number=taken)

    subscriber = ProgressSubscriber(Secret(rabbitmq_url), ProgressStore())
    subscriber.start()
    wait_for(lambda: subscriber.is_caught_up)
    with reporter.watch(take):
        wait_for(lambda: taken > 0)
        seen, began = taken, time.monotonic()
        wait_for(lambda: taken > seen)
        assert time.monotonic() - began > 2
        subscriber.note_watched(job_id)
        seen, began = taken, time.monotonic()
        wait_for(lambda: taken >= seen + 3)
        assert time.monotonic() - began < 8
    subscriber.close()


def test_word_without_a_claim_follows_what_was_told_of_the_job(
    reporter: Reporter, open_replica: Callable[[], ProgressStore]
) -> None:
    """Who buries a message knows its id only."""
    job_id, store = f"buried-{time.time_ns()}", open_replica()
    with reporter.watch(lambda: run(job_id)):
        wait_for(lambda: state_of(store, job_id) is State.RUNNING)
    reporter.tell(Progress(job_id=job_id, state=State.FAILED, reason="internal", updated_at=time.time()))
    wait_for(lambda: state_of(store, job_id) is State.FAILED)
    known = store.find(job_id) or Progress(job_id="")
    assert (known.claim, known.photos_copied, known.photos_failed) == (7, 40, 20)


def test_broker_that_is_away_holds_up_nobody() -> None:
    """What a job tells is kept for later; telling returns at once, and the end comes in time."""
    reporter = Reporter(Secret("amqp://127.0.0.1:1/"))
    reporter.tell(Progress(job_id="x"))
    reporter.close(5.0)
