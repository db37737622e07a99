"""Yandex's permission: what is asked for, what is taken, and what each refusal means to us."""

import logging
import time
from collections.abc import Callable
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest

from common.clouds.grant import Grant
from common.clouds.yandex_disk import YANDEX_DISK
from common.clouds.yandex_disk.auth import SCOPES, YandexAuth
from common.config.env import Environment
from common.errors import ArchiveError, GrantRevoked, JobStopped, Reason, Refused, Transient
from common.http.client import HttpClient
from common.http.network_policy import ANY_NETWORK, PUBLIC_ONLY, NetworkPolicy
from sandbox.faults.plan import Fault
from sandbox.world import World

CALLBACK = "https://archive.example/cloud_archive/callback/yadisk"
VERIFIER = "v" * 43
Allow = Callable[..., dict[str, str]]


def make_auth(environ: dict[str, str], *, policy: NetworkPolicy) -> YandexAuth:
    """Return the auth half with an environment."""
    settings = Environment(environ).read_cloud(YANDEX_DISK.variables, policy)
    assert settings
    return YandexAuth(settings, HttpClient(connections=1, policy=policy, reason=Reason.CLOUD_UNAVAILABLE))


@pytest.fixture
def auth(world: World) -> YandexAuth:
    """The auth half in the pretend world."""
    return make_auth(world.environment(), policy=ANY_NETWORK)


@pytest.fixture
def allow(world: World, auth: YandexAuth) -> Allow:
    """Let a guest agree; returns the callback's query."""

    def press(verifier: str = VERIFIER, **choices: object) -> dict[str, str]:
        url = auth.consent_url(CALLBACK, "state", verifier)
        address = world.yandex_accounts.consent(url, **choices)  # type: ignore[arg-type]
        return dict(parse_qsl(urlsplit(address).query))

    return press


def test_the_consent_page_is_yandexs_with_exactly_our_wishes() -> None:
    """RFC 7636's own example gives the challenge; the address says nothing of the verifier."""
    auth = make_auth({"YANDEX_CLIENT_ID": "client", "YANDEX_CLIENT_SECRET": "secret"}, policy=PUBLIC_ONLY)
    verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    url = auth.consent_url(CALLBACK, "a state", verifier)
    assert url.startswith("https://oauth.yandex.ru/authorize?")
    query = parse_qs(urlsplit(url).query)
    (device,) = query.pop("device_id")
    assert query == {
        "response_type": ["code"],
        "client_id": ["client"],
        "redirect_uri": [CALLBACK],
        "scope": ["cloud_api:disk.write cloud_api:disk.read cloud_api:disk.info"],
        "state": ["a state"],
        "code_challenge": ["E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"],
        "code_challenge_method": ["S256"],
        "device_name": ["cloud_archive"],
    }
    assert 6 <= len(device) <= 50
    assert verifier not in url


def test_every_archive_is_a_device_of_its_own(auth: YandexAuth) -> None:
    """The same archive asks twice for the same one."""
    urls = [auth.consent_url(CALLBACK, "state", verifier) for verifier in (VERIFIER, VERIFIER, "w" * 43)]
    first, again, other = (parse_qs(urlsplit(url).query)["device_id"] for url in urls)
    assert first == again != other


def test_a_code_buys_a_lasting_grant(world: World, auth: YandexAuth, allow: Allow) -> None:
    """At an endpoint that checks client and PKCE strictly."""
    grant = auth.exchange(allow(), CALLBACK, VERIFIER)
    token = world.yandex_accounts.tokens.find(grant.access_token.reveal())
    assert token
    assert token.scopes == SCOPES
    assert world.yandex_accounts.tokens.owner(grant.refresh_token.reveal())
    assert grant.expires_at - time.time() > 300 * 86400
    assert world.violations == []


def test_a_wrong_verifier_buys_nothing(auth: YandexAuth, allow: Allow) -> None:
    """A stolen code is worth nothing."""
    with pytest.raises(JobStopped):
        auth.exchange(allow(), CALLBACK, "w" * 43)


def test_a_code_buys_once(auth: YandexAuth, allow: Allow) -> None:
    """The second time it is refused, and the guest must begin anew."""
    answer = allow()
    auth.exchange(answer, CALLBACK, VERIFIER)
    with pytest.raises(JobStopped) as stopped:
        auth.exchange(answer, CALLBACK, VERIFIER)
    assert stopped.value.reason is Reason.TRY_LATER


def test_a_guest_who_says_no_is_believed(auth: YandexAuth, allow: Allow, world: World) -> None:
    """Nothing is asked of Yandex."""
    with pytest.raises(JobStopped) as stopped:
        auth.exchange(allow(allow=False), CALLBACK, VERIFIER)
    assert stopped.value.reason is Reason.DENIED
    assert world.yandex_accounts.exchanges == 0


@pytest.mark.parametrize("missing", SCOPES)
def test_every_right_is_needed(auth: YandexAuth, allow: Allow, missing: str) -> None:
    """One that is not granted ends it before a photo is touched."""
    answer = allow(scopes=[scope for scope in SCOPES if scope != missing])
    with pytest.raises(JobStopped) as stopped:
        auth.exchange(answer, CALLBACK, VERIFIER)
    assert stopped.value.reason is Reason.SCOPE_MISSING


