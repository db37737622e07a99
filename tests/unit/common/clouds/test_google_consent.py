"""Consent and code: what is asked of Google, what is taken, and what each refusal means to us."""

import base64
import logging
import time
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest
import requests
import responses

from common.clouds.google_drive.auth import SCOPE, GoogleAuth
from common.clouds.oauth2 import USUAL_LIFETIME, make_verifier, read_lifetime
from common.crypto.sealing import Secret
from common.errors import ArchiveError, JobStopped, Reason, Transient
from sandbox.world import World
from tests.fakes.google_permission import ANSWER, CALLBACK, GRANT, TOKEN_URI, TOKENS, VERIFIER, consent


def test_the_consent_page_is_googles_with_exactly_our_wishes(auth: GoogleAuth) -> None:
    """RFC 7636's own example gives the challenge."""
    url = auth.consent_url(CALLBACK, "a state", "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")
    assert url.startswith("https://accounts.google.com/o/oauth2/v2/auth?")
    assert parse_qs(urlsplit(url).query) == {
        "response_type": ["code"],
        "client_id": ["client"],
        "redirect_uri": [CALLBACK],
        "scope": ["https://www.googleapis.com/auth/drive.file"],
        "state": ["a state"],
        "code_challenge": ["E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"],
        "code_challenge_method": ["S256"],
        "access_type": ["offline"],
        "prompt": ["consent"],
    }


def test_verifiers_are_long_and_never_the_same() -> None:
    """43 to 128 of the characters that RFC 7636 allows."""
    verifiers = [make_verifier() for _ in range(100)]
    assert len(set(verifiers)) == 100
    for verifier in verifiers:
        assert 43 <= len(verifier) <= 128
        assert verifier.replace("-", "a").replace("_", "a").isalnum()


def test_a_code_buys_a_lasting_grant(worldly: GoogleAuth, world: World) -> None:
    """At an endpoint that checks client, redirect URI and PKCE strictly."""
    grant = worldly.exchange(consent(worldly, world), CALLBACK, VERIFIER)
    token = world.accounts.tokens.find(grant.access_token.reveal())
    assert token
    assert token.scopes == (SCOPE,)
    assert world.accounts.tokens.owner(grant.refresh_token.reveal())
    assert 3500 < grant.expires_at - time.time() <= 3600


def test_a_wrong_verifier_or_address_buys_nothing(worldly: GoogleAuth, world: World) -> None:
    """A stolen code is worth nothing."""
    for uri, verifier in ((CALLBACK, "w" * 43), (CALLBACK + "/", VERIFIER)):
        with pytest.raises(JobStopped):
            worldly.exchange(consent(worldly, world), uri, verifier)


def test_the_exchange_is_what_google_documents(auth: GoogleAuth, google: responses.RequestsMock) -> None:
    """The code decoded once, the verifier with it, the client's secret only in its own header."""
    google.post(TOKEN_URI, json=TOKENS)
    grant = auth.exchange(ANSWER, CALLBACK, VERIFIER)
    request = google.calls[0].request
    assert dict(parse_qsl(str(request.body))) == {
        "grant_type": "authorization_code",
        "code": "4/0Acode/x",
        "redirect_uri": CALLBACK,
        "code_verifier": VERIFIER,
    }
    assert request.headers["Authorization"] == "Basic " + base64.b64encode(b"client:GOCSPX-secret").decode()
    assert (grant.refresh_token, grant.access_token) == (Secret("1//r"), Secret("ya29.a"))


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({"error": "access_denied"}, Reason.DENIED),
        ({"error": "admin_policy_enforced"}, Reason.DENIED),
        ({"error": "server_error"}, Reason.TRY_LATER),
        ({"error": "access_denied", "code": "4/0A"}, Reason.DENIED),
        ({"error": "unauthorized_client"}, Reason.TRY_LATER),
        ({**ANSWER, "iss": "https://evil.example"}, Reason.DENIED),
        ({**ANSWER, "iss": ""}, Reason.DENIED),
        ({}, Reason.TRY_LATER),
        ({"code": ""}, Reason.TRY_LATER),
    ],
)
def test_answers_that_hold_no_code_of_ours_call_nobody(
    auth: GoogleAuth, google: responses.RequestsMock, answer: dict[str, str], reason: Reason
) -> None:
    """Denied, failed, or from somebody else."""
    with pytest.raises(JobStopped) as caught:
        auth.exchange(answer, CALLBACK, VERIFIER)
    assert caught.value.reason is reason
    assert len(google.calls) == 0


