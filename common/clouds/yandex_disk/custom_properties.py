"""The `custom_properties` of this service's folders and photos, and what they prove.

All properties of a resource together may have 1024 characters, and other apps may have some of their own.
https://yandex.com/dev/disk-api/doc/en/reference/meta-add
"""

import hashlib
import unicodedata
from collections.abc import Mapping
from pathlib import PurePosixPath

from common.clouds.photos import Album, Photo, StoredPhoto, album_key
from common.clouds.yandex_disk.resource import Resource

ARCHIVE, ALBUM, PHOTO = "cloud_archive", "cloud_archive_album", "cloud_archive_photo"
CRC32, MD5, MADE = "cloud_archive_crc32", "cloud_archive_md5", "cloud_archive_made"
LONGEST_NAME = 255  # characters: https://yandex.com/dev/disk-api/doc/en/reference/upload
# Of a path's digest, in hex: 64 bits tell any two paths of one disk apart.
_PLACE_LENGTH = 16


def album_properties(archive_key: str, album: Album) -> Mapping[str, str]:
    """Return the properties that identify an album's folder, whatever a guest calls it."""
    return {ARCHIVE: archive_key, ALBUM: album_key(album)}


def photo_properties(archive_key: str, photo: Photo, md5: str) -> Mapping[str, str]:
    """Return the properties that identify a photo.

    The MD5 is that of the bytes that were sent, and they were proved to be the photo before: properties outlive what a
    guest does to a file. Where this MD5 and the file's differ, the file is not the photo.
    """
    crc32 = {CRC32: f"{photo.crc32:08x}"} if photo.crc32 is not None else {}
    return {ARCHIVE: archive_key, PHOTO: photo.key, MD5: md5, **crc32}


def place_property(path: str) -> Mapping[str, str]:
    """Return the property that tells what was made at a path from its copies: those take the property along."""
    return {MADE: hashlib.sha256(path.encode()).hexdigest()[:_PLACE_LENGTH]}


def is_made_here(resource: Resource) -> bool:
    """Tell whether this service made the resource where it is; neither copied, moved nor renamed since."""
    return resource.has_properties(place_property(resource.path))


def read_photo(resource: Resource, archive_key: str) -> StoredPhoto | None:
    """Return the photo that a file is, if it is one of this archive's and was proved before its properties were set.

    A file whose MD5 is not told, or is another, is not the photo: nobody knows what it is, and it is left alone.
    """
    properties = resource.properties
    if properties.get(ARCHIVE) != archive_key or PHOTO not in properties or not _is_proved(resource):
        return None
    try:
        crc32 = int(properties[CRC32], 16) if CRC32 in properties else None
    except ValueError:
        return None
    made_here = is_made_here(resource)
    return StoredPhoto(properties[PHOTO], resource.path, resource.size, crc32, resource.folder, made_here)


def is_stored(resource: Resource, stored: StoredPhoto) -> bool:
    """Tell whether a file still is the photo that was stored there, by its properties and its bytes."""
    same_size = stored.size in (-1, resource.size)
    return same_size and resource.properties.get(PHOTO) == stored.key and _is_proved(resource)


def _is_proved(resource: Resource) -> bool:
    return not resource.is_folder and resource.is_whole and resource.properties.get(MD5) == resource.md5


def is_other_item(resource: Resource, archive_key: str, photo: Photo) -> bool:
    """Tell whether a resource is something else than this photo: a folder, or another one by its properties."""
    properties = resource.properties
    return (
        resource.is_folder
        or properties.get(ARCHIVE, archive_key) != archive_key
        or properties.get(PHOTO, photo.key) != photo.key
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
