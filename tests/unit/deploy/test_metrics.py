"""What Prometheus reads of both services."""

import re
import subprocess
import urllib.request
from pathlib import Path

import pytest
from fastapi.routing import APIRoute
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from common.clouds import CLOUDS
from common.errors import Reason
from common.messages.progress import FailedPhoto, Progress, State
from common.telemetry import metrics
from web.api import operations
from web.http.readiness import Readiness
from worker.app import create_consumer  # noqa: F401 - all that a worker counts
from worker.health import serve_health

ROOT = Path(__file__).resolve().parents[3]
Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def read(registry: CollectorRegistry) -> Samples:
    """Return every sample, as the official parser reads it."""
    return parse(metrics.render(registry).decode())


def parse(text: str) -> Samples:
    """Return the samples of an exposition."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def growth(before: Samples, after: Samples) -> dict[str, float]:
    """Return by how much each sample grew, by its name and its labels' values."""
    return {
        " ".join([name, *(value for _, value in labels)]): value - before.get((name, labels), 0.0)
        for (name, labels), value in after.items()
        if value != before.get((name, labels), 0.0) and not name.endswith(("_bucket", "_request_duration_seconds_sum"))
    }


@pytest.mark.parametrize("registry", [metrics.WEB, metrics.WORKER])
def test_prometheus_own_tool_finds_nothing_to_mend(registry: CollectorRegistry) -> None:
    """Names, units and help texts are as they should be."""
    promtool = [ROOT / "scripts/promtool", "check", "metrics"]
    checked = subprocess.run(promtool, input=metrics.render(registry), capture_output=True, timeout=110, check=False)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")


@pytest.mark.parametrize("registry", [metrics.WEB, metrics.WORKER])
def test_names_are_ours_and_labels_are_bounded(registry: CollectorRegistry) -> None:
    """No label can hold an id, an address, a name or a guest."""
    samples = read(registry)
    assert all(re.fullmatch(r"cloud_archive_[a-z_]+", name) for name, _ in samples)
    labels = {label for _, pairs in samples for label, _ in pairs}
    bounded = {"cloud", "archive_type", "outcome", "reason", "upstream", "operation", "code", "direction"}
    assert labels <= bounded | {"le", "version", "revision"}


def test_counters_stand_at_zero_before_first_use() -> None:
    """A rate over a counter that appears with its first event misses that event."""
    names = {name.removeprefix("cloud_archive_") for name, _ in read(metrics.WORKER)}
    assert {
        "broker_connected",
        "build_info",
        "done_attempts_total",
        "done_pending",
        "files_total",
        "job_duration_seconds_count",
        "job_last_progress_timestamp_seconds",
        "job_queue_wait_seconds_count",
        "jobs_in_progress",
        "jobs_total",
        "token_refreshes_total",
        "transferred_bytes_total",
        "upstream_request_duration_seconds_count",
        "upstream_retries_total",
    } <= names
    ends = [labels for name, labels in read(metrics.WORKER) if name == "cloud_archive_jobs_total"]
    assert len({labels for labels in ends if ("cloud", "other") not in labels}) == 2 * len(CLOUDS) * 4
    callbacks = [labels for name, labels in read(metrics.WEB) if name == "cloud_archive_callbacks_total"]
    assert len({labels for labels in callbacks if ("cloud", "other") not in labels}) == 9 * len(CLOUDS)


def test_callbacks_are_counted() -> None:
    """By cloud, and by whether a job came of them; words that nobody knows make no series."""
    before = read(metrics.WEB)
    metrics.count_callback("yadisk", metrics.QUEUED)
    metrics.count_callback("google_drive", Reason.DENIED)
    metrics.count_callback("google_drive", Reason.DENIED)
    metrics.count_callback("google_drive", Reason.GRANT_REVOKED)
    assert growth(before, read(metrics.WEB)) == {
        "cloud_archive_callbacks_total yadisk queued": 1,
        "cloud_archive_callbacks_total google_drive denied": 2,
        "cloud_archive_callbacks_total google_drive other": 1,
    }


@pytest.mark.parametrize(
    ("reason", "outcome"),
    [
        ("storage_full", "stopped"),
        ("grant_revoked", "stopped"),
        ("gallery_unavailable", "failed"),
        ("internal", "failed"),
    ],
)
def test_a_guests_own_trouble_is_no_failure_of_ours(reason: str, outcome: str) -> None:
    """What only the guest can help with wakes nobody."""
    before = read(metrics.WORKER)
    metrics.count_end(Progress(job_id="a", cloud_type="yadisk", archive_type="webs", state=State.FAILED, reason=reason))
    assert growth(before, read(metrics.WORKER)) == {f"cloud_archive_jobs_total webs yadisk {outcome}": 1}


def test_words_from_messages_make_no_new_series() -> None:
    """What another version of us, or an unreadable message, calls things is "other"."""
    metrics.count_end(Progress(job_id="a", cloud_type="x1", archive_type="y1", state=State.FAILED))
    before = set(read(metrics.WORKER))
    metrics.count_end(Progress(job_id="b", cloud_type="x2", archive_type="y2", state=State.FAILED))
    assert before == set(read(metrics.WORKER))


def test_a_thousand_archives_make_no_more_series_than_one() -> None:
    """Whatever they are called, wherever they come from, however they end."""

    def end(number: int) -> None:
        failures = tuple(FailedPhoto(f"{number}/{photo}.jpg", f"r{photo}", "") for photo in range(number % 3))
        metrics.count_end(
            Progress(
                job_id=f"job-{number}",
                cloud_type=("google_drive", "yadisk", f"c{number}")[number % 3],
                archive_type=("webs", "originals", f"t{number}")[number % 3],
                gallery_name=f"gallery {number}",
                state=(State.DONE, State.FAILED, State.CANCELLED)[number % 3],
                reason=f"reason {number}",
                photos_failed=number,
                failures=failures,
                folder_url=f"https://drive.example/{number}",
                started_at=1.0,
                finished_at=1.0 + number,
            )
        )

    for number in range(3):
        end(number)
    before = set(read(metrics.WORKER))
    for number in range(3, 1003):
        end(number)
    assert set(read(metrics.WORKER)) == before


def test_both_services_answer() -> None:
    """Each at /metrics, with its own."""
    router = operations.make_router(Readiness(lambda: None))
    (route,) = (each for each in router.routes if isinstance(each, APIRoute) and each.path == "/metrics")
    answer = route.endpoint()
    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert set(read(metrics.WEB)) == set(parse(answer.body.decode()))
    server = serve_health(0, is_alive=lambda: True, is_ready=lambda: False)
    try:
        port = server.server_address[1]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as told:
            assert set(read(metrics.WORKER)) == set(parse(told.read().decode()))
    finally:
        server.shutdown()
        server.server_close()
