"""What is the guest's on their own disk: told from ours by where it was made, and never removed or overwritten."""

import hashlib
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import pytest

from common.clouds.photos import StoredPhoto, album_key
from common.clouds.yandex_disk.custom_properties import MADE, place_property
from common.clouds.yandex_disk.disk import Disk
from common.errors import SessionLost, Transient
from tests.contract.stands import ARCHIVE, Stand, make_photo
from tests.fakes.memory_stream import MemoryStream

DATA = b"a photo"
ALBUM = ("Ceremony",)


def store(stand: Stand, name: str = "a.jpg") -> StoredPhoto:
    """Copy one photo into the album."""
    storage = stand.storage()
    return stand.copy(storage, make_photo(DATA, name), DATA, stand.album(storage, ALBUM))


def account(stand: Stand) -> Any:
    """Return the guest's."""
    return stand.service.account()


def strip(stand: Stand) -> None:
    """Make everything look as an earlier version left it."""
    for item in [*account(stand).files(), *account(stand).folders()]:
        item.properties.pop(MADE)


def test_a_file_and_a_folder_say_where_they_were_made(stand: Stand) -> None:
    """By a digest of the path, which a copy cannot have; together far below 1024 characters."""
    store(stand)
    for item in [*account(stand).files(), *account(stand).folders()]:
        path = f"disk:/{account(stand).path(item)}"
        assert place_property(path).items() <= item.properties.items()
        assert len(str(item.properties)) < 300


def test_what_an_earlier_version_stored_is_never_removed(stand: Stand) -> None:
    """It is found all the same, and does not say that it was made there."""
    store(stand)
    strip(stand)
    (found,) = stand.storage().take_inventory(ARCHIVE).photos
    assert (found.made_here, found.is_proved) == (False, True)
    stand.storage().remove(found)
    stand.storage().remove(replace(found, made_here=True))
    assert len(stand.tree()) == 1


@pytest.mark.parametrize("is_old", [False, True])
@pytest.mark.parametrize("name", ["Best", "Zenith"])
def test_of_an_album_and_its_copy_the_album_is_meant(stand: Stand, name: str, *, is_old: bool) -> None:
    """Though both look equally old; an earlier version's is known by where it stands in the gallery."""
    store(stand)
    top, album = account(stand).folders()
    account(stand).copy(album.id, top.id, name)
    if is_old:
        strip(stand)
    found = stand.storage().take_inventory(ARCHIVE).albums[album_key(ALBUM)]
    assert found.id == "disk:/Свадьба/Ceremony"


@pytest.mark.parametrize("name", ["Архив", "Я"])
def test_of_an_archive_and_its_copy_the_archive_is_meant(stand: Stand, name: str) -> None:
    """The copy is neither filled nor emptied."""
    store(stand)
    account(stand).copy(account(stand).folders()[0].id, name=name)
    before = stand.tree()
    inventory = stand.storage().take_inventory(ARCHIVE)
    assert inventory.albums[album_key(())].id == "disk:/Свадьба"
    assert [photo.id for photo in inventory.photos] == ["disk:/Свадьба/Ceremony/a.jpg"]
    store(stand)
    assert stand.tree() == before


def test_of_a_renamed_archive_the_album_is_meant_and_not_its_copy(stand: Stand) -> None:
    """No folder is where it was made any more."""
    store(stand)
    top, album = account(stand).folders()
    account(stand).rename(top.id, "Наша свадьба")
    account(stand).copy(album.id, top.id, "Best")
    found = stand.storage().take_inventory(ARCHIVE).albums[album_key(ALBUM)]
    assert found.id == "disk:/Наша свадьба/Ceremony"


