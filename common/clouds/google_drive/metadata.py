"""Metadata of the files and folders that are made in Drive."""

import mimetypes
from datetime import UTC, datetime
from typing import Any

from common.clouds.google_drive.app_properties import ALBUM, ARCHIVE, CRC32, MADE, OWN, PHOTO, RUN, sign_id, sign_place
from common.clouds.google_drive.replies import FOLDER_TYPE
from common.clouds.photos import Album, Folder, Photo, album_key


def describe_album(archive_key: str, album: Album, name: str, parent: Folder | None, file_id: str) -> dict[str, Any]:
    """Return a folder's metadata; one without a parent stands at the top of the disk."""
    metadata: dict[str, Any] = {
        "id": file_id,
        "name": name,
        "mimeType": FOLDER_TYPE,
        "appProperties": {
            ARCHIVE: archive_key,
            ALBUM: album_key(album),
            OWN: sign_id(file_id),
            MADE: sign_place(file_id, parent.id if parent else "", name),
        },
    }
    if parent:
        metadata["parents"] = [parent.id]
    return metadata


def describe_photo(archive_key: str, photo: Photo, folder: Folder, file_id: str, run: str) -> dict[str, Any]:
    """Return a photo's metadata."""
    made = sign_place(file_id, folder.id, photo.name)
    properties = {ARCHIVE: archive_key, PHOTO: photo.key, MADE: made, RUN: run}
    if photo.crc32 is not None:
        properties[CRC32] = f"{photo.crc32:08x}"
    metadata: dict[str, Any] = {
        "id": file_id,
        "name": photo.name,
        "parents": [folder.id],
        "appProperties": properties,
    }
    if photo.taken_at is not None:
        metadata["createdTime"] = metadata["modifiedTime"] = format_time(photo.taken_at)
    return metadata


def format_time(moment: datetime) -> str:
    """Return a time as RFC 3339 has it, in UTC."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def media_type(name: str) -> str:
    """Return what Drive shall take a file for."""
    guessed, encoding = mimetypes.guess_type(name)
    # Drive would try to turn a document of its own types into one; nothing of a gallery is.
    return guessed if guessed and not encoding else "application/octet-stream"