def test_refresh_tokens_rotate(world: World, auth: YandexAuth, allow: Allow) -> None:
    """Each buys once and brings the next one."""
    grant = auth.exchange(allow(), CALLBACK, VERIFIER)
    for _ in range(3):
        renewed = auth.refresh(grant)
        assert renewed.refresh_token.reveal() != grant.refresh_token.reveal()
        assert world.yandex_accounts.tokens.find(renewed.access_token.reveal())
        grant = renewed
    assert world.violations == []


def test_two_archives_of_one_guest_do_not_take_each_others_tokens(auth: YandexAuth, allow: Allow) -> None:
    """Revoking one leaves the other."""
    mine = auth.exchange(allow(), CALLBACK, VERIFIER)
    other = auth.exchange(allow("w" * 43), CALLBACK, "w" * 43)
    auth.revoke(mine)
    auth.revoke(mine)
    with pytest.raises(GrantRevoked):
        auth.refresh(mine)
    assert auth.refresh(other).access_token


def test_a_revoked_grant_is_known(world: World, auth: YandexAuth, allow: Allow) -> None:
    """The guest took it back."""
    grant = auth.exchange(allow(), CALLBACK, VERIFIER)
    world.yandex_accounts.revoke("guest")
    with pytest.raises(GrantRevoked):
        auth.refresh(grant)


@pytest.mark.parametrize(
    ("status", "error", "kind"),
    [
        (400, "invalid_grant", GrantRevoked),
        (400, "invalid_client", Refused),
        (401, "unauthorized_client", Refused),
        (401, "disabled_client", Refused),
        (400, "invalid_request", Refused),
        (400, "unsupported_grant_type", Refused),
        (403, "nobody_knows_this", Refused),
        (500, "invalid_grant", Transient),
        (429, "too_many", Transient),
    ],
)
def test_refusals_to_a_refresh(
    world: World, auth: YandexAuth, allow: Allow, status: int, error: str, kind: type[ArchiveError]
) -> None:
    """Only the guest's own no ends the grant."""
    grant = auth.exchange(allow(), CALLBACK, VERIFIER)
    world.faults.add(Fault("yandex_token", "status", status=status, reason=error))
    with pytest.raises(kind) as raised:
        auth.refresh(grant)
    assert type(raised.value) is kind
    if kind is Refused:
        assert raised.value.reason is Reason.APP_REFUSED
    if kind is not GrantRevoked:
        assert auth.refresh(grant).access_token


@pytest.mark.parametrize("does", ["html", "drop_before", "drop_after", "redirect", "bad_json"])
def test_an_endpoint_that_is_not_well_costs_no_grant(
    world: World, auth: YandexAuth, allow: Allow, does: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It is transient to exchange and refresh alike, and no secret is told to anybody."""
    caplog.set_level(logging.DEBUG)
    answer = allow()
    world.faults.add(Fault("yandex_token", does))
    with pytest.raises(Transient) as raised:
        auth.exchange(answer, CALLBACK, VERIFIER)
    assert raised.value.reason is Reason.TRY_LATER
    grant = auth.exchange(allow(), CALLBACK, VERIFIER)
    world.faults.add(Fault("yandex_token", does))
    with pytest.raises(Transient) as raised:
        auth.refresh(grant)
    assert raised.value.reason is Reason.CLOUD_UNAVAILABLE
    for secret in (answer["code"], grant.refresh_token.reveal(), grant.access_token.reveal(), VERIFIER):
        assert secret not in caplog.text + str(raised.value)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [({"refresh_token": ""}, Reason.NO_REFRESH_TOKEN), ({"refresh_token": 5}, Reason.NO_REFRESH_TOKEN)],
)
def test_without_a_lasting_grant_nothing_begins(
    world: World, auth: YandexAuth, allow: Allow, fields: dict[str, object], reason: Reason
) -> None:
    """A job must outlast its access token."""
    answer = allow()
    world.faults.add(Fault("yandex_token", "set_fields", fields=fields))
    with pytest.raises(JobStopped) as stopped:
        auth.exchange(answer, CALLBACK, VERIFIER)
    assert stopped.value.reason is reason


def test_lifetimes_that_are_none_are_an_hour(world: World, auth: YandexAuth, allow: Allow) -> None:
    """A token that ends earlier is refused once and renewed then."""
    answer = allow()
    world.faults.add(Fault("yandex_token", "set_fields", fields={"expires_in": "soon"}))
    grant: Grant = auth.exchange(answer, CALLBACK, VERIFIER)
    assert 3000 < grant.expires_at - time.time() <= 3600


def test_a_revocation_that_is_not_taken_may_be_repeated(world: World, auth: YandexAuth, allow: Allow) -> None:
    """It is transient."""
    grant = auth.exchange(allow(), CALLBACK, VERIFIER)
    world.faults.add(Fault("yandex_revoke", "status", status=503))
    with pytest.raises(Transient):
        auth.revoke(grant)
    auth.revoke(grant)
