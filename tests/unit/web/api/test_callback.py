"""The callback: a queued job and the success link, or the fail link, or a page of our own."""

import logging
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import parse_qs, urlsplit

import pytest

from common.clouds.grant import Grant
from common.errors import Reason, Transient
from common.messages.archive_job import ArchiveJob, grant_context
from common.messages.progress import State
from common.messages.publisher import InDoubt
from common.telemetry import metrics
from sandbox.faults.plan import Fault
from sandbox.world import World
from tests.fakes.guest import FAIL, SUCCESS, agree, ask, change
from tests.fakes.web_site import SEED_REQUEST, OpenSite, Site

OTHER_SCOPE = "https://www.googleapis.com/auth/userinfo.email"


def test_a_guest_who_agrees_gets_a_job_and_the_success_link(site_in_world: Site, world: World) -> None:
    """The message is whole: the request, the id, and a grant that opens for this job and buys tokens."""
    told = site_in_world.post().json()
    answer = site_in_world.come_back(world.accounts.consent(told["redirect_to"]))
    assert answer.status_code == 303
    assert answer.headers["Location"] == SUCCESS
    (message,) = site_in_world.broker.published
    job = ArchiveJob.decode(message.body)
    assert (message.exchange, message.routing_key, message.message_id) == ("cloud_archive", "job", told["job_id"])
    assert (job.id, job.cloud_type, job.archive_type) == (told["job_id"], "google_drive", "webs")
    assert (job.archive_url, job.gallery_name) == (SEED_REQUEST["archive_url"], SEED_REQUEST["gallery_name"])
    assert job.created_at == "2026-09-21T14:13:20+00:00"
    grant = Grant.from_text(site_in_world.settings.sealer.open(job.grant, grant_context(job.id)))
    assert world.accounts.tokens.owner(grant.refresh_token.reveal())
    assert grant.refresh_token.reveal().encode() not in message.body
    assert grant.access_token.reveal().encode() not in message.body
    client_secret = site_in_world.settings.clouds["google_drive"]["GOOGLE_CLIENT_SECRET"].reveal()
    assert client_secret.encode() not in message.body
    assert client_secret not in grant.to_text()


def test_nobody_else_reads_or_keeps_the_callback(site_in_world: Site, world: World) -> None:
    """Neither caches nor the next site's logs get the code."""
    answer = site_in_world.come_back(agree(site_in_world, world))
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize(
    "link",
    [
        "https://a.example/?a=%2f&b=%D0%B0+c%20d&&e#f?g",
        "https://a.example",
        "https://A.example/a;b,c!'()*[]{}|^`\"<>~",
        "https://a.example/%zz%",
    ],
)
def test_links_are_followed_to_the_byte(site_in_world: Site, world: World, link: str) -> None:
    """Nothing is decoded, encoded, sorted or completed on the way."""
    answer = site_in_world.come_back(agree(site_in_world, world, redirect_success_link=link))
    assert answer.headers["Location"] == link


def test_only_what_no_header_carries_is_encoded(site_in_world: Site, world: World) -> None:
    """Letters beyond ASCII become what a browser would make of them; the rest stays."""
    link = "https://a.example/Имя%2f/é?q=я&r=%D1%8F"
    answer = site_in_world.come_back(agree(site_in_world, world, redirect_success_link=link))
    assert answer.headers["Location"] == "https://a.example/%D0%98%D0%BC%D1%8F%2f/%C3%A9?q=%D1%8F&r=%D1%8F"


def test_a_guest_who_denies_gets_the_fail_link(site_in_world: Site, world: World) -> None:
    """No job, and no call for a token."""
    answer = site_in_world.come_back(world.accounts.consent(ask(site_in_world), allow=False))
    assert (answer.status_code, answer.headers["Location"]) == (303, FAIL)
    assert site_in_world.broker.published == []
    assert world.accounts.exchanges == 0


