"""The gallery: exactly the addresses, the headers and the body it was promised, and no address it did not name."""

import json
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import pytest

from common.clouds.photos import Photo
from common.crypto.sealing import Secret
from common.errors import PhotoRejected, Reason, Transient
from common.http.client import HttpClient
from common.http.network_policy import ANY_NETWORK, PUBLIC_ONLY
from common.messages.archive_job import ArchiveJob
from sandbox.http.message import Dropped, Reply, Request, text_reply
from sandbox.http.server import Server
from tests.fakes.in_process import InProcessHttp, StreamedReply
from worker.gallery.client import Gallery, list_url
from worker.gallery.redirects import MAX_REDIRECTS

BASE, PHOTOS = "https://app.litegallery.io", "https://up-d.lite.gallery"
ARCHIVE_URL = "https://arch-d.lite.gallery/g/api/stream/858329/f9d24b1dfb81a1bfa215cc008f46f3d3?mod=web"
DATA = b"a photo"
PHOTO = Photo("1", (), "a.jpg", f"{PHOTOS}/litepr-m/a.jpg", len(DATA), zlib.crc32(DATA))

Answer = Callable[[Request], Reply]


def job_of(**changes: Any) -> ArchiveJob:
    """Return a job with some fields changed."""
    fields: dict[str, Any] = {
        "id": "job-1",
        "cloud_type": "google_drive",
        "archive_type": "originals",
        "archive_url": ARCHIVE_URL,
        "gallery_name": "Свадьба",
        "grant": "sealed",
        "created_at": "2026-11-23T12:00:00Z",
    }
    return ArchiveJob(**{**fields, **changes})


def gallery_of(http: Any, **changes: Any) -> Gallery:
    """Return the gallery as the worker makes it by default."""
    settings = {
        "base_url": BASE,
        "photo_hosts": ("*.lite.gallery", "*.litegallery.io"),
        "done_url": f"{BASE}/cloud_archive/done",
        "signing_secrets": (),
        "policy": PUBLIC_ONLY,
    }
    return Gallery(http, **{**settings, **changes})


def wire(hosts: Mapping[str, Answer]) -> InProcessHttp:
    """Return a client that reaches these hosts and no others."""
    return InProcessHttp(hosts, Reason.PHOTO_UNAVAILABLE)


def drop(_request: Request) -> Reply:
    """Reset the connection."""
    raise Dropped


def status(code: int, **headers: str) -> Answer:
    """Answer with a status."""
    return lambda _: Reply(code, b"", headers)


def serve(_request: Request) -> Reply:
    """Answer with the photo."""
    return Reply(200, DATA, {"Content-Type": "image/jpeg"})


def lead_to(target: str, code: int = 302) -> Answer:
    """Send the client elsewhere."""
    return lambda _: Reply(code, b"", {"Location": target})


def read(incoming: Any) -> bytes:
    """Read what was opened."""
    assert isinstance(incoming, StreamedReply)
    return incoming.read(1000)


# The list


@pytest.mark.parametrize(
    ("archive_url", "expected"),
    [
        (ARCHIVE_URL, f"{BASE}/g/api/stream/858329/f9d24b1dfb81a1bfa215cc008f46f3d3?json=true"),
        ("https://arch.litegallery.io/asdfdafdf/", f"{BASE}/asdfdafdf/?json=true"),
        ("https://arch.litegallery.io/a/b", f"{BASE}/a/b?json=true"),
        ("https://arch.litegallery.io:444/a?json=false&x=1#part", f"{BASE}/a?json=true"),
        ("https://arch.litegallery.io/a%20b;c=1/%D0%A4", f"{BASE}/a%20b;c=1/%D0%A4?json=true"),
    ],
)
def test_the_list_is_where_the_seed_says(archive_url: str, expected: str) -> None:
    """The path at the gallery's own address; of the query nothing is left."""
    assert list_url(BASE, archive_url) == expected
    http = wire({BASE: lambda _: Reply(200, b"[]")})
    gallery_of(http).fetch_manifest(archive_url)
    assert [(method, url) for method, url, _ in http.sent] == [("GET", expected)]


