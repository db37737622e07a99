"""A grant travels as text, and all threads of a job share one token."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from common.clouds.grant import RENEW_EARLY_SECONDS, Grant, SharedGrant
from common.crypto.sealing import Secret
from common.errors import GrantRevoked, Reason, Transient


class Cloud:
    """Gives tokens by number, each good for `lifetime` seconds."""

    def __init__(self, lifetime: float = 3600.0) -> None:
        self.now = 1000.0
        self.lifetime = lifetime
        self.refreshed: list[str] = []
        self.failure: Exception | None = None

    def refresh(self, grant: Grant) -> Grant:
        """Return the next token, and another refresh token."""
        self.refreshed.append(grant.refresh_token.reveal())
        if self.failure:
            raise self.failure
        number = len(self.refreshed)
        return Grant(Secret(f"refresh-{number}"), Secret(f"token-{number}"), self.now + self.lifetime)

    def open(self, token: str = "token-0", lifetime: float = 3600.0) -> SharedGrant:
        """Return a grant in use."""
        grant = Grant(Secret("refresh-0"), Secret(token), self.now + lifetime)
        return SharedGrant(grant, self.refresh, lambda: self.now)


def test_a_grant_travels_as_text() -> None:
    """And shows nothing in its repr."""
    grant = Grant(Secret("hush-1"), Secret("hush-2"), 1234.5)
    assert Grant.from_text(grant.to_text()) == grant
    assert "hush" not in repr(grant)


def test_a_good_token_is_used() -> None:
    """Nobody is asked."""
    cloud = Cloud()
    in_use = cloud.open()
    assert [in_use.token() for _ in range(3)] == ["token-0"] * 3
    assert cloud.refreshed == []


@pytest.mark.parametrize("token", ["", "token-0"])
def test_a_token_is_renewed_before_its_end(token: str) -> None:
    """Or when there is none; the new refresh token is the one that counts from then on."""
    cloud = Cloud()
    in_use = cloud.open(token, lifetime=0.0 if token else 3600.0)
    assert in_use.token() == "token-1"
    cloud.now += 3600 - RENEW_EARLY_SECONDS - 1
    assert in_use.token() == "token-1"
    cloud.now += 1
    assert in_use.token() == "token-2"
    assert cloud.refreshed == ["refresh-0", "refresh-1"]
    assert in_use.grant.refresh_token == Secret("refresh-2")


def test_short_tokens_are_not_renewed_for_every_request() -> None:
    """One that lives shorter than the spare time is used for half its life."""
    cloud = Cloud(lifetime=10.0)
    in_use = cloud.open(lifetime=0.0)
    for _ in range(4):
        in_use.token()
        cloud.now += 1
    assert cloud.refreshed == ["refresh-0"]
    cloud.now += 2
    in_use.token()
    assert len(cloud.refreshed) == 2


def test_a_refused_token_is_renewed_once_for_all() -> None:
    """Twenty threads meet a 401 with the same token: one refresh."""
    cloud = Cloud()
    in_use = cloud.open()
    together = threading.Barrier(20)

    def meet() -> str:
        refused = in_use.token()
        together.wait(30)
        return in_use.renew(refused)

    with ThreadPoolExecutor(20) as threads:
        tokens = {future.result() for future in [threads.submit(meet) for _ in range(20)]}
    assert tokens == {"token-1"}
    assert cloud.refreshed == ["refresh-0"]


def test_all_threads_renew_an_ending_token_once() -> None:
    """The same when they see it coming."""
    cloud = Cloud()
    in_use = cloud.open(lifetime=0.0)
    with ThreadPoolExecutor(20) as threads:
        tokens = {future.result() for future in [threads.submit(in_use.token) for _ in range(20)]}
    assert tokens == {"token-1"}
    assert len(cloud.refreshed) == 1


@pytest.mark.parametrize("failure", [GrantRevoked(), Transient(Reason.CLOUD_UNAVAILABLE)])
def test_a_failed_renewal_changes_nothing(failure: Exception) -> None:
    """It comes out as it is, and the next one may succeed."""
    cloud = Cloud()
    in_use = cloud.open()
    cloud.failure = failure
    with pytest.raises(type(failure)):
        in_use.renew("token-0")
    assert in_use.grant.refresh_token == Secret("refresh-0")
    cloud.failure = None
    assert in_use.renew("token-0") == "token-2"