def test_a_guest_may_go_back_and_agree_after_all(site_in_world: Site, world: World) -> None:
    """A denial does not use up the request."""
    consent_page = ask(site_in_world)
    denied = site_in_world.come_back(world.accounts.consent(consent_page, allow=False))
    agreed = site_in_world.come_back(world.accounts.consent(consent_page))
    assert denied.headers["Location"] == FAIL
    assert agreed.headers["Location"] == SUCCESS
    assert len(site_in_world.broker.published) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"code": None},
        {"code": ""},
        {"code": "4/0Awrong/x"},
        {"iss": "https://evil.example"},
        {"iss": "https://accounts.google.com/"},
        {"error": "server_error"},
        {"error": "access_denied"},
    ],
)
def test_an_answer_that_is_no_good_leads_to_the_fail_link(
    site_in_world: Site, world: World, changes: dict[str, str | None]
) -> None:
    """Without a code, with a wrong one, from another issuer, or with an error."""
    answer = site_in_world.come_back(change(agree(site_in_world, world), **changes))
    assert (answer.status_code, answer.headers["Location"]) == (303, FAIL)
    assert site_in_world.broker.published == []


def test_an_issuer_that_is_not_named_is_taken(site_in_world: Site, world: World) -> None:
    """Google has not always named itself."""
    world.accounts.iss = None
    assert site_in_world.come_back(agree(site_in_world, world)).headers["Location"] == SUCCESS


@pytest.mark.parametrize(
    "fault",
    [
        Fault(on="token", does="status", status=500),
        Fault(on="token", does="status", status=503, html=True),
        Fault(on="token", does="html"),
        Fault(on="token", does="redirect", status=307, location="https://127.0.0.1:1/"),
        Fault(on="token", does="bad_json"),
        Fault(on="token", does="drop_before"),
        Fault(on="token", does="drop_after"),
        Fault(on="token", does="drop_fields", fields=["access_token"]),
        Fault(on="token", does="drop_fields", fields=["refresh_token"]),
        Fault(on="token", does="drop_fields", fields=["scope"]),
        Fault(on="token", does="set_fields", fields={"refresh_token": 7}),
        Fault(on="token", does="set_fields", fields={"scope": OTHER_SCOPE}),
        Fault(on="token", does="set_fields", fields={"scope": ""}),
        Fault(on="token", does="set_fields", fields={"scope": {"a": 1}}),
        Fault(on="token", does="set_fields", fields={"expires_in": "soon"}),
    ],
    ids=repr,
)
def test_a_failing_exchange_leads_to_the_fail_link(site_in_world: Site, world: World, fault: Fault) -> None:
    """Whatever the token endpoint does, the guest gets somewhere, and no half job is queued."""
    world.faults.add(fault)
    answer = site_in_world.come_back(agree(site_in_world, world))
    assert (answer.status_code, answer.headers["Location"]) == (303, FAIL)
    assert site_in_world.broker.published == []
    assert len(world.faults.fired) == 1


@pytest.mark.parametrize("error", ["invalid_client", "disabled_client", "unauthorized_client", "invalid_request"])
def test_a_refused_app_is_told_to_its_owner(
    site_in_world: Site, world: World, caplog: pytest.LogCaptureFixture, error: str
) -> None:
    """The guest gets the fail link, the log says what to do; when that is done the guest may come again."""
    before, refused_before = count_app_refusals(), count_callbacks("app_refused")
    world.faults.add(Fault(on="token", does="status", status=401, reason=error))
    consent_page = ask(site_in_world)
    refused = site_in_world.come_back(world.accounts.consent(consent_page))
    assert (refused.headers["Location"], site_in_world.broker.published) == (FAIL, [])
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert "registration" in record.message
    assert count_app_refusals() == before + 1
    assert count_callbacks("app_refused") == refused_before + 1
    assert site_in_world.come_back(world.accounts.consent(consent_page)).headers["Location"] == SUCCESS


def count_app_refusals() -> float:
    """Return how often Google refused this service."""
    value = metrics.WEB.get_sample_value("cloud_archive_app_refusals_total", {"cloud": "google_drive"})
    return value or 0.0


def count_callbacks(outcome: str) -> float:
    """Return how many guests came back from Google with an outcome."""
    labels = {"cloud": "google_drive", "outcome": outcome}
    return metrics.WEB.get_sample_value("cloud_archive_callbacks_total", labels) or 0.0


