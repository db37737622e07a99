"""The folders of an archive in Drive: found, made once, and merged where two runs made one each.

Nothing of a guest's is touched: a folder they copied is none of ours, and what they moved or renamed stays where it is.
"""

import threading
from collections import defaultdict
from collections.abc import Callable, Collection
from typing import Any

from common.clouds.google_drive.api import DriveApi, is_not_found, quote_text, read_object
from common.clouds.google_drive.app_properties import ALBUM, MADE, OWN, read_runs, sign_id, sign_place, write_runs
from common.clouds.google_drive.failures import read_failure
from common.clouds.google_drive.files import DriveFiles
from common.clouds.google_drive.listing import list_files
from common.clouds.google_drive.metadata import describe_album
from common.clouds.google_drive.replies import (
    ListedFile,
    is_made_here,
    read_link,
    read_name,
    read_parent,
    read_properties,
)
from common.clouds.photos import Album, Folder, Inventory, StoredPhoto, album_key
from common.errors import InventoryStale, Reason, Transient
from common.http.client import Answer

_TOP = album_key(())


class DriveAlbums:
    """The folders of an archive. Thread-safe.

    Args:
        api: asked for them, with the guest's grant.
        take_id: gives an id for a folder that is made.
    """

    def __init__(self, api: DriveApi, take_id: Callable[[], str]) -> None:
        self._api = api
        self._files = DriveFiles(api)
        self._take_id = take_id
        self._ids: dict[str, str] = {}
        self._lock = threading.Lock()

    def make(self, archive_key: str, gallery_name: str, wanted: Collection[Album], inventory: Inventory) -> None:
        """Make the folders that are missing, the outer ones first."""
        paths = {album[:depth] for album in wanted for depth in range(len(album) + 1)}
        for album in sorted(paths, key=len):
            if album_key(album) in inventory.albums:
                continue
            parent = inventory.albums[album_key(album[:-1])] if album else None
            name = album[-1] if album else gallery_name
            # The id is kept until its folder is seen: after a lost reply it leads to the one that was made.
            key = f"{archive_key} {album_key(album)}"
            file_id = self._ids.get(key) or self._take_id()
            self._ids[key] = file_id
            metadata = describe_album(archive_key, album, name, parent, file_id)
            inventory.albums[album_key(album)] = self._make(key, metadata, parent)
            del self._ids[key]

    def merge(self, inventory: Inventory) -> None:
        """Move what this service put into the duplicate folders to the ones that stay; the empty ones go into the bin.

        Not deleted for good: a guest may have put something there that this service cannot see.
        """
        stays = {duplicate.id: inventory.albums[key].id for key, duplicate in inventory.duplicate_albums}
        contents = [(photo.id, photo.folder_id) for photo in inventory.photos if photo.made_here]
        contents += [(folder.id, folder.parent_id) for folder in inventory.albums.values()]
        for file_id, duplicate_id in contents:
            if duplicate_id in stays:
                self._move(file_id, duplicate_id, stays[duplicate_id])
        # The innermost first: the one it is in is empty only without it.
        for duplicate in sort_innermost(duplicate for _, duplicate in inventory.duplicate_albums):
            self._throw_away(duplicate.id, stays[duplicate.id])

    def note_runs(self, folder_id: str, runs: list[str]) -> None:
        """Add runs to those that a gallery's folder carries."""
        with self._lock:
            folder = self._files.find(folder_id)
            before = read_runs(read_properties(folder)) if folder else []
            if not set(runs) <= set(before):
                self._files.change(folder_id, {}, {"appProperties": write_runs([*before, *runs])})

    def _make(self, key: str, metadata: dict[str, Any], parent: Folder | None) -> Folder:
        answer = self._api.call("POST", "/drive/v3/files", {"fields": "id,webViewLink"}, content=metadata)
        if is_refused_id(answer):
            return self._find_made(key, metadata["id"], answer)
        if parent and is_not_found(answer):
            raise InventoryStale(Reason.CLOUD_REFUSED, "the folder that an album stands in went away")
        if answer.status not in (200, 201):
            raise read_failure(answer)
        return Folder(metadata["id"], read_link(read_object(answer)))

    def _find_made(self, key: str, file_id: str, refusal: Answer) -> Folder:
        """Return the folder that has the id; whichever way Drive refuses an id, it is given up only without one."""
        folder = self._files.find(file_id)
        if folder is None or folder.get("trashed"):
            self._ids.pop(key, None)
            if refusal.status == 409:
                raise InventoryStale(Reason.CLOUD_REFUSED, "a folder that was made went away")
            raise Transient(Reason.CLOUD_UNAVAILABLE, "Drive does not take an id it gave")
        return Folder(file_id, read_link(folder))

    def _move(self, file_id: str, duplicate_id: str, stays_id: str) -> None:
        file = self._files.find(file_id)
        # The listing may be old: what a guest took in hand meanwhile is theirs.
        if file is None or file.get("trashed") or read_parent(file) != duplicate_id or not is_made_here(file):
            return
        made = {MADE: sign_place(file_id, stays_id, read_name(file))}
        self._files.change(file_id, {"addParents": stays_id, "removeParents": duplicate_id}, {"appProperties": made})

    def _throw_away(self, duplicate_id: str, stays_id: str) -> None:
        if list_files(self._api, f"{quote_text(duplicate_id)} in parents and trashed = false"):
            return
        folder = self._files.find(duplicate_id)
        if folder is None or not is_made_here(folder):
            return
        if runs := read_runs(read_properties(folder)):
            self.note_runs(stays_id, runs)
        self._files.change(duplicate_id, {}, {"trashed": True})


