"""Photos and folders: as the gallery lists them, and as a cloud holds them."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

Album = tuple[str, ...]
"""An album's path below the gallery's folder; the empty one is the gallery's folder itself."""


def album_key(album: Album) -> str:
    """Return an album's key, whatever a guest calls its folder; short, since clouds limit what a file may carry."""
    return hashlib.sha256("/".join(album).encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Photo:
    """One entry of the gallery's list.

    Args:
        key: the gallery's id of it; never changes between two readings of the list.
        album: where it belongs.
        name: its file name in the cloud.
        url: where its bytes are.
        size: in bytes.
        crc32: of its bytes, if the gallery knows it.
        taken_at: the gallery's date for it, with its time zone.
    """

    key: str
    album: Album
    name: str
    url: str
    size: int
    crc32: int | None = None
    taken_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class StoredPhoto:
    """A photo that is in the cloud.

    Args:
        key: the photo's key.
        id: what the cloud calls it.
        size: in bytes, as the cloud counted.
        crc32: of the photo it was copied from, if it was known then.
        folder_id: the folder it is in, if known.
        made_here: whether this service made this very file, and it is still in the folder and under the name it was
            given: no copy that a guest made, and nothing they moved or renamed.
        is_proved: whether its size and digest were seen to agree with the photo's; its properties alone prove nothing.
    """

    key: str
    id: str
    size: int
    crc32: int | None = None
    folder_id: str = ""
    made_here: bool = False
    is_proved: bool = True

    def is_copy_of(self, photo: Photo) -> bool:
        """Tell whether this is that photo as the gallery lists it now."""
        same_crc = self.crc32 == photo.crc32 or self.crc32 is None or photo.crc32 is None
        return self.key == photo.key and self.size == photo.size and same_crc

    def interned(self, known: "PhotosByKey") -> "StoredPhoto":
        """Return the known object under its key if it is equal: thousands of photos need not be held twice."""
        same = known.get(self.key)
        return same if same == self else self


PhotosByKey = Mapping[str, StoredPhoto]
"""Photos that are in a cloud, by their keys."""
NO_PHOTOS: PhotosByKey = {}


@dataclass(frozen=True)
class Folder:
    """A folder in the cloud.

    Args:
        id: what the cloud calls it.
        url: where a guest opens it.
        parent_id: the folder it is in, if known.
    """

    id: str
    url: str
    parent_id: str = ""


@dataclass
class Inventory:
    """What a cloud holds of one archive.

    Args:
        albums: the archive's folders by `album_key`; the one of the empty album is the gallery's own.
        photos: everything that was copied before, in no order, duplicates included.
        duplicate_albums: further folders of an album that has one, with its `album_key`: two runs once made one each.
    """

    albums: dict[str, Folder] = field(default_factory=dict)
    photos: list[StoredPhoto] = field(default_factory=list)
    duplicate_albums: list[tuple[str, Folder]] = field(default_factory=list)