def test_bytes_that_change_while_they_are_removed_stay(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the last look and the removal: Yandex is told the MD5 of what may be removed."""
    stored = store(stand)
    find = Disk.find

    def find_and_change(self: Disk, path: str) -> Any:
        seen = find(self, path)
        account(stand).overwrite(account(stand).files()[0].id, b"retouched")
        return seen

    monkeypatch.setattr(Disk, "find", find_and_change)
    stand.storage().remove(stored)
    assert [md5 for _, _, md5 in stand.tree()] == [hashlib.md5(b"retouched").hexdigest()]
    (request,) = (request for request in stand.service.requests if request.method == "DELETE")
    assert f"md5={hashlib.md5(DATA).hexdigest()}" in request.target


@pytest.mark.parametrize("deed", ["folder", "other", "gone", "unmarked"])
def test_something_else_at_its_path_stays(stand: Stand, deed: str) -> None:
    """A folder of that name, the guest's own file, nothing at all, or one without properties."""
    stored = store(stand)
    (file,) = account(stand).files()
    if deed == "unmarked":
        file.properties.clear()
    else:
        account(stand).delete(file.id)
    if deed == "folder":
        account(stand).add("mine.jpg", b"mine", account(stand).add_folder("a.jpg", file.parent).id)
    elif deed == "other":
        account(stand).add("a.jpg", DATA, file.parent)
    before = stand.tree()
    stand.storage().remove(stored)
    assert stand.tree() == before


def test_a_guests_own_copy_of_a_photo_at_its_place_is_taken_and_stays_theirs(stand: Stand) -> None:
    """The same bytes need not be sent; but this service did not make the file, so it never removes it."""
    storage = stand.storage()
    folder = stand.album(storage, ALBUM)
    account(stand).add("a.jpg", DATA, account(stand).folders()[1].id)
    stored = stand.copy(storage, make_photo(DATA), DATA, folder)
    assert (stored.id, stored.made_here) == (f"{folder.id}/a.jpg", False)
    storage.remove(stored)
    assert len(stand.tree()) == 1


def test_what_a_guest_put_there_while_an_upload_broke_stays(stand: Stand) -> None:
    """Nobody said that ours was stored: what stands there is not known to be ours, however wrong its bytes are."""
    storage = stand.storage()
    folder = stand.album(storage, ALBUM)
    stand.fault("yandex_upload", "status", status=503)
    session, stream = storage.begin(ARCHIVE, make_photo(DATA), folder), MemoryStream(DATA)
    with pytest.raises(Transient):
        session.advance(stream)
    account(stand).add("a.jpg", b"mine!!!", account(stand).folders()[1].id)
    while session.stored is None:
        session.advance(stream)
    session.abandon()
    assert [path for path, _, _ in stand.tree()] == ["Свадьба/Ceremony/a (2).jpg", "Свадьба/Ceremony/a.jpg"]
    assert hashlib.md5(b"mine!!!").hexdigest() in [md5 for _, _, md5 in stand.tree()]


def test_more_bytes_than_were_sent_are_not_what_was_stored(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    """The guest replaced the file right after it was stored: it is left alone, and the photo arrives beside it."""
    storage = stand.storage()
    folder = stand.album(storage, ALBUM)
    set_properties = Disk.set_properties

    def replace_first(self: Disk, path: str, properties: Any) -> Any:
        monkeypatch.setattr(Disk, "set_properties", set_properties)
        account(stand).overwrite(account(stand).files()[0].id, b"retouched, and larger")
        return set_properties(self, path, properties)

    monkeypatch.setattr(Disk, "set_properties", replace_first)
    stand.copy(storage, make_photo(DATA), DATA, folder)
    assert [size for _, size, _ in stand.tree()] == [len(DATA), 21]


@pytest.mark.parametrize("keeps_properties", [True, False])
def test_a_replaced_photo_is_no_photo(stand: Stand, *, keeps_properties: bool) -> None:
    """Its properties may outlive its bytes: of the same size, and without any look at the listing."""
    stored = store(stand)
    (file,) = account(stand).files()
    account(stand).overwrite(file.id, b"A PHOTO", keeps_properties=keeps_properties)
    storage = stand.storage()
    assert storage.take_inventory(ARCHIVE).photos == []
    assert not storage.is_there(stored)
    store(stand)
    assert [path for path, _, _ in stand.tree()] == ["Свадьба/Ceremony/a (2).jpg", "Свадьба/Ceremony/a.jpg"]


def test_properties_are_not_set_again_on_other_bytes(stand: Stand) -> None:
    """The guest's file at the path of a photo of this run."""
    storage = stand.storage()
    stored = stand.copy(storage, make_photo(DATA), DATA, stand.album(storage, ALBUM))
    (file,) = account(stand).files()
    account(stand).overwrite(file.id, b"A PHOTO", keeps_properties=False)
    assert storage.take_inventory(ARCHIVE).photos == []
    assert not storage.is_there(stored)
    assert file.properties == {}


def test_a_file_whose_md5_is_not_told_is_no_photo_and_is_left_alone(stand: Stand) -> None:
    """Whatever its properties say; the photo arrives beside it."""
    stored = store(stand)
    stand.fault("yandex_resource", "drop_fields", fields=["md5"], times=None)
    storage = stand.storage()
    assert storage.take_inventory(ARCHIVE).photos == []
    assert not storage.is_there(stored)
    stand.storage().remove(stored)
    store(stand)
    assert [path for path, _, _ in stand.tree()] == ["Свадьба/Ceremony/a (2).jpg", "Свадьба/Ceremony/a.jpg"]


def test_an_md5_that_is_told_late_is_waited_for(stand: Stand) -> None:
    """No second file is made meanwhile."""
    store(stand)
    stand.fault("yandex_resource", "drop_fields", fields=["md5"], times=2, match="a.jpg")
    store(stand)
    assert stand.fired() == 2
    assert len(stand.tree()) == 1


@pytest.mark.parametrize(("data", "is_right"), [(DATA, True), (b"A photo", False), (b"a longer one", None)])
def test_a_proof_compares_and_uploads_nothing(stand: Stand, data: bytes, is_right: bool | None) -> None:
    """A worker that was killed before it set the properties may have left the file; others of the size stay as well."""
    storage, photo = stand.storage(), make_photo(DATA)
    folder = stand.album(storage, ALBUM)
    account(stand).add("a.jpg", data, account(stand).folders()[1].id)
    assert storage.take_inventory(ARCHIVE).photos == []
    requests = len(stand.service.requests)
    stream = MemoryStream(DATA)
    sessions = list(storage.open_proofs(ARCHIVE, photo, folder))
    assert len(sessions) == (is_right is not None)
    for session in sessions:
        with nullcontext() if is_right else pytest.raises(SessionLost):
            session.advance(stream)
        assert bool(session.stored) is is_right
    assert [found.key for found in storage.take_inventory(ARCHIVE).photos] == (["1"] if is_right else [])
    assert stand.begins not in [request.operation for request in stand.service.requests[requests:]]
    assert list(storage.open_proofs(ARCHIVE, photo, folder)) == [] or not is_right
    assert [item.content.data for item in account(stand).files()] == [data]
