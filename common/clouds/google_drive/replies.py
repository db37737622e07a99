"""Read Drive's JSON about a guest's files with suspicion: what is not as documented is no answer of Drive's.

Fields: https://developers.google.com/workspace/drive/api/reference/rest/v3/files
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from common.clouds.google_drive.app_properties import ALBUM, CRC32, MADE, PHOTO, RUN, sign_place
from common.clouds.photos import Folder, PhotosByKey, StoredPhoto, album_key
from common.errors import Reason, Transient

FOLDER_TYPE = "application/vnd.google-apps.folder"
_TOP = album_key(())
_NUMBER = re.compile(r"\d{1,18}", re.ASCII)
_CRC32 = re.compile(r"[0-9a-f]{1,8}")


@dataclass(frozen=True)
class ListedFile:
    """One file or folder of a listing that is no photo of an archive.

    Args:
        id: what Drive calls it.
        name: what the guest calls it.
        is_folder: whether it is a folder.
        created: when it was made, RFC 3339 in UTC; sorts as text.
        url: where a guest opens it.
        parent_id: the folder it is in, or empty.
        properties: what this service left with it.
        made_here: whether it stands as this service made it: no copy, nothing that was moved or renamed.
    """

    id: str
    name: str
    is_folder: bool
    created: str
    url: str
    parent_id: str
    properties: Mapping[str, str]
    made_here: bool

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


def read_files(page: Mapping[str, Any], known: PhotosByKey, runs: dict[str, str]) -> list[ListedFile | StoredPhoto]:
    """Return the files of one page of a listing; those that carry a photo's key as what they are, or are known as.

    Args:
        page: as Drive told it.
        known: photos that need not be held twice; what is known was proved.
        runs: where the run of each photo that is not known is noted, by the photo's id: only it tells of a proof.
    """
    # Thousands of photos are in few folders, and need not hold a name of their own each.
    parents: dict[str, str] = {}
    # Nothing may be left out that cannot be read: what is not listed is copied once more.
    return [_read_file(file, parents, known, runs) for file in _read_list(page, "files")]


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


def read_properties(file: Mapping[str, Any]) -> dict[str, str]:
    """Return what this service left with a file."""
    properties = file.get("appProperties")
    if not isinstance(properties, dict):
        return {}
    return {key: value for key, value in properties.items() if isinstance(value, str)}


def read_parent(file: Mapping[str, Any]) -> str:
    """Return the id of the folder a file is in, or nothing."""
    parents = file.get("parents")
    parent = parents[0] if isinstance(parents, list) and parents else ""
    return parent if isinstance(parent, str) else ""


def read_name(file: Mapping[str, Any]) -> str:
    """Return what the guest calls a file."""
    name = file.get("name")
    return name if isinstance(name, str) else ""


def is_made_here(file: Mapping[str, Any]) -> bool:
    """Tell whether a file stands as this service made it; never of those that earlier versions made."""
    properties = read_properties(file)
    # The gallery's folder is made at the top of the disk, whose id nobody tells us.
    parent_id = "" if properties.get(ALBUM) == _TOP else read_parent(file)
    return properties.get(MADE) == sign_place(str(file.get("id")), parent_id, read_name(file))


def _read_file(
    file: Any, parents: dict[str, str], known: PhotosByKey, runs: dict[str, str]
) -> ListedFile | StoredPhoto:
    if not isinstance(file, dict) or not isinstance(file.get("id"), str) or not file["id"]:
        raise _not_drives()
    size = _read_number(file["size"]) if "size" in file else -1
    properties, parent_id, made_here = read_properties(file), read_parent(file), is_made_here(file)
    parent_id = parents.setdefault(parent_id, parent_id)
    is_folder = file.get("mimeType") == FOLDER_TYPE
    if PHOTO in properties and not is_folder:
        key, crc32 = properties[PHOTO], _read_crc32(properties.get(CRC32, ""))
        same = known.get(key)
        # Those that earlier versions made tell of no run: they cannot all be read again, and are believed.
        is_proved = RUN not in properties or (same is not None and same.id == file["id"])
        if not is_proved:
            runs[file["id"]] = properties[RUN]
        return StoredPhoto(key, file["id"], size, crc32, parent_id, made_here, is_proved).interned(known)
    created = file.get("createdTime")
    return ListedFile(
        id=file["id"],
        name=read_name(file),
        is_folder=is_folder,
        created=created if isinstance(created, str) else "",
        url=read_link(file),
        parent_id=parent_id,
        properties=properties,
        made_here=made_here,
    )


def _read_crc32(text: str) -> int | None:
    return int(text, 16) if _CRC32.fullmatch(text) else None


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
