"""Refresh and revoke: a lasting permission buys tokens until it is void, and each refusal means something."""

import json
import time
from urllib.parse import parse_qsl

import pytest
import responses

from common.clouds.google_drive.auth import GoogleAuth
from common.clouds.oauth2 import USUAL_LIFETIME
from common.crypto.sealing import Secret
from common.errors import ArchiveError, GrantRevoked, Reason, Refused, Transient
from sandbox.faults.plan import Fault
from sandbox.world import World
from tests.fakes.google_permission import CALLBACK, GRANT, TOKEN_URI, VERIFIER, consent


def test_a_refresh_gives_a_fresh_token_and_keeps_the_lasting_one(worldly: GoogleAuth, world: World) -> None:
    """As often as it is asked."""
    grant = worldly.exchange(consent(worldly, world), CALLBACK, VERIFIER)
    fresh = worldly.refresh(grant)
    assert fresh.refresh_token == grant.refresh_token
    assert fresh.access_token != grant.access_token
    assert world.accounts.tokens.find(fresh.access_token.reveal())
    assert 3500 < fresh.expires_at - time.time() <= 3600


def test_the_refresh_is_what_google_documents(auth: GoogleAuth, google: responses.RequestsMock) -> None:
    """Nothing in the address, everything in the form."""
    google.post(TOKEN_URI, json={"access_token": "ya29.b", "expires_in": 100})
    auth.refresh(GRANT)
    assert dict(parse_qsl(google.calls[0].request.body.decode())) == {  # type: ignore[union-attr]
        "grant_type": "refresh_token",
        "client_id": "client",
        "client_secret": "GOCSPX-secret",
        "refresh_token": "1//old",
    }


def test_a_new_refresh_token_is_kept(auth: GoogleAuth, google: responses.RequestsMock) -> None:
    """Google sometimes sends one; an empty one changes nothing."""
    google.post(TOKEN_URI, json={"access_token": "ya29.b", "expires_in": 100, "refresh_token": "1//new"})
    google.post(TOKEN_URI, json={"access_token": "ya29.c", "expires_in": 100, "refresh_token": None})
    assert auth.refresh(GRANT).refresh_token == Secret("1//new")
    assert auth.refresh(GRANT).refresh_token == Secret("1//old")


@pytest.mark.parametrize("told", [{}, {"expires_in": None}, {"expires_in": 0}, {"expires_in": -1}])
def test_a_refresh_without_a_lifetime_lasts_an_hour(
    auth: GoogleAuth, google: responses.RequestsMock, told: dict[str, object]
) -> None:
    """The same as at the exchange."""
    google.post(TOKEN_URI, json={"access_token": "ya29.b", **told})
    assert abs(auth.refresh(GRANT).expires_at - time.time() - USUAL_LIFETIME) < 60


