"""Storage of a guest's Drive: this service's folders and photos in it, and uploads into it.

Every file carries the archive's and the photo's key in `appProperties`, so one paged listing tells what is there,
whatever a guest renamed or moved. Every file is created under an id fetched beforehand, so that a repeated creation is
refused with 409 instead of making a second file.
"""

import secrets
import threading
from collections import deque
from collections.abc import Collection, Iterator
from contextlib import nullcontext, suppress
from dataclasses import replace
from urllib.parse import urlsplit

from common.clouds.base import PacedWrite, Sleep
from common.clouds.google_drive.albums import DriveAlbums, find_albums, is_refused_id, read_proved_runs
from common.clouds.google_drive.api import DriveApi, is_not_found, quote_text
from common.clouds.google_drive.app_properties import ARCHIVE, RUN, RUN_CHARS
from common.clouds.google_drive.failures import read_failure
from common.clouds.google_drive.files import FIELDS, DriveFiles
from common.clouds.google_drive.listing import list_files
from common.clouds.google_drive.metadata import describe_photo, media_type
from common.clouds.google_drive.replies import ListedFile, read_free_bytes, read_ids
from common.clouds.google_drive.session import DriveSession
from common.clouds.grant import SharedGrant
from common.clouds.photos import NO_PHOTOS, Album, Folder, Inventory, Photo, PhotosByKey, StoredPhoto, album_key
from common.config.env import CloudSettings
from common.errors import ArchiveError, InventoryStale, Reason, Transient
from common.http.client import Answer, HttpClient
from common.http.urls import LinkRefused, check_link

# Where Drive's upload sessions may be, besides at the API's own address: their requests carry a guest's photos.
UPLOAD_HOSTS = ("*.googleapis.com",)
IDS_AT_ONCE = 1000  # the API's own limit
# So many photos whose end nobody saw are looked at one by one before a run is noted as proved; more are left to be read
# again by the next run.
MAX_LOOKUPS = 50


