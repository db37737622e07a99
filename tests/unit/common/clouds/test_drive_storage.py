"""A guest's Drive: folders once, photos under ids of their own, listings that repeat and lag; without a wire."""

import json
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from common.clouds.google_drive.app_properties import RUN_CHARS, sign_place
from common.clouds.photos import Inventory, Photo, StoredPhoto, album_key
from common.errors import (
    ArchiveError,
    GrantRevoked,
    InventoryStale,
    Reason,
    Refused,
    SessionLost,
    StorageFull,
    Throttled,
    Transient,
)
from tests.fakes.guests_drive import CLIENT, GuestsDrive
from tests.fakes.memory_stream import MemoryStream

PHOTO = Photo(
    "49851973",
    ("Photos 1",),
    "Test_011.jpg",
    "https://h/p.jpg",
    7,
    0xE7B057B2,
    datetime(2024, 8, 17, 12, 54, 32, tzinfo=timezone(timedelta(hours=3))),
)


@pytest.fixture
def guests() -> GuestsDrive:
    """A Drive of one's own."""
    return GuestsDrive()


def make(guests: GuestsDrive, *albums: tuple[str, ...], known: Inventory | None = None) -> Inventory:
    """Make folders of an archive."""
    inventory = Inventory() if known is None else known
    guests.storage.make_albums("archive", "Свадьба", albums, inventory)
    return inventory


def paths(guests: GuestsDrive) -> list[str]:
    """Return the path of every folder but the fixture's own."""
    return sorted(guests.account.path(item) for item in guests.account.folders() if item.id != guests.folder.id)


def put_photo(guests: GuestsDrive, key: str, parent: str, *, archive: str = "archive", crc32: str | None = None) -> str:
    """Put a photo into Drive as an earlier run did; return its id."""
    item = guests.account.add(f"{key}.jpg", b"content", parent, app=CLIENT)
    made = sign_place(item.id, parent, item.name)
    item.app_properties[CLIENT] = {
        "archive": archive,
        "photo": key,
        "made": made,
        **({"crc32": crc32} if crc32 else {}),
    }
    return item.id


def make_younger(guests: GuestsDrive, inventory: Inventory) -> None:
    """Let folders have been made long after all others, each after the one it is in."""
    for number, folder in enumerate(inventory.albums.values()):
        guests.account.change(folder.id, created=f"2999-01-01T00:00:00.{number:03d}Z")


# Folders


def test_folders_are_made_outer_ones_first(guests: GuestsDrive) -> None:
    """Each once, with the gallery's folder at the top of the disk, also where only the inner ones are named."""
    inventory = make(guests, ("A", "B"), ("A",), ("C",), ("A", "B"))
    assert paths(guests) == ["Свадьба", "Свадьба/A", "Свадьба/A/B", "Свадьба/C"]
    assert set(inventory.albums) == {album_key(album) for album in [(), ("A",), ("A", "B"), ("C",)]}
    assert inventory.albums[album_key(())].url.startswith("https://drive.google.com/drive/folders/")


def test_folders_that_are_known_are_kept(guests: GuestsDrive) -> None:
    """Twice is once."""
    inventory = make(guests, ("A",))
    before = dict(inventory.albums)
    make(guests, ("A",), ("B",), known=inventory)
    assert paths(guests) == ["Свадьба", "Свадьба/A", "Свадьба/B"]
    assert before.items() <= inventory.albums.items()


@pytest.mark.parametrize("does", ["drop_after", "bad_json", "html"])
def test_a_lost_reply_makes_no_second_folder(guests: GuestsDrive, does: str) -> None:
    """The same id is used again: what was made is met again."""
    guests.break_it("files_create", does, after=1)
    inventory = Inventory()
    with pytest.raises(Transient):
        make(guests, ("A",), known=inventory)
    make(guests, ("A",), known=inventory)
    assert paths(guests) == ["Свадьба", "Свадьба/A"]
    made = {item.id for item in guests.account.folders()} - {guests.folder.id}
    assert {folder.id for folder in inventory.albums.values()} == made
    assert all(folder.url for folder in inventory.albums.values())