def test_another_stage_has_another_address() -> None:
    """GALLERY_BASE_URL, be it with a path of its own."""
    assert list_url("https://t.litegallery.io", ARCHIVE_URL).startswith("https://t.litegallery.io/g/api/stream/")


def test_a_list_is_read() -> None:
    """Photos, in order."""
    entry = {"id": 1, "name": "A/b.jpg", "filesize": 7, "crc": "-", "url": f"{PHOTOS}/b.jpg"}
    http = wire({BASE: lambda _: Reply(200, json.dumps([entry, {**entry, "id": 2}]).encode())})
    assert list(gallery_of(http).fetch_manifest(ARCHIVE_URL).photos) == ["1", "2"]


@pytest.mark.parametrize("code", [204, 206, 300, 304, 305, 306, 400, 401, 403, 404, 410, 429, 500, 502, 503])
def test_a_list_that_is_not_had_may_be_had_later(code: int) -> None:
    """Whatever the reason; only what leads elsewhere is followed. The wait it asks for is kept."""
    http = wire({BASE: status(code, **{"Location": f"{BASE}/elsewhere", "Retry-After": "7"})})
    with pytest.raises(Transient) as raised:
        gallery_of(http).fetch_manifest(ARCHIVE_URL)
    assert (raised.value.reason, raised.value.wait, len(http.sent)) == (Reason.GALLERY_UNAVAILABLE, 7.0, 1)


@pytest.mark.parametrize("answer", [drop, lambda _: text_reply("<html>log in</html>"), lambda _: Reply(200, b"{}")])
def test_a_list_that_is_none_may_be_one_later(answer: Answer) -> None:
    """A broken line, a page, no array."""
    with pytest.raises(Transient):
        gallery_of(wire({BASE: answer})).fetch_manifest(ARCHIVE_URL)


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    ("target", "found"),
    [
        ("/g/new?json=true", f"{BASE}/g/new?json=true"),
        ("?json=true&page=1", f"{list_url(BASE, ARCHIVE_URL)}&page=1"),
        ("https://arch-e.lite.gallery/новый список", "https://arch-e.lite.gallery/" + quote("новый список")),
        ("https://arch-e.lite.gallery:443/a", "https://arch-e.lite.gallery:443/a"),
    ],
)
def test_a_list_may_be_elsewhere(code: int, target: str, found: str) -> None:
    """At the gallery itself or where photos may be; it is asked for in the same words."""
    asked: list[str] = []

    def answer(request: Request) -> Reply:
        asked.append(request.method)
        return Reply(203, b"[]") if len(asked) > 1 else Reply(code, b"", {"Location": target})

    http = wire({BASE: answer, "https://arch-e.lite.gallery": answer, "https://arch-e.lite.gallery:443": answer})
    assert gallery_of(http).fetch_manifest(ARCHIVE_URL).photos == {}
    assert [(method, url) for method, url, _ in http.sent] == [("GET", list_url(BASE, ARCHIVE_URL)), ("GET", found)]
    assert http.sent[0][2] == http.sent[1][2]


def test_the_gallery_may_lead_within_its_own_host() -> None:
    """Which is the operator's, whatever PHOTO_HOSTS says."""
    own = "https://gallery.internal"
    http = wire({own: lambda request: Reply(200, b"[]") if request.path == "/b" else lead_to("/b")(request)})
    assert gallery_of(http, base_url=own).fetch_manifest("https://arch.lite.gallery/a").photos == {}


# A photo


