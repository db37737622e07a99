"""What this service writes on its folders and photos, and the names it gives them. Knows no HTTP.

Marks are `custom_properties`: together they may have 1024 characters, and other apps may have some of their own.
https://yandex.com/dev/disk-api/doc/en/reference/meta-add
"""

import unicodedata
from collections.abc import Mapping
from pathlib import PurePosixPath

from common.clouds.photos import Album, Photo, StoredPhoto, album_key
from common.clouds.yandex_disk.disk import Resource

ARCHIVE, ALBUM, PHOTO = "cloud_archive", "cloud_archive_album", "cloud_archive_photo"
CRC32, MD5 = "cloud_archive_crc32", "cloud_archive_md5"
LONGEST_NAME = 255  # characters: https://yandex.com/dev/disk-api/doc/en/reference/upload


def album_marks(archive_key: str, album: Album) -> Mapping[str, str]:
    """Return what an album's folder is known by, whatever a guest calls it."""
    return {ARCHIVE: archive_key, ALBUM: album_key(album)}


def photo_marks(archive_key: str, photo: Photo, md5: str) -> Mapping[str, str]:
    """Return what a photo is known by.

    The MD5 is that of the bytes that were sent: marks outlive what a guest does to a file, and may have been set on
    bytes that were not proved yet. Where both differ, the file is not the photo.
    """
    crc32 = {CRC32: f"{photo.crc32:08x}"} if photo.crc32 is not None else {}
    return {ARCHIVE: archive_key, PHOTO: photo.key, MD5: md5, **crc32}


def read_photo(resource: Resource, archive_key: str) -> StoredPhoto | None:
    """Return the photo that a file is, if it is one of this archive's and still the same."""
    marks = resource.marks
    if resource.is_folder or marks.get(ARCHIVE) != archive_key or PHOTO not in marks or marks.get(MD5) != resource.md5:
        return None
    try:
        crc32 = int(marks[CRC32], 16) if CRC32 in marks else None
    except ValueError:
        return None
    return StoredPhoto(marks[PHOTO], resource.path, resource.size, crc32, resource.path.rpartition("/")[0])


def could_be(resource: Resource, key: str) -> bool:
    """Say whether a file is the photo of that key, by marks that are there: lost ones speak against nothing."""
    marks = resource.marks
    same_bytes = marks.get(MD5, resource.md5) == resource.md5
    return not resource.is_folder and marks.get(PHOTO, key) == key and same_bytes


def is_anothers(resource: Resource, archive_key: str, photo: Photo) -> bool:
    """Say whether a resource is known to be something else than this photo: a folder, or marked for another one."""
    marks = resource.marks
    return (
        resource.is_folder or marks.get(ARCHIVE, archive_key) != archive_key or marks.get(PHOTO, photo.key) != photo.key
    )


def fit_name(name: str) -> str:
    """Return the gallery's name as a folder can have it: no slash, no control characters, neither `.` nor `..`."""
    name = "".join("_" if char == "/" or unicodedata.category(char) == "Cc" else char for char in name)
    return "_" if name.strip() in ("", ".", "..") else name[:LONGEST_NAME]


def number_name(name: str, number: int) -> str:
    """Return the first name for something as it is, further ones as "name (2).jpg"."""
    if number == 1:
        return name
    ending = PurePosixPath(name).suffix
    ending = ending if len(ending) <= 16 else ""
    addition = f" ({number}){ending}"
    return name[: len(name) - len(ending)][: LONGEST_NAME - len(addition)] + addition
