"""What a strict or strange Drive does besides: cases of the scenario list that no other file here shows; no wire."""

import json
import random
import unicodedata
import zlib
from typing import Any

import pytest

from common.clouds.google_drive.app_properties import sign_place
from common.clouds.google_drive.storage import DriveStorage
from common.clouds.photos import Inventory, Photo, album_key
from common.errors import SessionLost, StorageFull, Throttled, Transient
from tests.fakes.guests_drive import ADDRESS, CLIENT, GuestsDrive
from tests.fakes.memory_stream import MemoryStream

UNIT = 256 * 1024
DATA = random.Random(5).randbytes(3 * UNIT + 1000)
PHOTO = Photo("1", (), "a.jpg", "https://h/p", len(DATA), zlib.crc32(DATA))


@pytest.fixture
def guests() -> GuestsDrive:
    """A Drive of one's own."""
    return GuestsDrive()


def finish(session: Any, stream: MemoryStream) -> None:
    """Go on until the photo is in."""
    for _ in range(10):
        if session.stored:
            return
        session.advance(stream)
    raise AssertionError("it never comes to its end")


def ranges(guests: GuestsDrive) -> list[str]:
    """Return the Content-Range of every PUT."""
    return [headers["Content-Range"] for method, _, headers in guests.http.sent if method == "PUT"]


def remember_bodies(guests: GuestsDrive) -> list[Any]:
    """Return a list that every JSON body is put into from now on."""
    bodies: list[Any] = []
    answer = guests.drive.answer

    def remember(request: Any) -> Any:
        if request.method == "POST":
            bodies.append(json.loads(request.content()))
        return answer(request)

    guests.http.answer_all(remember)
    return bodies


# Sessions


def test_a_gap_is_asked_about_and_not_sent_again(guests: GuestsDrive) -> None:
    """Drive lost what it had acknowledged: 503 in plain text; the next bytes begin where it says it stands."""
    session, stream = guests.begin(PHOTO), MemoryStream(DATA)
    session.advance(stream)
    session.advance(stream)
    guests.drive.uploads.sessions()[0].reset()
    with pytest.raises(Transient):
        session.advance(stream)
    finish(session, stream)
    total = len(DATA)
    assert ranges(guests)[2:5] == [
        f"bytes {2 * UNIT}-{3 * UNIT - 1}/{total}",
        f"bytes */{total}",
        f"bytes 0-{UNIT - 1}/{total}",
    ]
    assert guests.contents() == [DATA]


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_page_in_place_of_a_reply_is_a_doubt(guests: GuestsDrive, status: int) -> None:
    """Some gateway speaks HTML: Drive is asked before anything is sent again."""
    session, stream = guests.begin(PHOTO), MemoryStream(DATA)
    guests.break_it("upload", "status", status=status, html=True)
    with pytest.raises(Transient):
        session.advance(stream)
    session.advance(stream)
    assert ranges(guests)[-1] == f"bytes */{len(DATA)}"
    finish(session, stream)


def test_a_308_with_an_address_leads_nowhere(guests: GuestsDrive) -> None:
    """It is an answer of the protocol and no redirect: whoever it names gets neither bytes nor a token."""
    session, stream = guests.begin(PHOTO), MemoryStream(DATA)
    guests.break_it("upload", "redirect", status=308, location="https://evil.example/upload")
    with pytest.raises(Transient):
        session.advance(stream)
    finish(session, stream)
    assert {f"{ADDRESS}/"} == {url[: len(ADDRESS) + 1] for _, url, _ in guests.http.sent}
    assert guests.contents() == [DATA]


@pytest.mark.parametrize("reason", ["storageQuotaExceeded", "userRateLimitExceeded"])
def test_a_refusal_in_the_middle_of_a_body_is_understood(guests: GuestsDrive, reason: str) -> None:
    """Drive answers before it has read the chunk, and hangs up: what it said counts."""
    session = guests.begin(PHOTO)
    guests.break_it("upload", "status", status=403, reason=reason, early=True)
    with pytest.raises(StorageFull if reason == "storageQuotaExceeded" else Throttled):
        session.advance(MemoryStream(DATA))


