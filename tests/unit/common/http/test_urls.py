"""Checked links mean the same to us as to a browser, or are refused."""

from urllib.parse import urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic_core import Url, ValidationError

from common.http.network_policy import ANY_NETWORK, PUBLIC_ONLY
from common.http.urls import MAX_LINK_LENGTH, LinkRefused, check_link, check_path, host_matches, normalize_link

OURS = ("*.lite.gallery", "*.litegallery.io")


@pytest.mark.parametrize(
    ("host", "patterns", "expected"),
    [
        ("x.example", ("x.example",), True),
        ("a.x.example", ("x.example",), False),
        ("x.example", ("*.x.example",), True),
        ("a.b.x.example", ("*.x.example",), True),
        ("ax.example", ("*.x.example",), False),
        (".x.example", ("x.example",), False),
        ("x.example.evil", ("*.x.example",), False),
        ("anything", ("*",), True),
        ("b.example", ("a.example", "b.example"), True),
        ("", ("x.example",), False),
        ("x.example", (), False),
    ],
)
def test_patterns_name_hosts(host: str, patterns: tuple[str, ...], expected: bool) -> None:
    """A host alone, a host with its subdomains, or any."""
    assert host_matches(host, patterns) is expected


@pytest.mark.parametrize(
    ("link", "host", "netloc"),
    [
        ("https://app.litegallery.io", "app.litegallery.io", "app.litegallery.io"),
        ("https://APP.LITEGALLERY.IO/A", "app.litegallery.io", "app.litegallery.io"),
        ("https://lite.gallery:443/?a=b#c", "lite.gallery", "lite.gallery"),
        ("HTTPS://a.b.lite.gallery/я", "a.b.lite.gallery", "a.b.lite.gallery"),
    ],
)
def test_links_to_allowed_hosts_come_back_in_parts(link: str, host: str, netloc: str) -> None:
    """The host in lower case, the default port dropped."""
    parts = check_link(link, OURS)
    assert (parts.scheme, parts.hostname, parts.netloc) == ("https", host, netloc)


# Each of them once led somewhere else in some service: see oauth2-proxy's and OWASP's lists of open redirects.
ELSEWHERE = [
    "",
    "/",
    "//evil.com",
    "///evil.com",
    "https://",
    "https:///evil.com",
    "https:evil.com",
    "https:/evil.com",
    "https:/\\evil.com/",
    "https:\\\\evil.com/",
    "javascript:alert(1)//app.litegallery.io",
    "ftp://app.litegallery.io/",
    "http://app.litegallery.io/",
    "https://evil.com",
    "https://evil.com\\@app.litegallery.io/",
    "https://evil.com\\.litegallery.io/",
    "https://evil.com/.litegallery.io",
    "https://evil.com?.litegallery.io",
    "https://evil.com#.litegallery.io",
    "https://evil.com;.litegallery.io",
    "https://evil.com,app.litegallery.io",
    "https://evil.com%2F.litegallery.io",
    "https://evil.com%23.litegallery.io",
    "https://app.litegallery.io@evil.com/",
    "https://app.litegallery.io:443@evil.com/",
    "https://user@app.litegallery.io/",
    "https://user:word@app.litegallery.io/",
    "https://@app.litegallery.io/",
    "https://:@app.litegallery.io/",
    "https://app.litegallery.io.evil.com/",
    "https://app.litegallery.io%2eevil.com/",
    "https://app.litegallery.io./",
    "https://app.litegallery.io:8443/",
    "https://app.litegallery.io:80/",
    "https://app.litegallery.io:0/",
    "https://app.litegallery.io:65536/",
    "https://app.litegallery.io:x/",
    "https://evillitegallery.io/",
    "https://litegallery.io.evil.com",
    "https://\u0430pp.litegallery.io/",
    "https://app.lit\u0435gallery.io/",
    "https://app.litegallery\u3002io/",
    "https://app\uff0elitegallery.io/",
    "https://evil\u2100.litegallery.io/",
    "https://app.litegallery.io\u200b/",
    "https://app.lite\u00adgallery.io/",
    "https://[::1]/",
    "https://[app.litegallery.io]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[",
    "https://127.0.0.1/",
    "https://0x7f.1/",
    "https://2130706433/",
]