def test_a_folder_deleted_since_its_reply_was_lost_is_made_anew(guests: GuestsDrive) -> None:
    """Under another id: the old one stays taken."""
    guests.break_it("files_create", "drop_after")
    with pytest.raises(Transient):
        make(guests, ())
    (lost,) = [item for item in guests.account.folders() if item.id != guests.folder.id]
    guests.account.delete(lost.id)
    with pytest.raises(InventoryStale):
        make(guests, ())
    make(guests, ())
    assert paths(guests) == ["Свадьба"]


def test_an_album_whose_folder_went_away_makes_the_job_look_again(guests: GuestsDrive) -> None:
    """The guest threw the outer folder away for good."""
    inventory = make(guests, ())
    guests.account.delete(inventory.albums[album_key(())].id)
    with pytest.raises(InventoryStale):
        make(guests, ("A",), known=inventory)


def test_an_id_drive_does_not_take_is_replaced(guests: GuestsDrive) -> None:
    """For folders; what a photo does is a case of its own."""
    guests.break_it("files_create", "unusable_id")
    with pytest.raises(Transient):
        make(guests, ())
    make(guests, ())
    assert paths(guests) == ["Свадьба"]


def test_names_are_written_letter_by_letter(guests: GuestsDrive) -> None:
    """Quotes, backslashes and emoji are no matter."""
    make(guests, ('it\'s "q" \\ 😀',))
    assert paths(guests) == ["Свадьба", 'Свадьба/it\'s "q" \\ 😀']


# What is there


def test_an_empty_drive_holds_nothing(guests: GuestsDrive) -> None:
    """Nor what belongs to others."""
    put_photo(guests, "1", guests.folder.id, archive="another")
    guests.account.add("by hand.jpg", b"x")
    assert guests.storage.take_inventory("archive") == Inventory()


def test_what_an_earlier_run_left_is_found(guests: GuestsDrive) -> None:
    """Whatever the guest renamed or moved; what is in the bin does not count, nor what is below it."""
    made = make(guests, ("A",), ("B",))
    folders = {album: made.albums[album_key(album)].id for album in [(), ("A",), ("B",)]}
    first = put_photo(guests, "1", folders["A",], crc32="00ab12cd")
    second = put_photo(guests, "2", folders[()])
    put_photo(guests, "3", folders["B",])
    guests.account.trash(put_photo(guests, "4", folders[()]))
    guests.account.trash(folders["B",])
    guests.account.rename(folders["A",], "Renamed")
    guests.account.move(second, guests.account.root)
    inventory = guests.open().take_inventory("archive")
    assert {key: folder.id for key, folder in inventory.albums.items()} == {
        album_key(()): folders[()],
        album_key(("A",)): folders["A",],
    }
    assert sorted(inventory.photos, key=lambda item: item.key) == [
        StoredPhoto("1", first, 7, 0xAB12CD, folders["A",], made_here=True),
        StoredPhoto("2", second, 7, None, guests.account.root),
    ]


def test_many_pages_are_one_list(guests: GuestsDrive) -> None:
    """Pages are short, repeat entries, and come empty before the last one."""
    for number in range(2300):
        put_photo(guests, str(number), guests.folder.id)
    guests.break_it("files_list", "repeat", after=1)
    guests.break_it("files_list", "empty_page")
    keys = [item.key for item in guests.storage.take_inventory("archive").photos]
    assert sorted(keys, key=int) == [str(number) for number in range(2300)]


def test_a_page_token_that_is_refused_begins_the_list_anew(guests: GuestsDrive) -> None:
    """A few times; more is something else, and may be over later."""
    for number in range(1500):
        put_photo(guests, str(number), guests.folder.id)
    guests.break_it("files_list", "reject_page_token", after=1)
    assert len(guests.storage.take_inventory("archive").photos) == 1500
    guests.break_it("files_list", "status", times=None, status=400, match="pageToken")
    with pytest.raises(Transient, match="page tokens"):
        guests.storage.take_inventory("archive")


def test_the_oldest_of_two_folders_is_the_one(guests: GuestsDrive) -> None:
    """Two runs once made one each: everyone who looks agrees on which stays."""
    old = make(guests, ("A",))
    new = make(guests, ("A",))
    make_younger(guests, new)
    inventory = guests.storage.take_inventory("archive")
    assert {key: folder.id for key, folder in inventory.albums.items()} == {
        key: folder.id for key, folder in old.albums.items()
    }
    assert {(key, folder.id) for key, folder in inventory.duplicate_albums} == {
        (key, folder.id) for key, folder in new.albums.items()
    }