def test_a_token_that_is_refused_for_ever_ends_no_session_in_a_loop(guests: GuestsDrive) -> None:
    """Each refusal is one failure, with one renewal, and never bytes without a question before them."""
    session, stream = guests.begin(PHOTO), MemoryStream(DATA)
    for name in ("upload", "query"):
        guests.break_it(name, "expire_token", times=None)
    for _ in range(4):
        with pytest.raises(Transient):
            session.advance(stream)
    assert [text.startswith("bytes */") for text in ranges(guests)] == [False, True, True, True]
    assert guests._tokens.refreshes <= 4


def test_drive_may_call_a_photo_another_type(guests: GuestsDrive) -> None:
    """It guesses types from names: what it calls the photo proves nothing."""
    session, stream = guests.begin(PHOTO), MemoryStream(DATA)
    guests.break_it("upload", "set_fields", after=3, fields={"mimeType": "text/markdown", "kind": "new#kind"})
    finish(session, stream)
    assert guests.faults.fired
    assert guests.contents() == [DATA]


# Ids


def test_an_opening_is_repeated_under_one_id(guests: GuestsDrive) -> None:
    """Three times 503: it is the same file that is asked for."""
    bodies = remember_bodies(guests)
    guests.break_it("initiate", "status", status=503, times=3)
    for _ in range(3):
        with pytest.raises(Transient):
            guests.begin(PHOTO)
    finish(guests.begin(PHOTO), MemoryStream(DATA))
    (item,) = guests.account.files()
    assert [item.id] * 4 == [body["id"] for body in bodies]


def test_a_file_of_our_id_with_other_bytes_makes_room(guests: GuestsDrive) -> None:
    """409, and what is there is not the photo: it is removed, and the photo gets another id."""
    finish(guests.begin(PHOTO), MemoryStream(DATA))
    (wrong,) = guests.account.files()
    other = bytes(reversed(DATA))
    photo = Photo("1", (), "a.jpg", "https://h/p", len(other), zlib.crc32(other))
    with pytest.raises(SessionLost):
        guests.begin(photo).advance(MemoryStream(other))
    finish(guests.begin(photo), MemoryStream(other))
    (item,) = guests.account.files()
    assert item.id != wrong.id
    assert guests.contents() == [other]


@pytest.mark.parametrize("what", ["photo", "folder"])
def test_an_id_that_is_not_usable_is_replaced_by_a_fresh_one(guests: GuestsDrive, what: str) -> None:
    """400 says nothing about photo or folder: the next try has another id, and none is rejected."""
    bodies = remember_bodies(guests)
    guests.break_it("initiate" if what == "photo" else "files_create", "unusable_id")

    def create() -> None:
        if what == "photo":
            guests.begin(PHOTO).advance(MemoryStream(DATA))
        else:
            guests.storage.make_albums("archive", "Свадьба", [()], Inventory())

    with pytest.raises((Transient, SessionLost)) as refused:
        create()
    assert type(refused.value) is (SessionLost if what == "photo" else Transient)
    create()
    first, second = (body["id"] for body in bodies)
    assert first != second
    assert {first, second} <= guests.account.reserved


# Names and listings


@pytest.mark.parametrize(
    "name",
    [
        "it's \\ /.jpg",
        "😀 👩‍👩‍👧.jpg",
        "עברית \u202eabc.jpg",
        " blanks around .jpg ",
        unicodedata.normalize("NFD", "Йод é.jpg"),
        unicodedata.normalize("NFC", "Йод é.jpg"),
        "n" * 300,
    ],
)
def test_a_name_is_kept_to_the_code_point(guests: GuestsDrive, name: str) -> None:
    """Nothing is escaped, cut or normalised on the way: for folders, for photos, and found again."""
    guests.storage.make_albums("archive", name, [(name,)], known := Inventory())
    folder = known.albums[album_key((name,))]
    photo = Photo("1", (name,), name, "https://h/p", 1, zlib.crc32(b"x"))
    finish(guests.storage.begin("archive", photo, folder), MemoryStream(b"x"))
    made = [item.name for item in (*guests.account.folders(), *guests.account.files()) if item.id != guests.folder.id]
    assert made == [name, name, name]
    assert known.albums.keys() == guests.open().take_inventory("archive").albums.keys()
    assert guests.violations == []