@pytest.mark.parametrize("link", ELSEWHERE)
def test_links_that_lead_elsewhere_are_refused(link: str) -> None:
    """However it is hidden; the exception does not repeat the link."""
    with pytest.raises(LinkRefused) as caught:
        check_link(link, OURS)
    assert "evil" not in str(caught.value)


@pytest.mark.parametrize("char", [*map(chr, range(0x21)), *map(chr, range(0x7F, 0xA0)), "\\"])
@pytest.mark.parametrize("form", ["{}https://lite.gallery/", "https://lite{}.gallery/", "https://lite.gallery/{}"])
def test_characters_that_browsers_drop_or_change_are_refused(char: str, form: str) -> None:
    """Anywhere in a link."""
    with pytest.raises(LinkRefused):
        check_link(form.format(char), OURS)


NO_NAMES = [
    "xn--a",
    "xn--",
    "xn---",
    "xn--0",
    "xn--a-",
    "XN--A",
    "xn--ls8h-",
    "xn--abc-",
    "xn--99999999999999",
    "xn--a.xn--e1afmkfd",
    "xn--e1afmkfd.xn--a",
    "-a",
    "a-",
    "a.-b",
    "a-.b",
    "a..b",
    "a" * 64,
    f"{'a' * 63}.{'b' * 63}.{'c' * 63}.{'d' * 63}",
]


@pytest.mark.parametrize("name", NO_NAMES)
def test_names_that_nobody_can_look_up_are_refused(name: str) -> None:
    """Labels that decode to nothing, that hyphens begin or end, that are empty or too long; names that are too long."""
    for hosts in (OURS, ("*",)):
        with pytest.raises(LinkRefused):
            check_link(f"https://{name}.lite.gallery/", hosts)


@pytest.mark.parametrize("name", ["xn--e1afmkfd", "xn--80ak6aa92e", "xn--zca", "a--b", "a_b", "a" * 63, "1-2"])
def test_names_of_every_script_pass(name: str) -> None:
    """As browsers and registries write them."""
    assert check_link(f"https://{name}.lite.gallery/", OURS).hostname == f"{name}.lite.gallery"


@pytest.mark.parametrize(
    "link", ["https://lite.gallery/\ud800", "https://lite.gallery/?\udfff", "https://\ud83d.lite.gallery/"]
)
def test_half_a_character_is_refused(link: str) -> None:
    """JSON may contain a lone surrogate; no header and no message can carry one."""
    with pytest.raises(LinkRefused):
        check_link(link, OURS)
    with pytest.raises(LinkRefused):
        check_path("/a/\ud800")


def test_any_host_may_be_allowed_but_not_any_spelling() -> None:
    """`*` allows any host, in its plain spelling only."""
    assert check_link("https://evil.com/a", ("*",)).hostname == "evil.com"
    for link in (
        "https://a@evil.com/",
        "https://evil.com\\@a/",
        "http://evil.com/",
        "https://evil.com:8443/",
        "https://evil.com./",
        "https://0x7f.1/",
        "https://2130706433/",
    ):
        with pytest.raises(LinkRefused):
            check_link(link, ("*",))


@pytest.mark.parametrize(
    "link", ["http://127.0.0.1:8000/a", "https://127.0.0.1:8443", "http://127.0.0.1", "http://127.0.0.1:80/"]
)
def test_the_local_network_may_be_plain_and_on_any_port(link: str) -> None:
    """For sandbox and tests only; the host must be allowed all the same."""
    assert check_link(link, ("127.0.0.1",), policy=ANY_NETWORK).hostname == "127.0.0.1"
    for hosts, policy in ((("127.0.0.1",), PUBLIC_ONLY), (("localhost",), ANY_NETWORK)):
        with pytest.raises(LinkRefused):
            check_link(link.replace("https", "http"), hosts, policy)


def test_a_link_has_a_greatest_length() -> None:
    """The longest that every browser takes."""
    link = "https://lite.gallery/".ljust(MAX_LINK_LENGTH, "a")
    assert check_link(link, OURS)
    with pytest.raises(LinkRefused):
        check_link(link + "a", OURS)


