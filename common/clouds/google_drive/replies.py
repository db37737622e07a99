"""What Drive tells of a guest's files, read with suspicion: what is not as documented is no answer of Drive's.

Fields: https://developers.google.com/workspace/drive/api/reference/rest/v3/files
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from common.clouds.photos import Folder, Known, StoredPhoto
from common.errors import Reason, Transient

FOLDER_TYPE = "application/vnd.google-apps.folder"
# Keys of appProperties. Key and value together may have 124 bytes:
# https://developers.google.com/workspace/drive/api/guides/properties
ARCHIVE, ALBUM, PHOTO, CRC32 = "archive", "album", "photo", "crc32"
_NUMBER = re.compile(r"\d{1,18}", re.ASCII)
_CRC32 = re.compile(r"[0-9a-f]{1,8}")


@dataclass(frozen=True)
class Listed:
    """One file or folder of a listing that is no photo of an archive.

    Args:
        id: what Drive calls it.
        is_folder: whether it is a folder.
        created: when it was made, RFC 3339 in UTC; sorts as text.
        url: where a guest opens it.
        parent_id: the folder it is in, or empty.
        properties: what this service left with it.
    """

    id: str
    is_folder: bool
    created: str
    url: str
    parent_id: str
    properties: Mapping[str, str]

    def as_folder(self) -> Folder:
        """Return it as a folder of an archive."""
        return Folder(self.id, self.url, self.parent_id)


def read_free_bytes(about: Mapping[str, Any]) -> int | None:
    """Return limit less usage of an account, None where it has no limit; usage counts everything, mail included.

    Raises:
        Transient: this is no answer of Drive's, as in the others here.
    """
    quota = about.get("storageQuota")
    if not isinstance(quota, dict):
        raise _not_drives()
    if quota.get("limit") is None:
        return None
    return max(0, _read_number(quota["limit"]) - _read_number(quota.get("usage", 0)))


def read_files(page: Mapping[str, Any], known: Known) -> list[Listed | StoredPhoto]:
    """Return the files of one page of a listing; those that carry a photo's key as what they are, or are known as."""
    # Thousands of photos are in few folders, and need not hold a name of their own each.
    parents: dict[str, str] = {}
    # Nothing may be left out that cannot be read: what is not listed is copied once more.
    return [_read_file(file, parents, known) for file in _read_list(page, "files")]


def read_page_token(page: Mapping[str, Any]) -> str:
    """Return the token of the next page, empty on the last one."""
    token = page.get("nextPageToken") or ""
    if not isinstance(token, str):
        raise _not_drives()
    return token


def read_ids(answer: Mapping[str, Any]) -> list[str]:
    """Return fresh ids for files."""
    ids = _read_list(answer, "ids")
    if not ids or not all(isinstance(each, str) and each for each in ids):
        raise _not_drives()
    return ids


def read_link(file: Mapping[str, Any]) -> str:
    """Return where a guest opens a file; a folder without it is a folder all the same."""
    link = file.get("webViewLink")
    return link if isinstance(link, str) else ""


def _read_file(file: Any, parents: dict[str, str], known: Known) -> Listed | StoredPhoto:
    if not isinstance(file, dict) or not isinstance(file.get("id"), str) or not file["id"]:
        raise _not_drives()
    size = _read_number(file["size"]) if "size" in file else -1
    properties, parent_id = _read_properties(file.get("appProperties")), _read_parent(file.get("parents"))
    parent_id = parents.setdefault(parent_id, parent_id)
    is_folder = file.get("mimeType") == FOLDER_TYPE
    if PHOTO in properties and not is_folder:
        crc32 = _read_crc32(properties.get(CRC32, ""))
        return StoredPhoto(properties[PHOTO], file["id"], size, crc32, parent_id).or_known(known)
    created = file.get("createdTime")
    return Listed(
        id=file["id"],
        is_folder=is_folder,
        created=created if isinstance(created, str) else "",
        url=read_link(file),
        parent_id=parent_id,
        properties=properties,
    )


def _read_parent(parents: Any) -> str:
    parent = parents[0] if isinstance(parents, list) and parents else ""
    return parent if isinstance(parent, str) else ""


def _read_crc32(text: str) -> int | None:
    return int(text, 16) if _CRC32.fullmatch(text) else None


def _read_properties(properties: Any) -> dict[str, str]:
    if not isinstance(properties, dict):
        return {}
    return {key: value for key, value in properties.items() if isinstance(value, str)}


def _read_list(answer: Mapping[str, Any], name: str) -> list[Any]:
    found = answer.get(name) or []
    if not isinstance(found, list):
        raise _not_drives()
    return found


def _read_number(value: Any) -> int:
    """Return an int64, which JSON carries as a text."""
    text = str(value)
    if isinstance(value, bool) or not _NUMBER.fullmatch(text):
        raise _not_drives()
    return int(text)


def _not_drives() -> Transient:
    return Transient(Reason.CLOUD_UNAVAILABLE, "an answer that is not Drive's")
