"""The links that a gallery sends: where guests are sent to, and where the list of photos is."""

import pytest

from tests.fakes.web_site import OpenSite, Site, fields_of

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
