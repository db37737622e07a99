"""The `state` of a callback: valid unchanged, for an hour, for its own cloud."""

import json
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import pytest

from common.crypto.sealing import Sealer, Secret, make_key
from common.messages.archive_job import ArchiveJob, grant_context
from common.telemetry.trace_context import read_trace
from sandbox.world import World
from tests.fakes.guest import FAIL, SUCCESS, agree, assert_refused, change
from tests.fakes.web_site import PUBLIC, OpenSite, Site
from web.consent.oauth_state import OAuthState


def test_another_replica_completes_what_one_began(open_site: OpenSite, worldly: dict[str, str], world: World) -> None:
    """The verifier travels in the state, and Google's check of it is strict."""
    began, completed = open_site(worldly), open_site(worldly)
    answer = completed.come_back(agree(began, world))
    assert answer.headers["Location"] == SUCCESS
    assert (len(began.broker.published), len(completed.broker.published)) == (0, 1)


def test_a_state_changed_in_any_byte_is_refused(open_site: OpenSite, worldly: dict[str, str], world: World) -> None:
    """Every single character counts; more of them than one client has callbacks in a minute."""
    site_in_world = open_site(worldly, RATE_LIMIT_PER_MINUTE="0")
    address = agree(site_in_world, world)
    state = parse_qs(urlsplit(address).query)["state"][0]
    for place, char in enumerate(state):
        forged = state[:place] + ("A" if char != "A" else "B") + state[place + 1 :]
        assert_refused(site_in_world.come_back(change(address, state=forged)), site_in_world, world)


@pytest.mark.parametrize("has_trace", [True, False])
def test_a_state_of_an_earlier_version_is_taken(
    site_in_world: Site, world: World, monkeypatch: pytest.MonkeyPatch, has_trace: bool
) -> None:
    """A list, and before that one without a trace; then the job has that of the callback."""

    def seal_as_before(state: OAuthState, sealer: Sealer, cloud_type: str) -> str:
        *known, trace = vars(state).values()
        return sealer.seal(json.dumps([1, *known, *([trace] if has_trace else [])]), f"state:{cloud_type}")

    monkeypatch.setattr(OAuthState, "seal", seal_as_before)
    answer = site_in_world.come_back(agree(site_in_world, world))
    assert answer.headers["Location"] == SUCCESS
    (message,) = site_in_world.broker.published
    assert read_trace(ArchiveJob.decode(message.body).traceparent)


def test_a_state_that_is_no_state_is_refused(site_in_world: Site, world: World) -> None:
    """Missing, empty, cut, lengthened, or something else."""
    address = agree(site_in_world, world)
    state = parse_qs(urlsplit(address).query)["state"][0]
    wrong = [None, "", "x", "я", state[:-1], state[1:], state[:20], state + "A", state + "=", " " + state, state * 2]
    for forged in [*wrong, state.replace("-", "+").replace("_", "/") + "==", "A" * 8000]:
        assert_refused(site_in_world.come_back(change(address, state=forged)), site_in_world, world)


def test_a_state_lives_an_hour(site_in_world: Site, world: World, clock: list[float]) -> None:
    """To the second; after that it is worth nothing."""
    address = agree(site_in_world, world)
    clock[0] += 3601
    assert_refused(site_in_world.come_back(address), site_in_world, world)
    clock[0] -= 1
    assert site_in_world.come_back(address).headers["Location"] == SUCCESS


def test_a_state_counts_for_its_own_cloud(site_in_world: Site, world: World) -> None:
    """At another cloud's address, known or not, it is refused."""
    address = agree(site_in_world, world)
    for other in ("yadisk", "no_such_cloud", "GOOGLE_DRIVE", "%00"):
        wrong = address.replace("/google_drive?", f"/{other}?")
        assert_refused(site_in_world.come_back(wrong), site_in_world, world)


def test_a_state_of_another_cloud_does_not_count_here(
    open_site: OpenSite, worldly: dict[str, str], world: World
) -> None:
    """Sealed by us, for a cloud that is offered elsewhere, or was until now: neither there nor at this one."""
    site_in_world = open_site({name: value for name, value in worldly.items() if not name.startswith("YANDEX_CLIENT")})
    state_of_yandex = OAuthState("job", 1_790_000_000, "v" * 43, "webs", "https://a.example/a", "name", SUCCESS, FAIL)
    state = state_of_yandex.seal(site_in_world.settings.sealer, "yadisk")
    for cloud in ("yadisk", "google_drive"):
        address = f"{PUBLIC}/cloud_archive/callback/{cloud}?code=4%2Fx&state={state}"
        assert_refused(site_in_world.come_back(address), site_in_world, world)


def test_keys_can_be_rotated(open_site: OpenSite, worldly: dict[str, str], world: World) -> None:
    """A state sealed by the old key counts while that key is still there, and then no more."""
    address = agree(open_site(worldly), world)
    fresh = make_key()
    dropped = open_site(worldly, SECRET_KEYS=fresh)
    assert_refused(dropped.come_back(address), dropped, world)
    both = open_site(worldly, SECRET_KEYS=f"{fresh},{worldly['SECRET_KEYS']}")
    assert both.come_back(address).headers["Location"] == SUCCESS
    job = ArchiveJob.decode(both.broker.published[0].body)
    assert Sealer([Secret(fresh)]).open(job.grant, grant_context(job.id))


@pytest.mark.parametrize("name", ["state", "code", "scope", "anything"])
def test_a_parameter_that_stands_twice_is_refused(site_in_world: Site, world: World, name: str) -> None:
    """Two readers might take different ones."""
    address = change(agree(site_in_world, world), anything="1")
    again = {name: dict(parse_qsl(urlsplit(address).query))[name]}
    assert_refused(site_in_world.come_back(f"{address}&{urlencode(again)}"), site_in_world, world)


def test_links_that_are_not_allowed_any_more_are_not_followed(
    open_site: OpenSite, worldly: dict[str, str], world: World
) -> None:
    """The list of hosts may have shrunk since the request."""
    address = agree(open_site(worldly), world)
    stricter = open_site(worldly, REDIRECT_HOSTS="*.litegallery.io")
    assert_refused(stricter.come_back(address), stricter, world)


@pytest.mark.parametrize(
    ("wish", "language"), [("ru-RU,ru;q=0.9,en;q=0.8", "ru"), ("en", "en"), ("uk,ru;q=0.5", "ru"), ("", "en")]
)
def test_our_own_page_speaks_the_guests_language(site: Site, wish: str, language: str) -> None:
    """And it is not kept, not framed, and loads nothing."""
    answer = site.send("GET", "/cloud_archive/callback/google_drive?state=x", headers={"Accept-Language": wish})
    assert answer.status_code == 400
    assert f'<html lang="{language}">' in answer.text
    assert answer.headers["Content-Language"] == language
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
