"""`POST /cloud_archive`: what is taken, what is answered, and what is refused without being repeated."""

import base64
import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from common.job_id import make_job_id
from tests.fakes.web_site import PUBLIC, SEED_REQUEST, OpenSite, Site
from web.promise import Promise

SECRET_WORD = "zyxwvut"


def asked_of_google(redirect_to: str) -> dict[str, list[str]]:
    """Return the consent page's query."""
    return parse_qs(urlsplit(redirect_to).query, strict_parsing=True)


def fields_of(problem: dict[str, Any]) -> list[str]:
    """Return the names of the fields that were refused."""
    return [error["field"] for error in problem["errors"]]


def test_the_seeds_own_request_is_answered_with_a_consent_page(site: Site) -> None:
    """The example of the task's text works as it stands."""
    answer = site.post(SEED_REQUEST)
    told = answer.json()
    assert answer.status_code == 200
    assert set(told) == {"redirect_to", "job_id", "status_url"}
    assert told["redirect_to"].startswith("https://accounts.google.com/o/oauth2/v2/auth?")
    assert told["status_url"] == f"{PUBLIC}/cloud_archive/jobs/{told['job_id']}"
    assert len(told["job_id"]) >= 22


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
    promise = Promise(job_id, 1_790_000_000, "v" * 43, "originals", link, letters, link + "ok", link + "no")
    assert len(link) > 280
    assert len(promise.seal(site.settings.sealer, "google_drive")) <= 1500


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


BAD_LINKS = [
    "https://evil.com\\@app.litegallery.io/",
    "https://evil.com\\.litegallery.io/",
    "https://app.litegallery.io@evil.com/",
    "https://user@app.litegallery.io/",
    "https://:@app.litegallery.io/",
    "https:/\\evil.com/",
    "https:evil.com",
    "https:///evil.com",
    "//evil.com",
    "/app.litegallery.io",
    "app.litegallery.io",
    "https://evillitegallery.io/",
    "https://app.litegallery.io.evil.com/",
    "https://app.litegallery.io%2eevil.com/",
    "https://app.litegallery.io\t.evil.com/",
    "https://app.litegallery.io\r\nSet-Cookie: a=b/",
    " https://app.litegallery.io/",
    "https://app.litegallery.io/ ",
    "https://app.litegallery.io/\x00",
    "https://app.litegallery.io/\x85",
    "https://\u0430pp.litegallery.io/",
    "https://app\u3002litegallery\u3002io/",
    "https://app.litegallery.io./",
    "javascript:alert(1)",
    "data:text/html,x",
    "http://app.litegallery.io/",
    "https://app.litegallery.io:8443/",
    "https://app.litegallery.io:99999/",
    "https://[::1]/",
    "https://127.0.0.1/",
    "https://app.litegallery.io/" + "a" * 2048,
]


@pytest.fixture
def strict(open_site: OpenSite, environ: dict[str, str]) -> Site:
    """An application that sends guests to our own hosts only, as by default."""
    return open_site({name: value for name, value in environ.items() if not name.endswith("_HOSTS")})


@pytest.mark.parametrize("field", ["redirect_success_link", "redirect_fail_link"])
@pytest.mark.parametrize("link", BAD_LINKS)
def test_links_that_lead_elsewhere_are_refused(strict: Site, field: str, link: str) -> None:
    """However a link hides its host, a browser would not come to it through us."""
    good = dict.fromkeys(("redirect_success_link", "redirect_fail_link"), "https://app.litegallery.io/")
    answer = strict.post(**{**good, field: link})
    assert answer.status_code == 422
    assert fields_of(answer.json()) == [field]
    assert "evil" not in answer.text


@pytest.mark.parametrize(
    "link",
    [
        "https://app.litegallery.io/a/b?c=d&e=%2F#f",
        "https://litegallery.io",
        "https://APP.LiteGallery.io/",
        "https://t.lite.gallery:443/",
        "https://app.litegallery.io/Название?имя=я",
    ],
)
def test_links_to_our_own_hosts_are_taken(strict: Site, link: str) -> None:
    """Upper case, queries, fragments and the default port are all right."""
    assert strict.post(redirect_success_link=link, redirect_fail_link=link).status_code == 200


@pytest.mark.parametrize(
    "url",
    [
        "https://arch.litegallery.io",
        "https://arch.litegallery.io/",
        "https://arch.litegallery.io//",
        "https://arch.litegallery.io/?json=true",
        "https://arch.litegallery.io/a/../b",
        "https://arch.litegallery.io/a/./b",
        "https://arch.litegallery.io/a/..",
        "https://arch.litegallery.io/a/%2e%2e/b",
        "https://arch.litegallery.io/a/.%2E/b",
        "https://arch.litegallery.io/a/%252e%252e/b",
        "https://arch.litegallery.io/a/..;x/b",
        "https://arch.litegallery.io/a/%2e%2e%2fb",
        "https://arch.litegallery.io/a/%2e%2e%5cb",
        "https://arch.litegallery.io/a%0d%0ab",
        "https://arch.litegallery.io/a%00",
        "https://arch.litegallery.io/a\\b",
        "https://arch.litegallery.io/a b",
        "https://arch.litegallery.io/a\nb",
        "https://user:word@arch.litegallery.io/a",
        "ftp://arch.litegallery.io/a",
        "file:///etc/passwd",
        "/g/api/stream/1/2",
        "arch.litegallery.io/a",
    ],
)
def test_archive_urls_without_an_honest_path_are_refused(site: Site, url: str) -> None:
    """No path, a path that climbs, or one that servers read differently."""
    answer = site.post(archive_url=url)
    assert answer.status_code == 422
    assert fields_of(answer.json()) == ["archive_url"]


@pytest.mark.parametrize(
    "url",
    [
        "https://arch-d.lite.gallery/g/api/stream/858329/f9d24b1dfb81a1bfa215cc008f46f3d3?mod=web",
        "http://any.host.example:8080/a",
        "https://arch.litegallery.io/a..b/...c/.d",
        "https://arch.litegallery.io/%D0%B0/я",
    ],
)
def test_any_honest_archive_url_is_taken(strict: Site, url: str) -> None:
    """Its host does not matter: the list is read from the gallery's own."""
    links = dict.fromkeys(("redirect_success_link", "redirect_fail_link"), "https://app.litegallery.io/")
    assert strict.post(archive_url=url, **links).status_code == 200


@pytest.mark.parametrize("name", [" ", "\u00a0\u2003", "a" * 256, "a\nb", "a\tb", "\x00", "a\x85b", "a\u2028b"])
def test_names_that_no_folder_can_have_are_refused(site: Site, name: str) -> None:
    """Blank, too long, or with control characters."""
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
        ("cloud_type", "dropbox", "must be one of: google_drive"),
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


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", None])
def test_json_that_is_not_called_so_is_refused(site: Site, kind: str | None) -> None:
    """A page that may not call us could send it without asking a browser's leave."""
    body = json.dumps(SEED_REQUEST).encode()
    answer = site.send("POST", "/cloud_archive", data=body, headers={"Content-Type": kind})
    assert answer.status_code == 422
    assert answer.json()["code"] == "not_json"
