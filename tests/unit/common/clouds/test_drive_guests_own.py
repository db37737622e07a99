"""What a guest does in their Drive is theirs: copies keep our properties, and prove nothing; without a wire."""

import random
import time
import zlib
from contextlib import nullcontext
from typing import Any

import pytest

from common.clouds.google_drive.storage import DriveStorage
from common.clouds.photos import Inventory, Photo, StoredPhoto, album_key
from common.errors import SessionLost, Transient
from sandbox.google.items import Item
from sandbox.storage.tree import Content
from tests.fakes.guests_drive import CLIENT, GuestsDrive
from tests.fakes.memory_stream import MemoryStream

DATA = random.Random(5).randbytes(1000)
WRONG = DATA[:-1] + b"x"
ALBUM = ("Ceremony",)
KEY = "archive"


@pytest.fixture
def guests() -> GuestsDrive:
    """A Drive of one's own."""
    return GuestsDrive()


def make_photo(key: str = "1", data: bytes = DATA) -> Photo:
    """Return a photo in an album."""
    return Photo(key, ALBUM, f"{key}.jpg", "https://h/p", len(data), zlib.crc32(data))


def make(storage: DriveStorage, *albums: tuple[str, ...]) -> Inventory:
    """Make folders, as who knows of none."""
    storage.make_albums(KEY, "Wedding", albums, known := Inventory())
    return known


def copy(storage: DriveStorage, photo: Photo, known: Inventory, data: bytes = DATA) -> StoredPhoto:
    """Copy a photo into its album."""
    session = storage.begin(KEY, photo, known.albums[album_key(photo.album)])
    while not session.stored:
        session.advance(MemoryStream(data))
    return session.stored


def find(guests: GuestsDrive, name: str) -> Item:
    """Return the file or folder of a name."""
    (item,) = [each for each in guests.account.items.values() if each.name == name and not each.trashed]
    return item


def tree(guests: GuestsDrive) -> list[str]:
    """Return the path of every file."""
    return [path for path, _, _ in guests.account.tree()]


def test_what_stands_as_it_was_made_is_known_as_ours(guests: GuestsDrive) -> None:
    """By everyone who looks, and by who made it."""
    stored = copy(guests.storage, make_photo(), make(guests.storage, ALBUM))
    assert stored.made_here
    assert [(stored.id, True)] == [(each.id, each.made_here) for each in guests.open().take_inventory(KEY).photos]


@pytest.mark.parametrize("does", ["copy", "move", "rename"])
def test_a_photo_that_a_guest_took_in_hand_is_not_removed(guests: GuestsDrive, does: str) -> None:
    """It is found by its key all the same; nobody takes it for a double of ours."""
    stored = copy(guests.storage, make_photo(), make(guests.storage, ALBUM))
    account = guests.account
    item = account.items[stored.id]
    if does == "copy":
        item = account.copy(stored.id, account.root)
    elif does == "move":
        account.move(stored.id, account.root)
    else:
        account.rename(stored.id, "ours.jpg")
    (theirs,) = [each for each in guests.storage.take_inventory(KEY).photos if each.id == item.id]
    assert (theirs.key, theirs.made_here) == ("1", False)
    before = tree(guests)
    guests.storage.remove(theirs)
    # Nor when all that is known of it is what was seen before.
    guests.storage.remove(StoredPhoto("1", item.id, len(DATA), made_here=True))
    assert before == tree(guests)


def test_a_photo_that_became_another_is_not_removed(guests: GuestsDrive) -> None:
    """The guest put other bytes into our file after the list was read."""
    stored = copy(guests.storage, make_photo(), make(guests.storage, ALBUM))
    guests.account.change(stored.id, content=guests.account.add("x", b"edited").content)
    guests.storage.remove(stored)
    assert stored.id in guests.account.items


def test_a_double_in_the_bin_stays_in_the_bin(guests: GuestsDrive) -> None:
    """What a guest threw away they may want back."""
    stored = copy(guests.storage, make_photo(), make(guests.storage, ALBUM))
    guests.account.trash(stored.id)
    guests.storage.remove(stored)
    assert stored.id in guests.account.items


def test_what_earlier_versions_made_is_found_and_never_removed(guests: GuestsDrive) -> None:
    """They left no proof with it: it counts as a copy, and that is all."""
    item = guests.account.add("1.jpg", DATA, guests.folder.id, app=CLIENT)
    item.app_properties[CLIENT] = {"archive": KEY, "photo": "1"}
    (found,) = guests.storage.take_inventory(KEY).photos
    assert (found.made_here, found.is_proved) == (False, True)
    guests.storage.remove(found)
    assert item.id in guests.account.items


