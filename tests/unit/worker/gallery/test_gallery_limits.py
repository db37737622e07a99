"""What the gallery's answers may not do to us."""

from collections.abc import Callable

import pytest

from common.clouds.photos import Photo
from common.errors import AddressRefused, Reason, Transient
from common.http.client import HttpClient, StreamedAnswer
from common.http.network_policy import ANY_NETWORK, PUBLIC_ONLY
from sandbox.http.message import Reply, Request, text_reply
from tests.fakes.in_process import InProcessHttp
from tests.fakes.job import JOB
from worker.gallery.client import Gallery
from worker.transfer.stop import Interrupted

BASE, ARCHIVE = "https://app.litegallery.io", "https://arch-d.lite.gallery/g/api/stream/1/2?mod=web"
PHOTO = Photo("1", (), "a.jpg", "https://up-d.lite.gallery/a.jpg", 7)


class Refusing(InProcessHttp):
    """A wire on which the names of some hosts lead inside."""

    inside = ("https://app.litegallery.io",)

    def open(self, method: str, url: str, **options: object) -> StreamedAnswer:
        """Refuse what leads inside; the rest is nobody's."""
        if url.startswith(self.inside):
            raise AddressRefused(Reason.GALLERY_UNAVAILABLE)
        return super().open(method, url, **options)  # type: ignore[arg-type, return-value]


def gallery_on(http: InProcessHttp) -> Gallery:
    """A gallery as in production."""
    return Gallery(
        http,  # type: ignore[arg-type]
        base_url=BASE,
        photo_hosts=("*.lite.gallery",),
        done_url=f"{BASE}/cloud_archive/done",
        signing_secrets=(),
        policy=PUBLIC_ONLY,
    )


class Ended:
    """Work that is over."""

    def check(self) -> None:
        """Say so."""
        raise Interrupted


@pytest.mark.parametrize(
    "ask",
    [
        lambda gallery: gallery.fetch_manifest(ARCHIVE),
        lambda gallery: gallery.open_photo(PHOTO, 0, None),
        lambda gallery: gallery.tell_done(JOB, 0),
    ],
    ids=["list", "photo", "done"],
)
def test_its_requests_end_with_the_work(ask: Callable[[Gallery], object]) -> None:
    """All of them, of this copy; the gallery itself is everybody's."""
    http = HttpClient(connections=1, policy=ANY_NETWORK, reason=Reason.GALLERY_UNAVAILABLE)
    closed = "http://127.0.0.1:1"
    gallery = Gallery(
        http, base_url=closed, photo_hosts=("*.lite.gallery",), done_url=closed, signing_secrets=(), policy=ANY_NETWORK
    )
    with pytest.raises(Interrupted):
        ask(gallery.cancelled_by(Ended()))
    with pytest.raises(Transient):
        gallery.fetch_manifest(ARCHIVE)


def test_a_list_may_not_fill_our_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Up to the limit it is a list, one byte more is not."""
    http = InProcessHttp({BASE: lambda _: text_reply("[" + " " * 998 + "]")}, Reason.GALLERY_UNAVAILABLE)
    monkeypatch.setattr("worker.gallery.client.MAX_LIST_BYTES", 1000)
    assert gallery_on(http).fetch_manifest(ARCHIVE).photos == {}
    monkeypatch.setattr("worker.gallery.client.MAX_LIST_BYTES", 999)
    with pytest.raises(Transient, match="more than 999 bytes"):
        gallery_on(http).fetch_manifest(ARCHIVE)


def test_a_list_is_read_from_its_own_place_only() -> None:
    """Whatever host the archive's link names is never asked, nor is one that the gallery may not lead to."""
    asked: list[str] = []

    def redirect(request: Request) -> Reply:
        asked.append(request.target)
        return Reply(302, b"", {"Location": "https://other.example/list"})

    http = InProcessHttp({BASE: redirect}, Reason.GALLERY_UNAVAILABLE)
    with pytest.raises(Transient):
        gallery_on(http).fetch_manifest(ARCHIVE)
    assert [url for _, url, _ in http.sent] == [f"{BASE}/g/api/stream/1/2?json=true"]
    assert asked == ["/g/api/stream/1/2?json=true"]


def test_a_gallery_whose_name_leads_inside_is_no_photos_fault() -> None:
    """The photo's own host is down, and our base address is not a public one: the job waits, no photo is given up."""
    with pytest.raises(AddressRefused) as raised:
        gallery_on(Refusing({}, Reason.GALLERY_UNAVAILABLE)).open_photo(PHOTO, 0, None)
    assert raised.value.reason is Reason.GALLERY_UNAVAILABLE