def test_the_end_of_a_token_does_not_depend_on_the_time_zone(
    auth: GoogleAuth, google: responses.RequestsMock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Google's library writes naive times in UTC."""
    google.post(TOKEN_URI, json={"access_token": "ya29.b", "expires_in": 1000})
    monkeypatch.setenv("TZ", "Asia/Vladivostok")
    time.tzset()
    try:
        assert abs(auth.refresh(GRANT).expires_at - time.time() - 1000) < 60
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_guest_who_took_it_back_is_noticed(worldly: GoogleAuth, world: World) -> None:
    """A revoked grant is not tried again."""
    grant = worldly.exchange(consent(worldly, world), CALLBACK, VERIFIER)
    world.accounts.revoke("guest")
    with pytest.raises(GrantRevoked):
        worldly.refresh(grant)
    assert world.accounts.refreshes == 1


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, {"error": "invalid_grant", "error_description": "Bad Request"}, GrantRevoked),
        (400, {"error": "invalid_grant", "error_description": "Token has been expired or revoked."}, GrantRevoked),
        (400, {"error": "invalid_grant", "error_subtype": "invalid_rapt"}, GrantRevoked),
        (400, {"error": "invalid_grant", "error_subtype": "rapt_required"}, GrantRevoked),
        (400, {"error": "admin_policy_enforced"}, GrantRevoked),
        (400, {"error": "invalid_rapt"}, GrantRevoked),
        (401, {"error": "invalid_client"}, Refused),
        (401, {"error": "deleted_client"}, Refused),
        (401, {"error": "disabled_client"}, Refused),
        (401, {"error": "unauthorized_client"}, Refused),
        (400, {"error": "invalid_scope"}, Refused),
        (400, {"error": "invalid_request"}, Refused),
        (400, {"error": "unsupported_grant_type"}, Refused),
        (403, {"error": "something_new"}, Refused),
        (400, {"error": "server_error"}, Transient),
        (403, {}, Transient),
        (401, "<html>", Transient),
        (403, {"error": {"code": 403, "message": "invalid_grant"}}, Transient),
        (400, {}, Transient),
        (400, [], Transient),
        (502, {"error": "bad_gateway"}, Transient),
        (404, "<html>invalid_grant</html>", Transient),
        (200, "<html></html>", Transient),
        (200, {}, Transient),
        (200, {"access_token": 7, "expires_in": 100}, Transient),
        (200, {"access_token": "ya29.b", "expires_in": "soon"}, Transient),
        (200, {"access_token": "ya29.b", "expires_in": 10**30}, Transient),
        (200, [], Transient),
    ],
)
def test_what_a_refresh_without_a_token_means(
    auth: GoogleAuth, google: responses.RequestsMock, status: int, body: object, kind: type[ArchiveError]
) -> None:
    """Only a permission that is gone ends a job; what is ours to mend waits for it; and not a word of what came."""
    google.post(TOKEN_URI, body=body if isinstance(body, str) else json.dumps(body), status=status)
    with pytest.raises(kind) as caught:
        auth.refresh(GRANT)
    assert type(caught.value) is kind
    assert kind is not Refused or caught.value.reason is Reason.APP_REFUSED
    assert len(google.calls) == 1
    for secret in ("ya29", "1//", "GOCSPX", "html"):
        assert secret not in str(caught.value)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_token_endpoint_that_is_not_well_is_passing(worldly: GoogleAuth, world: World, status: int) -> None:
    """Asked once: who waits, and how long, is decided elsewhere."""
    world.faults.add(Fault(on="token", does="status", status=status, headers={"Retry-After": "3"}, times=None))
    with pytest.raises(Transient) as caught:
        worldly.refresh(GRANT)
    assert (caught.value.reason, caught.value.wait) == (Reason.CLOUD_UNAVAILABLE, 3)
    assert len(world.faults.fired) == 1


@pytest.mark.parametrize("does", ["drop_before", "drop_after", "drop_midway", "bad_json"])
def test_a_broken_line_to_the_token_endpoint_is_passing(worldly: GoogleAuth, world: World, does: str) -> None:
    """Whenever it breaks."""
    grant = worldly.exchange(consent(worldly, world), CALLBACK, VERIFIER)
    world.faults.add(Fault(on="token", does=does, bytes=5))
    with pytest.raises(Transient) as caught:
        worldly.refresh(grant)
    assert caught.value.reason is Reason.CLOUD_UNAVAILABLE
    assert worldly.refresh(grant).access_token


def test_a_grant_is_given_back_once_or_more(worldly: GoogleAuth, world: World) -> None:
    """After that it is void; giving it back again is fine."""
    grant = worldly.exchange(consent(worldly, world), CALLBACK, VERIFIER)
    worldly.revoke(grant)
    assert world.accounts.tokens.owner(grant.refresh_token.reveal()) is None
    worldly.revoke(grant)
    with pytest.raises(GrantRevoked):
        worldly.refresh(grant)


def test_a_grant_that_cannot_be_given_back_now_may_be_later(worldly: GoogleAuth, world: World) -> None:
    """With the wait that was asked for."""
    world.faults.add(Fault(on="revoke", does="status", status=503, headers={"Retry-After": "7"}))
    with pytest.raises(Transient) as caught:
        worldly.revoke(GRANT)
    assert caught.value.wait == 7