def test_spare_folders_are_joined(guests: GuestsDrive) -> None:
    """Photos go where they belong; what is empty goes into the bin, what holds something of others stays."""
    old = make(guests, ("A",))
    new = make(guests, ("A",))
    make_younger(guests, new)
    put_photo(guests, "1", old.albums[album_key(("A",))].id)
    moved = put_photo(guests, "2", new.albums[album_key(("A",))].id)
    guests.storage.merge_albums(guests.storage.take_inventory("archive"))
    assert paths(guests) == ["Свадьба", "Свадьба/A"]
    assert guests.account.path(guests.account.items[moved]) == "Свадьба/A/2.jpg"
    assert guests.storage.take_inventory("archive").duplicate_albums == []


def test_joining_survives_a_listing_that_starts_over(guests: GuestsDrive) -> None:
    """An empty page, and its token refused."""
    make(guests, ())
    new = make(guests, ())
    make_younger(guests, new)
    known = guests.storage.take_inventory("archive")
    guests.break_it("files_list", "empty_page")
    guests.break_it("files_list", "status", status=400, match="pageToken")
    guests.storage.merge_albums(known)
    assert paths(guests) == ["Свадьба"]


def test_a_photo_is_there_until_it_is_not(guests: GuestsDrive) -> None:
    """In the bin is not there."""
    stored = StoredPhoto("1", put_photo(guests, "1", guests.folder.id), 7)
    assert guests.storage.is_there(stored)
    guests.account.trash(stored.id)
    assert not guests.storage.is_there(stored)
    guests.account.delete(stored.id)
    assert not guests.storage.is_there(stored)


def test_a_photo_is_removed_once_and_again(guests: GuestsDrive) -> None:
    """One that is gone already is fine; one that can't be removed now may be later."""
    stored = StoredPhoto("1", put_photo(guests, "1", guests.folder.id), 7)
    guests.break_it("files_delete", "status", status=503)
    with pytest.raises(Transient):
        guests.storage.remove(stored)
    guests.storage.remove(stored)
    guests.storage.remove(stored)
    assert guests.account.files() == []


@pytest.mark.parametrize(
    ("limit", "elsewhere", "expected"), [(None, 5, None), (100, 0, 100), (100, 40, 60), (100, 100, 0), (100, 150, 0)]
)
def test_free_space_is_what_everything_leaves(
    guests: GuestsDrive, limit: int | None, elsewhere: int, expected: int | None
) -> None:
    """Mail counts as well; no limit is no number."""
    guests.account.limit, guests.account.used_elsewhere = limit, elsewhere
    assert guests.storage.free_bytes() == expected


# Beginning an upload


def test_a_session_is_opened_with_all_that_is_known(guests: GuestsDrive) -> None:
    """Name, place, date, keys, size and type; the date in UTC."""
    bodies: list[Any] = []
    answer = guests.drive.answer

    def remember(request: Any) -> Any:
        bodies.append((request, request.content()))
        return answer(request)

    guests.http.answer_all(remember)
    guests.begin(PHOTO)
    request, content = bodies[-1]
    sent = json.loads(content)
    file_id, run = sent.pop("id"), sent["appProperties"].pop("run")
    assert file_id in guests.account.reserved
    assert len(run) == RUN_CHARS
    assert sent == {
        "name": "Test_011.jpg",
        "parents": [guests.folder.id],
        "appProperties": {
            "archive": "archive",
            "photo": "49851973",
            "crc32": "e7b057b2",
            "made": sign_place(file_id, guests.folder.id, "Test_011.jpg"),
        },
        "createdTime": "2024-08-17T09:54:32.000Z",
        "modifiedTime": "2024-08-17T09:54:32.000Z",
    }
    assert (request.headers["X-Upload-Content-Type"], request.headers["X-Upload-Content-Length"]) == ("image/jpeg", "7")
    assert request.query["uploadType"] == "resumable"
    assert {"id", "size", "md5Checksum"} <= set(request.query["fields"].split(","))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.JPG", "image/jpeg"),
        ("a.png", "image/png"),
        ("a", "application/octet-stream"),
        ("a.jpg.gz", "application/octet-stream"),
        ("😀", "application/octet-stream"),
        ("data:é,a", "text/plain"),
    ],
)
def test_the_type_is_guessed_from_the_name(guests: GuestsDrive, name: str, expected: str) -> None:
    """Always something a header can carry."""
    guests.begin(Photo("1", (), name, "https://h/p", 7))
    assert guests.http.sent[-1][2]["X-Upload-Content-Type"] == expected


