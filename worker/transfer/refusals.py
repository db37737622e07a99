"""Tell a refusal of one photo from a refusal of the guest's whole account."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass

from common.clouds.photos import Photo
from common.errors import ArchiveError, PhotoRejected, Refused
from worker.transfer.retry import RetryBudget, RetryPolicy, to_job_failure


class IsolatedRefusal(PhotoRejected):
    """A refusal of one photo that says nothing about the others."""


class RefusalStreak:
    """The photos of one batch that were refused since the last one was stored. Thread-safe.

    Args:
        max_photos: so many of them are no accident.
    """

    def __init__(self, max_photos: int) -> None:
        self._max_photos = max_photos
        self._lock = threading.Lock()
        self._keys: set[str] = set()

    @property
    def keys(self) -> set[str]:
        """Their keys."""
        with self._lock:
            return set(self._keys)

    def add(self, key: str) -> bool:
        """Add a photo, and say whether the others would be refused as well."""
        with self._lock:
            self._keys.add(key)
            return len(self._keys) >= self._max_photos

    def reset(self) -> None:
        """Begin anew: a photo was stored."""
        with self._lock:
            self._keys.clear()


@dataclass(frozen=True)
class RefusalClassifier:
    """Classifies the refusals of one photo.

    Args:
        key: of the photo.
        streak: of its batch.
        is_isolated: a refusal concerns this photo alone, since it was refused before, or few photos are left.
    """

    key: str
    streak: RefusalStreak
    is_isolated: bool

    def concerns_all(self, refused: Refused) -> bool:
        """Count a refusal, and say whether it is one of every photo."""
        return refused.concerns_all or (not self.is_isolated and self.streak.add(self.key))

    def to_rejection(self, failure: ArchiveError) -> PhotoRejected:
        """Return what the photo is rejected with after its last failure."""
        kind = IsolatedRefusal if self.is_isolated and isinstance(failure, Refused) else PhotoRejected
        return kind(failure.reason, failure.detail)

    def on_stored(self) -> None:
        """Reset the streak: the cloud takes photos."""
        self.streak.reset()


class CircuitBreaker:
    """Keeps photos from a cloud that refused all of them, and probes it with single ones. Used by one thread.

    Closed, photos are copied as usual. After a refusal of all it is half-open: one photo at a time is tried, each after
    a longer wait. https://learn.microsoft.com/azure/architecture/patterns/circuit-breaker

    Args:
        policy: how many probes, and after which delays.
    """

    def __init__(self, policy: RetryPolicy) -> None:
        self._policy = policy
        self.reset()

    @property
    def is_half_open(self) -> bool:
        """Whether the cloud is to be probed with one photo."""
        return self._budget.failures > 0

    def wait_or_raise(self, refused: Refused) -> None:
        """Wait before the next probe.

        Raises:
            JobStopped, Postponed: that was the last one; what the refusal means for the job.
            Interrupted: the work was told to stop.
        """
        if not self._budget.wait_or_give_up(refused):
            raise to_job_failure(refused) from None

    def choose_probe(self, photos: Sequence[Photo]) -> Photo:
        """Return the photo to probe with: broken ones may stand side by side, so each is from another place."""
        return photos[int(_bisection_point(self._budget.failures) * (len(photos) - 1))]

    def reset(self) -> None:
        """Close: a photo was stored, and the next refusal is the first again."""
        self._budget = RetryBudget(self._policy)


def _bisection_point(number: int) -> float:
    """Return 1, 1/2, 1/4, 3/4, 1/8, … for 1, 2, 3, …: always amid the largest part that was left out so far."""
    place, step, number = 0.0, 0.5, number - 1
    while number:
        place += step * (number % 2)
        step, number = step / 2, number // 2
    return place or 1.0