def test_a_photo_is_read_at_its_own_host() -> None:
    """Unpacked, unconditional and whole at first."""
    http = wire({PHOTOS: serve})
    assert read(gallery_of(http).open_photo(PHOTO, 0, None)) == DATA
    ((method, url, headers),) = http.sent
    assert (method, url) == ("GET", PHOTO.url)
    assert headers == {"Accept": "*/*", "Accept-Encoding": "identity"}


@pytest.mark.parametrize(("etag", "condition"), [('"a"', {"If-Range": '"a"'}), ('W/"a"', {}), (None, {}), ("", {})])
def test_a_photo_is_gone_on_with(etag: str | None, condition: dict[str, str]) -> None:
    """From an offset, on condition of the version if that promises the same bytes."""
    http = wire({PHOTOS: status(206)})
    gallery_of(http).open_photo(PHOTO, 5, etag)
    expected = {"Accept": "*/*", "Accept-Encoding": "identity", "Range": "bytes=5-", **condition}
    assert http.sent[0][2] == expected


@pytest.mark.parametrize("answer", [drop, status(404), status(403), status(410), status(429), status(500), status(503)])
def test_what_its_host_does_not_give_the_gallery_may(answer: Answer) -> None:
    """The same path at the gallery's own address, with the same range."""
    http = wire({PHOTOS: answer, BASE: serve})
    photo = Photo("1", (), "a", f"{PHOTOS}/a/%D0%A4.jpg?sig=x%3Dy", 7)
    assert read(gallery_of(http).open_photo(photo, 3, '"a"')) == DATA
    assert [url for _, url, _ in http.sent] == [photo.url, f"{BASE}/a/%D0%A4.jpg?sig=x%3Dy"]
    assert http.sent[0][2] == http.sent[1][2]


def test_a_part_that_is_refused_is_asked_for_whole() -> None:
    """By a server that cannot start in the middle and says so with 416: the reader reads again up to there."""
    asked: list[Request] = []

    def refuse(request: Request) -> Reply:
        asked.append(request)
        return Reply(416, b"") if "Range" in request.headers else serve(request)

    incoming = gallery_of(wire({PHOTOS: refuse})).open_photo(PHOTO, 3, '"tag"')
    assert (incoming.status, read(incoming)) == (200, DATA)
    assert [(request.headers["Range"], request.headers["If-Range"]) for request in asked] == [
        ("bytes=3-", '"tag"'),
        (None, None),
    ]


def test_a_host_that_is_busy_says_for_how_long() -> None:
    """The gallery's own word counts, if neither has the photo."""
    busy = status(503, **{"Retry-After": "17"})
    with pytest.raises(Transient) as raised:
        gallery_of(wire({PHOTOS: busy, BASE: busy})).open_photo(PHOTO, 0, None)
    assert raised.value.wait == 17.0


def test_what_nobody_listens_at_the_gallery_may_have() -> None:
    """A refused connection as well."""
    assert read(gallery_of(wire({BASE: serve})).open_photo(PHOTO, 0, None)) == DATA


@pytest.mark.parametrize("second", [drop, status(404), status(503)])
def test_what_neither_has_may_be_had_later(second: Answer) -> None:
    """Two requests, one failure."""
    http = wire({PHOTOS: status(404), BASE: second})
    with pytest.raises(Transient):
        gallery_of(http).open_photo(PHOTO, 0, None)
    assert len(http.sent) == 2


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("target", ["https://up-e.lite.gallery/x.jpg", "//up-e.lite.gallery/x.jpg"])
def test_a_redirect_to_an_allowed_host_is_followed(code: int, target: str) -> None:
    """With the range, and relative to where it came from."""
    http = wire({PHOTOS: lead_to(target, code), "https://up-e.lite.gallery": serve})
    assert read(gallery_of(http).open_photo(PHOTO, 3, None)) == DATA
    assert (http.sent[1][1], http.sent[1][2]["Range"]) == ("https://up-e.lite.gallery/x.jpg", "bytes=3-")


