"""Retry policy: how often to try again, and how long to wait first."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from common.errors import ArchiveError, JobStopped, Postponed, Reason, Refused, SessionLost, Throttled, Transient
from worker.transfer.throttle import Throttle

T = TypeVar("T")

# The longest Retry-After that is honoured, in seconds; more is a mistake, or a case for another hour.
MAX_RETRY_AFTER = 300.0


@dataclass(frozen=True)
class RetryPolicy:
    """How failed calls are retried: exponential backoff with jitter.

    Args:
        tries: how often one thing is tried before it has failed, at least 1.
        first_delay: seconds before the second try; every further delay is twice as long.
        max_delay: the longest delay, in seconds.
        sleep: waits so many seconds; may raise to end the waiting.
        throttle: the account's, which waits when its cloud throttles.
        jitter: a random number in [0, 1), so that those who failed together do not come back together.
        on_retry: called with every failure that is tried again.
    """

    tries: int
    first_delay: float
    max_delay: float
    sleep: Callable[[float], None]
    throttle: Throttle
    jitter: Callable[[], float] = random.random
    on_retry: Callable[[ArchiveError], None] = lambda _error: None

    def delay(self, failures: int) -> float:
        """Return the seconds to wait after so many failures in a row: half of it fixed, half of it random."""
        # Past 2^30 the longest delay is long reached; Python would go on to compute.
        full = min(self.max_delay, self.first_delay * 2.0 ** min(failures - 1, 30))
        return full * (0.5 + 0.5 * self.jitter())

    def call_with_retry(self, call: Callable[[], T]) -> T:
        """Return what the call returns, trying again while it is Transient.

        Raises:
            ArchiveError: the last failure; for a refusal, what it means for the job now that it stays.
        """
        budget = RetryBudget(self)
        while True:
            try:
                return call()
            except Transient as error:
                if budget.wait_or_give_up(error):
                    continue
                if isinstance(error, Refused):
                    raise to_job_failure(error) from None
                raise


class RetryBudget:
    """The tries that are left for one thing. Used by one thread at a time.

    Args:
        policy: how many, and after which delays.
        failures: how often it failed before.
    """

    def __init__(self, policy: RetryPolicy, failures: int = 0) -> None:
        self._policy = policy
        self._failures = failures
        self._max_offset = 0

    @property
    def failures(self) -> int:
        """How often it failed in a row."""
        return self._failures

    def note_progress(self, offset: int) -> None:
        """Forget the failures when bytes were reached that never were before, so that a poor line gets to its end.

        Going the same way twice is no progress.
        """
        if offset > self._max_offset:
            self._max_offset = offset
            self._failures = 0

    def wait_or_give_up(self, error: Transient | SessionLost) -> bool:
        """Wait before the next try and return True; return False at once when there is none left.

        A throttled call uses up no try: the whole account waits.

        Raises:
            Postponed: the cloud throttled everything for a long time.
            Interrupted: as the policy's `sleep` raises it.
        """
        if isinstance(error, Throttled):
            self._policy.on_retry(error)
            self._policy.throttle.on_throttled(error.wait)
            return True
        self._failures += 1
        if self._failures >= self._policy.tries:
            return False
        self._policy.on_retry(error)
        self._policy.sleep(max(self._policy.delay(self._failures), _retry_after(error)))
        return True


def to_job_failure(refused: Refused) -> JobStopped | Postponed:
    """Return what a refusal that stays means for its job: one of this service, not of the guest, is waited out."""
    if refused.reason is Reason.APP_REFUSED:
        return Postponed(refused.reason, refused.detail)
    return JobStopped(refused.reason, refused.detail)


def _retry_after(error: ArchiveError) -> float:
    """Return the seconds that the other side asked to wait, up to `MAX_RETRY_AFTER`."""
    return min(error.wait or 0.0, MAX_RETRY_AFTER) if isinstance(error, Transient) else 0.0