class DriveStorage:
    """Drive, opened with one guest's grant; see `Storage`. Thread-safe.

    Args:
        settings: GOOGLE_API_URL.
        http: sends the requests.
        grant: the guest's permission.
        chunk_bytes: the most one upload request carries; a multiple of 256 KiB.
        _sleep: not used: nothing of Drive's has to be waited for.
        paced_write: surrounds the opening of an upload session, which makes the file.
    """

    def __init__(
        self,
        settings: CloudSettings,
        http: HttpClient,
        grant: SharedGrant,
        chunk_bytes: int,
        _sleep: Sleep,
        paced_write: PacedWrite = nullcontext,
    ) -> None:
        base = settings["GOOGLE_API_URL"].reveal()
        self._http = http
        self._api = DriveApi(base, http, grant)
        self._origin = "{0.scheme}://{0.netloc}/".format(urlsplit(base))
        self._chunk_bytes = chunk_bytes
        self._paced_write = paced_write
        self._files = DriveFiles(self._api)
        self._albums = DriveAlbums(self._api, self._take_id)
        self._lock = threading.Lock()
        self._unused_ids: deque[str] = deque()
        self._photo_ids: dict[str, str] = {}
        self._run = _name_run()
        self._proved_runs: set[str] = set()
        self._unproved: dict[str, list[StoredPhoto]] = {}  # by the photo's key
        # Files that may have come to be without a proof, by their ids: the MD5 of what was sent, once all of it was.
        self._unconfirmed: dict[str, str] = {}
        self._has_stored = False

    def free_bytes(self) -> int | None:
        """Return limit less usage; usage counts everything of the account, mail included."""
        return read_free_bytes(self._api.fetch("GET", "/drive/v3/about", {"fields": "storageQuota"}))

    def take_inventory(self, archive_key: str, known: PhotosByKey = NO_PHOTOS) -> Inventory:
        """Return what there is, by one paged listing; what is in the bin does not count.

        A photo is proved when its run is among those that `note_proved` noted, or when it is known: properties are
        written before the first byte is sent. Those that earlier versions made tell of no run and are believed.
        """
        query = f"appProperties has {{ key='{ARCHIVE}' and value={quote_text(archive_key)} }} and trashed = false"
        runs: dict[str, str] = {}
        files = list_files(self._api, query, known, runs)
        folders = [file for file in files if isinstance(file, ListedFile) and file.is_folder]
        proved = read_proved_runs(folders) | self._proved_runs
        self._confirm_sent(runs.keys())
        # Of this run all that came to its end was seen to agree.
        proved_ids = {
            id_ for id_, run in runs.items() if run in proved or (run == self._run and id_ not in self._unconfirmed)
        }
        photos = [
            replace(file, is_proved=True) if file.id in proved_ids else file
            for file in files
            if isinstance(file, StoredPhoto)
        ]
        self._unproved = _sort_unproved(photos)
        self._release_changed_ids(photos, known)
        return find_albums(folders, photos)

    def make_albums(self, archive_key: str, gallery_name: str, wanted: Collection[Album], inventory: Inventory) -> None:
        """Make the folders that are missing, the outer ones first."""
        self._albums.make(archive_key, gallery_name, wanted, inventory)

    def merge_albums(self, inventory: Inventory) -> None:
        """Move what this service put into duplicate folders to those that stay; empty ones go into the bin."""
        self._albums.merge(inventory)

    def note_proved(self, inventory: Inventory) -> None:
        """Note with the gallery's folder that every photo of this run was seen to agree, if that is so.

        One write for thousands of photos: Drive bears about three a second.
        """
        folder = inventory.albums.get(album_key(()))
        if folder is None or not self._has_stored:
            return
        # Who was never seen to its end may have come to be after all.
        if len(self._unconfirmed) > MAX_LOOKUPS or any(
            self._files.find(file_id) for file_id in list(self._unconfirmed)
        ):
            return
        self._albums.note_runs(folder.id, [self._run])
        # What comes now needs a proof of its own.
        self._proved_runs.add(self._run)
        self._unconfirmed.clear()
        self._run, self._has_stored = _name_run(), False

    def is_there(self, stored: StoredPhoto) -> bool:
        """Tell whether a file is there and not in the bin; asked by its id, which never lags behind as listings do."""
        file = self._files.find(stored.id)
        return file is not None and not file.get("trashed")

    def begin(self, archive_key: str, photo: Photo, folder: Folder) -> DriveSession:
        """Open a resumable session under the id that this photo keeps for the whole run.

        A file that says it is the photo and was never proved is looked into first: if it is, nothing is sent.

        Source: https://developers.google.com/workspace/drive/api/guides/manage-uploads#resumable
        """
        with self._paced_write():
            return self._begin(archive_key, photo, folder)

    def open_proofs(self, _archive_key: str, photo: Photo, _folder: Folder) -> Iterator[DriveSession]:
        """Open a session for each file that says it is the photo and was never proved."""
        for candidate in list(self._unproved.get(photo.key, ())):
            if candidate.is_copy_of(photo):
                yield self._open(photo, candidate.id, None)

    def remove(self, stored: StoredPhoto) -> None:
        """Delete a file for good that still stands as this service made it, and nothing else."""
        self._files.remove(stored.id, size=stored.size)

    def _begin(self, archive_key: str, photo: Photo, folder: Folder) -> DriveSession:
        for proof in self.open_proofs(archive_key, photo, folder):
            return proof
        file_id = self._id_of(photo)
        answer = self._api.call(
            "POST",
            "/upload/drive/v3/files",
            {"uploadType": "resumable", "fields": FIELDS},
            content=describe_photo(archive_key, photo, folder, file_id, self._run),
            headers={
                "X-Upload-Content-Type": media_type(photo.name),
                "X-Upload-Content-Length": str(photo.size),
            },
        )
        if is_not_found(answer):
            raise InventoryStale(Reason.CLOUD_REFUSED, "the folder of a photo went away")
        # Whichever way Drive refuses the id, it is given up only when no file is found under it.
        is_refused = is_refused_id(answer)
        if not is_refused and answer.status not in (200, 201):
            raise read_failure(answer)
        self._unconfirmed[file_id] = ""
        return self._open(photo, file_id, None if is_refused else self._read_address(answer))

    def _open(self, photo: Photo, file_id: str, address: str | None) -> DriveSession:
        return DriveSession(
            photo,
            file_id,
            address,
            self._http,
            self._chunk_bytes,
            find=lambda: self._files.find(file_id),
            note_sent=lambda md5: self._note_sent(file_id, md5),
            note_stored=lambda: self._note_stored(photo, file_id),
            discard=lambda: self._discard(photo, file_id),
            forget=lambda: self._forget(photo, file_id),
            authorize=self._api.renew,
        )

    def _read_address(self, answer: Answer) -> str:
        """Return where a session is; raises Transient when that is nowhere a guest's photo may go."""
        address = answer.headers.get("location", "")
        if not address.startswith(self._origin):
            try:
                check_link(address, UPLOAD_HOSTS)
            except LinkRefused:
                raise Transient(Reason.CLOUD_UNAVAILABLE, "Drive opened an upload session without an address") from None
        return address

    def _release_changed_ids(self, photos: Collection[StoredPhoto], known: PhotosByKey) -> None:
        """Give up the ids of photos that a guest changed, moved or renamed since: a new one is made beside theirs."""
        for photo in photos:
            before = known.get(photo.key)
            is_changed = before is not None and before.id == photo.id and before.size != photo.size
            if (is_changed or not photo.made_here) and self._photo_ids.get(photo.key) == photo.id:
                del self._photo_ids[photo.key]

    def _note_sent(self, file_id: str, md5: str) -> None:
        if file_id in self._unconfirmed:
            self._unconfirmed[file_id] = md5

    def _confirm_sent(self, listed: Collection[str]) -> None:
        """Look into what was sent whole and is there now, though nobody said so."""
        for file_id, md5 in list(self._unconfirmed.items()):
            if md5 and file_id in listed and (self._files.find(file_id) or {}).get("md5Checksum") == md5:
                self._has_stored = True
                self._unconfirmed.pop(file_id, None)

    def _note_stored(self, photo: Photo, file_id: str) -> None:
        self._has_stored = True
        self._unconfirmed.pop(file_id, None)
        if self._drop_unproved(photo, file_id):
            # Else it would be read again by every later run; that is all that is lost if this fails.
            with suppress(ArchiveError):
                self._files.change(file_id, {}, {"appProperties": {RUN: self._run}})

    def _discard(self, photo: Photo, file_id: str) -> None:
        # In this order: until the file is gone for sure, its id must lead back to it.
        self._files.remove(file_id)
        self._forget(photo, file_id)

    def _forget(self, photo: Photo, file_id: str) -> None:
        self._drop_unproved(photo, file_id)
        if self._photo_ids.get(photo.key) == file_id:
            del self._photo_ids[photo.key]

    def _drop_unproved(self, photo: Photo, file_id: str) -> bool:
        """Tell whether a file was not proved before, and need not be looked into any more."""
        before = self._unproved.get(photo.key, [])
        left = [each for each in before if each.id != file_id]
        if before:
            self._unproved[photo.key] = left
        return len(left) < len(before)

    def _id_of(self, photo: Photo) -> str:
        file_id = self._photo_ids.get(photo.key) or self._take_id()
        self._photo_ids[photo.key] = file_id
        return file_id

    def _take_id(self) -> str:
        with self._lock:
            if not self._unused_ids:
                query = {"count": str(IDS_AT_ONCE), "space": "drive", "type": "files"}
                self._unused_ids.extend(read_ids(self._api.fetch("GET", "/drive/v3/files/generateIds", query)))
            return self._unused_ids.popleft()


def _sort_unproved(photos: Collection[StoredPhoto]) -> dict[str, list[StoredPhoto]]:
    """Return the files that were never proved, by their photos' keys; what stands as it was made comes first."""
    unproved: dict[str, list[StoredPhoto]] = {}
    for photo in sorted((each for each in photos if not each.is_proved), key=lambda each: not each.made_here):
        unproved.setdefault(photo.key, []).append(photo)
    return unproved


def _name_run() -> str:
    return secrets.token_urlsafe(RUN_CHARS)[:RUN_CHARS]
