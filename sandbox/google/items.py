"""What stands in one guest's Drive. Knows no HTTP.

https://developers.google.com/workspace/drive/api/reference/rest/v3/files
"""

import hashlib
import secrets
import threading
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

FOLDER = "application/vnd.google-apps.folder"


@dataclass(frozen=True)
class Content:
    """The bytes of a file, as far as they are known."""

    size: int
    md5: str
    sha1: str
    sha256: str
    crc32: int
    data: bytes | None

    @classmethod
    def of(cls, data: bytes, *, keep: bool = True) -> "Content":
        """Return the content that `data` is."""
        md5, sha1, sha256 = (hashlib.new(name, data).hexdigest() for name in ("md5", "sha1", "sha256"))
        return cls(len(data), md5, sha1, sha256, zlib.crc32(data), data if keep else None)


@dataclass
class Item:
    """A file or a folder.

    Attributes:
        app: The OAuth client that made it; None when the guest did so by hand.
        app_properties: By the client they belong to.
        content: None for folders.
        order: Counts up with every item made.
    """

    id: str
    name: str
    mime: str
    parent: str
    app: str | None
    created: str
    modified: str
    order: int = 0
    trashed: bool = False
    starred: bool = False
    description: str = ""
    content: Content | None = None
    properties: dict[str, str] = field(default_factory=dict)
    app_properties: dict[str | None, dict[str, str]] = field(default_factory=dict)
    version: int = 1
    revision: str = ""

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
        return self.mime == FOLDER


def now() -> str:
    """Return the moment as Drive writes it: RFC 3339, UTC, to 1 ms."""
    return stamp(datetime.now(UTC))


def stamp(moment: datetime) -> str:
    """Return a moment as Drive writes it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


class Account:
    """One guest's Drive. Thread-safe: every method holds `guard`, which callers may hold around several.

    Attributes:
        limit: Bytes of storage; None is unlimited.
        used_elsewhere: Bytes that mail and photos take of it.
        items: Everything, by id, trashed or not.
        reserved: Ids handed out by generateIds.
        buried: Ids of items that were deleted for good.
    """

    def __init__(self, login: str):
        self.login = login
        self.guard = threading.RLock()
        self.root = "0A" + secrets.token_urlsafe(12) + "PVA"
        self.limit: int | None = None
        self.used_elsewhere = 0
        self.items: dict[str, Item] = {}
        self.reserved: set[str] = set()
        self.buried: set[str] = set()
        self._count = 0

    def files(self) -> list[Item]:
        """Return the files that are not in the bin, in order of arrival."""
        return [each for each in self._present() if not each.is_folder]

    def folders(self) -> list[Item]:
        """Return the folders that are not in the bin, in order of arrival."""
        return [each for each in self._present() if each.is_folder]

    def tree(self) -> list[tuple[str, int, str]]:
        """Return (path, bytes, MD5) of every file that is not in the bin, sorted; doubles stand twice."""
        with self.guard:
            return sorted((self.path(each), each.size, each.md5) for each in self.files())

    def path(self, item: Item) -> str:
        """Return an item's path below My Drive."""
        with self.guard:
            names = [item.name]
            while parent := self.items.get(item.parent):
                names.append(parent.name)
                item = parent
            return "/".join(reversed(names))

    def put(self, item: Item) -> Item:
        """Add an item."""
        with self.guard:
            self._count += 1
            item.order = self._count
            item.revision = item.revision or secrets.token_urlsafe(12)
            self.items[item.id] = item
            return item

    def add(self, name: str, data: bytes = b"", parent: str | None = None, *, app: str | None = None) -> Item:
        """Put a file in, as the guest does by hand; `app` makes it some client's."""
        content = Content.of(data)
        return self.put(Item(new_id(), name, "image/jpeg", parent or self.root, app, now(), now(), content=content))

    def add_folder(self, name: str, parent: str | None = None, *, app: str | None = None) -> Item:
        """Make a folder, as the guest does by hand; `app` makes it some client's."""
        return self.put(Item(new_id(), name, FOLDER, parent or self.root, app, now(), now()))

    def trash(self, id: str, *, trashed: bool = True) -> None:  # noqa: A002 - Drive's own word
        """Put an item into the bin, or take it out; what is in a folder goes with it."""
        self.change(id, trashed=trashed)

    def rename(self, id: str, name: str) -> None:  # noqa: A002
        """Give an item another name."""
        self.change(id, name=name)

    def move(self, id: str, parent: str) -> None:  # noqa: A002
        """Put an item into another folder."""
        self.change(id, parent=parent)

    def change(self, id: str, **values: Any) -> Item:  # noqa: A002
        """Set attributes of an item."""
        with self.guard:
            item = self.items[id]
            for name, value in values.items():
                setattr(item, name, value)
            item.version += 1
            return item

    def delete(self, id: str) -> None:  # noqa: A002
        """Delete for good, with everything in it."""
        with self.guard:
            for each in self.below(id):
                self.delete(each.id)
            del self.items[id]
            self.buried.add(id)

    def below(self, id: str) -> list[Item]:  # noqa: A002
        """Return what is right inside a folder."""
        with self.guard:
            return [each for each in self.items.values() if each.parent == id]

    def in_bin(self, item: Item) -> bool:
        """Tell whether an item, or a folder above it, is in the bin."""
        with self.guard:
            above: Item | None = item
            while above:
                if above.trashed:
                    return True
                above = self.items.get(above.parent)
            return False

    def used(self) -> int:
        """Return the bytes used, the bin's included."""
        with self.guard:
            return self.used_elsewhere + sum(each.size for each in self.items.values())

    def holds(self, more: int) -> bool:
        """Tell whether so many bytes more fit."""
        return self.limit is None or self.used() + more <= self.limit

    def _present(self) -> list[Item]:
        with self.guard:
            return [each for each in self._ordered(self.items.values()) if not self.in_bin(each)]

    @staticmethod
    def _ordered(items: Iterable[Item]) -> list[Item]:
        return sorted(items, key=lambda each: each.order)


def new_id() -> str:
    """Return an id that looks like Drive's: 33 characters."""
    return "1" + secrets.token_urlsafe(24)
