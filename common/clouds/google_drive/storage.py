"""A guest's Drive: folders, what is in them, and sessions to add to it. Knows only what this service put there.

Every file carries the archive's and the photo's key in `appProperties`, so one paged listing tells what is there,
whatever a guest renamed or moved. Every file is created under an id fetched beforehand, so that a repeated creation is
refused with 409 instead of making a second file.
"""

import threading
from collections import deque
from collections.abc import Collection
from typing import Any
from urllib.parse import urlsplit

from common.clouds.base import Wait
from common.clouds.google_drive.api import DriveApi, file_path, quote_text, read_object
from common.clouds.google_drive.failures import read_failure, read_reason
from common.clouds.google_drive.listing import list_files
from common.clouds.google_drive.metadata import describe_album, describe_photo, media_type
from common.clouds.google_drive.replies import (
    ALBUM,
    ARCHIVE,
    Listed,
    read_free_bytes,
    read_ids,
    read_link,
)
from common.clouds.google_drive.session import FILE_FIELDS, DriveSession
from common.clouds.grant import GrantInUse
from common.clouds.photos import NOTHING_KNOWN, Album, Folder, Inventory, Known, Photo, StoredPhoto, album_key
from common.environment import CloudSettings
from common.errors import InventoryStale, Reason, Transient
from common.httpclient import Answer, HttpClient
from common.links import LinkRefused, check_link

# Where Drive's upload sessions may be, besides at the API's own address: their requests carry a guest's photos.
UPLOAD_HOSTS = ("*.googleapis.com",)
IDS_AT_ONCE = 1000  # the API's own limit