@pytest.mark.parametrize(
    ("failure", "outcome"),
    [
        (None, "queued"),
        (Transient(Reason.TRY_LATER, "the broker cannot be reached"), "broker_unavailable"),
        (InDoubt(Reason.TRY_LATER, "the broker does not answer"), "broker_unavailable"),
    ],
)
def test_a_guest_the_broker_turned_away_is_told_from_others(
    site_in_world: Site, world: World, failure: Transient | None, outcome: str
) -> None:
    """To the guest it is "try later", as when their cloud does not answer; to the operator it is ours to mend."""
    before, cloud_before = count_callbacks(outcome), count_callbacks("try_later")
    site_in_world.broker.failure = failure
    site_in_world.come_back(agree(site_in_world, world))
    assert (count_callbacks(outcome), count_callbacks("try_later")) == (before + 1, cloud_before)


def test_a_cloud_that_gives_no_token_is_not_the_broker(site_in_world: Site, world: World) -> None:
    """Nothing here needs mending then."""
    before, ours_before = count_callbacks("try_later"), count_callbacks("broker_unavailable")
    world.faults.add(Fault(on="token", does="status", status=503))
    site_in_world.come_back(agree(site_in_world, world))
    assert (count_callbacks("try_later"), count_callbacks("broker_unavailable")) == (before + 1, ours_before)


def test_more_scopes_than_asked_are_taken(site_in_world: Site, world: World) -> None:
    """A guest who gave this app more before is not turned away."""
    wider = f"openid https://www.googleapis.com/auth/drive.file {OTHER_SCOPE}"
    world.faults.add(Fault(on="token", does="set_fields", fields={"scope": wider}))
    assert site_in_world.come_back(agree(site_in_world, world)).headers["Location"] == SUCCESS


def test_a_broker_that_takes_nothing_leads_to_the_fail_link(site_in_world: Site, world: World) -> None:
    """Success is said only when the job is in a queue."""
    site_in_world.broker.failure = Transient(Reason.TRY_LATER, "the broker cannot be reached")
    assert site_in_world.come_back(agree(site_in_world, world)).headers["Location"] == FAIL


def test_a_job_in_doubt_is_withdrawn_before_the_fail_link(site_in_world: Site, world: World) -> None:
    """It may land hours later, behind an alarm: then no worker begins with it, and the status says so too."""
    site_in_world.broker.failure = InDoubt(Reason.TRY_LATER, "the broker does not answer")
    told = site_in_world.post().json()
    answer = site_in_world.come_back(world.accounts.consent(told["redirect_to"]))
    assert answer.headers["Location"] == FAIL
    (ticket,) = site_in_world.broker.withdrawn
    assert len(ticket) > 20
    known = site_in_world.store.find(told["job_id"])
    assert known
    assert (known.state, known.reason) == (State.FAILED, Reason.TRY_LATER)


def test_a_job_in_doubt_that_a_worker_has_is_a_success(site_in_world: Site, world: World) -> None:
    """Only its confirm was late: guest and status are told what is so."""
    site_in_world.broker.failure = InDoubt(Reason.TRY_LATER, "the broker does not answer")
    site_in_world.broker.taken = True
    told = site_in_world.post().json()
    address = world.accounts.consent(told["redirect_to"])
    assert site_in_world.come_back(address).headers["Location"] == SUCCESS
    assert site_in_world.come_back(address).headers["Location"] == SUCCESS
    known = site_in_world.store.find(told["job_id"])
    assert known
    assert (known.state, known.reason) == (State.QUEUED, "")
    assert len(site_in_world.broker.withdrawn) == 1


def test_a_job_in_doubt_of_which_nobody_knows_is_no_success(site_in_world: Site, world: World) -> None:
    """Success is said only when it is certain."""
    site_in_world.broker.failure = InDoubt(Reason.TRY_LATER, "the broker does not answer")
    site_in_world.broker.taken = Transient(Reason.TRY_LATER)
    assert site_in_world.come_back(agree(site_in_world, world)).headers["Location"] == FAIL


def test_what_was_never_sent_is_not_withdrawn(site_in_world: Site, world: World) -> None:
    """There is nothing to withdraw; each trial of a guest has a ticket of its own."""
    site_in_world.broker.failure = Transient(Reason.TRY_LATER, "the broker cannot be reached")
    consent_page = ask(site_in_world)
    assert site_in_world.come_back(world.accounts.consent(consent_page)).headers["Location"] == FAIL
    assert site_in_world.broker.withdrawn == []
    site_in_world.broker.failure = InDoubt(Reason.TRY_LATER)
    assert site_in_world.come_back(world.accounts.consent(consent_page)).headers["Location"] == FAIL
    site_in_world.broker.failure = None
    assert site_in_world.come_back(world.accounts.consent(consent_page)).headers["Location"] == SUCCESS
    (message,) = site_in_world.broker.published
    assert ArchiveJob.decode(message.body).ticket not in ("", *site_in_world.broker.withdrawn)


