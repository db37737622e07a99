"""What every cloud's storage does, whatever it is called there."""

import random
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from common.clouds.photos import Inventory, album_key
from common.errors import GrantRevoked, Reason, StorageFull, Transient
from tests.contract.stands import ARCHIVE, CHUNK, Stand, make_photo

DATA = random.Random(5).randbytes(CHUNK + 1000)
NAMES = [
    'it\'s "quoted".jpg',
    "back\\slash.jpg",
    "12:30.jpg",
    "disk: a.jpg",
    "🎉😀.jpg",
    "100% & more + #1?.jpg",
    "Имя с пробелами.jpg",
    "без окончания",
    "n" * 251 + ".jpg",
    "я" * 251 + ".jpg",
]


def test_a_folder_that_is_made_twice_is_one(stand: Stand) -> None:
    """By the same storage, by another one that knows nothing of it, and the albums inside as well."""
    wanted = [("Альбом",), ("Альбом", "Внутри")]
    for _ in range(2):
        storage = stand.storage()
        inventory = storage.take_inventory(ARCHIVE)
        storage.make_albums(ARCHIVE, "Свадьба", wanted, inventory)
        storage.make_albums(ARCHIVE, "Свадьба", wanted, inventory)
    account = stand.service.account()
    assert [account.path(folder) for folder in account.folders()] == [
        "Свадьба",
        "Свадьба/Альбом",
        "Свадьба/Альбом/Внутри",
    ]
    assert set(storage.take_inventory(ARCHIVE).albums) == {album_key(album) for album in [(), *wanted]}
    assert stand.world.violations == []


def test_a_folder_whose_reply_was_lost_is_made_once(stand: Stand) -> None:
    """The same call is repeated, as the worker does."""
    storage = stand.storage()
    stand.fault(stand.adds_folder, "drop_after")
    with pytest.raises(Transient):
        storage.make_albums(ARCHIVE, "Свадьба", [()], Inventory())
    storage.make_albums(ARCHIVE, "Свадьба", [()], Inventory())
    assert [folder.name for folder in stand.service.account().folders()] == ["Свадьба"]


def test_another_archive_of_the_same_name_keeps_its_own_folder(stand: Stand) -> None:
    """Webs and originals of one gallery do not mix."""
    storage = stand.storage()
    folders = []
    for key in (ARCHIVE, "b" * 32):
        inventory = storage.take_inventory(key)
        storage.make_albums(key, "Свадьба", [()], inventory)
        folders.append(inventory.albums[album_key(())].id)
    assert folders[0] != folders[1]
    assert folders == [storage.take_inventory(key).albums[album_key(())].id for key in (ARCHIVE, "b" * 32)]


def test_a_photo_is_found_again(stand: Stand) -> None:
    """By another run, with its key, its size and its CRC; and by its id alone."""
    storage, photo = stand.storage(), make_photo(DATA)
    stored = stand.copy(storage, photo, DATA, stand.album(storage))
    later = stand.storage()
    assert [stored.id] == [found.id for found in later.take_inventory(ARCHIVE).photos]
    assert all(found.is_copy_of(photo) for found in later.take_inventory(ARCHIVE).photos)
    assert later.is_there(stored)
    assert later.take_inventory("b" * 32) == Inventory()


def test_a_photo_that_is_as_it_is_known_is_not_held_twice(stand: Stand) -> None:
    """What this run copied is given back as that object, and anything else as it is: moved by a guest, or unknown."""
    storage = stand.storage()
    folder = stand.album(storage, ("A",))
    photos = [make_photo(DATA, f"{key}.jpg", key, album=("A",)) for key in ("1", "2", "3")]
    brought = [replace(stand.copy(storage, photo, DATA, folder), folder_id=folder.id) for photo in photos]
    known = {"1": brought[0], "2": replace(brought[1], folder_id="elsewhere")}
    found = {photo.key: photo for photo in storage.take_inventory(ARCHIVE, known).photos}
    assert found["1"] is known["1"]
    assert [found["2"], found["3"]] == brought[1:]


def test_what_a_guest_renamed_is_found_again(stand: Stand) -> None:
    """The gallery's folder, an album and a photo, all under other names."""
    storage, photo = stand.storage(), make_photo(DATA, album=("Альбом",))
    stand.copy(storage, photo, DATA, stand.album(storage, ("Альбом",)))
    account = stand.service.account()
    for item in [*account.folders(), *account.files()]:
        account.rename(item.id, f"мое {item.name}")
    inventory = stand.storage().take_inventory(ARCHIVE)
    assert [photo.key] == [found.key for found in inventory.photos]
    assert set(inventory.albums) == {album_key(()), album_key(("Альбом",))}