class DriveStorage:
    """Drive, opened with one guest's grant; see `Storage`. Thread-safe.

    Args:
        settings: GOOGLE_API_URL.
        http: sends the requests.
        grant: the guest's permission.
        chunk_bytes: the most one upload request carries; a multiple of 256 KiB.
        _wait: of no use here: nothing of Drive's has to be waited for.
    """

    def __init__(
        self, settings: CloudSettings, http: HttpClient, grant: GrantInUse, chunk_bytes: int, _wait: Wait
    ) -> None:
        base = settings["GOOGLE_API_URL"].reveal()
        self._http = http
        self._api = DriveApi(base, http, grant)
        self._origin = "{0.scheme}://{0.netloc}/".format(urlsplit(base))
        self._chunk_bytes = chunk_bytes
        self._lock = threading.Lock()
        self._spare_ids: deque[str] = deque()
        self._photo_ids: dict[str, str] = {}
        self._folder_ids: dict[str, str] = {}

    def free_bytes(self) -> int | None:
        """Return limit less usage; usage counts everything of the account, mail included."""
        return read_free_bytes(self._api.fetch("GET", "/drive/v3/about", {"fields": "storageQuota"}))

    def take_inventory(self, archive_key: str, known: Known = NOTHING_KNOWN) -> Inventory:
        """Return what there is, by one paged listing; what is in the bin does not count."""
        query = f"appProperties has {{ key='{ARCHIVE}' and value={quote_text(archive_key)} }} and trashed = false"
        files = list_files(self._api, query, known)
        inventory = Inventory(photos=[file for file in files if isinstance(file, StoredPhoto)])
        folders = [file for file in files if isinstance(file, Listed) and file.is_folder]
        # The oldest folder first: should two runs ever have made one each, all agree on which is meant.
        for file in sorted(folders, key=lambda file: (file.created, file.id)):
            key, folder = file.properties.get(ALBUM, ""), file.as_folder()
            if inventory.albums.setdefault(key, folder) is not folder:
                inventory.spare_albums.append((key, folder))
        return inventory

    def make_albums(self, archive_key: str, gallery_name: str, wanted: Collection[Album], known: Inventory) -> None:
        """Make the folders that are missing, the outer ones first."""
        paths = {album[:depth] for album in wanted for depth in range(len(album) + 1)}
        for album in sorted(paths, key=len):
            if album_key(album) in known.albums:
                continue
            parent = known.albums[album_key(album[:-1])] if album else None
            metadata = describe_album(archive_key, album, album[-1] if album else gallery_name, parent)
            known.albums[album_key(album)] = self._make_folder(album_key(album), metadata)

    def join_albums(self, known: Inventory) -> None:
        """Move what is in the spare folders to the ones that stay; the empty ones go into the bin.

        Not deleted for good: a guest may have put something there that this service cannot see.
        """
        stays = {spare.id: known.albums[key].id for key, spare in known.spare_albums}
        contents = [(photo.id, photo.folder_id) for photo in known.photos]
        contents += [(folder.id, folder.parent_id) for folder in known.albums.values()]
        for file_id, spare_id in contents:
            if spare_id in stays:
                self._update(file_id, {"addParents": stays[spare_id], "removeParents": spare_id}, {})
        # The innermost first: the one it is in is empty only without it.
        parents = {spare.id: spare.parent_id for _, spare in known.spare_albums}
        for spare_id in sorted(parents, key=lambda spare_id: _depth(spare_id, parents), reverse=True):
            query = f"{quote_text(spare_id)} in parents and trashed = false"
            if not list_files(self._api, query):
                self._update(spare_id, {}, {"trashed": True})

    def is_there(self, stored: StoredPhoto) -> bool:
        """Say whether a file is there and not in the bin; asked by its id, which never lags behind as listings do."""
        file = self._find(stored.id)
        return file is not None and not file.get("trashed")

    def begin(self, archive_key: str, photo: Photo, folder: Folder) -> DriveSession:
        """Open a resumable session under the id that this photo keeps for the whole run.

        Source: https://developers.google.com/workspace/drive/api/guides/manage-uploads#resumable
        """
        file_id = self._id_of(photo)
        answer = self._api.call(
            "POST",
            "/upload/drive/v3/files",
            {"uploadType": "resumable", "fields": FILE_FIELDS},
            content=describe_photo(archive_key, photo, folder, file_id),
            headers={
                "X-Upload-Content-Type": media_type(photo.name),
                "X-Upload-Content-Length": str(photo.size),
            },
        )
        # Whichever way Drive refuses the id, it is given up only when no file is found under it.
        is_refused = answer.status == 409 or _is_unusable_id(answer)
        if not is_refused and answer.status not in (200, 201):
            raise read_failure(answer)
        address = None if is_refused else self._read_address(answer)
        return DriveSession(
            photo,
            file_id,
            address,
            self._http,
            self._chunk_bytes,
            find=lambda: self._find(file_id),
            discard=lambda: self._discard(photo, file_id),
            authorize=self._api.renew,
        )

    def remove(self, stored: StoredPhoto) -> None:
        """Delete a file of ours for good; the bin is for what guests throw away."""
        answer = self._api.call("DELETE", file_path(stored.id), {})
        if answer.status not in (200, 204, 404):
            raise read_failure(answer)

    def _make_folder(self, key: str, metadata: dict[str, Any]) -> Folder:
        # The id is kept until its folder is seen: after a lost reply it leads to the one that was made.
        file_id = self._folder_ids.get(key) or self._take_id()
        self._folder_ids[key] = file_id
        fields = {"fields": "id,webViewLink"}
        answer = self._api.call("POST", "/drive/v3/files", fields, content={"id": file_id, **metadata})
        if answer.status == 409:
            answer = self._api.call("GET", file_path(file_id), fields)
        if answer.status in (400, 404):
            del self._folder_ids[key]
        if _is_unusable_id(answer):
            raise Transient(Reason.CLOUD_UNAVAILABLE, "Drive does not take an id it gave")
        if answer.status not in (200, 201):
            raise read_failure(answer)
        folder = Folder(file_id, read_link(read_object(answer)))
        del self._folder_ids[key]
        return folder

    def _update(self, file_id: str, query: dict[str, str], metadata: dict[str, Any]) -> None:
        answer = self._api.call("PATCH", file_path(file_id), {"fields": "id", **query}, content=metadata)
        # What another run moved or threw away meanwhile is where it should be; a file never has two parents.
        if answer.status not in (200, 404) and read_reason(answer) != "cannotAddParent":
            raise read_failure(answer)

    def _read_address(self, answer: Answer) -> str:
        """Return where a session is; raises Transient when that is nowhere a guest's photo may go."""
        address = answer.headers.get("location", "")
        if not address.startswith(self._origin):
            try:
                check_link(address, UPLOAD_HOSTS)
            except LinkRefused:
                raise Transient(Reason.CLOUD_UNAVAILABLE, "Drive opened an upload session without an address") from None
        return address

    def _find(self, file_id: str) -> dict[str, Any] | None:
        try:
            file = self._api.fetch("GET", file_path(file_id), {"fields": FILE_FIELDS})
        except InventoryStale:
            return None
        if file.get("id") != file_id:
            raise Transient(Reason.CLOUD_UNAVAILABLE, "an answer that is not Drive's")
        return file

    def _discard(self, photo: Photo, file_id: str) -> None:
        # In this order: until the file is gone for sure, its id must lead back to it.
        self.remove(StoredPhoto(photo.key, file_id, photo.size))
        self._forget_id(photo)

    def _id_of(self, photo: Photo) -> str:
        file_id = self._photo_ids.get(photo.key) or self._take_id()
        self._photo_ids[photo.key] = file_id
        return file_id

    def _forget_id(self, photo: Photo) -> None:
        self._photo_ids.pop(photo.key, None)

    def _take_id(self) -> str:
        with self._lock:
            if not self._spare_ids:
                query = {"count": str(IDS_AT_ONCE), "space": "drive", "type": "files"}
                self._spare_ids.extend(read_ids(self._api.fetch("GET", "/drive/v3/files/generateIds", query)))
            return self._spare_ids.popleft()


def _depth(folder_id: str, parents: dict[str, str]) -> int:
    """Return in how many of these folders one stands; folders never stand in themselves."""
    depth = 0
    while folder_id in parents and depth < len(parents):
        folder_id = parents[folder_id]
        depth += 1
    return depth


def _is_unusable_id(answer: Answer) -> bool:
    return answer.status == 400 and b"ID is not usable" in answer.body