@pytest.mark.parametrize("does", ["no_location", "html", "drop_before", "drop_after", "redirect"])
def test_an_opening_without_an_address_may_be_repeated(guests: GuestsDrive, does: str) -> None:
    """It made nothing; the id stays the same, so that the file is one whatever comes."""
    guests.break_it("initiate", does)
    with pytest.raises(Transient):
        guests.begin(PHOTO)
    guests.begin(PHOTO)
    sessions = guests.drive.uploads.sessions()
    assert len({session.plan.meta["id"] for session in sessions}) == 1


@pytest.mark.parametrize("host", ["drive.example", "www.googleapis.com"])
def test_a_session_is_at_the_api_or_at_google(guests: GuestsDrive, host: str) -> None:
    """Where a guest's photo may go."""
    guests.break_it("initiate", "status", status=200, headers={"Location": f"https://{host}/upload?upload_id=x"})
    guests.begin(PHOTO)


@pytest.mark.parametrize(
    "address",
    [
        "http://drive.example/upload/drive/v3/files?upload_id=x",
        "https://drive.example.evil.example/?upload_id=x",
        "https://drive.example@evil.example/?upload_id=x",
        "http://www.googleapis.com/?upload_id=x",
        "/upload/drive/v3/files?upload_id=x",
        "",
    ],
)
def test_a_session_is_nowhere_else(guests: GuestsDrive, address: str) -> None:
    """Whatever stands in Location; and the error does not repeat it."""
    guests.break_it("initiate", "status", status=200, headers={"Location": address})
    with pytest.raises(Transient) as refused:
        guests.begin(PHOTO)
    assert "upload_id" not in str(refused.value)


@pytest.mark.parametrize(
    ("fault", "kind", "reason"),
    [
        ({"status": 403, "reason": "userRateLimitExceeded"}, Throttled, Reason.CLOUD_UNAVAILABLE),
        ({"status": 429, "html": True}, Throttled, Reason.CLOUD_UNAVAILABLE),
        ({"status": 403, "reason": "storageQuotaExceeded"}, StorageFull, Reason.STORAGE_FULL),
        ({"status": 403, "reason": "insufficientPermissions"}, GrantRevoked, Reason.GRANT_REVOKED),
        ({"status": 403, "reason": "domainPolicy"}, Refused, Reason.ACCOUNT_REFUSED),
        ({"status": 403, "reason": "accessNotConfigured"}, Refused, Reason.APP_REFUSED),
        ({"status": 403, "reason": "forbidden"}, Refused, Reason.CLOUD_REFUSED),
        ({"status": 403, "reason": "noIdea"}, Refused, Reason.CLOUD_REFUSED),
        ({"status": 400}, Refused, Reason.CLOUD_REFUSED),
        ({"status": 413}, Refused, Reason.CLOUD_REFUSED),
        ({"status": 404}, InventoryStale, Reason.CLOUD_REFUSED),
        ({"status": 404, "html": True}, Transient, Reason.CLOUD_REFUSED),
        ({"status": 503}, Transient, Reason.CLOUD_UNAVAILABLE),
    ],
)
def test_a_refused_opening_is_named_by_its_damage(
    guests: GuestsDrive, fault: dict[str, Any], kind: type[ArchiveError], reason: Reason
) -> None:
    """Vendor's words stay behind this wall."""
    guests.break_it("initiate", "status", **fault)
    with pytest.raises(kind) as raised:
        guests.begin(PHOTO)
    assert (type(raised.value), raised.value.reason) == (kind, reason)


def test_a_token_that_ended_is_renewed_once(guests: GuestsDrive) -> None:
    """And the call repeated with it."""
    guests.begin(PHOTO)
    guests.expire_tokens()
    guests.begin(PHOTO)
    assert guests._tokens.refreshes == 1


