"""What happens to jobs is counted, and passed on as it was."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from common.crypto.sealing import Secret
from common.messages.archive_job import ArchiveJob, JobState, Phase
from common.messages.progress import FailedPhoto, Progress, State
from common.messages.publisher import Publisher
from common.messages.topology import WAITING_SECONDS
from common.telemetry import metrics
from tests.unit.deploy.test_metrics import growth, read
from worker.counting import CountedJobPublisher, CountedReports
from worker.jobs.sampling import TakeSnapshot


class HeardReports:
    """Remembers what it is told, and takes two snapshots of each job."""

    def __init__(self) -> None:
        self.told: list[Progress] = []

    def tell(self, progress: Progress) -> None:
        """Remember."""
        self.told.append(progress)

    @contextmanager
    def watch(self, take_snapshot: TakeSnapshot) -> Iterator[None]:
        """Take two snapshots."""
        self.told += [take_snapshot(), take_snapshot()]
        yield


def test_ends_are_counted_and_passed_on() -> None:
    """An archive that ended, its photos and its time; what goes on is not counted."""
    heard, before = HeardReports(), read(metrics.WORKER)
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
    reports = CountedReports(heard)
    reports.tell(Progress(job_id="a", state=State.WAITING))
    reports.tell(end)
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
    assert heard.told[1] == end


class Silent(Publisher):
    """Publishes nothing, at once."""

    def publish(self, *_args: object, **_options: object) -> None:
        """Nothing."""


def test_done_calls_that_wait_are_counted_as_long_as_they_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """A done call that was let wait, until it comes back; what waits for a cloud is none."""
    name = ("cloud_archive_done_pending", ())
    now = 1000.0
    monkeypatch.setattr("worker.counting.time.time", lambda: now)
    job_publisher = CountedJobPublisher(Silent(Secret("amqp://127.0.0.1"), "test"), lambda _progress: None)
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
    reports = CountedReports(HeardReports())
    with reports.watch(lambda: next(snapshots)):
        assert read(metrics.WORKER)[name] == before[name] + 1
    assert read(metrics.WORKER)[arrival] == before[arrival]
    with (
        pytest.raises(ZeroDivisionError),
        reports.watch(lambda: next(snapshots, Progress(job_id="a", photos_copied=1))),
    ):
        raise ZeroDivisionError
    assert read(metrics.WORKER)[name] == before[name]
    assert read(metrics.WORKER)[arrival] > before[arrival]
