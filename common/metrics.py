"""What Prometheus is told. Knows what is counted, not where; every label's values are known beforehand.

Each service has its registry; counters stand at zero before their first use, so that a rate is right from the start.
Naming: https://prometheus.io/docs/practices/naming/
"""

import time

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, Info, generate_latest

from common.clouds import CLOUDS
from common.progress import Progress, State

# As in pyproject.toml, which is not in the images.
VERSION = "0.1.0"
CONTENT_TYPE = CONTENT_TYPE_LATEST

_OTHER = "other"
_CLOUD_NAMES = tuple(cloud.name for cloud in CLOUDS)
_ARCHIVE_TYPES = ("webs", "originals")
_ENDS = tuple(str(state) for state in State if state.is_final)
# A small gallery takes seconds, a large one through a day's limit half a day.
_DURATIONS = (10, 30, 60, 300, 900, 1800, 3600, 3 * 3600, 6 * 3600, 12 * 3600)

WEB = CollectorRegistry()
WORKER = CollectorRegistry()

for _registry in (WEB, WORKER):
    Info("cloud_archive_build", "What runs.", registry=_registry).info({"version": VERSION})

_callbacks = Counter(
    "cloud_archive_callbacks", "Guests back from a consent page, by what became of it.", ("outcome",), registry=WEB
)
_jobs = Counter(
    "cloud_archive_jobs",
    "Archives that ended.",
    ("cloud", "archive_type", "outcome"),
    registry=WORKER,
)
_files = Counter("cloud_archive_files", "Photos of archives that ended.", ("outcome",), registry=WORKER)
_duration = Histogram(
    "cloud_archive_job_duration_seconds",
    "From an archive's first slice to its end, waiting included.",
    buckets=_DURATIONS,
    registry=WORKER,
)
jobs_in_progress = Gauge("cloud_archive_jobs_in_progress", "Archives being copied now.", registry=WORKER)
_last_progress = Gauge(
    "cloud_archive_job_last_progress_timestamp_seconds", "When anything last arrived in a cloud.", registry=WORKER
)
_done_attempts = Counter("cloud_archive_done_attempts", "Done calls, each attempt.", ("outcome",), registry=WORKER)

done_accepted, done_refused = _done_attempts.labels("accepted"), _done_attempts.labels("refused")

for _outcome in ("queued", "refused"):
    _callbacks.labels(_outcome)
for _outcome in ("copied", "skipped", "failed"):
    _files.labels(_outcome)
for _cloud in _CLOUD_NAMES:
    for _type in _ARCHIVE_TYPES:
        for _end in _ENDS:
            _jobs.labels(_cloud, _type, _end)


def count_callback(progress: Progress) -> None:
    """Count a guest who came back; the snapshot tells whether a job was queued."""
    _callbacks.labels("queued" if progress.state is State.QUEUED else "refused").inc()


def count_end(progress: Progress) -> None:
    """Count an archive that has ended, and its photos."""
    cloud = progress.cloud_type if progress.cloud_type in _CLOUD_NAMES else _OTHER
    archive_type = progress.archive_type if progress.archive_type in _ARCHIVE_TYPES else _OTHER
    _jobs.labels(cloud, archive_type, str(progress.state)).inc()
    _files.labels("copied").inc(progress.photos_copied)
    _files.labels("skipped").inc(progress.photos_skipped)
    _files.labels("failed").inc(progress.photos_failed)
    if progress.started_at and progress.finished_at:
        _duration.observe(max(0.0, progress.finished_at - progress.started_at))


def note_arrival() -> None:
    """Note that something has arrived in a cloud just now."""
    _last_progress.set(time.time())


def render(registry: CollectorRegistry) -> bytes:
    """Return a registry as Prometheus reads it."""
    return generate_latest(registry)