@pytest.mark.parametrize("place", ["beside", "top"])
def test_a_folder_that_a_guest_copied_is_none_of_ours(guests: GuestsDrive, place: str) -> None:
    """Neither the album nor a spare one, be it older or younger: it is not filled, emptied or thrown away."""
    made = make(guests.storage, ALBUM)
    copy(guests.storage, make_photo(), made)
    account, original = guests.account, made.albums[album_key(ALBUM)]
    best = account.copy(original.id, None if place == "beside" else account.root, "Best")
    account.change(best.id, created="2000-01-01T00:00:00.000Z")
    before = tree(guests)
    inventory = guests.open().take_inventory(KEY)
    assert inventory.albums[album_key(ALBUM)].id == original.id
    assert inventory.duplicate_albums == []
    guests.storage.merge_albums(inventory)
    assert before == tree(guests)
    assert sorted((each.made_here for each in inventory.photos), reverse=True) == [True, False]


def test_a_gallery_whose_folder_was_copied_whole_is_itself(guests: GuestsDrive) -> None:
    """With its albums: they all have twins."""
    made = make(guests.storage, ALBUM)
    copy(guests.storage, make_photo(), made)
    guests.account.copy(made.albums[album_key(())].id, None, "Wedding again")
    before = tree(guests)
    inventory = guests.open().take_inventory(KEY)
    assert {folder.id for folder in made.albums.values()} == {folder.id for folder in inventory.albums.values()}
    assert inventory.duplicate_albums == []
    assert before == tree(guests) == ["Wedding again/Ceremony/1.jpg", "Wedding/Ceremony/1.jpg"]


def test_a_copy_is_no_album_even_without_its_original(guests: GuestsDrive) -> None:
    """The guest keeps theirs and threw ours away."""
    made = make(guests.storage, ALBUM)
    guests.account.copy(made.albums[album_key(ALBUM)].id, guests.account.root, "Best")
    guests.account.trash(made.albums[album_key(ALBUM)].id)
    assert guests.open().take_inventory(KEY).albums.keys() == {album_key(())}


@pytest.mark.parametrize("does", ["move", "rename"])
def test_a_folder_that_was_moved_or_renamed_is_found_and_filled(guests: GuestsDrive, does: str) -> None:
    """It is the one that was made; its id proves it."""
    made = make(guests.storage, ALBUM)
    folder = made.albums[album_key(ALBUM)]
    if does == "move":
        guests.account.move(folder.id, guests.folder.id)
    else:
        guests.account.rename(folder.id, "Наша")
    inventory = guests.open().take_inventory(KEY)
    assert inventory.albums[album_key(ALBUM)].id == folder.id
    assert copy(guests.storage, make_photo(), inventory).made_here


# Two folders of one album


def make_twice(guests: GuestsDrive) -> tuple[Inventory, Inventory, DriveStorage]:
    """Let the button be pressed again while the lists lag behind: everything is there twice."""
    guests.account.lag = 1e9
    both = []
    for storage in (guests.storage, later := guests.open()):
        assert storage.take_inventory(KEY) == Inventory()
        known = make(storage, ALBUM)
        for key in ("1", "2"):
            copy(storage, make_photo(key), known)
        both.append(known)
        time.sleep(0.002)  # folders are told apart by the millisecond they were made in
    guests.account.lag = 0.0
    return both[0], both[1], later


def test_lists_that_lag_make_everything_twice_and_a_later_look_heals_it(guests: GuestsDrive) -> None:
    """One folder in the end, and the doubles in it are ours to remove."""
    first, _, storage = make_twice(guests)
    inventory = storage.take_inventory(KEY)
    assert len(inventory.duplicate_albums) == 2
    storage.merge_albums(inventory)
    joined = guests.open().take_inventory(KEY)
    assert joined.duplicate_albums == []
    assert {each.id for each in joined.albums.values()} == {each.id for each in first.albums.values()}
    assert tree(guests) == [f"Wedding/Ceremony/{key}.jpg" for key in ("1", "1", "2", "2")]
    # What was moved by us stands as we made it.
    assert all(each.made_here for each in joined.photos)
    seen: set[str] = set()
    for photo in joined.photos:
        if photo.key in seen:
            storage.remove(photo)
        seen.add(photo.key)
    assert tree(guests) == ["Wedding/Ceremony/1.jpg", "Wedding/Ceremony/2.jpg"]
    assert guests.violations == []