@pytest.mark.parametrize("name", NAMES)
def test_names_arrive_as_they_are(stand: Stand, name: str) -> None:
    """Quotes, colons, emoji, percent signs, 255 characters: as album and as photo."""
    storage, photo = stand.storage(), make_photo(b"photo", name)
    stand.copy(storage, photo, b"photo", stand.album(storage, (f"A {name}"[:255],)))
    assert [f"Свадьба/{f'A {name}'[:255]}/{name}"] == [path for path, _, _ in stand.tree()]
    assert stand.world.violations == []


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK])
def test_every_size_arrives(stand: Stand, size: int) -> None:
    """Nothing, one byte, around one chunk, and exactly two."""
    data = random.Random(size).randbytes(size)
    storage, photo = stand.storage(), make_photo(data)
    stored = stand.copy(storage, photo, data, stand.album(storage))
    assert stored.is_copy_of(photo)
    assert [("Свадьба/a.jpg", size, photo_md5(data))] == stand.tree()
    assert stand.world.violations == []


def test_two_photos_of_one_name_both_arrive_and_stay(stand: Stand) -> None:
    """And a second run finds both: nothing is copied again."""
    storage = stand.storage()
    folder = stand.album(storage)
    for key, data in (("3", b"three"), ("5", b"five!")):
        stand.copy(storage, make_photo(data, key=key), data, folder)
    found = {photo.key for photo in stand.storage().take_inventory(ARCHIVE).photos}
    assert {"3", "5"} == found
    assert sorted([photo_md5(b"three"), photo_md5(b"five!")]) == sorted(md5 for _, _, md5 in stand.tree())


def test_what_a_guest_has_under_that_name_is_left_alone(stand: Stand) -> None:
    """A file of their own in our folder keeps its bytes; ours arrives beside it."""
    storage = stand.storage()
    folder = stand.album(storage)
    account = stand.service.account()
    account.add("a.jpg", b"mine", next(iter(account.folders())).id)
    stand.copy(storage, make_photo(b"ours"), b"ours", folder)
    assert sorted([photo_md5(b"mine"), photo_md5(b"ours")]) == sorted(md5 for _, _, md5 in stand.tree())


@pytest.mark.parametrize(
    ("does", "params"),
    [
        ("drop_midway", {"bytes": 1000}),
        ("drop_midway", {"bytes": CHUNK}),
        ("drop_after", {}),
        ("drop_before", {}),
        ("status", {"status": 500}),
        ("status", {"status": 503}),
        ("throttle", {"status": 429}),
        ("throttle", {"status": 429, "retry_after": 7}),
    ],
)
@pytest.mark.parametrize("part", ["begins", "sends"])
def test_a_photo_survives_what_breaks(stand: Stand, part: str, does: str, params: dict[str, Any]) -> None:
    """Whatever is lost, bytes or replies: it is there once, whole."""
    on = getattr(stand, part)
    if does == "drop_midway" and part == "begins":
        does, params = "html", {}
    storage, photo = stand.storage(), make_photo(DATA)
    folder = stand.album(storage)
    stand.fault(on, does, **params)
    stored = stand.copy(storage, photo, DATA, folder)
    assert stand.fired() == 1
    assert stored.is_copy_of(photo)
    assert [("Свадьба/a.jpg", len(DATA), photo_md5(DATA))] == stand.tree()
    assert stand.world.violations == []
    if "retry_after" in params:
        assert sum(stand.clock.slept) >= 7


@pytest.mark.parametrize("number", range(5))
def test_a_photo_survives_the_end_of_its_session(stand: Stand, number: int) -> None:
    """Forgotten, half kept, corrupted, accepted and then not stored: each cloud in its own way."""
    faults = stand.pretend.lost_uploads
    fault = faults[number % len(faults)]
    storage, photo = stand.storage(), make_photo(DATA)
    folder = stand.album(storage)
    stand.fault(**fault)
    assert stand.copy(storage, photo, DATA, folder).is_copy_of(photo)
    assert stand.fired() == 1
    assert [("Свадьба/a.jpg", len(DATA), photo_md5(DATA))] == stand.tree()
    assert [photo.key] == [found.key for found in stand.storage().take_inventory(ARCHIVE).photos]