def test_a_bug_leads_to_the_fail_link_too(
    site_in_world: Site, world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever breaks, the guest gets somewhere, and the trace is in the log."""
    monkeypatch.setattr(site_in_world.broker, "publish", lambda *_: None)
    assert site_in_world.come_back(agree(site_in_world, world)).headers["Location"] == FAIL
    assert any(record.exc_info for record in caplog.records)


def test_the_same_callback_twice_is_one_job(site_in_world: Site, world: World) -> None:
    """A reload ends like the first time, with one exchange and one message."""
    address = agree(site_in_world, world)
    answers = [site_in_world.come_back(address) for _ in range(3)]
    assert [answer.headers["Location"] for answer in answers] == [SUCCESS] * 3
    assert len(site_in_world.broker.published) == 1
    assert world.accounts.exchanges == 1


def test_the_same_callback_at_the_same_time_is_one_job(site_in_world: Site, world: World) -> None:
    """A double click: the second waits for the result of the first."""
    address = agree(site_in_world, world)
    world.faults.add(Fault(on="token", does="stall", seconds=0.3))
    with ThreadPoolExecutor(6) as browsers:
        answers = list(browsers.map(lambda _: site_in_world.come_back(address), range(6)))
    assert [answer.headers["Location"] for answer in answers] == [SUCCESS] * 6
    assert len(site_in_world.broker.published) == 1
    assert world.accounts.exchanges == 1


def test_the_same_callback_at_two_replicas_ends_the_same_way(
    open_site: OpenSite, worldly: dict[str, str], world: World
) -> None:
    """The slower one finds the code used up, and hears meanwhile that the job is on its way."""
    first, second = open_site(worldly), open_site(worldly)
    address = agree(first, world)
    with ThreadPoolExecutor(1) as threads:
        assert first.come_back(address).headers["Location"] == SUCCESS
        world.faults.add(Fault(on="token", does="stall", seconds=0.5))
        late = threads.submit(second.come_back, address)
        while not world.faults.fired:
            time.sleep(0.01)
        [known] = [first.store.find(each.message_id) for each in first.broker.published]
        assert known
        second.store.update(known)
        assert late.result().headers["Location"] == SUCCESS
    assert second.broker.published == []
    assert second.store.find(known.job_id) == known


def test_a_failed_callback_again_fails_again(site_in_world: Site, world: World) -> None:
    """Its code is used up: nobody is asked a second time."""
    site_in_world.broker.failure = Transient(Reason.TRY_LATER)
    address = agree(site_in_world, world)
    first = site_in_world.come_back(address)
    site_in_world.broker.failure = None
    assert first.headers["Location"] == site_in_world.come_back(address).headers["Location"] == FAIL
    assert world.accounts.exchanges == 1


def test_no_record_of_any_logger_holds_a_secret(
    site_in_world: Site, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """A whole flow at every level of our own loggers: no code, state, token, verifier, client secret or link."""
    with caplog.at_level(logging.DEBUG, logger="web"), caplog.at_level(logging.DEBUG, logger="common"):
        address = agree(site_in_world, world, redirect_success_link="https://a.example/only-for-me")
        site_in_world.come_back(address)
        site_in_world.come_back(change(address, code="4/0Aother/x"))
    query = parse_qs(urlsplit(address).query)
    job = ArchiveJob.decode(site_in_world.broker.published[0].body)
    grant = Grant.from_text(site_in_world.settings.sealer.open(job.grant, grant_context(job.id)))
    said = "\n".join(str(vars(record)) for record in caplog.records)
    secrets = [
        query["code"][0],
        query["state"][0],
        grant.refresh_token.reveal(),
        grant.access_token.reveal(),
        job.grant,
    ]
    assert "archive begun" in said
    assert [each for each in [*secrets, "GOCSPX", "only-for-me"] if each in said] == []