def test_a_spare_folder_keeps_what_a_guest_put_there(guests: GuestsDrive) -> None:
    """Ours are brought to where they belong; theirs stays, and with it the folder, and nobody comes again for it."""
    _, second, storage = make_twice(guests)
    spare = second.albums[album_key(ALBUM)]
    inside = sorted(guests.account.below(spare.id), key=lambda item: item.name)
    theirs = guests.account.copy(inside[0].id, None, "my favourite.jpg")
    guests.account.rename(inside[1].id, "also mine.jpg")
    storage.merge_albums(storage.take_inventory(KEY))
    assert {theirs.id, inside[1].id} == {item.id for item in guests.account.below(spare.id)}
    assert not guests.account.in_bin(guests.account.items[spare.id])
    assert spare.id not in {folder.id for _, folder in storage.take_inventory(KEY).duplicate_albums}


@pytest.mark.parametrize("does", ["move", "rename"])
def test_a_spare_folder_that_a_guest_took_in_hand_is_left_alone(guests: GuestsDrive, does: str) -> None:
    """They put it somewhere, or called it something: it is theirs now, with what is in it."""
    _, second, storage = make_twice(guests)
    spare = second.albums[album_key(ALBUM)]
    if does == "move":
        guests.account.move(spare.id, guests.folder.id)
    else:
        guests.account.rename(spare.id, "Best")
    storage.merge_albums(storage.take_inventory(KEY))
    assert len(guests.account.below(spare.id)) == 2
    assert not guests.account.in_bin(guests.account.items[spare.id])


def test_what_changed_since_the_look_is_left_alone(guests: GuestsDrive) -> None:
    """A list may be old: each file is looked at once more before it is moved, each folder before it is thrown away."""
    _, second, storage = make_twice(guests)
    inventory = storage.take_inventory(KEY)
    spare, top = second.albums[album_key(ALBUM)], second.albums[album_key(())]
    moved, renamed = guests.account.below(spare.id)
    guests.account.move(moved.id, guests.account.root)
    guests.account.rename(renamed.id, "mine.jpg")
    guests.account.rename(top.id, "Wedding, the other")
    storage.merge_albums(inventory)
    assert (moved.parent, renamed.parent) == (guests.account.root, spare.id)
    assert not any(guests.account.items[folder.id].trashed for folder in (spare, top))


@pytest.mark.parametrize("lost", ["unusable_id", "id_in_use"])
def test_a_folder_is_looked_for_before_its_id_is_given_up(guests: GuestsDrive, lost: str) -> None:
    """The reply was lost, and Drive refuses the repetition in whatever words: there is still one folder."""
    guests.break_it("files_create", "drop_after")
    with pytest.raises(Transient):
        make(guests.storage, ())
    guests.break_it("files_create", lost)
    known = make(guests.storage, ())
    assert [find(guests, "Wedding").id] == [folder.id for folder in known.albums.values()]


# Proofs


def list_proofs(storage: DriveStorage) -> dict[str, bool]:
    """Return which photos are shown as proved."""
    return {photo.key: photo.is_proved for photo in storage.take_inventory(KEY).photos}


def put_unproved(guests: GuestsDrive, known: Inventory, data: bytes, key: str = "1") -> str:
    """Let a run that was killed leave a file whose bytes nobody compared; return its id."""
    guests.open().begin(KEY, make_photo(key), known.albums[album_key(ALBUM)])
    return guests.drive.make_file(guests.drive.uploads.sessions()[-1].plan, Content.of(data)).id


def test_a_run_is_proved_once_that_is_noted(guests: GuestsDrive) -> None:
    """By one write for all its photos; who made them knows it before."""
    known = make(guests.storage, ALBUM)
    for key in ("1", "2"):
        copy(guests.storage, make_photo(key), known)
    assert list_proofs(guests.storage) == {"1": True, "2": True}
    assert list_proofs(guests.open()) == {"1": False, "2": False}
    sent = len(guests.http.sent)
    guests.storage.note_proved(known)
    assert [method for method, _, _ in guests.http.sent[sent:]] == ["GET", "PATCH"]
    assert {"1": True, "2": True} == list_proofs(guests.open()) == list_proofs(guests.storage)
    # What comes after it needs a proof of its own.
    copy(guests.storage, make_photo("3"), known)
    assert list_proofs(guests.open()) == {"1": True, "2": True, "3": False}
    guests.storage.note_proved(known)
    assert list_proofs(guests.open()) == {"1": True, "2": True, "3": True}
    assert guests.violations == []


def test_what_a_job_knows_as_arrived_is_proved(guests: GuestsDrive) -> None:
    """Its next slice need not read it again."""
    known = make(guests.storage, ALBUM)
    stored = copy(guests.storage, make_photo(), known)
    (found,) = guests.open().take_inventory(KEY, {"1": stored}).photos
    assert found.is_proved