def test_tokens_that_are_always_refused_are_no_permission(guests: GuestsDrive) -> None:
    """However often they are renewed: a few times, and then the guest must agree again."""
    guests.break_it("*", "expire_token", times=None)
    with pytest.raises(GrantRevoked):
        guests.storage.free_bytes()
    assert guests._tokens.refreshes <= 5


@pytest.mark.parametrize("does", ["html", "bad_json", "drop_before", "drop_midway"])
def test_what_is_not_drives_answer_is_transient(guests: GuestsDrive, does: str) -> None:
    """A log-in page of the network in between, half an answer."""
    for operation, ask in {
        "about": guests.storage.free_bytes,
        "files_list": lambda: guests.storage.take_inventory("archive"),
        "generate_ids": lambda: guests.begin(PHOTO),
        "files_get": lambda: guests.storage.is_there(StoredPhoto("1", "id", 7)),
    }.items():
        if operation == "files_get" and does == "bad_json":
            continue  # there is no such file: half of a refusal is a refusal
        guests.break_it(operation, does)
        with pytest.raises(Transient):
            ask()


def test_ids_are_fetched_for_many_at_once(guests: GuestsDrive) -> None:
    """One request for a thousand photos."""
    for number in range(5):
        guests.begin(Photo(str(number), (), "a.jpg", "https://h/p", 7))
    assert sum("generateIds" in url for _, url, _ in guests.http.sent) == 1
    assert guests.violations == []


# One strange answer


@pytest.mark.parametrize("status", [400, 403, 404, 409, 413, 451])
@pytest.mark.parametrize("reason", ["badRequest", "failedPrecondition", "invalid", "forbidden", "noIdea"])
@pytest.mark.parametrize("operation", ["about", "files_list", "generate_ids", "files_create", "initiate"])
def test_one_strange_answer_ends_nothing(guests: GuestsDrive, operation: str, reason: str, status: int) -> None:
    """Whatever is asked: the same call is good a moment later, and nothing is there twice."""
    guests.break_it(operation, "status", status=status, reason=reason)
    known = Inventory()
    photo = Photo("1", (), "a.jpg", "https://h/p", 7)

    def work() -> Any:
        guests.storage.free_bytes()
        guests.storage.take_inventory("archive")
        make(guests, (), known=known)
        session = guests.storage.begin("archive", photo, known.albums[album_key(())])
        session.advance(MemoryStream(b"content"))
        return session.stored

    # Only what names a folder can say that one is gone.
    passing = (InventoryStale,) if operation in ("files_create", "initiate") else ()
    for _ in range(3):
        with suppress(Transient, SessionLost, *passing):
            assert work()
            break
    else:
        raise AssertionError("it never succeeds")
    assert guests.faults.fired
    assert (paths(guests), guests.contents()) == (["Свадьба"], [b"content"])


@pytest.mark.parametrize("status", [400, 403, 413])
def test_one_strange_answer_about_a_file_ends_nothing(guests: GuestsDrive, status: int) -> None:
    """Looked at, moved, thrown away, removed."""
    make(guests, ("A",))
    new = make(guests, ("A",))
    make_younger(guests, new)
    put_photo(guests, "1", new.albums[album_key(("A",))].id)
    for operation in ("files_get", "files_update", "files_delete"):
        guests.break_it(operation, "status", status=status, reason="forbidden")

    def work() -> None:
        known = guests.storage.take_inventory("archive")
        guests.storage.merge_albums(known)
        guests.storage.remove(known.photos[0])

    for _ in range(3):
        with pytest.raises(Refused, match="cloud_refused"):
            work()
    work()
    assert (paths(guests), guests.account.files()) == (["Свадьба", "Свадьба/A"], [])


def test_a_page_that_is_no_drive_says_nothing_about_a_file(guests: GuestsDrive) -> None:
    """404 from something in between: the photo is not believed to be gone."""
    stored = StoredPhoto("1", put_photo(guests, "1", guests.folder.id), 7)
    guests.break_it("files_get", "status", status=404, html=True)
    with pytest.raises(Transient):
        guests.storage.is_there(stored)
    assert guests.storage.is_there(stored)
