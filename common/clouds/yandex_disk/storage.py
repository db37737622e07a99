"""Storage of a guest's Yandex Disk: its folders, its photos, and uploads into it.

The path is the key: where something is, nothing else can be, so that two runs never make a second folder or file of
one name, and nothing is ever overwritten. To recognise its own after a guest renamed it, this service gives folders
and photos `custom_properties`. These may get lost; then the photo at that path is compared byte for byte and gets them
again.
"""

import threading
from collections.abc import Collection, Iterator, Mapping
from contextlib import nullcontext
from itertools import count
from urllib.parse import quote

from common.clouds.base import PacedWrite, Sleep
from common.clouds.grant import SharedGrant
from common.clouds.photos import NO_PHOTOS, Album, Folder, Inventory, Photo, PhotosByKey, StoredPhoto, album_key
from common.clouds.yandex_disk.api import YandexApi
from common.clouds.yandex_disk.custom_properties import (
    ALBUM,
    ARCHIVE,
    album_properties,
    fit_name,
    is_made_here,
    is_stored,
    number_name,
    place_property,
    read_photo,
)
from common.clouds.yandex_disk.disk import ROOT, Disk
from common.clouds.yandex_disk.resource import Resource
from common.clouds.yandex_disk.session import YandexSession
from common.config.env import CloudSettings
from common.errors import PhotoRejected, Reason, SessionLost, Transient
from common.http.client import HttpClient

# What stands under one name with numbers; where even more is taken, something answers for the disk.
MOST_NAMES = 1000
# Where guests see their Disk, by the address of its API; another one that stands in for it has pages of its own.
WEB = {"https://cloud-api.yandex.net": "https://disk.yandex.ru"}


