"""Files and folders of one guest's Disk.

https://yandex.ru/dev/disk-api/doc/en/reference/meta
"""

import mimetypes
import secrets
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from sandbox.storage import tree
from sandbox.storage.tree import Content

GIB = 1024**3
_KINDS = {
    "compressed": "zip gz tgz bz2 xz 7z rar tar iso dmg cab",
    "data": "db sqlite dat bin raw csv sql mdb accdb",
    "video": "mp4 mov avi mkv m4v mpg mpeg wmv flv webm 3gp mts",
    "image": "jpg jpeg png gif webp heic heif tif tiff bmp svg cr2 nef arw dng psd",
    "audio": "mp3 wav flac aac ogg m4a wma",
    "document": "pdf doc docx odt rtf txt",
}
_KIND_OF = {ending: kind for kind, endings in _KINDS.items() for ending in endings.split()}


@dataclass
class Item:
    """A file or a folder.

    Attributes:
        content: None for folders.
        order: Counts up with every item made.
        late_times: So many more looks at the file are answered as if it was not there yet.
        late_until: Until this moment of the monotonic clock, too.
        late_status: What they are answered: 404 for nothing there, 409 or 423 for in use, 500.
        unheard: So many more changes of its properties are confirmed and forgotten.
    """

    id: str
    name: str
    parent: str
    created: str
    modified: str
    content: Content | None = None
    properties: dict[str, object] = field(default_factory=dict)
    order: int = 0
    trashed: bool = False
    version: int = 1
    late_times: int = 0
    late_until: float = 0.0
    late_status: int = 404
    unheard: int = 0

    @property
    def size(self) -> int:
        """Bytes; a folder has none."""
        return self.content.size if self.content else 0

    @property
    def md5(self) -> str:
        """The MD5 in hex; empty for folders."""
        return self.content.md5 if self.content else ""

    @property
    def is_folder(self) -> bool:
        """Tell a folder from a file."""
        return self.content is None

    def is_late(self) -> bool:
        """Tell whether this look at it is still answered as if it was not there, and count the look."""
        if self.late_times > 0:
            self.late_times -= 1
            return True
        return time.monotonic() < self.late_until


def kind_of(name: str) -> str:
    """Return the media type Disk gives a file, by its name."""
    return _KIND_OF.get(name.rpartition(".")[2].lower(), "unknown")


def mime_of(name: str) -> str:
    """Return the MIME type Disk gives a file, by its name: what a client sends is ignored."""
    return mimetypes.guess_type(name)[0] or "application/octet-stream"


def now() -> str:
    """Return the moment as Disk writes it: RFC 3339, UTC with an offset, to 1 s."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S+00:00")


def new_id() -> str:
    """Return a resource id that looks like Disk's."""
    return f"1000000000:{secrets.token_hex(32)}"


class Account(tree.Account[Item]):
    """One guest's Disk. Thread-safe.

    Attributes:
        copies_properties: Custom properties of what a guest copies come along, as nothing promises that they do not.
        max_file_size: Bytes of the largest file it takes: https://yandex.ru/dev/disk-api/doc/en/reference/upload
        unsupported: The account has no Disk at all.
        blocked: The guest may do nothing any more.
    """

    def __init__(self, login: str):
        super().__init__(login, new_id())
        self.copies_properties = True
        self.max_file_size = GIB
        self.unsupported = False
        self.blocked = False

    def add(self, name: str, data: bytes = b"", parent: str | None = None) -> Item:
        """Put a file in, as the guest does by hand."""
        return self.put(Item(new_id(), name, parent or self.root, now(), now(), Content.of(data)))

    def add_folder(self, name: str, parent: str | None = None) -> Item:
        """Make a folder, as the guest does by hand."""
        return self.put(Item(new_id(), name, parent or self.root, now(), now()))

    def copy(self, id: str, parent: str = "", name: str = "") -> Item:  # noqa: A002
        """Copy a file, or a folder with everything in it, as the guest does by hand; it looks as old as the original.

        Args:
            id: What is copied.
            parent: The folder it is copied into; empty: where it is.
            name: Of the copy; empty: the same.

        Raises:
            ValueError: There is something of that name.
        """
        with self.guard:
            source, inside = self.items[id], self.below(id)
            place = {"parent": parent or source.parent, "name": name or source.name}
            if any(each.name == place["name"] and not each.trashed for each in self.below(place["parent"])):
                raise ValueError(f"there is something of that name: {place['name']}")
            properties = dict(source.properties) if self.copies_properties else {}
            copied = self.put(replace(source, id=new_id(), properties=properties, version=1, **place))
            for each in inside:
                if not each.trashed:
                    self.copy(each.id, copied.id)
            return copied

    def overwrite(self, id: str, data: bytes, *, keeps_properties: bool = True) -> Item:  # noqa: A002
        """Give a file other bytes, as the guest does by hand; its properties stay, or do not."""
        with self.guard:
            properties = self.items[id].properties if keeps_properties else {}
            return self.change(id, content=Content.of(data), modified=now(), properties=properties)

    def find(self, path: tuple[str, ...]) -> Item | None:
        """Return what stands at a path; nothing for the top folder, which is no item."""
        with self.guard:
            found, above = None, self.root
            for name in path:
                found = next((each for each in self.below(above) if each.name == name and not each.trashed), None)
                if not found:
                    return None
                above = found.id
            return found

    def find_folder(self, path: tuple[str, ...]) -> str | None:
        """Return the id of a folder, the top one included; None if there is none."""
        if not path:
            return self.root
        found = self.find(path)
        return found.id if found and found.is_folder else None

    def total(self) -> int:
        """Return the bytes the account has room for; without a limit, as much as the largest plan and what is used."""
        return 3 * 1024 * GIB + self.used() if self.limit is None else self.limit
