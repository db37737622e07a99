"""Open redirects: links that other services once followed, at the POST and at the callback."""

from contextlib import suppress
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import HttpUrl, TypeAdapter

from common.http.urls import LinkRefused, check_link
from sandbox.world import World
from tests.fakes.guest import assert_refused
from tests.fakes.web_site import CALLBACK, SEED_REQUEST, OpenSite, Site
from web.consent.oauth_state import OAuthState

OURS = ("*.lite.gallery", "*.litegallery.io")
GOOD = "https://app.litegallery.io/saved/?a=b#c"
# After oauth2-proxy's list of open redirects and OWASP's cheat sheet.
BANK = [
    "https://evil.com\\@app.litegallery.io/",
    "https://evil.com\\.litegallery.io/",
    "https://app.litegallery.io@evil.com/",
    "https:/\\evil.com/",
    "https:evil.com",
    "//evil.com",
    "/\\evil.com",
    "https://evillitegallery.io/",
    "https://app.litegallery.io.evil.com/",
    "https://app.litegallery.io%2eevil.com/",
    "https://app.litegallery.io\t.evil.com/",
    "https://app.litegallery.io\n.evil.com/",
    "https://\u0430pp.litegallery.io/",
    "https://app\uff0elitegallery\uff0eio/",
    "https://app.litegallery.io./",
    "https://app.litegallery.io:8443/",
    "https://user@app.litegallery.io/",
    "https://user:word@app.litegallery.io/",
    "http://app.litegallery.io/",
    "javascript:alert(1)//app.litegallery.io",
    "data:text/html,https://app.litegallery.io/",
    "https://evil.com#@app.litegallery.io/",
    "https://evil.com?@app.litegallery.io/",
    "https://[::ffff:127.0.0.1]/",
    "https://app.litegallery.io/\x00",
    "https://app.litegallery.io/" + "a" * 2048,
]
_browser = TypeAdapter(HttpUrl)


@pytest.fixture
def strict(open_site: OpenSite, worldly: dict[str, str]) -> Site:
    """An application in the pretend world that sends guests to our own hosts only."""
    hosts = ",".join(OURS)
    return open_site(worldly, REDIRECT_HOSTS=hosts, ALLOW_LOCAL_NETWORK="true")


@pytest.mark.parametrize("link", [link for link in BANK if link[:7] != "http://" and ":8443" not in link])
def test_the_callback_follows_no_such_link_either(strict: Site, world: World, link: str) -> None:
    """Sealed by ourselves, as if an older version had let it pass: a page of ours, and nobody is called."""
    for links in ((link, GOOD), (GOOD, link)):
        opened = OAuthState("job", 1_790_000_000, "v" * 43, "webs", SEED_REQUEST["archive_url"], "x", *links)
        state = opened.seal(strict.settings.sealer, "google_drive")
        for answer in ({"code": "4/0A"}, {"error": "access_denied"}):
            assert_refused(strict.send("GET", CALLBACK, params={"state": state, **answer}), strict, world)


@pytest.mark.parametrize("link", BANK)
def test_the_button_takes_no_such_link(open_site: OpenSite, environ: dict[str, str], link: str) -> None:
    """For success or for failure: refused, named by its field, and not repeated."""
    strict = open_site(environ, REDIRECT_HOSTS=",".join(OURS))
    for field in ("redirect_success_link", "redirect_fail_link"):
        answer = strict.post(**{"redirect_success_link": GOOD, "redirect_fail_link": GOOD, field: link})
        assert answer.status_code == 422
        assert [error["field"] for error in answer.json()["errors"]] == [field]
        assert "evil" not in answer.text


@given(
    link=st.sampled_from([*BANK, GOOD]),
    at=st.integers(0, 60),
    put=st.text(
        "\\/@:.#?%[];, \t\r\n\x00\x0b\x7f\x85\u2028\uff0e\u3002\uff0f\u0430-evilcom2ef", min_size=1, max_size=3
    ),
    cut=st.integers(0, 3),
)
def test_what_passes_leads_a_browser_to_us(link: str, at: int, put: str, cut: int) -> None:
    """Any link of the bank, changed at any place: a browser's parser and a plain one both find a host of ours."""
    changed = link[:at] + put + link[at + cut :]
    with suppress(LinkRefused):
        check_link(changed, OURS)
        for host in (str(_browser.validate_python(changed).host), str(urlsplit(changed).hostname)):
            assert host.endswith((".litegallery.io", ".lite.gallery")) or host in ("litegallery.io", "lite.gallery")
        assert changed.lower().startswith("https://")
        assert not any(char <= " " or char == "\\" for char in changed)


def test_a_good_link_passes_both_doors(strict: Site, world: World) -> None:
    """So the refusals above are about the links, and it is followed to the byte."""
    told = strict.post(redirect_success_link=GOOD, redirect_fail_link=GOOD).json()
    address = world.accounts.consent(told["redirect_to"])
    assert strict.come_back(address).headers["Location"] == GOOD