class YandexStorage:
    """Yandex Disk, opened with one guest's grant; see `Storage`. Thread-safe.

    Args:
        settings: YANDEX_API_URL.
        http: sends the requests.
        grant: the guest's permission.
        _chunk_bytes: not used: a photo is sent in one request, block by block.
        sleep: waits while Yandex stores or removes something.
        paced_write: surrounds the asking for an upload link.
    """

    def __init__(
        self,
        settings: CloudSettings,
        http: HttpClient,
        grant: SharedGrant,
        _chunk_bytes: int,
        sleep: Sleep,
        paced_write: PacedWrite = nullcontext,
    ) -> None:
        self._http = http
        self._paced_write = paced_write
        api = settings["YANDEX_API_URL"].reveal()
        self._disk = Disk(YandexApi(api, http, grant), sleep)
        self._web = WEB.get(api, api)
        self._names = _Names()
        self._largest: int | None = None
        # Files of the last inventory that nobody set properties of, by folder and size.
        self._unmarked: dict[tuple[str, int], list[Resource]] = {}

    def free_bytes(self) -> int | None:
        """Return what is left of the disk; the bin counts as used."""
        account = self._disk.account()
        try:
            largest = int(account.get("max_file_size", 0))
            self._largest = largest if largest > 0 else 2**63
            return max(0, int(account["total_space"]) - int(account["used_space"]))
        except (KeyError, TypeError, ValueError):
            raise Transient(Reason.CLOUD_UNAVAILABLE, "Yandex Disk did not say how much room there is") from None

    def take_inventory(self, archive_key: str, known: PhotosByKey = NO_PHOTOS) -> Inventory:
        """Return what there is: the archive's folder at the top of the disk, and all that is below it.

        A guest may rename it, and what is in it. If they took it away from the top, a new one is made. Two folders of
        one album are only there when a guest copied it; the copy is theirs, so there are no duplicate albums.
        """
        inventory = Inventory()
        properties = album_properties(archive_key, ())
        tops = [item for item in self._disk.items(f"{ROOT}/") if item.is_folder and item.has_properties(properties)]
        if not tops:
            return inventory
        top = min(tops, key=_rank)
        inventory.albums[album_key(())] = self._folder(top.path)
        folders: list[Resource] = []
        self._unmarked = {}
        for item in self._walk(top.path):
            if photo := read_photo(item, archive_key):
                inventory.photos.append(photo.interned(known))
            elif not item.is_folder and ARCHIVE not in item.properties:
                self._unmarked.setdefault((item.folder, item.size), []).append(item)
            elif item.is_folder and item.has_properties({**properties, ALBUM: item.properties.get(ALBUM, "")}):
                folders.append(item)
        for item in sorted(folders, key=lambda item: _rank(item, top.path)):
            inventory.albums.setdefault(item.properties[ALBUM], self._folder(item.path))
        return inventory

    def make_albums(self, archive_key: str, gallery_name: str, wanted: Collection[Album], inventory: Inventory) -> None:
        """Make the folders that are missing, the outer ones first: each request makes one level."""
        paths = {album[:depth] for album in wanted for depth in range(len(album) + 1)}
        for album in sorted(paths, key=len):
            if album_key(album) in inventory.albums:
                continue
            parent = inventory.albums[album_key(album[:-1])].id if album else ROOT
            name = album[-1] if album else fit_name(gallery_name)
            inventory.albums[album_key(album)] = self._make_folder(archive_key, album, parent, name)

    def merge_albums(self, inventory: Inventory) -> None:
        """Do nothing: two runs cannot make two folders of one path."""

    def is_there(self, stored: StoredPhoto) -> bool:
        """Tell whether the photo, and no other, is still at its path; properties that got lost are made up for."""
        resource = self._disk.find(stored.id)
        return resource is not None and is_stored(self._disk.with_lost_properties(resource), stored)

    def begin(self, archive_key: str, photo: Photo, folder: Folder) -> YandexSession:
        """Ask where to send a photo; what is at its path already is looked at by the session."""
        with self._paced_write():
            return self._begin(archive_key, photo, folder)

    def _begin(self, archive_key: str, photo: Photo, folder: Folder) -> YandexSession:
        if photo.size > self._most_bytes():
            raise PhotoRejected(Reason.CLOUD_REFUSED, "larger than Yandex Disk takes from this guest")
        path = self._names.path(photo, folder)
        return YandexSession(
            photo,
            archive_key,
            path,
            self._disk.ask_link(path),
            self._disk,
            self._http,
            next_path=lambda: self._names.next_path(photo, folder),
        )

    def open_proofs(self, archive_key: str, photo: Photo, folder: Folder) -> Iterator[YandexSession]:
        """Open a session for each file without properties in the photo's folder that is as large.

        A worker that was killed may have stored it; then nobody set its properties.
        """

        def give_up() -> str:
            raise SessionLost(Reason.WRONG_BYTES, "a file that is not the photo")

        for file in self._unmarked.get((folder.id, photo.size), ()):
            yield YandexSession(photo, archive_key, file.path, None, self._disk, self._http, next_path=give_up)

    def note_proved(self, inventory: Inventory) -> None:
        """Do nothing: a photo gets its properties only after its proof."""

    def remove(self, stored: StoredPhoto) -> None:
        """Remove a photo of ours for good; the bin is for what guests throw away, and takes up their room.

        Something else may be at its path by now: only what still is that photo, made there by this service, is removed,
        and only if its bytes are those that were looked at when the removal arrives.
        """
        resource = self._disk.find(stored.id)
        if resource and is_made_here(resource) and is_stored(resource, stored):
            self._disk.remove(resource.path, resource.md5)

    def _most_bytes(self) -> int:
        if self._largest is None:
            self.free_bytes()
        return self._largest or 2**63

    def _walk(self, path: str) -> Iterator[Resource]:
        waiting, known = [path], {path}
        while waiting:
            for item in self._disk.items(waiting.pop()):
                yield item
                if item.is_folder and item.path not in known:
                    known.add(item.path)
                    waiting.append(item.path)

    def _make_folder(self, archive_key: str, album: Album, parent: str, name: str) -> Folder:
        """Make or take a folder: one without our properties is the guest's, or lost them, and is as good.

        One that belongs to another archive (the same gallery's other sizes) or album is left alone, as is a file of
        that name: the next name is taken.
        """
        properties = album_properties(archive_key, album)
        for number in range(1, MOST_NAMES + 1):
            path = f"{parent}/{number_name(name, number)}"
            if self._disk.make_folder(path) or self._may_take(path, properties):
                if self._disk.set_properties_and_wait(path, {**properties, **place_property(path)}) is None:
                    raise Transient(Reason.CLOUD_UNAVAILABLE, "a folder that was made is not there yet")
                return self._folder(path)
        raise Transient(Reason.CLOUD_UNAVAILABLE, "every name for a folder is taken")

    def _folder(self, path: str) -> Folder:
        link = f"{self._web}/client/disk{quote(path.removeprefix(ROOT))}"
        return Folder(path, link, path.rpartition("/")[0])

    def _may_take(self, path: str, properties: Mapping[str, str]) -> bool:
        resource = self._disk.find(path)
        if resource is None:
            raise Transient(Reason.CLOUD_UNAVAILABLE, "a folder's path is taken, but nothing is there")
        return resource.is_folder and all(
            resource.properties.get(key, value) == value for key, value in properties.items()
        )


class _Names:
    """Which path each photo of this run has: of two of one name in one album the second gets a number. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers: dict[str, int] = {}
        self._owners: dict[str, str] = {}

    def path(self, photo: Photo, folder: Folder) -> str:
        """Return the photo's path, the same until it is given another one."""
        with self._lock:
            for number in count(self._numbers.get(photo.key, 1)):
                path = f"{folder.id}/{number_name(photo.name, number)}"
                if self._owners.setdefault(path, photo.key) == photo.key:
                    self._numbers[photo.key] = number
                    return path
        raise AssertionError("there is always another number")

    def next_path(self, photo: Photo, folder: Folder) -> str:
        """Return the photo's next path."""
        with self._lock:
            number = self._numbers.get(photo.key, 1) + 1
            if number > MOST_NAMES:
                raise PhotoRejected(Reason.CLOUD_REFUSED, "every name for it is taken")
            self._numbers[photo.key] = number
        return self.path(photo, folder)


def _rank(resource: Resource, top: str = "") -> tuple[bool, bool, str, str]:
    """Return the sort key of several folders of one album; all runs take the least.

    First that which was made where it is, then that which stands where the album stands in the gallery, since earlier
    versions' properties do not say where they were set; then the oldest.
    """
    place = tuple(resource.path.removeprefix(top).strip("/").split("/"))
    is_in_place = album_key(place) == resource.properties.get(ALBUM)
    return not is_made_here(resource), not is_in_place, resource.created, resource.path
