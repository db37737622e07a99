"""What is published and reported of jobs is counted for Prometheus."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from common.crypto.sealing import Secret
from common.messages.archive_job import ArchiveJob, JobState, Phase
from common.messages.progress import FailedPhoto, Progress, State
from common.messages.publisher import Publisher
from common.messages.topology import WAITING_SECONDS
from common.telemetry import metrics
from tests.unit.deploy.test_metrics import growth, read
from worker.jobs.sampling import counting_progress
from worker.queue.job_publisher import JobPublisher
from worker.queue.reporter import Reporter


@pytest.fixture
def reporter() -> Iterator[Reporter]:
    """One whose broker is not there."""
    reporter = Reporter(Secret("amqp://127.0.0.1:1"))
    yield reporter
    reporter.close(0.0)


def test_ends_are_counted_and_told(reporter: Reporter) -> None:
    """An archive that ended, its photos and its time; what goes on is not counted."""
    before = read(metrics.WORKER)
    end = Progress(
        job_id="a",
        cloud_type="yadisk",
        archive_type="webs",
        state=State.DONE,
        photos_copied=7,
        photos_skipped=2,
        photos_failed=3,
        failures=(FailedPhoto("a.jpg", "wrong_bytes", ""), FailedPhoto("b.jpg", "of another version", "")),
        reason="storage_full",
        started_at=100.0,
        finished_at=142.0,
    )
    reporter.tell(Progress(job_id="a", state=State.WAITING))
    reporter.tell(end)
    assert growth(before, read(metrics.WORKER)) == {
        "cloud_archive_jobs_total webs yadisk done": 1,
        "cloud_archive_files_total copied ": 7,
        "cloud_archive_files_total skipped ": 2,
        "cloud_archive_files_total failed wrong_bytes": 1,
        "cloud_archive_files_total failed other": 1,
        "cloud_archive_files_total failed storage_full": 1,
        "cloud_archive_job_duration_seconds_count": 1,
        "cloud_archive_job_duration_seconds_sum": 42,
    }
    assert reporter._changes[1] == end


def test_a_count_that_fails_ends_no_report(reporter: Reporter, monkeypatch: pytest.MonkeyPatch) -> None:
    """The end is told, and the job is none the worse."""
    monkeypatch.setattr(metrics, "count_end", lambda _progress: 1 / 0)
    reporter.tell(Progress(job_id="x", state=State.DONE))
    assert [told.job_id for told in reporter._changes] == ["x"]


class Silent(Publisher):
    """Publishes nothing, at once."""

    def publish(self, *_args: object, **_options: object) -> None:
        """Nothing."""


def test_done_calls_that_wait_are_counted_as_long_as_they_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """A done call that was requeued with a delay, until it comes back; what waits for a cloud is none."""
    name = ("cloud_archive_done_pending", ())
    now = 1000.0
    monkeypatch.setattr("worker.queue.job_publisher.time.time", lambda: now)
    job_publisher = JobPublisher(Silent(Secret("amqp://127.0.0.1"), "test"), lambda _progress: None)
    job = ArchiveJob(
        id="a", cloud_type="yadisk", archive_type="webs", archive_url="x", gallery_name="x", grant="x", created_at="x"
    )
    job_publisher.requeue_delayed(job, 0)
    assert read(metrics.WORKER)[name] == 0
    telling = replace(job, state=JobState(phase=Phase.TELLING))
    job_publisher.requeue_delayed(telling, 0)
    job_publisher.requeue_delayed(telling, 1)
    assert read(metrics.WORKER)[name] == 2
    now += WAITING_SECONDS[0]
    assert read(metrics.WORKER)[name] == 1
    now += WAITING_SECONDS[1]
    assert read(metrics.WORKER)[name] == 0


def test_running_jobs_and_arrivals_are_seen() -> None:
    """The gauge follows the job, also when it breaks; the last arrival is noted only when something arrived."""
    name = ("cloud_archive_jobs_in_progress", ())
    arrival = ("cloud_archive_job_last_progress_timestamp_seconds", ())
    still, before = Progress(job_id="a"), read(metrics.WORKER)
    snapshots = iter([still, still, still, still, still, Progress(job_id="a", photos_copied=1)])
    with counting_progress(lambda: next(snapshots)) as take:
        take()
        take()
        assert read(metrics.WORKER)[name] == before[name] + 1
    assert read(metrics.WORKER)[arrival] == before[arrival]
    with (
        pytest.raises(ZeroDivisionError),
        counting_progress(lambda: next(snapshots, Progress(job_id="a", photos_copied=1))),
    ):
        raise ZeroDivisionError
    assert read(metrics.WORKER)[name] == before[name]
    assert read(metrics.WORKER)[arrival] > before[arrival]