FORBIDDEN = [
    "https://evil.example/x.jpg",
    "https://lite.gallery.evil.example/x.jpg",
    "https://evillite.gallery/x.jpg",
    "http://up-d.lite.gallery/x.jpg",
    "https://up-d.lite.gallery:8443/x.jpg",
    "https://127.0.0.1/x.jpg",
    "https://169.254.169.254/latest/meta-data",
    "https://[::1]/x.jpg",
    "https://user@up-d.lite.gallery/x.jpg",
    "https://up-d.lite.gallery@evil.example/x.jpg",
    "https://evil.example\\@up-d.lite.gallery/x.jpg",
]


FORBIDDEN_TARGETS = [*FORBIDDEN, "file:///etc/passwd", "ftp://up-d.lite.gallery/x.jpg", "http:x.jpg", "mailto:a@b.c"]


@pytest.mark.parametrize("target", FORBIDDEN_TARGETS)
@pytest.mark.parametrize("host", [PHOTOS, BASE])
def test_a_redirect_to_another_host_is_not(host: str, target: str) -> None:
    """Neither from the photo's host nor from the gallery's: every step is looked at. Nothing is sent there.

    It was one answer, as a host gives that is closed for a while: the next try may bring the photo.
    """
    http = wire({host: lead_to(target)})
    with pytest.raises(Transient) as raised:
        gallery_of(http).open_photo(PHOTO, 0, None)
    assert raised.value.reason == Reason.URL_NOT_ALLOWED
    assert [url.split("/")[2] for _, url, _ in http.sent] == ["up-d.lite.gallery", "app.litegallery.io"]


def test_a_host_that_leads_astray_is_a_host_that_fails() -> None:
    """The gallery itself may have the photo."""
    assert read(gallery_of(wire({PHOTOS: lead_to(FORBIDDEN[0]), BASE: serve})).open_photo(PHOTO, 0, None)) == DATA


@pytest.mark.parametrize("target", FORBIDDEN_TARGETS)
def test_neither_list_nor_end_goes_to_another_host(target: str) -> None:
    """Both are secrets of a sort; each may be tried again later."""
    for ask in (lambda to: to.fetch_manifest(ARCHIVE_URL), lambda to: to.tell_done(job_of(), 0)):
        http = wire({BASE: lead_to(target, 308)})
        with pytest.raises(Transient) as raised:
            ask(gallery_of(http))
        assert (raised.value.reason, len(http.sent)) == (Reason.GALLERY_UNAVAILABLE, 1)
        assert target not in str(raised.value)


@pytest.mark.parametrize("code", [300, 304, 305, 306])
def test_what_browsers_do_not_follow_is_no_photo(code: int) -> None:
    """A proxy that is recommended to us, or a choice: the gallery itself may have the photo."""
    http = wire({PHOTOS: status(code, Location="https://up-e.lite.gallery/x.jpg"), BASE: serve})
    assert read(gallery_of(http).open_photo(PHOTO, 0, None)) == DATA
    assert len(http.sent) == 2


def test_where_a_redirect_leads_may_fail_as_well() -> None:
    """Then the gallery is asked, for the path that was listed."""
    http = wire({PHOTOS: lead_to("https://up-e.lite.gallery/x.jpg"), "https://up-e.lite.gallery": drop, BASE: serve})
    assert read(gallery_of(http).open_photo(PHOTO, 0, None)) == DATA
    assert http.sent[2][1] == f"{BASE}/litepr-m/a.jpg"


