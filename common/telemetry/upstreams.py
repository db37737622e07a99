"""Metrics of the gallery and the clouds: how fast they answer, and how often calls to them are tried again.

Every request is labelled by its kind of operation, so that a URL never makes a series.
"""

import re
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

from prometheus_client import Counter, Histogram

from common.clouds import CLOUDS
from common.clouds.base import Cloud, Operation
from common.clouds.grant import Grant
from common.errors import ArchiveError, GrantRevoked, Reason, Throttled, Transient
from common.telemetry.metrics import OTHER, WEB, WORKER, refreshes

GALLERY = "gallery"
_GALLERY_OPERATIONS: tuple[Operation, ...] = (
    ("POST", ".*", "done"),
    ("GET", r".*\?json=true", "list"),
    ("GET", ".*", "photo"),
)
# Statuses that are labels of their own; the others are counted by their class.
_STATUSES = frozenset(
    {200, 201, 202, 204, 206, 308, 400, 401, 403, 404, 409, 410, 412, 416, 423, 429, 500, 502, 503, 504, 507}
)
_NO_ANSWER = "none"
# A small call takes tenths of a second, a large photo's upload minutes.
_SECONDS = (0.1, 0.3, 1, 3, 10, 30, 120, 600)
_GALLERY_REASONS = (Reason.GALLERY_UNAVAILABLE, Reason.PHOTO_UNAVAILABLE, Reason.WRONG_BYTES)
_THROTTLED = "throttled"

_requests = Histogram(
    "cloud_archive_upstream_request_duration_seconds",
    "Until an answer began, a request's own body included; code is none where no answer came.",
    ("upstream", "operation", "code"),
    buckets=_SECONDS,
    registry=None,
)
_transferred = Counter(
    "cloud_archive_transferred_bytes", "Bytes of answers read, and of requests answered.", ("direction",), registry=None
)
_retries = Counter(
    "cloud_archive_upstream_retries", "Calls that failed and are tried again.", ("upstream", "reason"), registry=WORKER
)
_downloaded, _uploaded = _transferred.labels("download"), _transferred.labels("upload")

for _registry in (WEB, WORKER):
    _registry.register(_requests)
    _registry.register(_transferred)
for _name, _operations in ((GALLERY, _GALLERY_OPERATIONS), *((cloud.name, cloud.operations) for cloud in CLOUDS)):
    for *_, _label in _operations:
        for _code in ("200", _NO_ANSWER):
            _requests.labels(_name, _label, _code)
for _reason in _GALLERY_REASONS:
    _retries.labels(GALLERY, str(_reason))
for _cloud in CLOUDS:
    for _word in (str(Reason.CLOUD_UNAVAILABLE), _THROTTLED, OTHER):
        _retries.labels(_cloud.name, _word)


class UpstreamObserver:
    """Counts the requests to one upstream; a `common.telemetry.observer.RequestObserver`. Thread-safe.

    Args:
        name: label of the upstream.
        operations: kinds of its requests; the first that matches counts.
    """

    def __init__(self, name: str, operations: Sequence[Operation]) -> None:
        self._name = name
        self._operations = [(method, re.compile(target), label) for method, target, label in operations]

    def on_request(self, method: str, url: str, status: int, seconds: float, sent: int) -> None:
        """Count a request."""
        _requests.labels(self._name, self.name_operation(method, url), _status_label(status)).observe(seconds)
        _uploaded.inc(sent)

    def on_received(self, count: int) -> None:
        """Count received bytes."""
        _downloaded.inc(count)

    def name_operation(self, method: str, url: str) -> str:
        """Return the label of a request's operation."""
        parts = urlsplit(url)
        target = f"{parts.path}?{parts.query}" if parts.query else parts.path
        for known_method, pattern, label in self._operations:
            if method == known_method and pattern.fullmatch(target):
                return label
        return OTHER


def gallery_observer() -> UpstreamObserver:
    """Return an observer that counts the requests to the gallery."""
    return UpstreamObserver(GALLERY, _GALLERY_OPERATIONS)


def cloud_observer(cloud: Cloud) -> UpstreamObserver:
    """Return an observer that counts the requests to a cloud."""
    return UpstreamObserver(cloud.name, cloud.operations)


def count_retry(cloud: str, error: ArchiveError) -> None:
    """Count a failure that is tried again: the cloud's, unless its reason is one of the gallery's."""
    if error.reason in _GALLERY_REASONS:
        _retries.labels(GALLERY, str(error.reason)).inc()
    elif isinstance(error, Throttled):
        _retries.labels(cloud, _THROTTLED).inc()
    else:
        _retries.labels(cloud, str(error.reason) if error.reason is Reason.CLOUD_UNAVAILABLE else OTHER).inc()


def count_refreshes(refresh: Callable[[Grant], Grant]) -> Callable[[Grant], Grant]:
    """Wrap a refresh of grants so that its outcomes are counted."""

    def refresh_and_count(grant: Grant) -> Grant:
        try:
            fresh = refresh(grant)
        except GrantRevoked:
            refreshes["revoked"].inc()
            raise
        except Transient:
            refreshes["failed"].inc()
            raise
        refreshes["renewed"].inc()
        return fresh

    return refresh_and_count


def _status_label(status: int) -> str:
    if not status:
        return _NO_ANSWER
    return str(status) if status in _STATUSES else f"{status // 100}xx" if 100 <= status < 600 else OTHER
