"""Changes that happened in one replica, published to all."""

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from common.errors import Reason, Transient
from common.messages.progress import Progress, State
from web.progress import publisher as room
from web.progress.publisher import ProgressPublisher
from web.progress.store import ProgressStore


@dataclass
class Broker:
    """Accepts messages after so many failed attempts."""

    away: int = 0
    taken: list[bytes] = field(default_factory=list)

    def publish(self, _exchange: str, _key: str, body: bytes, *, message_id: str) -> None:
        """Accept a message, or fail."""
        assert message_id
        if self.away:
            self.away -= 1
            raise Transient(Reason.TRY_LATER, "away")
        self.taken.append(body)


@pytest.fixture(autouse=True)
def _nobody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "RETRY_SECONDS", 0.001)


def publish_and_wait(
    broker: Broker, progress: Progress, is_stopping: Callable[[], bool] = lambda: False
) -> ProgressStore:
    """Publish a change; return this replica's store when that is over."""
    store = ProgressStore()
    publisher = ProgressPublisher(broker, store, is_stopping)  # type: ignore[arg-type]
    publisher.publish(progress)
    publisher._executor.shutdown()
    return store


def test_a_change_is_told_however_long_the_broker_is_away() -> None:
    """And shown here then, not before: no restart takes it back."""
    job = Progress(job_id="job-1", updated_at=9e9)
    broker = Broker(away=50)
    assert publish_and_wait(broker, job).find("job-1") == job
    assert broker.taken == [job.encode()]


@pytest.mark.parametrize("away", [0, 3])
def test_what_is_published_now_is_shown_when_that_returns(away: int) -> None:
    """Unless the broker is away: then as soon as it is back."""
    job, store, broker = Progress(job_id="job-1", updated_at=9e9), ProgressStore(), Broker(away)
    publisher = ProgressPublisher(broker, store)  # type: ignore[arg-type]
    publisher.publish_now(job)
    assert away or store.find("job-1") == job
    publisher._executor.shutdown()
    assert (store.find("job-1"), broker.taken) == (job, [job.encode()])


def test_what_could_not_be_told_is_not_shown() -> None:
    """This process ends: the other replicas never knew."""
    assert (
        publish_and_wait(Broker(away=50), Progress(job_id="job-1", updated_at=9e9), lambda: True).find("job-1") is None
    )


def test_a_process_that_ends_meets_no_bug(caplog: pytest.LogCaptureFixture) -> None:
    """Its publisher is closed by then, and takes nothing any more."""

    class Closed(Broker):
        """Takes nothing."""

        def publish(self, _exchange: str, _key: str, body: bytes, *, message_id: str) -> None:
            """Say so as a pool of threads does."""
            raise RuntimeError("cannot schedule new futures after shutdown")

    publish_and_wait(Closed(), Progress(job_id="job-1", updated_at=9e9), lambda: True)
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []
    publish_and_wait(Closed(), Progress(job_id="job-1", updated_at=9e9))
    assert len([record for record in caplog.records if record.levelname == "ERROR"]) == 1


def test_why_an_archive_did_not_begin_is_shown_at_once() -> None:
    """Nobody else will tell."""
    failed = Progress(job_id="job-1", state=State.FAILED, reason=Reason.DENIED, updated_at=9e9)
    assert publish_and_wait(Broker(away=50), failed, lambda: True).find("job-1") == failed


def test_changes_do_not_pile_up_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """At a broker that stays away workers tell what becomes of the rest."""
    monkeypatch.setattr(room, "MAX_PENDING", 0)
    broker = Broker()
    publish_and_wait(broker, Progress(job_id="job-1", updated_at=9e9))
    assert broker.taken == []