def test_nothing_goes_back_to_plain_http() -> None:
    """Not even where plain http is allowed from the beginning; up to https is no matter."""
    hosts = {"photo_hosts": ("127.0.0.1",), "policy": ANY_NETWORK, "base_url": "http://127.0.0.1:1"}
    up = wire({"http://127.0.0.1:2": lead_to("https://127.0.0.1:3/a.jpg"), "https://127.0.0.1:3": serve})
    photo = Photo("1", (), "a", "http://127.0.0.1:2/a.jpg", 7)
    assert read(gallery_of(up, **hosts).open_photo(photo, 0, None)) == DATA
    down = wire({"https://127.0.0.1:3": lead_to("http://127.0.0.1:2/a.jpg"), "http://127.0.0.1:2": serve})
    with pytest.raises(Transient):
        gallery_of(down, **hosts).open_photo(replace(photo, url="https://127.0.0.1:3/a.jpg"), 0, None)
    assert [url for _, url, _ in down.sent] == ["https://127.0.0.1:3/a.jpg", "http://127.0.0.1:1/a.jpg"]


@pytest.mark.parametrize("length", [3000, 8000])
def test_a_signed_address_may_be_long(length: int) -> None:
    """Listed or led to: storages sign with tokens of a thousand characters and more."""
    signed = f"{PHOTOS}/a.jpg?X-Amz-Security-Token={'A' * length}"
    http = wire({PHOTOS: serve})
    assert read(gallery_of(http).open_photo(replace(PHOTO, url=signed), 0, None)) == DATA
    led = wire({PHOTOS: lambda request: serve(request) if request.query else lead_to(signed)(request)})
    assert read(gallery_of(led).open_photo(PHOTO, 0, None)) == DATA


@pytest.mark.parametrize("code", [200, 201, 202, 203, 206])
def test_any_success_may_bring_a_photo(code: int) -> None:
    """What the bytes are worth is proved by whoever reads them."""
    http = wire({PHOTOS: lambda _: Reply(code, DATA), BASE: drop})
    assert read(gallery_of(http).open_photo(PHOTO, 0, None)) == DATA


@pytest.mark.parametrize("code", [204, 205, 207])
def test_a_success_that_brings_nothing_is_none(code: int) -> None:
    """The gallery itself may have the photo."""
    assert read(gallery_of(wire({PHOTOS: status(code), BASE: serve})).open_photo(PHOTO, 0, None)) == DATA


@pytest.mark.parametrize("url", FORBIDDEN)
def test_an_address_that_is_not_allowed_is_never_asked(url: str) -> None:
    """Not even at the gallery: who lists such an address is not to be followed."""
    http = wire({PHOTOS: serve, BASE: serve})
    with pytest.raises(PhotoRejected) as rejected:
        gallery_of(http).open_photo(Photo("1", (), "a", url, 7), 0, None)
    assert (rejected.value.reason, http.sent) == (Reason.URL_NOT_ALLOWED, [])
    assert url not in str(rejected.value)


def test_the_gallerys_own_address_needs_no_permission() -> None:
    """It is the operator's, whatever PHOTO_HOSTS says; where it leads is not."""
    http = wire({"https://gallery.internal": serve})
    gallery = gallery_of(http, base_url="https://gallery.internal")
    assert read(gallery.open_photo(PHOTO, 0, None)) == DATA


def test_a_circle_ends() -> None:
    """After a few steps at each host."""
    http = wire({PHOTOS: lead_to(PHOTO.url), BASE: lead_to(f"{BASE}/round")})
    with pytest.raises(Transient, match="circle"):
        gallery_of(http).open_photo(PHOTO, 0, None)
    assert len(http.sent) == 2 * (1 + MAX_REDIRECTS)


@pytest.mark.parametrize("target", ["", "http://[bad", "https://[::1", "//[x]y/"])
def test_a_redirect_to_nowhere_is_transient(target: str) -> None:
    """Foreign text, which no parser may stumble over."""
    http = wire({PHOTOS: lead_to(target), BASE: lead_to(target)})
    with pytest.raises((Transient, PhotoRejected)):
        gallery_of(http).open_photo(PHOTO, 0, None)


