"""What became of an archive's photos: what another list changes, and what it must not."""

from dataclasses import replace

from common.clouds.photos import Photo, StoredPhoto
from common.errors import PhotoRejected, Reason
from worker.archive.copies import Copies
from worker.gallery.manifest import Manifest

PHOTOS = {key: Photo(key, (), f"{key}.jpg", "https://h/p", 7, crc32=1) for key in ("1", "2")}


def ours(key: str, name: str) -> StoredPhoto:
    """Return a photo that this service made and nobody touched."""
    return StoredPhoto(key, name, 7, folder_id="folder", made_here=True)


def listed(*photos: Photo) -> Manifest:
    """Return a list of photos."""
    return Manifest({photo.key: photo for photo in photos}, [])


def test_what_changed_in_the_list_has_its_tries_again() -> None:
    """What is as it was has not; and of what was replaced, the copy counts for nothing."""
    first, second = PHOTOS.values()
    copies = Copies(listed(first, second), tries={"1": 2, "2": 3})
    copies.arrived["1"] = ours("1", "a")
    copies.reject("2", PhotoRejected(Reason.PHOTO_UNAVAILABLE))
    assert copies.tries == {"1": 2}
    assert not copies.replace_manifest(listed(first, second))
    assert copies.replace_manifest(listed(replace(first, size=8), replace(second, url="https://h/q")))
    assert (copies.rejected, copies.tries, copies.arrived) == ({}, {}, {})


def test_a_photo_that_is_only_called_otherwise_by_now_stays_copied() -> None:
    """Its bytes are the same."""
    first, second = PHOTOS.values()
    copies = Copies(listed(first, second), arrived={"1": ours("1", "a")}, skipped={"2"})
    assert copies.replace_manifest(listed(replace(first, name="b.jpg"), second))
    assert (list(copies.arrived), copies.skipped) == (["1"], {"2"})


def test_what_was_there_before_the_job_is_agreed_on() -> None:
    """Of what is found, this delivery's own copies are no part of the question; the answer counts."""
    copies = Copies(listed(*PHOTOS.values()), arrived={"1": ours("1", "a")})
    asked: list[int] = []
    copies.record_initial_inventory({"1", "2"}, lambda found: asked.append(found) or 7)
    assert (asked, copies.initially_stored, copies.skipped) == ([1], 7, {"2"})


def test_a_list_that_is_suddenly_empty_is_not_believed() -> None:
    """It would say that nothing was to be copied."""
    copies = Copies(listed(*PHOTOS.values()))
    assert not copies.replace_manifest(listed())
    assert copies.photos == PHOTOS


def test_what_was_there_before_stays_so_when_it_is_proved_or_copied_again() -> None:
    """Another job of the same guest may have taken the copy away: no number on the page falls."""
    copies = Copies(listed(*PHOTOS.values()))
    copies.record_initial_inventory(["1"])
    found = copies.count().found
    copies.record_arrival(ours("1", "a"))
    assert (found, copies.count().found, copies.count().stored) == (1, 1, 1)
