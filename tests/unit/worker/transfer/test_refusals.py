"""Is one photo refused, or the guest's whole account? And when is a cloud that refused everything asked again?"""

import pytest

from common.clouds.photos import Photo
from common.errors import ArchiveError, JobStopped, PhotoRejected, Postponed, Reason, Refused, Transient
from tests.fakes.clock import Clock
from worker.transfer.refusals import CircuitBreaker, IsolatedRefusal, RefusalClassifier, RefusalStreak
from worker.transfer.retry import RetryPolicy
from worker.transfer.throttle import Throttle

REFUSED = Refused(Reason.CLOUD_REFUSED, "403 forbidden")
PHOTOS = [Photo(str(number), (), f"{number}.jpg", "https://h/p", 1) for number in range(9)]


def make_breaker(clock: Clock, tries: int = 6) -> CircuitBreaker:
    """Return a closed breaker whose delays hold no chance."""
    return CircuitBreaker(RetryPolicy(tries, 1, 60, clock.sleep, Throttle(clock.sleep, clock.now), jitter=lambda: 1.0))


def test_a_streak_is_as_many_different_photos() -> None:
    """One photo that is refused again and again is one."""
    streak = RefusalStreak(2)
    assert [streak.add(key) for key in ("1", "1", "2")] == [False, False, True]
    assert streak.keys == {"1", "2"}
    streak.reset()
    assert (streak.keys, streak.add("3")) == (set(), False)


@pytest.mark.parametrize("reason", [Reason.ACCOUNT_REFUSED, Reason.APP_REFUSED])
def test_a_refused_account_concerns_all_photos(reason: Reason) -> None:
    """At once, even from a photo whose refusals are its own."""
    assert RefusalClassifier("1", RefusalStreak(9), is_isolated=True).concerns_all(Refused(reason))


def test_an_isolated_photo_adds_nothing_to_the_streak() -> None:
    """It was refused before."""
    streak = RefusalStreak(1)
    assert not RefusalClassifier("1", streak, is_isolated=True).concerns_all(REFUSED)
    assert streak.keys == set()
    assert RefusalClassifier("1", streak, is_isolated=False).concerns_all(REFUSED)


@pytest.mark.parametrize(
    ("is_isolated", "failure", "kind"),
    [
        (True, REFUSED, IsolatedRefusal),
        (False, REFUSED, PhotoRejected),
        (True, Transient(Reason.CLOUD_UNAVAILABLE), PhotoRejected),
    ],
)
def test_only_a_refusal_is_an_isolated_one(is_isolated: bool, failure: ArchiveError, kind: type[PhotoRejected]) -> None:
    """A photo may fail for another reason as well."""
    rejection = RefusalClassifier("1", RefusalStreak(1), is_isolated).to_rejection(failure)
    assert (type(rejection), rejection.reason) == (kind, failure.reason)


def test_probes_come_from_all_over_the_list() -> None:
    """The last photo, the middle, the quarters: broken ones may stand side by side."""
    breaker, probes = make_breaker(Clock()), []
    for _ in range(5):
        breaker.wait_or_raise(REFUSED)
        probes.append(breaker.choose_probe(PHOTOS).key)
    assert probes == ["8", "4", "2", "6", "1"]


@pytest.mark.parametrize(("reason", "end"), [(Reason.CLOUD_REFUSED, JobStopped), (Reason.APP_REFUSED, Postponed)])
def test_a_cloud_that_stays_closed_ends_the_job(reason: Reason, end: type[ArchiveError]) -> None:
    """After as many probes as there are tries, each after a longer wait."""
    clock = Clock()
    breaker = make_breaker(clock, tries=3)
    breaker.wait_or_raise(Refused(reason))
    breaker.wait_or_raise(Refused(reason))
    with pytest.raises(end):
        breaker.wait_or_raise(Refused(reason))
    assert clock.slept == [1.0, 2.0]


def test_a_stored_photo_closes_the_breaker() -> None:
    """And the next refusal is the first again."""
    clock = Clock()
    breaker = make_breaker(clock)
    assert not breaker.is_half_open
    breaker.wait_or_raise(REFUSED)
    assert breaker.is_half_open
    breaker.reset()
    assert not breaker.is_half_open
    breaker.wait_or_raise(REFUSED)
    assert clock.slept == [1.0, 1.0]