def test_what_is_not_wanted_is_closed() -> None:
    """An answer that led elsewhere, or had no photo, keeps no connection."""
    opened: list[StreamedReply] = []

    class Remembering(InProcessHttp):
        def open(self, *args: Any, **options: Any) -> StreamedReply:
            opened.append(super().open(*args, **options))
            return opened[-1]

    http = Remembering({PHOTOS: lead_to(f"{PHOTOS}/b.jpg"), BASE: serve}, Reason.PHOTO_UNAVAILABLE)
    gallery_of(http).open_photo(PHOTO, 0, None)
    assert [incoming.closed for incoming in opened] == [True] * (1 + MAX_REDIRECTS) + [False]


def test_the_sandbox_may_be_read_by_plain_http() -> None:
    """Only where the operator said so."""
    photo = Photo("1", (), "a", "http://127.0.0.1:8080/a.jpg", 7)
    http = wire({"http://127.0.0.1:8080": serve})
    assert read(gallery_of(http, photo_hosts=("127.0.0.1",), policy=ANY_NETWORK).open_photo(photo, 0, None)) == DATA
    with pytest.raises(PhotoRejected):
        gallery_of(http, photo_hosts=("127.0.0.1",)).open_photo(photo, 0, None)


# The end


def taken() -> Reply:
    """Take an end."""
    return text_reply("ok")


@pytest.fixture
def done_server() -> Iterator[tuple[str, list[Request]]]:
    """An address for done calls, on a real wire, and what was said there."""
    seen: list[Request] = []

    def answer(request: Request) -> Reply:
        request.content()
        seen.append(request)
        return taken()

    server = Server(answer, "127.0.0.1")
    server.start()
    yield f"{server.url}/cloud_archive/done", seen
    server.stop()


def tell(url: str, job: ArchiveJob, failed: int, **changes: Any) -> None:
    """Tell the gallery over a real wire."""
    http = HttpClient(connections=1, policy=ANY_NETWORK, reason=Reason.GALLERY_UNAVAILABLE)
    gallery_of(http, done_url=url, **changes).tell_done(job, failed)


def test_the_end_is_told_exactly_as_the_seed_says(done_server: tuple[str, list[Request]]) -> None:
    """Three fields, no more; the headers say which archive it was."""
    url, seen = done_server
    tell(url, job_of(), 3)
    (request,) = seen
    assert (request.method, request.target) == ("POST", "/cloud_archive/done")
    assert json.loads(request.content()) == {
        "cloud_type": "google_drive",
        "failed_photos": 3,
        "archive_type": "originals",
    }
    expected = {
        "Content-Type": "application/json",
        "Idempotency-Key": "job-1",
        "X-Cloud-Archive-Job": "job-1",
        "X-Cloud-Archive-Url": ARCHIVE_URL,
    }
    assert {name: request.headers[name] for name in expected} == expected
    assert not [name for name in request.headers if name.lower().startswith("webhook") or name == "Authorization"]


@pytest.mark.parametrize(
    ("cloud", "kind", "failed"), [("yadisk", "webs", 0), ("google_drive", "webs", 10_000), ("yadisk", "originals", 1)]
)
def test_the_fields_are_the_jobs(done_server: tuple[str, list[Request]], cloud: str, kind: str, failed: int) -> None:
    """As the gallery gave them, and a number that is a number."""
    url, seen = done_server
    tell(url, job_of(cloud_type=cloud, archive_type=kind), failed)
    assert json.loads(seen[0].content()) == {"cloud_type": cloud, "failed_photos": failed, "archive_type": kind}


def test_a_link_in_any_script_is_given_back_as_it_came(done_server: tuple[str, list[Request]]) -> None:
    """A header carries bytes: those of UTF-8."""
    url, seen = done_server
    link = "https://arch-d.lite.gallery/съёмка/😀?mod=web"
    tell(url, job_of(archive_url=link), 0)
    assert seen[0].headers["X-Cloud-Archive-Url"].encode("latin-1").decode() == link