def test_a_source_that_breaks_in_the_middle_is_read_on(stand: Stand) -> None:
    """The photo arrives whole, whether or not its upload could be carried on."""
    storage, photo = stand.storage(), make_photo(DATA)
    folder = stand.album(storage)
    stream = stand.stream(DATA)
    stream.fails[CHUNK] = Transient(Reason.PHOTO_UNAVAILABLE)
    assert stand.copy(storage, photo, DATA, folder, stream).is_copy_of(photo)
    assert [("Свадьба/a.jpg", len(DATA), photo_md5(DATA))] == stand.tree()


@pytest.mark.parametrize("number", range(2))
def test_a_full_cloud_stops_the_job(stand: Stand, number: int) -> None:
    """Wherever it says so."""
    faults = stand.pretend.full
    storage = stand.storage()
    folder = stand.album(storage)
    stand.fault(**faults[number % len(faults)], times=None)
    with pytest.raises(StorageFull):
        stand.copy(storage, make_photo(DATA), DATA, folder)
    assert stand.tree() == []


def test_free_space_is_known(stand: Stand) -> None:
    """In bytes, less what is used."""
    account = stand.service.account()
    account.limit = 10_000
    account.add("mine.jpg", b"m" * 1000)
    assert stand.storage().free_bytes() == 9000


def test_a_revoked_grant_stops_the_job(stand: Stand) -> None:
    """In the listing as in the middle of a copy."""
    storage = stand.storage()
    folder = stand.album(storage)
    stand.accounts.revoke("guest")
    with pytest.raises(GrantRevoked):
        stand.copy(storage, make_photo(DATA), DATA, folder)
    with pytest.raises(GrantRevoked):
        storage.take_inventory(ARCHIVE)


@pytest.mark.parametrize("part", ["begins", "lists", "adds_folder"])
def test_a_token_that_ends_in_the_middle_is_renewed(stand: Stand, part: str) -> None:
    """Once, and nothing is lost."""
    storage, photo = stand.storage(), make_photo(DATA)
    stand.fault(getattr(stand, part), "expire_token")
    stand.copy(storage, photo, DATA, stand.album(storage))
    assert stand.accounts.refreshes == 1
    assert [("Свадьба/a.jpg", len(DATA), photo_md5(DATA))] == stand.tree()


def test_threads_share_one_storage(stand: Stand) -> None:
    """Twenty photos at four at a time, half of them of one name."""
    storage = stand.storage()
    folder = stand.album(storage)
    photos = [(b"photo %d" % number, f"{number % 2 * number}.jpg", str(number)) for number in range(20)]

    def copy(item: tuple[bytes, str, str]) -> None:
        data, name, key = item
        stand.copy(storage, make_photo(data, name, key), data, folder)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(copy, photos))
    assert sorted(photo_md5(data) for data, _, _ in photos) == sorted(md5 for _, _, md5 in stand.tree())
    assert {key for _, _, key in photos} == {photo.key for photo in storage.take_inventory(ARCHIVE).photos}
    assert stand.world.violations == []


def test_a_photo_is_removed_alone_and_only_once(stand: Stand) -> None:
    """A double goes for good, the other one stays; removing it again is fine."""
    storage = stand.storage()
    folder = stand.album(storage)
    first = stand.copy(storage, make_photo(DATA), DATA, folder)
    double = stand.copy(stand.storage(), make_photo(DATA, key="2"), DATA, folder)
    for _ in range(2):
        storage.remove(double)
    assert not storage.is_there(double)
    assert storage.is_there(first)
    assert [first.id] == [photo.id for photo in storage.take_inventory(ARCHIVE).photos]


def test_what_lies_in_the_bin_does_not_count(stand: Stand) -> None:
    """The guest threw it away."""
    storage = stand.storage()
    stored = stand.copy(storage, make_photo(DATA), DATA, stand.album(storage))
    account = stand.service.account()
    account.trash(next(iter(account.files())).id)
    assert storage.take_inventory(ARCHIVE).photos == []
    assert not storage.is_there(stored)


def photo_md5(data: bytes) -> str:
    """Return the MD5 that the stand-in shows for these bytes."""
    from sandbox.storage.tree import Content

    return Content.of(data).md5