@given(link=st.text(max_size=60) | st.text("htps:/\\@.?#[]%evillitegallery.io \t", max_size=40).map("https://".__add__))
def test_what_passes_is_what_every_parser_sees(link: str) -> None:
    """Nothing but LinkRefused is ever raised, and what passes has an allowed host and nothing hidden."""
    try:
        parts = check_link(link, OURS)
    except LinkRefused:
        return
    assert host_matches(str(urlsplit(link).hostname), OURS)
    assert parts.username is parts.password is parts.port is None


HOSTS = st.one_of(
    st.text("0123456789abcdefxX.-_:[]%@", max_size=16),
    st.sampled_from(["1.2.3.4", "1.2.3", "0x7f.1", "017.0.0.1", "1.2.3.0x4", "256.1.1.1", "a.1", "a.0x", "4294967295"]),
    st.sampled_from(["[::1]", "[1:0:0:2::]", "[0:0::1]", "[::ffff:7f00:1]", "[1:2:3:4:5:6:7:8]", "[::FFFF:1]", "[::]"]),
    st.sampled_from(["xn--80ak6aa92e.com", "xn--a", "a..b", "a.b.", ".a", "-a-", "_", "A.B", "faß.de", "ﬁ.example"]),
)
LINKS = st.builds(
    "{}{}{}{}".format,
    st.sampled_from(["https://", "http://", "HTTPS://", "https:", "https:/", "https:///", "ws://"]),
    HOSTS,
    st.sampled_from(["", ":", ":443", ":80", ":0443", ":8443", ":65536", ":0", ":x"]),
    st.one_of(st.just(""), st.text('/.?#%@:;=&a2Fя "|{}', max_size=12)),
)


@given(link=LINKS)
@example(link="https://a.1/")
@example(link="https://1.2.3/")
def test_what_passes_means_the_same_to_a_browser(link: str) -> None:
    """A browser opens the host and the port that were checked, or nothing."""
    try:
        parts = check_link(link, ("*",), policy=ANY_NETWORK)
    except LinkRefused:
        return
    try:
        seen = Url(link)
    except ValidationError:
        return
    default = {"https": 443, "http": 80}[parts.scheme]
    assert (seen.scheme, (seen.host or "").strip("[]"), seen.port) == (
        parts.scheme,
        parts.hostname,
        default if parts.port is None else parts.port,
    )


@given(link=LINKS | st.text(max_size=40))
def test_what_passes_is_where_is_asked(link: str) -> None:
    """Normalizing changes neither host nor port, and is idempotent."""
    try:
        written = normalize_link(link)
    except LinkRefused:
        return
    assert written.isascii()
    assert written.isprintable()
    assert " " not in written
    assert normalize_link(written) == written
    try:
        parts = check_link(link, ("*",), policy=ANY_NETWORK)
    except LinkRefused:
        return
    asked = urlsplit(written)
    assert (asked.scheme, asked.hostname) == (parts.scheme, parts.hostname)
    assert asked.port == parts.port or parts.port is None


@pytest.mark.parametrize(
    ("link", "written"),
    [
        ("https://h.example/a%20b/c.jpg?x=1&y=%2F", "https://h.example/a%20b/c.jpg?x=1&y=%2F"),
        ("https://h.example/Фото 1.jpg", "https://h.example/%D0%A4%D0%BE%D1%82%D0%BE%201.jpg"),
        ("https://h.example/a/../b.jpg", "https://h.example/b.jpg"),
        ("https://h.example/a\r\nX: y", "https://h.example/a%0D%0AX:%20y"),
        ("HTTPS://H.example:8443/a", "https://h.example:8443/a"),
        ("https://h.example", "https://h.example"),
    ],
)
def test_addresses_are_written_in_the_characters_of_addresses(link: str, written: str) -> None:
    """What is encoded stays; whatever could end a line or a request is encoded."""
    assert normalize_link(link) == written


@pytest.mark.parametrize("link", ["", "a", "ftp://h.example/a", "https://", "https://[::1", "https://h.example:65536/"])
def test_what_is_no_web_address_is_not_written(link: str) -> None:
    """The exception does not repeat it."""
    with pytest.raises(LinkRefused, match=r"^is no "):
        normalize_link(link)