def test_the_same_end_is_told_under_the_same_key(done_server: tuple[str, list[Request]]) -> None:
    """Told again, it is the same call: the gallery can see that."""
    url, seen = done_server
    tell(url, job_of(), 3)
    tell(url, job_of(), 3)
    assert seen[0].content() == seen[1].content()
    assert seen[0].headers["Idempotency-Key"] == seen[1].headers["Idempotency-Key"]


def test_a_secret_signs_it(done_server: tuple[str, list[Request]]) -> None:
    """Three headers of Standard Webhooks; the message's id is the job's."""
    url, seen = done_server
    secret = Secret("whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    tell(url, job_of(), 0, signing_secrets=(secret,))
    headers = seen[0].headers
    assert (headers["webhook-id"], headers["webhook-timestamp"].isdigit()) == ("job-1", True)
    assert headers["webhook-signature"].startswith("v1,")


@pytest.mark.parametrize("code", [300, 303, 304, 305, 400, 401, 404, 405, 409, 410, 429, 500, 503])
def test_an_end_that_is_not_taken_is_told_again_later(code: int) -> None:
    """Only a 2xx is taken; 303 asks for a GET, and a page that answers it, a login's say, has taken nothing."""
    http = wire({BASE: status(code, **{"Location": f"{BASE}/elsewhere", "Retry-After": "9"})})
    with pytest.raises(Transient) as raised:
        gallery_of(http).tell_done(job_of(), 0)
    assert (raised.value.reason, raised.value.wait, len(http.sent)) == (Reason.GALLERY_UNAVAILABLE, 9.0, 1)


@pytest.mark.parametrize("code", [200, 201, 202, 204])
def test_any_success_is_taken(code: int) -> None:
    """Whatever the body."""
    gallery_of(wire({BASE: status(code)})).tell_done(job_of(), 0)


@pytest.mark.parametrize("code", [301, 302, 307, 308])
@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("/cloud_archive/done/", "/cloud_archive/done/"),
        ("завершено?v=2", "/cloud_archive/%D0%B7%D0%B0%D0%B2%D0%B5%D1%80%D1%88%D0%B5%D0%BD%D0%BE?v=2"),
    ],
)
def test_an_end_is_told_where_the_gallery_takes_it(
    done_server: tuple[str, list[Request]], code: int, target: str, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the very same call: method, body, key and signature stay what they were."""
    url, seen = done_server
    answers = [Reply(code, b"", {"Location": target.encode().decode("latin-1")}), Reply(202, b"")]
    monkeypatch.setattr(f"{__name__}.taken", lambda: answers.pop(0))
    tell(url, job_of(), 3, signing_secrets=(Secret("whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),), policy=ANY_NETWORK)
    first, second = seen
    assert [(each.method, each.target) for each in seen] == [("POST", "/cloud_archive/done"), ("POST", path)]
    assert first.content() == second.content()
    assert sorted(first.headers.items()) == sorted(second.headers.items())
    assert "webhook-signature" in second.headers


@pytest.mark.parametrize("other", [PHOTOS, "https://hooks.example"])
def test_an_end_may_be_taken_by_any_host_of_the_gallery(other: str) -> None:
    """The done call's own, the list's, and those of photos."""
    http = wire({"https://hooks.example": lead_to(f"{other}/done", 308), PHOTOS: status(200), BASE: status(200)})
    with suppress(Transient):
        gallery_of(http, done_url="https://hooks.example/start").tell_done(job_of(), 0)
    assert http.sent[1][:2] == ("POST", f"{other}/done")


def test_a_circle_of_ends_ends() -> None:
    """Told again later, as everything that is not taken."""
    http = wire({BASE: lead_to("/cloud_archive/done", 307)})
    with pytest.raises(Transient, match="circle"):
        gallery_of(http).tell_done(job_of(), 0)
    assert len(http.sent) == 1 + MAX_REDIRECTS