def test_an_archive_key_is_quoted_in_the_query(guests: GuestsDrive) -> None:
    """Whatever it holds, it stays one literal: a strict Drive would refuse a quote that is not escaped."""
    key = "it's \\' or name != '"
    guests.storage.make_albums(key, "Свадьба", [()], Inventory())
    assert guests.open().take_inventory(key).albums.keys() == {album_key(())}
    assert guests.open().take_inventory("other") == Inventory()
    assert guests.violations == []


def test_a_listing_may_tell_less_or_more_than_asked(guests: GuestsDrive) -> None:
    """Optional fields may be missing, others may be new; sizes are texts."""
    guests.storage.make_albums("archive", "Свадьба", [()], known := Inventory())
    session = guests.storage.begin("archive", PHOTO, known.albums[album_key(())])
    finish(session, MemoryStream(DATA))
    guests.break_it("files_list", "drop_fields", fields=["createdTime", "parents", "webViewLink", "nextPageToken"])
    guests.break_it("files_list", "set_fields", fields={"kind": "drive#newList", "incompleteSearch": False, "x": {}})
    for _ in range(2):
        inventory = guests.storage.take_inventory("archive")
        assert [session.stored.id] == [photo.id for photo in inventory.photos]
        assert [len(DATA)] == [photo.size for photo in inventory.photos]
        assert inventory.albums[album_key(())].id == known.albums[album_key(())].id


# Spare folders


def test_spare_folders_inside_each_other_are_joined_in_one_look(guests: GuestsDrive) -> None:
    """Two workers once made three layers each: every photo goes to the layer that stays, every spare into the bin."""
    layers = [(), ("A",), ("A", "B")]
    old, new = make_layers(guests), make_layers(guests)
    for number, layer in enumerate(layers):
        put_photo(guests, f"old-{number}", old.albums[album_key(layer)].id)
        put_photo(guests, f"new-{number}", new.albums[album_key(layer)].id)
    for number, layer in enumerate(layers):
        guests.account.change(new.albums[album_key(layer)].id, created=f"2999-01-01T00:00:00.{number:03d}Z")
    known = guests.storage.take_inventory("archive")
    assert len(known.duplicate_albums) == 3
    guests.storage.merge_albums(known)
    expected = [f"{path}/{age}-{number}.jpg" for number, path in enumerate(PATHS) for age in ("new", "old")]
    assert sorted(expected) == [path for path, _, _ in guests.account.tree()]
    assert folder_paths(guests) == PATHS
    assert {folder.id for folder in old.albums.values()} == {
        folder.id for folder in guests.storage.take_inventory("archive").albums.values()
    }


def test_an_album_that_stays_is_taken_out_of_a_spare_folder(guests: GuestsDrive) -> None:
    """Each worker was first once: the outer folder of one stays, and the inner one of the other."""
    old, new = make_layers(guests), make_layers(guests)
    for layer in (("A",), ("A", "B")):
        guests.account.change(old.albums[album_key(layer)].id, created="2999-01-01T00:00:00.001Z")
    guests.account.change(new.albums[album_key(())].id, created="2999-01-01T00:00:00.000Z")
    put_photo(guests, "1", new.albums[album_key(("A", "B"))].id)
    guests.storage.merge_albums(guests.storage.take_inventory("archive"))
    assert [path for path, _, _ in guests.account.tree()] == ["Свадьба/A/B/1.jpg"]
    assert folder_paths(guests) == PATHS
    assert guests.storage.take_inventory("archive").duplicate_albums == []


PATHS = ["Свадьба", "Свадьба/A", "Свадьба/A/B"]


def make_layers(guests: GuestsDrive) -> Inventory:
    """Make three folders inside each other, as a worker does that knows of no other."""
    storage: DriveStorage = guests.open()
    storage.make_albums("archive", "Свадьба", [("A", "B")], known := Inventory())
    return known


def put_photo(guests: GuestsDrive, key: str, parent: str) -> None:
    """Put a photo into Drive as an earlier run did."""
    item = guests.account.add(f"{key}.jpg", b"content", parent, app=CLIENT)
    item.app_properties[CLIENT] = {"archive": "archive", "photo": key, "made": sign_place(item.id, parent, item.name)}


def folder_paths(guests: GuestsDrive) -> list[str]:
    """Return the path of every folder but the fixture's own."""
    return sorted(guests.account.path(item) for item in guests.account.folders() if item.id != guests.folder.id)
