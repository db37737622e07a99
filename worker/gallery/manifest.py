"""Parser of the gallery's list: JSON into photos whose names every cloud and computer takes.

The list is untrusted: an entry that cannot be used is reported with its reason and never spoils the others.
"""

import hashlib
import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from operator import attrgetter
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from common.clouds.photos import Album, Photo
from common.errors import Reason, Transient
from common.http.urls import LinkRefused, normalize_link
from worker.gallery.dates import Zones, read_date

MAX_NAME_LENGTH = 255  # characters; what Yandex Disk and every file system of a guest's computer take
# Drive stops at 100 levels: https://developers.google.com/workspace/drive/api/guides/folder
MAX_ALBUM_DEPTH = 50
MAX_KEY_LENGTH = 64  # characters; clouds limit what a file may carry
_CRC32 = re.compile(r"[0-9a-fA-F]{1,8}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
# An array's own characters: https://www.rfc-editor.org/rfc/rfc8259#section-5
_BEGIN, _COMMA, _END = (re.compile(rf"[ \t\n\r]*{char}[ \t\n\r]*") for char in (r"\[", ",", r"\]"))
_ENTRY = json.JSONDecoder()

_Albums = dict[Album, Album]
"""Albums that were read so far, to share: thousands of photos are in few of them, and need not hold one each."""


@dataclass(frozen=True, slots=True)
class UnusableEntry:
    """An entry of the list that cannot be copied, and why.

    Args:
        name: as listed, on one line.
        reason: in one stable word.
        detail: one line for people.
    """

    name: str
    reason: Reason
    detail: str


@dataclass(frozen=True)
class Manifest:
    """What the gallery lists.

    Args:
        photos: each once by its key, in the list's order.
        unusable: entries that cannot be copied.
    """

    photos: Mapping[str, Photo]
    unusable: list[UnusableEntry]


def read_manifest(body: bytes) -> Manifest:
    """Parse the gallery's list.

    Raises:
        Transient: it is not a JSON array; the gallery may answer better next time.
    """
    # An entry that is listed twice is one photo.
    photos: dict[Photo, None] = {}
    unusable: list[UnusableEntry] = []
    albums: _Albums = {}
    zones: Zones = {}
    for entry in _read_array(body):
        try:
            photos[_read_entry(entry, albums, zones)] = None
        except ValueError as error:
            unusable.append(UnusableEntry(_describe_entry(entry), Reason.UNREADABLE_ENTRY, str(error)))
    return Manifest(_deduplicate(photos), unusable)


def _read_array(body: bytes) -> Iterator[Any]:
    """Yield the entries of a JSON array one by one: all at once they would take more memory than the photos do.

    What is an array and what is not is as `json.loads` has it; that may show only after many entries.

    Raises:
        Transient: it is not a JSON array.
    """
    try:
        text = body.decode(json.detect_encoding(body), "surrogatepass")
        if begin := _BEGIN.match(text):
            yield from _read_entries(text, begin.end())
            return
        json.loads(text)
    except (ValueError, RecursionError):
        raise Transient(Reason.GALLERY_UNAVAILABLE, "the list is not JSON") from None
    raise Transient(Reason.GALLERY_UNAVAILABLE, "the list is not a JSON array")


def _read_entries(text: str, at: int) -> Iterator[Any]:
    """Yield what an array holds, from its first entry up to its end; raises ValueError when that is not the text's."""
    if _END.fullmatch(text, at):
        return
    while True:
        entry, at = _ENTRY.raw_decode(text, at)
        yield entry
        if not (comma := _COMMA.match(text, at)):
            break
        at = comma.end()
    if not _END.fullmatch(text, at):
        raise ValueError("more than an array, or less")


def _deduplicate(photos: Collection[Photo]) -> dict[str, Photo]:
    """Return photos by unique keys; different photos that share an id get keys of their own.

    A key must be the same at the next reading: it comes from what is listed, never from the place in the list. So the
    id stays with the one that comes first by what it is.
    """
    owners: dict[str, Photo] = {}
    for photo in photos:
        owner = owners.setdefault(photo.key, photo)
        if owner is not photo:
            owners[photo.key] = min(owner, photo, key=_identity)
    unique: dict[str, Photo] = {}
    for photo in photos:
        owner = owners[photo.key]
        if owner is not photo and _identity(owner) != _identity(photo):
            photo = replace(photo, key=_digest(_identity(photo)))
        same_key = unique.setdefault(photo.key, photo)
        if same_key is not photo:
            # One photo under two signatures: either leads to it.
            unique[photo.key] = min(same_key, photo, key=attrgetter("url"))
    return unique


def _identity(photo: Photo) -> str:
    """Return a text that is the same for the same photo at each reading of the list.

    Its URL counts without the query, which may be signed anew at each reading; but without a CRC-32 the query counts,
    too: two photos are better than one that is lost.
    """
    album = "/".join(photo.album)
    url = photo.url if photo.crc32 is None else photo.url.partition("?")[0]
    return f"{photo.key}\n{album}\n{photo.name}\n{url}\n{photo.size}\n{photo.crc32}\n{photo.taken_at}"


def _read_entry(entry: Any, albums: _Albums, zones: Zones) -> Photo:
    if not isinstance(entry, dict):
        raise ValueError("not an object")
    key = _read_key(entry.get("id"))
    url = _read_url(entry.get("url"))
    album, name = _read_name(entry.get("name"), url, key)
    album = albums.setdefault(album, album)
    size, crc32 = _read_size(entry.get("filesize")), _read_crc32(entry.get("crc"))
    return Photo(key, album, name, url, size, crc32, read_date(entry.get("created_at"), zones))


def _read_key(value: Any) -> str:
    value = _drop_zero_fraction(value)
    if isinstance(value, bool) or not isinstance(value, int | str) or value == "":
        raise ValueError("no id")
    key = _to_unicode(str(value))
    return key if len(key) <= MAX_KEY_LENGTH and key.isascii() and key.isprintable() else _digest(key)


def _drop_zero_fraction(value: Any) -> Any:
    """Return a whole number as int: some encoders of JSON write 7 as 7.0."""
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 2**53 else value


def _read_url(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("no url")
    try:
        return normalize_link(_to_unicode(value))
    except LinkRefused as refused:
        raise ValueError(f"its url {refused}") from None


def _read_size(value: Any) -> int:
    value = _drop_zero_fraction(value)
    if isinstance(value, str) and value.isascii() and value.strip().isdigit():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**50:
        raise ValueError("no filesize")
    return value


def _read_crc32(value: Any) -> int | None:
    """Return the CRC-32, or None where the gallery does not know it: "-", empty, null or missing."""
    return int(value, 16) if isinstance(value, str) and _CRC32.fullmatch(value.strip()) else None


def _read_name(value: Any, url: str, key: str) -> tuple[Album, str]:
    """Return album and file name nearest to the listed one that every cloud and computer takes.

    Slashes separate albums; empty parts, `.` and `..` are left out; control characters become `_`; names over 255
    characters are truncated before their ending.
    """
    if not isinstance(value, str):
        raise ValueError("no name")
    *albums, name = (_clean(part) for part in _to_unicode(value).split("/"))
    name = name or _last_part(unquote(urlsplit(url).path)) or _last_part(key) or _digest(key)
    return tuple(album[:MAX_NAME_LENGTH] for album in albums if album)[:MAX_ALBUM_DEPTH], _truncate_name(name)


def _last_part(path: str) -> str:
    return _clean(path.rpartition("/")[2])


def _clean(part: str) -> str:
    part = _CONTROL.sub("_", part)
    return "" if part.strip() in ("", ".", "..") else part


def _truncate_name(name: str) -> str:
    if len(name) <= MAX_NAME_LENGTH:
        return name
    ending = PurePosixPath(name).suffix
    ending = ending if len(ending) <= 16 else ""
    return name[: MAX_NAME_LENGTH - len(ending)] + ending


def _to_unicode(text: str) -> str:
    """Return text that UTF-8 can carry: JSON can hold lone surrogates."""
    return text.encode("utf-8", "replace").decode()


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _describe_entry(entry: Any) -> str:
    name = entry.get("name") if isinstance(entry, dict) else None
    return _clean(_to_unicode(name))[:MAX_NAME_LENGTH] if isinstance(name, str) else ""
