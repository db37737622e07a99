"""What a guest does with their archive by hand, in every cloud: nothing of it is ever taken for ours, or removed."""

from typing import Any

import pytest

from common.clouds.photos import StoredPhoto, album_key
from sandbox.gallery.pictures import album as make_album
from tests.contract.stands import ARCHIVE, Stand, make_photo

CEREMONY = ("Ceremony",)
PHOTOS = {"1": b"first kiss", "2": b"second kiss"}


class GuestsArchive:
    """An archive of two photos in one album, and the hands of its guest."""

    def __init__(self, stand: Stand) -> None:
        self._stand = stand
        self.account: Any = stand.service.account()
        self.stored = self.copy_archive()
        self.top, self.album = self.account.folders()

    def copy_archive(self) -> dict[str, StoredPhoto]:
        """Copy it as an archive is copied, whatever is there already."""
        storage = self._stand.storage()
        folder = self._stand.album(storage, CEREMONY)
        return {
            key: self._stand.copy(storage, make_photo(data, f"{key}.jpg", key, CEREMONY), data, folder)
            for key, data in PHOTOS.items()
        }

    def look(self) -> list[StoredPhoto]:
        """Return what another run finds."""
        return self._stand.storage().take_inventory(ARCHIVE).photos

    def remove(self, photos: list[StoredPhoto]) -> None:
        """Remove them, as a run that takes them for doubles does."""
        storage = self._stand.storage()
        for photo in photos:
            storage.remove(photo)


@pytest.fixture
def archive(stand: Stand) -> GuestsArchive:
    """Return a finished archive."""
    return GuestsArchive(stand)


def test_what_is_found_says_that_it_was_made_here(archive: GuestsArchive) -> None:
    """By the run that stored it and by every later one, with the folder it is in."""
    assert all(photo.made_here and photo.is_proved for photo in archive.stored.values())
    found = archive.look()
    assert {photo.id: photo.made_here for photo in found} == {photo.id: True for photo in archive.stored.values()}
    assert len({photo.folder_id for photo in found} - {""}) == 1


def test_a_copied_album_is_the_guests(stand: Stand, archive: GuestsArchive) -> None:
    """It is not the album, its photos are not ours, and removing them removes nothing; the album keeps its own."""
    archive.account.copy(archive.album.id, archive.top.id, "Best")
    before = stand.tree()
    album = stand.storage().take_inventory(ARCHIVE).albums[album_key(CEREMONY)]
    found = archive.look()
    made = {photo.id for photo in found if photo.made_here}
    assert made == {photo.id for photo in archive.stored.values()}
    assert {photo.folder_id for photo in found if photo.made_here} == {album.id}
    archive.remove([photo for photo in found if photo.id not in made])
    assert len(before) == 4
    assert stand.tree() == before


@pytest.mark.parametrize("place", ["top", "album"])
def test_a_copied_photo_is_the_guests(stand: Stand, archive: GuestsArchive, place: str) -> None:
    """At the top of the archive, or beside the original under another name."""
    (first, *_) = archive.account.files()
    archive.account.copy(first.id, getattr(archive, place).id, "best.jpg")
    before = stand.tree()
    found = archive.look()
    assert {photo.id for photo in found if photo.made_here} == {photo.id for photo in archive.stored.values()}
    archive.remove([photo for photo in found if not photo.made_here])
    assert stand.tree() == before


@pytest.mark.parametrize("deed", ["renamed", "moved"])
def test_what_a_guest_renamed_or_moved_is_no_double_of_ours(stand: Stand, archive: GuestsArchive, deed: str) -> None:
    """It is still found, and nobody removes it."""
    (first, *_) = archive.account.files()
    if deed == "renamed":
        archive.account.rename(first.id, "best.jpg")
    else:
        archive.account.move(first.id, archive.top.id)
    before = stand.tree()
    found = archive.look()
    assert sorted(photo.key for photo in found) == ["1", "2"]
    assert [photo.key for photo in found if photo.made_here] == ["2"]
    archive.remove([photo for photo in found if not photo.made_here])
    assert stand.tree() == before


def test_a_moved_or_renamed_album_is_found_and_filled(stand: Stand, archive: GuestsArchive) -> None:
    """What is missing arrives where the album is now, and is made there."""
    archive.account.rename(archive.album.id, "Наше венчание")
    archive.account.move(archive.album.id, archive.account.add_folder("Мое", archive.top.id).id)
    (first, *_) = archive.account.files()
    archive.account.delete(first.id)
    archive.copy_archive()
    assert [path for path, _, _ in stand.tree()] == [
        "Свадьба/Мое/Наше венчание/1.jpg",
        "Свадьба/Мое/Наше венчание/2.jpg",
    ]
    assert "1" in [photo.key for photo in archive.look() if photo.made_here]


def test_what_changed_since_it_was_looked_at_is_not_removed(stand: Stand, archive: GuestsArchive) -> None:
    """The guest gave the file other bytes, and its properties stayed."""
    double = archive.stored["1"]
    (first, *_) = archive.account.files()
    archive.account.overwrite(first.id, b"retouched")
    archive.remove([double])
    assert len(stand.tree()) == 2
    listed = {key: make_photo(data, f"{key}.jpg", key, CEREMONY) for key, data in PHOTOS.items()}
    assert [found.key for found in archive.look() if found.is_copy_of(listed[found.key])] == ["2"]


@pytest.mark.parametrize("deed", ["album", "archive", "photo to the top", "photo beside"])
def test_pressing_again_after_copying_by_hand_changes_nothing(stand: Stand, deed: str) -> None:
    """The gallery's own albums keep every photo, and the guest's copies are all there."""
    account: Any = stand.service.account()
    harness = stand.harness()
    archive = stand.world.gallery.add("Свадьба", make_album(6, 2_000, albums=2))
    harness.deliver_to_the_end(harness.make_job(archive))
    top, album, *_ = account.folders()
    photo = next(file for file in account.files() if file.parent == album.id)
    if deed == "album":
        account.copy(album.id, top.id, "Best")
    elif deed == "archive":
        account.copy(top.id, name="Архив")
    else:
        account.copy(photo.id, (top if deed == "photo to the top" else album).id, "0.jpg")
    before = stand.tree()
    for number in range(2):
        harness.deliver_to_the_end(harness.make_job(archive, job_id=f"again-{number}"))
        assert stand.tree() == before
    assert set(archive.expected()) <= set(before)
