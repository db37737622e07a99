"""Prometheus metrics of both services.

Each service has its registry. All values of all labels are known beforehand, and counters stand at zero before their
first use, so that a rate is right from the start.
Naming: https://prometheus.io/docs/practices/naming/
"""

import time
import tomllib
from itertools import product
from pathlib import Path

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    disable_created_metrics,
    generate_latest,
)

from common.clouds import CLOUDS
from common.errors import Reason
from common.messages.progress import Progress, State

CONTENT_TYPE = CONTENT_TYPE_LATEST

# When a counter was created would be one more series for each.
disable_created_metrics()  # type: ignore[no-untyped-call]

OTHER = "other"
_CLOUD_NAMES = tuple(cloud.name for cloud in CLOUDS)
_ARCHIVE_TYPES = ("webs", "originals")
# Failures that only the guest can help with do not count as failures of the service.
_STOPPED, _GUEST_REASONS = "stopped", (Reason.STORAGE_FULL, Reason.GRANT_REVOKED)
_OUTCOMES = (*(str(state) for state in State if state.is_final), _STOPPED)
QUEUED, BROKER_UNAVAILABLE = "queued", "broker_unavailable"
# How callbacks end. Without an archive: for a reason of the guest's, of the cloud's (`try_later`, which is also what
# guests are told about the broker, and `app_refused`), or of ours.
_CALLBACK_OUTCOMES = (
    QUEUED,
    *map(str, (Reason.DENIED, Reason.SCOPE_MISSING, Reason.NO_REFRESH_TOKEN)),
    *map(str, (Reason.TRY_LATER, Reason.APP_REFUSED)),
    BROKER_UNAVAILABLE,
    str(Reason.INTERNAL),
    OTHER,
)
# A small gallery takes seconds, a large one that meets a daily limit half a day.
_DURATION_BUCKETS = (10, 30, 60, 300, 900, 1800, 3600, 3 * 3600, 6 * 3600, 12 * 3600)
# The objective: 99 % begin within a minute.
_WAIT_BUCKETS = (1, 5, 15, 60, 300, 900, 3600, 6 * 3600)

WEB = CollectorRegistry()
WORKER = CollectorRegistry()


def _read_version() -> str:
    """Return the version in pyproject.toml, which the images have at the same place as the repository."""
    try:
        project = (Path(__file__).parents[2] / "pyproject.toml").read_text()
    except OSError:
        return "unknown"
    return str(tomllib.loads(project)["project"]["version"])


def _read_revision() -> str:
    """Return the commit of the image, from the file that the Dockerfile writes."""
    try:
        return Path(__file__).parents[1].joinpath("REVISION").read_text().strip()
    except OSError:
        return "unknown"


VERSION = _read_version()

for _registry in (WEB, WORKER):
    _build = Info("cloud_archive_build", "What runs.", registry=_registry)
    _build.info({"version": VERSION, "revision": _read_revision()})

_callbacks = Counter(
    "cloud_archive_callbacks",
    "Guests back from a consent page: their archive is queued, or why it is not.",
    ("cloud", "outcome"),
    registry=WEB,
)
_turned_away = Counter(
    "cloud_archive_turned_away",
    "Guests who pressed the button while no archive could begin, and were asked to come later.",
    ("cloud",),
    registry=WEB,
)
web_connected, worker_connected = (
    Gauge(
        "cloud_archive_broker_connected",
        "Whether this process is connected to the broker and takes what comes from there: 1 or 0.",
        registry=registry,
    )
    for registry in (WEB, WORKER)
)
_jobs = Counter(
    "cloud_archive_jobs",
    "Archives that ended; stopped are those that failed for what only the guest can help with.",
    ("cloud", "archive_type", "outcome"),
    registry=WORKER,
)
_files = Counter(
    "cloud_archive_files",
    "Photos of archives that ended; those that failed with the reason.",
    ("outcome", "reason"),
    registry=WORKER,
)
_duration = Histogram(
    "cloud_archive_job_duration_seconds",
    "From an archive's first slice to its end, waiting included.",
    buckets=_DURATION_BUCKETS,
    registry=WORKER,
)
queue_wait = Histogram(
    "cloud_archive_job_queue_wait_seconds",
    "How long jobs that were ready to be worked on lay in the queue.",
    buckets=_WAIT_BUCKETS,
    registry=WORKER,
)
jobs_in_progress = Gauge("cloud_archive_jobs_in_progress", "Archives being copied now.", registry=WORKER)
_last_progress = Gauge(
    "cloud_archive_job_last_progress_timestamp_seconds", "When anything last arrived in a cloud.", registry=WORKER
)
_refreshes = Counter(
    "cloud_archive_token_refreshes", "Access tokens asked for while archives are copied.", ("outcome",), registry=WORKER
)
_app_refusals = Counter(
    "cloud_archive_app_refusals",
    "Times a cloud refused this service itself, whoever the guest: its registration, project or billing.",
    ("cloud",),
    registry=None,
)
_done_attempts = Counter("cloud_archive_done_attempts", "Done calls, each attempt.", ("outcome",), registry=WORKER)
done_pending = Gauge(
    "cloud_archive_done_pending",
    "Done calls that wait to be tried again, of those that this worker tried last.",
    registry=WORKER,
)

