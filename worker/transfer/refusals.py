"""What a cloud's refusals tell together: is it one photo, or the guest's whole account? Knows no vendor and no wire."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass

from common.clouds.photos import Photo
from common.errors import ArchiveError, PhotoRejected, Refused
from worker.transfer.retry import RetryBudget, RetryPolicy, to_job_failure


class IsolatedRefusal(PhotoRejected):
    """A refusal of one photo that tells nothing of the others."""


class RefusalStreak:
    """The photos of one round that were refused since the last one arrived. Thread-safe.

    Args:
        max_photos: so many of them are no accident.
    """

    def __init__(self, max_photos: int) -> None:
        self._max_photos = max_photos
        self._lock = threading.Lock()
        self._keys: set[str] = set()

    @property
    def keys(self) -> set[str]:
        """Which they are."""
        with self._lock:
            return set(self._keys)

    def add(self, key: str) -> bool:
        """Add one, and say whether the others would be refused as well."""
        with self._lock:
            self._keys.add(key)
            return len(self._keys) >= self._max_photos

    def reset(self) -> None:
        """Note that a photo arrived."""
        with self._lock:
            self._keys.clear()


@dataclass(frozen=True)
class RefusalClassifier:
    """What one photo adds to them.

    Args:
        key: of the photo.
        streak: of its round.
        is_isolated: what is refused is this photo alone, as it was refused before, or few are left.
    """

    key: str
    streak: RefusalStreak
    is_isolated: bool

    def concerns_all(self, refused: Refused) -> bool:
        """Note a refusal, and say whether it is one of every photo."""
        return refused.concerns_all or (not self.is_isolated and self.streak.add(self.key))

    def to_rejection(self, failure: ArchiveError) -> PhotoRejected:
        """Return what its last failure means for it."""
        is_alone = self.is_isolated and isinstance(failure, Refused)
        return (IsolatedRefusal if is_alone else PhotoRejected)(failure.reason, failure.detail)

    def on_stored(self) -> None:
        """Note that it was not refused after all."""
        self.streak.reset()


class CircuitBreaker:
    """Whether a cloud that refused everything may take something again: asked a few times, photo by photo.

    Used by one thread.

    Args:
        policy: how often, and after which delays.
    """

    def __init__(self, policy: RetryPolicy) -> None:
        self._policy = policy
        self.reset()

    @property
    def is_half_open(self) -> bool:
        """Whether nobody knows."""
        return self._budget.failures > 0

    def wait_or_raise(self, refused: Refused) -> None:
        """Wait before the next try.

        Raises:
            JobStopped, Postponed: it stays refused; what that means for the job.
            Interrupted: the work was told to stop.
        """
        if not self._budget.wait_or_give_up(refused):
            raise to_job_failure(refused) from None

    def choose_probe(self, photos: Sequence[Photo]) -> list[Photo]:
        """Return the one photo to ask with: broken ones may stand side by side, so each is from another place."""
        return [photos[int(_bisection_point(self._budget.failures) * (len(photos) - 1))]]

    def reset(self) -> None:
        """Note that something arrived: the next refusal is the first again."""
        self._budget = RetryBudget(self._policy)


def _bisection_point(number: int) -> float:
    """Return 1, 1/2, 1/4, 3/4, 1/8, … for 1, 2, 3, …: always amid the largest part that was left out so far."""
    place, step, number = 0.0, 0.5, number - 1
    while number:
        place += step * (number % 2)
        step, number = step / 2, number // 2
    return place or 1.0
