"""The pretend gallery: lists, photos by ranges, the done log, and the back door."""

import io
import zlib
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from PIL import Image

from sandbox import Fault, World
from sandbox.gallery.host import Archive
from sandbox.gallery.pictures import MISSING, Picture, album, draw

DATA = bytes(range(256)) * 4


@pytest.fixture
def session() -> Iterator[requests.Session]:
    """Somebody who reads."""
    with requests.Session() as reader:
        yield reader


@pytest.fixture
def archive(world: World) -> Archive:
    """A gallery of two photos."""
    photos = [Picture("Photos 1/Test_011.jpg", DATA, id=49851973), Picture("Тест 2.jpg", b"second")]
    return world.gallery.add("Test", photos)


def read_list(world: World, session: requests.Session, archive: Archive, query: str = "json=true") -> Any:
    """Read a list as the seed says."""
    return session.get(f"{world.gallery.url}{urlsplit(archive.url).path}?{query}", timeout=10)


def photo(archive: Archive) -> str:
    """Return the address of the first photo."""
    return str(archive.manifest[0]["url"])


def test_list_has_the_seeds_form(world: World, session: requests.Session, archive: Archive) -> None:
    """Each photo is told as the seed tells it, field by field."""
    listed = read_list(world, session, archive).json()
    assert listed[0] == {
        "crc": f"{zlib.crc32(DATA):08x}",
        "filesize": 1024,
        "created_at": "2024-08-17 12:54:32 +0300",
        "name": "Photos 1/Test_011.jpg",
        "url": f"{world.photos.url}/litepr-m/uploads/image/image/49851973/Test_011.jpg",
        "id": 49851973,
    }
    assert listed == archive.manifest
    assert archive.expected()[0] == ("Test/Photos 1/Test_011.jpg", 1024, archive.pictures[0].md5)


@pytest.mark.parametrize("query", ["mod=web", "", "json=true&mod=web", "json=1", "JSON=true"])
def test_list_needs_exactly_its_query(world: World, session: requests.Session, archive: Archive, query: str) -> None:
    """Anything but json=true starts the archive itself."""
    reply = read_list(world, session, archive, query)
    assert (reply.headers["Content-Type"], reply.content[:4]) == ("application/zip", b"PK\x05\x06")


def test_archive_url_names_another_host(world: World, archive: Archive) -> None:
    """As in reality the link leads elsewhere than the list."""
    assert archive.url.startswith("https://arch-d.lite.gallery/g/api/stream/")
    assert archive.url.endswith("?mod=web")
    assert world.gallery.add("Seed", [], path="/asdfdafdf/").url == "https://arch-d.lite.gallery/asdfdafdf/?mod=web"


def test_odd_entries_are_listed_as_given(world: World, session: requests.Session) -> None:
    """What a test says of a photo is what the list says; a missing field is missing."""
    odd = [
        Picture("a.jpg", b"a", crc="-", filesize=None, created_at="", id="x", url="https://example.com/a"),
        Picture("b.jpg", b"b", crc=MISSING, filesize=MISSING, created_at=MISSING, id=MISSING),
    ]
    first, second = read_list(world, session, world.gallery.add("Odd", odd)).json()
    expected = {
        "crc": "-",
        "filesize": None,
        "created_at": "",
        "name": "a.jpg",
        "url": "https://example.com/a",
        "id": "x",
    }
    assert first == expected
    assert set(second) == {"name", "url"}


def test_photo_is_served_by_both_hosts(world: World, session: requests.Session, archive: Archive) -> None:
    """The listed address, and the same path on the gallery's own host."""
    for entry, picture in zip(archive.manifest, archive.pictures, strict=True):
        reply = session.get(entry["url"], timeout=10)
        assert (reply.content, reply.headers["Content-Type"]) == (picture.data, "image/jpeg")
        assert session.get(f"{world.gallery.url}{urlsplit(entry['url']).path}", timeout=10).content == picture.data
    assert urlsplit(archive.manifest[0]["url"]).hostname != urlsplit(world.gallery.url).hostname


def test_head_tells_without_giving(session: requests.Session, archive: Archive) -> None:
    """HEAD has the headers of GET and no body; the connection goes on."""
    reply = session.head(photo(archive), timeout=10)
    assert (reply.headers["Content-Length"], reply.headers["Accept-Ranges"], reply.content) == ("1024", "bytes", b"")
    assert session.get(photo(archive), timeout=10).content == DATA


@pytest.mark.parametrize(
    ("asked", "told", "body"),
    [
        ("bytes=0-0", "bytes 0-0/1024", DATA[:1]),
        ("bytes=1000-", "bytes 1000-1023/1024", DATA[1000:]),
        ("bytes=1000-5000", "bytes 1000-1023/1024", DATA[1000:]),
        ("bytes=-24", "bytes 1000-1023/1024", DATA[1000:]),
        ("bytes=-5000", "bytes 0-1023/1024", DATA),
    ],
)
def test_one_range(session: requests.Session, archive: Archive, asked: str, told: str, body: bytes) -> None:
    """206 with exactly the piece asked for."""
    reply = session.get(photo(archive), headers={"Range": asked}, timeout=10)
    assert (reply.status_code, reply.headers["Content-Range"], reply.content) == (206, told, body)


@pytest.mark.parametrize("asked", ["bytes=5-1", "bytes=-", "items=0-1", "bytes=0-1,5-6", "bytes=a-b"])
def test_malformed_or_several_ranges_get_the_whole(session: requests.Session, archive: Archive, asked: str) -> None:
    """A server may ignore what it does not understand."""
    assert session.get(photo(archive), headers={"Range": asked}, timeout=10).status_code == 200


