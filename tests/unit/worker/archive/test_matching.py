"""Which photos a cloud holds: those that are as listed, each once, and the same one for everybody who looks."""

from dataclasses import replace
from itertools import permutations

import pytest

from common.clouds.photos import Folder, Inventory, Photo, StoredPhoto, album_key
from worker.archive.matching import InventoryMatch, match_inventory

PHOTOS = {key: Photo(key, (), f"{key}.jpg", "https://h/p", 7, crc32=1) for key in ("1", "2")}
HERE, THERE = "folder", "another folder of the archive"


def ours(key: str, name: str, folder: str = HERE) -> StoredPhoto:
    """Return a photo that this service made and nobody touched."""
    return StoredPhoto(key, name, 7, folder_id=folder, made_here=True)


def find(*stored: StoredPhoto) -> InventoryMatch:
    """Look for copies among what stands in a cloud."""
    folders = {album_key(()): Folder(HERE, ""), album_key(("B",)): Folder(THERE, "")}
    return match_inventory(PHOTOS, Inventory(folders, list(stored)))


@pytest.mark.parametrize(
    ("stored", "is_copy"),
    [
        (StoredPhoto("1", "a", 7, 1, HERE), True),
        (StoredPhoto("1", "a", 7, None, HERE), True),
        (StoredPhoto("1", "a", 7, 1, THERE), True),
        (StoredPhoto("1", "a", 8, 1, HERE), False),
        (StoredPhoto("1", "a", 7, 2, HERE), False),
        (StoredPhoto("3", "a", 7, 1, HERE), False),
        (StoredPhoto("1", "a", 7, 1, "a guest's own folder"), False),
        (StoredPhoto("1", "a", 7, 1), False),
        (StoredPhoto("1", "a", 7, 1, HERE, is_proved=False), False),
    ],
    ids=["same", "no checksum", "album", "size", "checksum", "not listed", "moved away", "no folder", "a mark alone"],
)
def test_a_copy_is_as_listed(stored: StoredPhoto, is_copy: bool) -> None:
    """What the gallery replaced, a guest took away or nobody proved is neither a copy nor a duplicate, and stays."""
    matched = find(stored)
    assert (matched.kept, matched.duplicates) == ({"1": stored} if is_copy else {}, [])


def test_all_who_look_keep_the_same_copy() -> None:
    """Two workers that remove duplicates at the same time would else remove them all; paths stay without a number."""
    there = [ours("1", path) for path in ("p (2).jpg", "p.jpg", "q.jpg", "p (3).jpg")]
    other = ours("2", "r.jpg")
    for order in permutations(there):
        matched = find(*order, other)
        assert matched.kept == {"1": there[1], "2": other}
        assert sorted(copy.id for copy in matched.duplicates) == ["p (2).jpg", "p (3).jpg", "q.jpg"]


def test_a_file_that_is_listed_twice_is_no_double() -> None:
    """Pages repeat an entry when somebody adds a file meanwhile; removed as a duplicate, the photo would be gone."""
    once, duplicate = ours("1", "a"), ours("1", "b")
    for order in permutations([once, replace(once), duplicate]):
        matched = find(*order)
        assert matched.kept == {"1": once}
        assert set(matched.duplicates) == {duplicate}


def test_a_copy_in_a_second_folder_of_an_album_counts() -> None:
    """Two runs once made one folder each."""
    copy = ours("1", "a", "second")
    inventory = Inventory({album_key(()): Folder(HERE, "")}, [copy], [(album_key(()), Folder("second", ""))])
    assert match_inventory(PHOTOS, inventory).kept == {"1": copy}


def test_what_nobody_proved_counts_where_it_is_asked_for() -> None:
    """For a count at the end."""
    copy = replace(ours("1", "a"), is_proved=False)
    inventory = Inventory({album_key(()): Folder(HERE, "")}, [copy])
    assert match_inventory(PHOTOS, inventory, include_unproved=True).kept == {"1": copy}


@pytest.mark.parametrize(
    "guests",
    [
        replace(ours("1", "b"), made_here=False),
        replace(ours("1", "b"), made_here=False, folder_id="a guest's own folder"),
        replace(ours("1", "b"), made_here=False, folder_id=THERE),
        ours("1", "b", THERE),
    ],
    ids=["copied here", "copied elsewhere", "moved between albums", "two albums"],
)
def test_what_a_guest_made_is_no_double(guests: StoredPhoto) -> None:
    """Only what we made in the same place is surplus; which of two is ours does not depend on who comes first."""
    mine = ours("1", "a long name of ours")
    for order in permutations([mine, guests]):
        assert find(*order).duplicates == []
        if not guests.made_here:
            assert find(*order).kept == {"1": mine}


def test_an_unproved_copy_is_a_duplicate_of_a_proved_one() -> None:
    """As long as everybody who looks keeps the same one; when nobody else is at it, what is proved stays."""
    first, second = ours("1", "a"), ours("1", "b")
    doubt, later = replace(first, is_proved=False), replace(second, is_proved=False)
    folders = {album_key(()): Folder(HERE, "")}
    for there, duplicates, alone in (
        ([first, later], [later], [later]),
        ([doubt, second], [], [doubt]),
        ([doubt, later], [], []),
    ):
        for order in permutations(there):
            assert find(*order).duplicates == duplicates
            assert match_inventory(PHOTOS, Inventory(folders, list(order)), is_exclusive=True).duplicates == alone