done_accepted, done_refused = _done_attempts.labels("accepted"), _done_attempts.labels("refused")
refreshes = {outcome: _refreshes.labels(outcome) for outcome in ("renewed", "revoked", "failed")}

for _registry in (WEB, WORKER):
    _registry.register(_app_refusals)
for _cloud in _CLOUD_NAMES:
    _app_refusals.labels(_cloud)
    _turned_away.labels(_cloud)
    for _outcome in _CALLBACK_OUTCOMES:
        _callbacks.labels(_cloud, _outcome)
for _outcome in ("copied", "skipped"):
    _files.labels(_outcome, "")
for _reason in (*map(str, Reason), OTHER):
    _files.labels("failed", _reason)
for _labels in product(_CLOUD_NAMES, _ARCHIVE_TYPES, _OUTCOMES):
    _jobs.labels(*_labels)


def count_callback(cloud: str, outcome: str) -> None:
    """Count a guest who came back from a consent page.

    Args:
        cloud: which they come from.
        outcome: `QUEUED`, `BROKER_UNAVAILABLE` or the reason why no archive begins.
    """
    _callbacks.labels(_cloud_label(cloud), outcome if outcome in _CALLBACK_OUTCOMES else OTHER).inc()


def count_turned_away(cloud: str) -> None:
    """Count a guest who was asked at the button to come later, since no archive could begin."""
    _turned_away.labels(_cloud_label(cloud)).inc()


def count_end(progress: Progress) -> None:
    """Count an archive that has ended, and its photos."""
    cloud = _cloud_label(progress.cloud_type)
    archive_type = progress.archive_type if progress.archive_type in _ARCHIVE_TYPES else OTHER
    is_guests = progress.state is State.FAILED and progress.reason in _GUEST_REASONS
    _jobs.labels(cloud, archive_type, _STOPPED if is_guests else str(progress.state)).inc()
    _files.labels("copied", "").inc(progress.photos_copied)
    _files.labels("skipped", "").inc(progress.photos_skipped)
    for failure in progress.failures:
        _files.labels("failed", _reason_label(failure.reason)).inc()
    # Snapshots list only the first failures; photos that were never tried failed for what ended the archive.
    unnamed = max(0, progress.photos_failed - len(progress.failures))
    _files.labels("failed", _reason_label(progress.reason)).inc(unnamed)
    if progress.started_at and progress.finished_at:
        _duration.observe(max(0.0, progress.finished_at - progress.started_at))


def count_app_refusal(cloud: str) -> None:
    """Count a cloud's refusal of this service itself."""
    _app_refusals.labels(_cloud_label(cloud)).inc()


def note_arrival() -> None:
    """Record that a photo has arrived in a cloud just now."""
    _last_progress.set(time.time())


def render(registry: CollectorRegistry) -> bytes:
    """Return a registry in Prometheus' text format."""
    return generate_latest(registry)


def _cloud_label(cloud: str) -> str:
    return cloud if cloud in _CLOUD_NAMES else OTHER


def _reason_label(reason: str) -> str:
    return reason if reason in Reason.__members__.values() else OTHER