def test_nothing_is_noted_while_a_file_may_be_wrong(guests: GuestsDrive) -> None:
    """One photo failed, and left a file nobody compared."""
    known = make(guests.storage, ALBUM)
    copy(guests.storage, make_photo("2"), known)
    photo = make_photo()
    session: Any = guests.storage.begin(KEY, photo, known.albums[album_key(ALBUM)])
    guests.break_it("upload", "drop_after")
    with pytest.raises(Transient):
        session.advance(MemoryStream(DATA))
    guests.storage.note_proved(known)
    assert list_proofs(guests.open()) == {"1": False, "2": False}


def test_noting_a_run_of_nothing_costs_nothing(guests: GuestsDrive) -> None:
    """A slice that found everything there."""
    known = make(guests.storage, ALBUM)
    sent = len(guests.http.sent)
    guests.storage.note_proved(known)
    guests.storage.note_proved(Inventory())
    assert sent == len(guests.http.sent)


def test_more_runs_than_fit_forget_the_oldest(guests: GuestsDrive) -> None:
    """Properties are few and short: what is forgotten is read once more, and that is all."""
    known = make(guests.storage, ALBUM)
    for _ in range(700):
        guests.storage._albums.note_runs(known.albums[album_key(())].id, [f"{_:04d}"])
    copy(guests.storage, make_photo(), known)
    guests.storage.note_proved(known)
    assert list_proofs(guests.open()) == {"1": True}
    assert guests.violations == []


def test_an_unproved_file_that_is_the_photo_is_the_photo(guests: GuestsDrive) -> None:
    """It is read and compared, nothing is sent; and nobody needs to read it again."""
    known = make(guests.storage, ALBUM)
    left = put_unproved(guests, known, DATA)
    assert list_proofs(guests.storage) == {"1": False}
    sent = len(guests.http.sent)
    stored = copy(guests.storage, make_photo(), known)
    assert (stored.id, stored.made_here) == (left, True)
    assert not [url for method, url, _ in guests.http.sent[sent:] if method in ("POST", "PUT")]
    guests.storage.note_proved(known)
    assert list_proofs(guests.open()) == {"1": True}
    assert guests.contents() == [DATA]


def test_an_unproved_file_of_other_bytes_makes_room(guests: GuestsDrive) -> None:
    """Of the right size it was taken for the photo once: it is removed, and the photo copied."""
    known = make(guests.storage, ALBUM)
    put_unproved(guests, known, WRONG)
    guests.storage.take_inventory(KEY)
    with pytest.raises(SessionLost):
        copy(guests.storage, make_photo(), known)
    copy(guests.storage, make_photo(), known)
    assert guests.contents() == [DATA]


def test_an_unproved_file_of_another_size_is_not_even_looked_at(guests: GuestsDrive) -> None:
    """It may be the photo as it was listed once."""
    known = make(guests.storage, ALBUM)
    left = put_unproved(guests, known, b"another photo")
    guests.storage.take_inventory(KEY)
    copy(guests.storage, make_photo(), known)
    assert left in guests.account.items
    assert DATA in guests.contents()


def test_an_unproved_file_that_a_guest_took_is_not_removed(guests: GuestsDrive) -> None:
    """Its bytes are wrong, but it is theirs."""
    known = make(guests.storage, ALBUM)
    left = put_unproved(guests, known, WRONG)
    guests.account.rename(left, "mine.jpg")
    guests.storage.take_inventory(KEY)
    with pytest.raises(SessionLost):
        copy(guests.storage, make_photo(), known)
    copy(guests.storage, make_photo(), known)
    assert guests.contents() == [WRONG, DATA]


def test_joined_folders_carry_the_proofs_of_both(guests: GuestsDrive) -> None:
    """The one that goes into the bin takes none along."""
    first, second, storage = make_twice(guests)
    guests.storage.note_proved(first)
    storage.note_proved(second)
    inventory = storage.take_inventory(KEY)
    storage.merge_albums(inventory)
    assert all(list_proofs(guests.open()).values())


@pytest.mark.parametrize(("data", "is_right"), [(DATA, True), (WRONG, False)])
def test_a_proof_compares_and_uploads_nothing(guests: GuestsDrive, data: bytes, is_right: bool) -> None:
    """A worker that was killed left the file; wrong bytes go."""
    known = make(guests.storage, ALBUM)
    put_unproved(guests, known, data)
    storage, photo = guests.open(), make_photo()
    storage.take_inventory(KEY)
    sent = len(guests.http.sent)
    (session,) = storage.open_proofs(KEY, photo, known.albums[album_key(ALBUM)])
    with nullcontext() if is_right else pytest.raises(SessionLost):
        session.advance(MemoryStream(DATA))
    assert bool(session.stored) is is_right
    assert list(storage.open_proofs(KEY, photo, known.albums[album_key(ALBUM)])) == []
    assert not [url for method, url, _ in guests.http.sent[sent:] if method in ("POST", "PUT")]
    assert guests.contents() == ([DATA] if is_right else [])
