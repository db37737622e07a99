"""Conditions that the stand-ins simulate."""

from dataclasses import dataclass

from bench.photos import Photos


@dataclass(frozen=True)
class Conditions:
    """Photos, latency, bandwidth and faults.

    Args:
        photos: all of them.
        latency: seconds each request waits for its answer.
        rate: of the gallery's line, bytes a second; 0: no limit.
        creates: a second that Drive bears; 0: no limit.
        mishaps: share of the requests that fail.
        check: whether Drive compares what arrives with the photos.
    """

    photos: Photos
    latency: float = 0.0
    rate: float = 0.0
    creates: float = 0.0
    faults: float = 0.0
    check: bool = False
