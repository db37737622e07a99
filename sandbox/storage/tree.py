"""One guest's storage: files and folders by id, a bin and a quota."""

import hashlib
import threading
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar


@dataclass(frozen=True)
class Content:
    """Size and checksums of a file, and its bytes if they were kept."""

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


class Item(Protocol):
    """Attributes common to both clouds' files and folders."""

    id: str
    name: str
    parent: str
    order: int
    trashed: bool
    content: Content | None
    version: int

    @property
    def size(self) -> int:
        """Bytes; a folder has none."""

    @property
    def md5(self) -> str:
        """The MD5 in hex; empty for folders."""

    @property
    def is_folder(self) -> bool:
        """Tell a folder from a file."""


I = TypeVar("I", bound=Item)  # noqa: E741 - an item


class Account(Generic[I]):
    """One guest's storage. Thread-safe: every method holds `guard`, which callers may hold around several.

    Attributes:
        limit: Quota in bytes; None: unlimited.
        used_elsewhere: Bytes of the quota that mail and photos use.
        items: All items by id, trashed ones included.
        root: Id of the top folder, which is not an item itself.
    """

    def __init__(self, login: str, root: str):
        self.login = login
        self.guard = threading.RLock()
        self.root = root
        self.limit: int | None = None
        self.used_elsewhere = 0
        self.items: dict[str, I] = {}
        self._count = 0

    def files(self) -> list[I]:
        """Return the files that are not in the bin, in order of arrival."""
        return [each for each in self._present() if not each.is_folder]

    def folders(self) -> list[I]:
        """Return the folders that are not in the bin, in order of arrival."""
        return [each for each in self._present() if each.is_folder]

    def tree(self) -> list[tuple[str, int, str]]:
        """Return (path, bytes, MD5) of every file that is not in the bin, sorted; equal paths are all listed."""
        with self.guard:
            return sorted((self.path(each), each.size, each.md5) for each in self.files())

    def path(self, item: I) -> str:
        """Return an item's path below the top."""
        with self.guard:
            names = [item.name]
            while parent := self.items.get(item.parent):
                names.append(parent.name)
                item = parent
            return "/".join(reversed(names))

    def put(self, item: I) -> I:
        """Add an item."""
        with self.guard:
            self._count += 1
            item.order = self._count
            self.items[item.id] = item
            return item

    def trash(self, id: str, *, trashed: bool = True) -> None:  # noqa: A002 - the vendors' own word
        """Put an item into the bin, or take it out; what is in a folder goes with it."""
        self.change(id, trashed=trashed)

    def rename(self, id: str, name: str) -> None:  # noqa: A002
        """Give an item another name."""
        self.change(id, name=name)

    def move(self, id: str, parent: str) -> None:  # noqa: A002
        """Put an item into another folder."""
        self.change(id, parent=parent)

    def change(self, id: str, **values: Any) -> I:  # noqa: A002
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

    def below(self, id: str) -> list[I]:  # noqa: A002
        """Return what is right inside a folder."""
        with self.guard:
            return [each for each in self.items.values() if each.parent == id]

    def in_bin(self, item: I) -> bool:
        """Tell whether an item, or a folder above it, is in the bin."""
        with self.guard:
            above: I | None = item
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

    def _present(self) -> list[I]:
        with self.guard:
            return [each for each in self._ordered(self.items.values()) if not self.in_bin(each)]

    @staticmethod
    def _ordered(items: Iterable[I]) -> list[I]:
        return sorted(items, key=lambda each: each.order)
