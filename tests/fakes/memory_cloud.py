"""A cloud in memory, for tests of what is copied: it fails as it is told, without a network."""

import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field, replace

from common.clouds.base import PacedWrite, PhotoStream
from common.clouds.photos import Album, Folder, Inventory, Photo, PhotosByKey, StoredPhoto, album_key
from common.errors import ArchiveError

Say = Callable[[Photo], ArchiveError | None]
TOP = Folder("top", "https://cloud/top")


class SilentStream:
    """A photo without bytes, which counts how it is used.

    Attributes:
        opened: how often it was asked for from the beginning.
        closed: how often it was closed.
    """

    digest: str | None = "0" * 32

    def __init__(self) -> None:
        self.opened = 0
        self.closed = 0

    def open(self) -> None:
        """Count it."""
        self.opened += 1

    def blocks(self, start: int, end: int) -> Iterator[memoryview]:
        """Give nothing."""
        yield from ()

    def close(self) -> None:
        """Count it."""
        self.closed += 1


@dataclass
class MemoryCloud:
    """See `common.clouds.base.Storage`. Thread-safe.

    Args:
        begins: says what becomes of opening a session for a photo; nothing wrong by default.
        stores: says what becomes of its bytes.
        settles: seconds that the cloud needs for each photo once it has its bytes.
        free: bytes.
        looks: raised by the next looks at what there is, one after another.
        hidden: ids that the listing does not show.
        paced_write: surrounds the opening of a session.

    Attributes:
        files: what there is, by its id.
        begun: keys of the photos that sessions were asked for, in their order.
        listed: how often it was looked at what there is.
        removed: ids of what was removed.
        second_folders: further folders of albums, by `album_key`, until they are merged.
        merges: how often they were.
        most_settling: how many photos it needed time for at once, at the most.
    """

    begins: Say = lambda _photo: None
    stores: Say = lambda _photo: None
    settles: float = 0.0
    free: int | None = None
    looks: list[ArchiveError] = field(default_factory=list)
    hidden: set[str] = field(default_factory=set)
    files: dict[str, StoredPhoto] = field(default_factory=dict)
    begun: list[str] = field(default_factory=list)
    listed: int = 0
    removed: list[str] = field(default_factory=list)
    settling: int = 0
    most_settling: int = 0
    folders: dict[str, Folder] = field(default_factory=dict)
    paced_write: PacedWrite = nullcontext
    second_folders: list[tuple[str, Folder]] = field(default_factory=list)
    merges: int = 0

    def __post_init__(self) -> None:
        """Nobody else adds while one does."""
        self._lock = threading.Lock()

    def free_bytes(self) -> int | None:
        """Return what was set."""
        return self.free

    def take_inventory(self, archive_key: str, known: PhotosByKey) -> Inventory:
        """Show what is not hidden."""
        self.listed += 1
        if self.looks:
            raise self.looks.pop(0)
        shown = [file for file in self.files.values() if file.id not in self.hidden]
        return Inventory(dict(self.folders), shown, list(self.second_folders))

    def make_albums(self, archive_key: str, gallery_name: str, wanted: Collection[Album], inventory: Inventory) -> None:
        """Make a folder for each."""
        for album in [(), *wanted]:
            folder = Folder("/".join((TOP.id, *album)), "") if album else TOP
            inventory.albums[album_key(album)] = self.folders.setdefault(album_key(album), folder)

    def merge_albums(self, inventory: Inventory) -> None:
        """Bring the photos of second folders into the first ones."""
        first = {folder.id: self.folders[key].id for key, folder in self.second_folders}
        for file in list(self.files.values()):
            self.files[file.id] = replace(file, folder_id=first.get(file.folder_id, file.folder_id))
        self.second_folders.clear()
        self.merges += 1

    def is_there(self, stored: StoredPhoto) -> bool:
        """Look past what is hidden."""
        return stored.id in self.files

    def note_proved(self, inventory: Inventory) -> None:
        """Whatever is put here is proved, unless it says otherwise."""

    def begin(self, archive_key: str, photo: Photo, folder: Folder) -> "MemorySession":
        """Open a session, or do as was told."""
        with self.paced_write():
            with self._lock:
                self.begun.append(photo.key)
            if error := self.begins(photo):
                raise error
            return MemorySession(self, photo, folder)

    def open_proofs(self, archive_key: str, photo: Photo, folder: Folder) -> Iterator["MemorySession"]:
        """Open a session for each file that is not proved."""
        for file in list(self.files.values()):
            if file.key == photo.key and not file.is_proved and file.id not in self.hidden:
                yield MemorySession(self, photo, folder, file)

    def remove(self, stored: StoredPhoto) -> None:
        """Remove it and remember."""
        self.removed.append(stored.id)
        self.files.pop(stored.id, None)

    def settle(self, more: int) -> None:
        """Count those that it needs time for."""
        with self._lock:
            self.settling += more
            self.most_settling = max(self.most_settling, self.settling)

    def put(self, photo: Photo, *, folder: str = "top", number: int = 1, **fields: object) -> StoredPhoto:
        """Store a photo, as somebody did before or meanwhile."""
        self.folders.setdefault(album_key(()), TOP)
        stored = StoredPhoto(photo.key, f"id-{photo.key}-{number}", photo.size, photo.crc32, folder, made_here=True)
        stored = replace(stored, **fields)  # type: ignore[arg-type]
        with self._lock:
            self.files[stored.id] = stored
        return stored


class MemorySession:
    """See `common.clouds.base.UploadSession`."""

    def __init__(self, cloud: MemoryCloud, photo: Photo, folder: Folder, unproved: StoredPhoto | None = None) -> None:
        self.offset = 0
        self.stored: StoredPhoto | None = None
        self.abandoned = False
        self._cloud = cloud
        self._photo = photo
        self._folder = folder
        self._has_settled = False
        self._unproved = unproved

    def advance(self, stream: PhotoStream) -> float:
        """Store the photo, after the time that the cloud needs."""
        if error := self._cloud.stores(self._photo):
            raise error
        if self._cloud.settles and not self._has_settled:
            self._has_settled = True
            self._cloud.settle(1)
            return self._cloud.settles
        if self._has_settled:
            self._cloud.settle(-1)
        if self._unproved:
            self.stored = self._cloud.files[self._unproved.id] = replace(self._unproved, is_proved=True)
        else:
            self.stored = self._cloud.put(self._photo, folder=self._folder.id)
        self.offset = self._photo.size
        return 0.0

    def abandon(self) -> None:
        """Remember it."""
        self.abandoned = True
