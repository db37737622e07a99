"""Which photos a cloud holds: those that are as listed, each once, and the same one for everybody who looks."""

from dataclasses import replace
from itertools import permutations

import pytest

from common.clouds.photos import Photo, StoredPhoto
from worker.tally import find_copies

PHOTOS = {key: Photo(key, (), f"{key}.jpg", "https://h/p", 7, crc32=1) for key in ("1", "2")}


@pytest.mark.parametrize(
    ("stored", "is_copy"),
    [
        (StoredPhoto("1", "a", 7, 1), True),
        (StoredPhoto("1", "a", 7), True),
        (StoredPhoto("1", "a", 8, 1), False),
        (StoredPhoto("1", "a", 7, 2), False),
        (StoredPhoto("3", "a", 7, 1), False),
    ],
    ids=["same", "no checksum", "other size", "other checksum", "not listed"],
)
def test_a_copy_is_as_listed(stored: StoredPhoto, is_copy: bool) -> None:
    """What the gallery replaced or no longer lists is neither a copy nor a double, and is left alone."""
    copies = find_copies(PHOTOS, [stored])
    assert (copies.kept, copies.doubles) == ({"1": stored} if is_copy else {}, [])


def test_all_who_look_keep_the_same_copy() -> None:
    """Two workers that remove doubles at the same time would else remove them all; paths stay without a number."""
    there = [StoredPhoto("1", path, 7) for path in ("p (2).jpg", "p.jpg", "q.jpg", "p (3).jpg")]
    other = StoredPhoto("2", "r.jpg", 7)
    for order in permutations(there):
        copies = find_copies(PHOTOS, [*order, other])
        assert copies.kept == {"1": there[1], "2": other}
        assert sorted(copy.id for copy in copies.doubles) == ["p (2).jpg", "p (3).jpg", "q.jpg"]


def test_a_file_that_is_listed_twice_is_no_double() -> None:
    """Pages repeat an entry when somebody adds a file meanwhile; removed as a double, the photo would be gone."""
    once, double = StoredPhoto("1", "a", 7), StoredPhoto("1", "b", 7)
    for order in permutations([once, replace(once), double]):
        copies = find_copies(PHOTOS, order)
        assert copies.kept == {"1": once}
        assert set(copies.doubles) == {double}