def find_albums(folders: Collection[ListedFile], photos: list[StoredPhoto]) -> Inventory:
    """Return what there is: of each album the folder that stays, and those that may be joined with it.

    Args:
        folders: of one archive.
        photos: likewise.
    """
    inventory = Inventory(photos=photos)
    duplicates: list[tuple[str, Folder]] = []
    # The oldest folder first: should two runs ever have made one each, all agree on which is meant.
    for file in sorted(filter(_is_ours, folders), key=lambda file: (file.created, file.id)):
        key, folder = file.properties.get(ALBUM, ""), file.as_folder()
        stays = inventory.albums.setdefault(key, folder)
        # The gallery's own folder stands where it was made only if it stands beside the one that stays.
        if stays is not folder and file.made_here and (key != _TOP or stays.parent_id == folder.parent_id):
            duplicates.append((key, folder))
    inventory.duplicate_albums = _leave_out_settled(duplicates, folders, photos)
    return inventory


def sort_innermost(folders: Collection[Folder] | Any) -> list[Folder]:
    """Return folders, those that stand in others of them first."""
    found = list(folders)
    parents = {folder.id: folder.parent_id for folder in found}
    return sorted(found, key=lambda folder: _depth(folder.id, parents), reverse=True)


def is_refused_id(answer: Answer) -> bool:
    """Tell whether Drive refuses the id that something was to be made under: it is taken, or it does not know it."""
    return answer.status == 409 or (answer.status == 400 and b"ID is not usable" in answer.body)


def read_proved_runs(folders: Collection[ListedFile]) -> set[str]:
    """Return the runs all of whose photos were proved."""
    carrying = (file for file in folders if _is_ours(file) and file.properties.get(ALBUM) == _TOP)
    return {run for file in carrying for run in read_runs(file.properties)}


def _is_ours(file: ListedFile) -> bool:
    """Tell whether a folder was made by this service, as far as can be known: earlier versions signed nothing."""
    return file.properties.get(OWN, sign_id(file.id)) == sign_id(file.id)


def _leave_out_settled(
    duplicates: list[tuple[str, Folder]], folders: Collection[ListedFile], photos: list[StoredPhoto]
) -> list[tuple[str, Folder]]:
    """Return the duplicate folders less those that hold a guest's things and nothing that could still be moved."""
    contents: defaultdict[str, dict[str, bool]] = defaultdict(dict)
    for item, parent_id in [(file, file.parent_id) for file in folders] + [(each, each.folder_id) for each in photos]:
        contents[parent_id][item.id] = item.made_here
    settled: set[str] = set()
    for duplicate in sort_innermost(duplicate for _, duplicate in duplicates):
        inside = contents[duplicate.id]
        if inside and not any(is_movable and each not in settled for each, is_movable in inside.items()):
            settled.add(duplicate.id)
    return [(key, duplicate) for key, duplicate in duplicates if duplicate.id not in settled]


def _depth(folder_id: str, parents: dict[str, str]) -> int:
    """Return in how many of these folders one stands; folders never stand in themselves."""
    depth = 0
    while folder_id in parents and depth < len(parents):
        folder_id = parents[folder_id]
        depth += 1
    return depth