@pytest.mark.parametrize(
    ("status", "body", "kind", "reason"),
    [
        (400, {"error": "invalid_grant", "error_description": "Bad Request"}, JobStopped, Reason.TRY_LATER),
        (400, {"error": "redirect_uri_mismatch"}, JobStopped, Reason.APP_REFUSED),
        (400, {"error": "invalid_request"}, JobStopped, Reason.APP_REFUSED),
        (400, {"error": "unsupported_grant_type"}, JobStopped, Reason.APP_REFUSED),
        (401, {"error": "invalid_client"}, JobStopped, Reason.APP_REFUSED),
        (401, {"error": "deleted_client"}, JobStopped, Reason.APP_REFUSED),
        (401, {"error": "disabled_client"}, JobStopped, Reason.APP_REFUSED),
        (401, {"error": "unauthorized_client"}, JobStopped, Reason.APP_REFUSED),
        (400, {"error": "something_new"}, JobStopped, Reason.TRY_LATER),
        (401, {}, Transient, Reason.TRY_LATER),
        (403, [], Transient, Reason.TRY_LATER),
        (400, {"error": "admin_policy_enforced"}, JobStopped, Reason.DENIED),
        (200, {"error": "invalid_grant"}, JobStopped, Reason.TRY_LATER),
        (500, {"error": "internal_failure"}, Transient, Reason.TRY_LATER),
        (503, {"error": {"code": 503, "status": "UNAVAILABLE"}}, Transient, Reason.TRY_LATER),
        (429, {"error": "rate_limit_exceeded"}, Transient, Reason.TRY_LATER),
        (200, {}, Transient, Reason.TRY_LATER),
        (200, [], Transient, Reason.TRY_LATER),
        (200, None, Transient, Reason.TRY_LATER),
        (200, {**TOKENS, "access_token": None}, Transient, Reason.TRY_LATER),
        (200, {**TOKENS, "expires_in": "soon"}, Transient, Reason.TRY_LATER),
        (200, {**TOKENS, "scope": {"a": 1}}, Transient, Reason.TRY_LATER),
        (200, {**TOKENS, "scope": ""}, JobStopped, Reason.SCOPE_MISSING),
        (200, {**TOKENS, "scope": "openid"}, JobStopped, Reason.SCOPE_MISSING),
        (200, {**TOKENS, "scope": SCOPE + "x"}, JobStopped, Reason.SCOPE_MISSING),
        (200, {key: value for key, value in TOKENS.items() if key != "scope"}, JobStopped, Reason.SCOPE_MISSING),
        (200, {**TOKENS, "refresh_token": ""}, JobStopped, Reason.NO_REFRESH_TOKEN),
        (200, {**TOKENS, "refresh_token": 7}, JobStopped, Reason.NO_REFRESH_TOKEN),
    ],
)
def test_what_an_exchange_without_a_grant_means(
    auth: GoogleAuth,
    google: responses.RequestsMock,
    status: int,
    body: object,
    kind: type[ArchiveError],
    reason: Reason,
) -> None:
    """A reason a guest can be told, and not a word of what came."""
    google.post(TOKEN_URI, json=body, status=status)
    with pytest.raises(kind) as caught:
        auth.exchange(ANSWER, CALLBACK, VERIFIER)
    assert caught.value.reason is reason
    assert caught.value.__cause__ is None
    for secret in ("ya29", "1//", "4/0A", "GOCSPX", VERIFIER):
        assert secret not in str(caught.value)


@pytest.mark.parametrize("status", [200, 400, 404, 500, 502])
def test_a_page_instead_of_an_answer_is_passing(auth: GoogleAuth, google: responses.RequestsMock, status: int) -> None:
    """Some proxy on the way."""
    google.post(TOKEN_URI, body="<html>access_token=1&error=invalid_grant</html>", status=status)
    with pytest.raises(Transient):
        auth.exchange(ANSWER, CALLBACK, VERIFIER)


@pytest.mark.parametrize("error", [requests.ConnectionError("4/0A"), requests.ReadTimeout("4/0A")])
def test_no_answer_to_a_code_is_passing(
    auth: GoogleAuth, google: responses.RequestsMock, error: requests.RequestException
) -> None:
    """Only what kind it was is said."""
    google.post(TOKEN_URI, body=error)
    with pytest.raises(Transient) as caught:
        auth.exchange(ANSWER, CALLBACK, VERIFIER)
    assert caught.value.detail == f"no answer ({type(error).__name__})"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_secrets_do_not_follow_a_redirect(auth: GoogleAuth, google: responses.RequestsMock, status: int) -> None:
    """Whoever answers so gets the code, but nobody else does."""
    google.post(TOKEN_URI, status=status, headers={"Location": "https://evil.example/"})
    with pytest.raises(Transient):
        auth.exchange(ANSWER, CALLBACK, VERIFIER)
    assert len(google.calls) == 1
    with pytest.raises(Transient):
        auth.refresh(GRANT)


def test_more_scopes_and_fields_than_asked_are_fine(auth: GoogleAuth, google: responses.RequestsMock) -> None:
    """Google adds what was granted before, and new fields now and then."""
    google.post(TOKEN_URI, json={**TOKENS, "scope": f"openid {SCOPE} email", "refresh_token_expires_in": 604799})
    assert auth.exchange(ANSWER, CALLBACK, VERIFIER).access_token == Secret("ya29.a")


@pytest.mark.parametrize("told", [None, 0, -5, "3599", 1, 10**12])
def test_a_lifetime_that_is_not_told_is_an_hour(auth: GoogleAuth, google: responses.RequestsMock, told: object) -> None:
    """Missing or nonsense: neither a crash nor a refresh for every request."""
    google.post(TOKEN_URI, json={**TOKENS, "expires_in": told})
    expected = read_lifetime(told)
    began = time.time()
    assert began + expected <= auth.exchange(ANSWER, CALLBACK, VERIFIER).expires_at <= time.time() + expected
    assert expected == {"3599": 3599, 1: 1}.get(told, USUAL_LIFETIME)  # type: ignore[call-overload]


def test_loud_libraries_would_tell_our_secrets(
    worldly: GoogleAuth, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """Why `common.telemetry.logs` keeps them quiet: at DEBUG they do. Our own loggers do not, at any level."""
    with caplog.at_level(logging.DEBUG):
        grant = worldly.exchange(consent(worldly, world), CALLBACK, VERIFIER)
    told = {record.name.partition(".")[0] for record in caplog.records if VERIFIER in record.getMessage()}
    assert told == {"requests_oauthlib", "oauthlib"} & told
    ours = [record for record in caplog.records if record.name.startswith(("common", "web"))]
    assert [each for each in ours if grant.access_token.reveal() in each.getMessage()] == []
