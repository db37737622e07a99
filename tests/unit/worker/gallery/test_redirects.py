"""Where a redirect leads: where it would lead a browser, or nowhere."""

from urllib.parse import urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import HttpUrl, TypeAdapter, ValidationError

from common.http.network_policy import ANY_NETWORK
from common.http.urls import LinkRefused, check_link, normalize_link
from worker.gallery.redirects import read_location, resolve_link

BASE = "https://up-d.lite.gallery/a/b%20c/d.jpg?sig=1"
HOST = "https://up-d.lite.gallery"
# The parser of a browser, for whole addresses.
_browser = TypeAdapter(HttpUrl)


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        # What `new URL(target, BASE).href` is, but for fragments, an empty query and the case and number of escapes.
        ("/ok/%D1%84.jpg", f"{HOST}/ok/%D1%84.jpg"),
        ("a b.jpg", f"{HOST}/a/b%20c/a%20b.jpg"),
        ("  x.jpg\t", f"{HOST}/a/b%20c/x.jpg"),
        ("/x\r\n /y.jpg", f"{HOST}/x%20/y.jpg"),
        ("//up-e.lite.gallery/x", "https://up-e.lite.gallery/x"),
        ("//up-e.lite.gallery", "https://up-e.lite.gallery/"),
        ("///up-e.lite.gallery/x", "https://up-e.lite.gallery/x"),
        ("\\\\up-e.lite.gallery\\x", "https://up-e.lite.gallery/x"),
        ("https:\\up-e.lite.gallery", f"{HOST}/up-e.lite.gallery"),
        ("?q", f"{HOST}/a/b%20c/d.jpg?q"),
        ("?", f"{HOST}/a/b%20c/d.jpg"),
        ("#f", BASE),
        ("x#f?g", f"{HOST}/a/b%20c/x"),
        ("?a#b", f"{HOST}/a/b%20c/d.jpg?a"),
        ("../x", f"{HOST}/a/x"),
        ("../../../x", f"{HOST}/x"),
        ("./", f"{HOST}/a/b%20c/"),
        (".", f"{HOST}/a/b%20c/"),
        ("..", f"{HOST}/a/"),
        ("/x/%2e%2E/y", f"{HOST}/y"),
        ("/x/..//y", f"{HOST}//y"),
        ("/a%2F..%2Fb", f"{HOST}/a%2F..%2Fb"),
        ("/x?back=../y&at=//z", f"{HOST}/x?back=../y&at=//z"),
        ("HTTPS://UP-E.Lite.Gallery/X", "https://up-e.lite.gallery/X"),
        ("https:x.jpg", f"{HOST}/a/b%20c/x.jpg"),
        ("https:/x.jpg", f"{HOST}/x.jpg"),
        ("https:///up-e.lite.gallery/x", "https://up-e.lite.gallery/x"),
        ("http:up-e.lite.gallery/x", "http://up-e.lite.gallery/x"),
        ("https://%D1%84%D0%BE%D1%82%D0%BE.lite.gallery/x", "https://xn--n1aalg.lite.gallery/x"),
        ("https://up%2De.lite.gallery/x", "https://up-e.lite.gallery/x"),
        ("/100%.jpg", f"{HOST}/100%25.jpg"),
        ("/100%%20a.jpg", f"{HOST}/100%25%20a.jpg"),
        ("/%d1%84", f"{HOST}/%D1%84"),
        ("/a:b", f"{HOST}/a:b"),
        ("./a:b", f"{HOST}/a/b%20c/a:b"),
    ],
)
def test_it_leads_where_it_leads_a_browser(target: str, expected: str) -> None:
    """However it is written: https://url.spec.whatwg.org/#url-parsing."""
    assert resolve_link(BASE, target) == expected


@pytest.mark.parametrize(
    "target", ["file:///etc/passwd", "mailto:a@b.c", "javascript:1", "a:b", "//[::1", "//", "//x:y/"]
)
def test_what_is_no_web_address_is_refused(target: str) -> None:
    """Said in one way, without repeating it."""
    with pytest.raises(LinkRefused):
        resolve_link(BASE, target)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("/ok/фото х.jpg".encode(), "/ok/%D1%84%D0%BE%D1%82%D0%BE %D1%85.jpg"),
        ("/к\u00a0х".encode(), "/%D0%BA%C2%A0%D1%85"),
        ("/café".encode("latin-1"), "/caf%E9"),
        ("/фото".encode("cp1251"), "/%F4%EE%F2%EE"),
        (b" /a%20b \t", "/a%20b"),
        (b"  ", ""),
    ],
)
def test_its_bytes_are_what_the_server_wrote(raw: bytes, expected: str) -> None:
    """Whatever script it thought in; no byte of a letter is taken for a blank."""
    assert read_location(302, {"location": raw.decode("latin-1")}) == expected


@pytest.mark.parametrize("status", [200, 201, 300, 304, 305, 306, 404])
def test_others_lead_nowhere(status: int) -> None:
    """As in browsers; nor does one that does not say where to."""
    assert read_location(status, {"location": "/x"}) == ""
    assert read_location(308, {}) == ""


@settings(deadline=None, max_examples=300)
@given(st.text() | st.text("/\\.:?#@%2eE[]hftps ёx-\t\x00\x85", max_size=30))
def test_any_text_leads_to_an_address_or_is_refused(text: str) -> None:
    """What comes out is written as addresses are, and is read the same by everyone."""
    location = read_location(302, {"location": text})
    assert location.isascii()
    try:
        led = resolve_link(BASE, location)
    except LinkRefused:
        return
    assert normalize_link(led) == led
    assert "#" not in led


@settings(deadline=None, max_examples=300)
@given(
    st.sampled_from(["https://", "HTTPS:\\\\", "//", "https:/\\/"]),
    st.text("abx.-%2e@:/\\[]ф0", min_size=1, max_size=12),
    st.sampled_from(["", "/x", "\\@up-d.lite.gallery/", "?a", "#@b"]),
)
def test_what_passes_leads_to_the_host_a_browser_finds(start: str, host: str, rest: str) -> None:
    """Two readings of one address would be a way around the hosts that are allowed."""
    try:
        led = resolve_link(BASE, read_location(302, {"location": f"{start}{host}{rest}"}))
        check_link(led, ("*",), policy=ANY_NETWORK)
    except LinkRefused:
        return
    whole = f"{start}{host}{rest}" if start != "//" else f"https://{host}{rest}"
    try:
        assert _browser.validate_python(whole).host == urlsplit(led).hostname
    except ValidationError:
        pytest.fail(f"no browser reads {whole!r}, we read {led!r}")
