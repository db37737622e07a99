"""`POST /cloud_archive`: what is taken, what is answered, and what is refused without being repeated."""

import base64
import json
import time
from urllib.parse import parse_qs, urlsplit

import pytest

from common.errors import Reason, Transient
from common.messages.job_id import make_job_id
from common.telemetry import metrics
from sandbox.world import World
from tests.fakes.web_site import PUBLIC, SEED_REQUEST, OpenSite, Site, fields_of
from web.consent.oauth_state import OAuthState

SECRET_WORD = "zyxwvut"


def asked_of_google(redirect_to: str) -> dict[str, list[str]]:
    """Return the consent page's query."""
    return parse_qs(urlsplit(redirect_to).query, strict_parsing=True)


def test_the_seeds_own_request_is_answered_with_a_consent_page(site: Site) -> None:
    """The example of the task's text works as it stands."""
    answer = site.post(SEED_REQUEST)
    told = answer.json()
    assert answer.status_code == 200
    assert set(told) == {"redirect_to", "job_id", "status_url"}
    assert told["redirect_to"].startswith("https://accounts.google.com/o/oauth2/v2/auth?")
    assert told["status_url"] == f"{PUBLIC}/cloud_archive/jobs/{told['job_id']}"
    assert len(told["job_id"]) >= 22


def test_a_broker_that_takes_no_job_is_told_before_the_consent(site: Site) -> None:
    """Nobody is sent through a consent that must fail; what cannot be used is told all the same, and it passes."""
    site.broker.failure, site.broker.is_late = Transient(Reason.TRY_LATER, "the broker cannot be reached"), False
    before = count_turned_away()
    refused = site.post()
    assert count_turned_away() == before + 1
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "5")
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert refused.json()["code"] == "try_later"
    assert "redirect_to" not in refused.text
    assert site.post(cloud_type="nowhere").status_code == 422
    key = {"Idempotency-Key": "0b7e2c1e-6f5e-4f5f-9c77-2f3c4bb11a11"}
    assert site.send("POST", "/cloud_archive", json=SEED_REQUEST, headers=key).status_code == 503
    site.broker.failure = None
    # A second later it is asked again; a key that was answered so is as good as new.
    while (answer := site.send("POST", "/cloud_archive", json=SEED_REQUEST, headers=key)).status_code == 503:
        time.sleep(0.05)
    assert answer.status_code == 200


def count_turned_away() -> float:
    """Return how many guests who want Google Drive were asked at the button to come later."""
    return metrics.WEB.get_sample_value("cloud_archive_turned_away_total", {"cloud": "google_drive"}) or 0.0


def test_the_consent_page_is_asked_for_exactly_what_is_needed(site: Site) -> None:
    """One scope, a lasting grant each time, PKCE with S256, our registered address, nothing else."""
    query = asked_of_google(site.post().json()["redirect_to"])
    assert len(query.pop("state")[0]) > 100
    assert len(query.pop("code_challenge")[0]) == 43
    assert query == {
        "response_type": ["code"],
        "client_id": ["client.apps.example"],
        "redirect_uri": [f"{PUBLIC}/cloud_archive/callback/google_drive"],
        "scope": ["https://www.googleapis.com/auth/drive.file"],
        "code_challenge_method": ["S256"],
        "access_type": ["offline"],
        "prompt": ["consent"],
    }


def test_the_address_we_give_google_never_follows_the_host_header(site: Site) -> None:
    """Only the settings say where we are."""
    told = site.send("POST", "/cloud_archive", json=SEED_REQUEST, headers={"Host": "evil.example"}).json()
    assert "evil" not in told["redirect_to"] + told["status_url"]


def test_two_requests_share_nothing(site: Site) -> None:
    """State, challenge and job id are new each time."""
    first, second = site.post().json(), site.post().json()
    one, two = asked_of_google(first["redirect_to"]), asked_of_google(second["redirect_to"])
    assert first["job_id"] != second["job_id"]
    assert one["state"] != two["state"]
    assert one["code_challenge"] != two["code_challenge"]