@pytest.mark.parametrize("asked", ["bytes=1024-", "bytes=2000-3000", "bytes=-0"])
def test_range_beyond_the_end_is_416(session: requests.Session, archive: Archive, asked: str) -> None:
    """The answer tells how long the photo is."""
    reply = session.get(photo(archive), headers={"Range": asked}, timeout=10)
    assert (reply.status_code, reply.headers["Content-Range"]) == (416, "bytes */1024")


def test_if_range(session: requests.Session, archive: Archive) -> None:
    """The piece if nothing changed, the whole if something did; by tag or by date; never by a weak tag."""
    headers = session.head(photo(archive), timeout=10).headers
    statuses = [
        session.get(photo(archive), headers={"Range": "bytes=5-", "If-Range": value}, timeout=10).status_code
        for value in (headers["ETag"], headers["Last-Modified"], '"other"', f"W/{headers['ETag']}")
    ]
    assert statuses == [206, 206, 200, 200]


def test_unknown_photo_is_a_404_page(world: World, session: requests.Session, archive: Archive) -> None:
    """A photo taken away is gone from both hosts."""
    world.gallery.photo_store.remove(urlsplit(photo(archive)).path)
    reply = session.get(photo(archive), timeout=10)
    assert (reply.status_code, reply.headers["Content-Type"]) == (404, "text/html; charset=utf-8")


def test_credentials_sent_to_the_gallery_are_a_violation(
    world: World, session: requests.Session, archive: Archive
) -> None:
    """A guest's token is for Google alone."""
    session.get(photo(archive), headers={"Authorization": "Bearer x"}, timeout=10)
    assert ["Authorization sent to the gallery" in each for each in world.violations] == [True]


def test_done_calls_are_remembered(world: World, session: requests.Session) -> None:
    """Every call with its headers, its body and what it was answered, in order."""
    body = {"cloud_type": "google_drive", "failed_photos": 0, "archive_type": "originals"}
    url = f"{world.gallery.url}/cloud_archive/done"
    world.faults.add(Fault(on="done", does="status", status=500))
    assert session.post(url, json=body, headers={"Idempotency-Key": "k"}, timeout=10).status_code == 500
    assert session.post(url, json=body, timeout=10).status_code == 200
    assert session.post(url, data=b"no json", timeout=10).status_code == 200
    assert session.get(url, timeout=10).status_code == 405
    assert [(each.method, each.json, each.status) for each in world.gallery.dones] == [
        ("POST", body, 500),
        ("POST", body, 200),
        ("POST", None, 200),
        ("GET", None, 405),
    ]
    assert world.gallery.dones[0].headers["idempotency-key"] == "k"
    assert world.gallery.dones[2].body == b"no json"


def test_links_after_the_consent_lead_somewhere(world: World, session: requests.Session) -> None:
    """Both pages are there."""
    assert [session.get(f"{world.gallery.url}/{name}", timeout=10).status_code for name in ("ok", "fail")] == [200, 200]


def test_requests_are_logged(world: World, session: requests.Session, archive: Archive) -> None:
    """Method, path with query, headers and status of each request, those without an answer too."""
    world.faults.add(Fault(on="list", does="drop_before"))
    with pytest.raises(requests.ConnectionError):
        read_list(world, session, archive)
    read_list(world, session, archive)
    target = f"{urlsplit(archive.url).path}?json=true"
    logged = [(method, path, status) for method, path, _, status, _ in world.gallery.requests]
    assert logged == [("GET", target, None), ("GET", target, 200)]
    assert world.gallery.requests[0].headers["host"] == urlsplit(world.gallery.url).netloc


def test_back_door(world: World, session: requests.Session, archive: Archive) -> None:
    """Another process adds faults and looks at what arrived."""
    door = f"{world.gallery.url}/sandbox"
    fault = {"on": "photo", "does": "truncate", "times": 2, "bytes": 3}
    assert session.post(f"{door}/faults", json=fault, timeout=10).status_code == 201
    assert session.post(f"{door}/faults", json={"on": "photo", "does": "sing"}, timeout=10).status_code == 400
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        session.get(photo(archive), timeout=10)
    assert session.get(f"{door}/faults", timeout=10).json() == [{"does": "truncate", "on": "photo"}]
    session.delete(f"{door}/faults", timeout=10)
    assert session.get(photo(archive), timeout=10).content == DATA

    stored = world.drive.account("guest").add("a.jpg", b"a")
    session.post(f"{world.gallery.url}/cloud_archive/done", json={"failed_photos": 1}, timeout=10)
    told = [
        session.get(f"{door}/{name}", timeout=10).json() for name in ("drive/guest", "dones", "archives", "violations")
    ]
    assert told[0] == [["a.jpg", 1, stored.md5]]
    assert told[1][0]["json"] == {"failed_photos": 1}
    assert [each["name"] for each in told[2]] == ["Test"]
    assert told[3] == []


@pytest.mark.parametrize("size", [1000, 5000, 5001, 5002, 5003, 70_000, 300_000])
def test_pictures_are_jpegs_of_the_size_asked_for(size: int) -> None:
    """To the byte, and each decodes."""
    data = draw(1, size)
    assert len(data) == size
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        assert image.format == "JPEG"


def test_pictures_differ_and_repeat() -> None:
    """Another number is another picture, to the eye too; the same number is the same picture."""
    pictures = album(20, 5000, albums=3)
    assert len({each.md5 for each in pictures}) == 20
    assert len({Image.open(io.BytesIO(each.data)).tobytes() for each in pictures}) == 20
    assert {each.name.split("/")[0] for each in pictures} == {"Photos 1", "Photos 2", "Photos 3"}
    assert album(20, 5000, albums=3) == pictures