def test_a_state_shows_nothing_of_what_it_holds(site: Site) -> None:
    """Neither the request nor the verifier can be read from it."""
    state = asked_of_google(site.post(gallery_name=SECRET_WORD * 20).json()["redirect_to"])["state"][0]
    raw = base64.urlsafe_b64decode(state + "==")
    for word in (SECRET_WORD, "litegallery", "asdfsdfdf", "webs", "Назв"):
        assert word.encode() not in raw


def test_a_state_stays_short_for_a_long_request(site: Site) -> None:
    """255 Cyrillic letters that hardly repeat and links of three hundred characters fit into 1,500."""
    letters = "".join(chr(0x410 + (i * i * 7 + i // 3) % 64) for i in range(255))
    link = "https://app.litegallery.io/galleries/" + "".join(f"{i * 7919 % 1000003:x}" for i in range(54))
    job_id = make_job_id(site.settings.sealer, 1_790_000_000)
    state = OAuthState(job_id, 1_790_000_000, "v" * 43, "originals", link, letters, link + "ok", link + "no")
    assert len(link) > 280
    assert len(state.seal(site.settings.sealer, "google_drive")) <= 1500


def test_what_a_cloud_cannot_carry_is_refused_before_its_guest_is_sent_there(
    open_site: OpenSite, worldly: dict[str, str], world: World
) -> None:
    """Yandex takes states of 1024 characters and would show its own error page; the largest field is named."""
    site = open_site(worldly)
    word = "".join(f"{i * i * 7919 % 1000003:x}" for i in range(300))
    link = SEED_REQUEST["redirect_fail_link"]
    answer = site.post(cloud_type="yadisk", redirect_fail_link=link + word[:1000])
    assert answer.status_code == 422
    assert fields_of(answer.json()) == ["redirect_fail_link"]
    assert word[:20] not in answer.text
    assert site.post(cloud_type="google_drive", redirect_fail_link=link + word[:1000]).status_code == 200
    told = site.post(cloud_type="yadisk", redirect_fail_link=link + word[:300])
    assert world.yandex_accounts.consent(told.json()["redirect_to"])


@pytest.mark.parametrize("field", SEED_REQUEST)
@pytest.mark.parametrize("value", [None, 5, True, ["x"], {"a": 1}, ""])
def test_every_field_must_be_a_text(site: Site, field: str, value: object) -> None:
    """What is no text, or an empty one, is refused by its field's name alone."""
    answer = site.post(**{field: value})
    assert answer.status_code == 422
    assert fields_of(answer.json()) == [field]


@pytest.mark.parametrize("field", SEED_REQUEST)
def test_every_field_is_required(site: Site, field: str) -> None:
    """A missing field is named."""
    answer = site.post({name: value for name, value in SEED_REQUEST.items() if name != field})
    assert answer.status_code == 422
    assert answer.json()["errors"] == [{"field": field, "message": "is required"}]


def test_all_wrong_fields_are_named_at_once(site: Site) -> None:
    """A developer mends everything in one go."""
    answer = site.post(dict.fromkeys(SEED_REQUEST, "\\"))
    assert fields_of(answer.json()) == [name for name in SEED_REQUEST if name != "gallery_name"]


@pytest.mark.parametrize(
    "name", [" ", "\u00a0\u2003", "a" * 256, "a\nb", "a\tb", "\x00", "a\x85b", "a\u2028b", "a\ud800b"]
)
def test_names_that_no_folder_can_have_are_refused(site: Site, name: str) -> None:
    """Blank, too long, with control characters, or with half a character, which no UTF-8 can hold."""
    answer = site.post(gallery_name=name)
    assert answer.status_code == 422
    assert fields_of(answer.json()) == ["gallery_name"]


@pytest.mark.parametrize("name", ["я" * 255, "👩‍❤️‍👨 Anna & Max", "..", "a/b\\c", "'\"<script>", "\u202eabc"])
def test_unusual_names_are_taken(site: Site, name: str) -> None:
    """A folder may have any name a person would write."""
    assert site.post(gallery_name=name).status_code == 200


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("archive_type", "raw", "must be one of: webs, originals"),
        ("archive_type", "Webs", "must be one of: webs, originals"),
        ("cloud_type", "no_such_cloud", "must be one of: google_drive"),
        ("cloud_type", "GOOGLE_DRIVE", "must be one of: google_drive"),
    ],
)
def test_unknown_words_are_refused_with_the_known_ones(site: Site, field: str, value: str, message: str) -> None:
    """The answer names what would be taken."""
    assert site.post(**{field: value}).json()["errors"] == [{"field": field, "message": message}]


def test_a_cloud_without_its_secrets_is_not_offered(open_site: OpenSite, environ: dict[str, str]) -> None:
    """A known cloud that is not configured is refused like an unknown one."""
    bare = {name: value for name, value in environ.items() if name not in ("GOOGLE_CLIENT_ID", "GOOGLE_CLIENT_SECRET")}
    answer = open_site(bare).post()
    assert answer.status_code == 422
    assert fields_of(answer.json()) == ["cloud_type"]


@pytest.mark.parametrize("field", SEED_REQUEST)
def test_nothing_that_came_in_is_repeated(site: Site, field: str) -> None:
    """A refusal holds no part of the value, whatever is wrong with it."""
    for value in (f"\x00{SECRET_WORD}", {SECRET_WORD: SECRET_WORD}, [SECRET_WORD]):
        answer = site.post(**{field: value})
        assert answer.status_code == 422
        assert SECRET_WORD not in answer.text


def test_unknown_fields_are_ignored(site: Site) -> None:
    """A gallery that sends more than it must is served."""
    assert site.post({**SEED_REQUEST, "utm_source": "x"}).status_code == 200


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[" * 16000, b"\xff\xfe", b"null", b"[]", b'"text"', b"1" * 5000, json.dumps([SEED_REQUEST]).encode()],
)
def test_what_is_not_a_json_object_is_refused(site: Site, body: bytes) -> None:
    """One answer, whatever it is instead."""
    answer = site.send("POST", "/cloud_archive", data=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422
    assert answer.json()["code"] == "not_json"


@pytest.mark.parametrize(
    "kind",
    [
        "text/plain",
        "text/json",
        "application/x-www-form-urlencoded",
        "application/jsonp",
        "application/a/json",
        "",
        None,
    ],
)
def test_json_that_is_not_called_so_is_refused(site: Site, kind: str | None) -> None:
    """A page that may not call us could send it without asking a browser's leave."""
    body = json.dumps(SEED_REQUEST).encode()
    answer = site.send("POST", "/cloud_archive", data=body, headers={"Content-Type": kind})
    assert answer.status_code == 422
    assert answer.json()["code"] == "not_json"


@pytest.mark.parametrize(
    "kind", ["application/json; charset=utf-8", "Application/JSON ;x", "application/ld+json", "application/+json"]
)
def test_json_may_be_called_so_in_any_way(site: Site, kind: str) -> None:
    """By every type that JSON has, in any spelling."""
    body = json.dumps(SEED_REQUEST).encode()
    assert site.send("POST", "/cloud_archive", data=body, headers={"Content-Type": kind}).status_code == 200


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32-le"])
def test_json_may_be_encoded_in_any_unicode(site: Site, encoding: str) -> None:
    """As Python's reader finds it out."""
    body = json.dumps(SEED_REQUEST, ensure_ascii=False).encode(encoding)
    kind = {"Content-Type": "application/json"}
    assert site.send("POST", "/cloud_archive", data=body, headers=kind).status_code == 200


@pytest.mark.parametrize("value", ["NaN", "-Infinity", "1e999"])
def test_json_that_is_no_text_is_the_fields_fault(site: Site, value: str) -> None:
    """A number that is none."""
    body = json.dumps(SEED_REQUEST | {"gallery_name": "?"}).replace('"?"', value)
    answer = site.send("POST", "/cloud_archive", data=body, headers={"Content-Type": "application/json"})
    assert answer.json()["errors"] == [{"field": "gallery_name", "message": "must be a text"}]


def test_an_answer_is_kept_by_nobody_on_its_way(site: Site) -> None:
    """It holds a guest's state."""
    answer = site.post()
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Content-Type"] == "application/json"
