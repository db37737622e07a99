"""Upload links: each takes one file, once, for half an hour."""

import secrets
import threading
import time
from dataclasses import dataclass

from sandbox.yandex.items import Account
from sandbox.yandex.operations import Operation
from sandbox.yandex.paths import Path


@dataclass
class Link:
    """Where the bytes of one file go.

    Attributes:
        id: Its secret.
        account: Whose Disk.
        path: What the file is to be.
        overwrite: Replace a file that is there.
        operation: What tells how far it is.
        expires: The moment of the monotonic clock until which it is good.
        is_slow: Bytes are taken slowly: the name was not neutral.
        state: open, busy or spent.
        arrived: Bytes of the request that sends them now.
    """

    id: str
    account: Account
    path: Path
    overwrite: bool
    operation: Operation
    expires: float
    is_slow: bool = False
    state: str = "open"
    arrived: int = 0

    def is_over(self) -> bool:
        """Tell whether its time is over."""
        return time.monotonic() >= self.expires


class Links:
    """All upload links. Thread-safe."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._all: dict[str, Link] = {}

    def open(self, account: Account, path: Path, operation: Operation, seconds: float, *, overwrite: bool) -> Link:
        """Return a new link that is good for so many seconds."""
        link = Link(secrets.token_urlsafe(48), account, path, overwrite, operation, time.monotonic() + seconds)
        with self._guard:
            self._all[link.id] = link
        return link

    def find(self, id: str) -> Link | None:  # noqa: A002
        """Return a link, good or not."""
        with self._guard:
            return self._all.get(id)

    def acquire(self, link: Link) -> bool:
        """Begin to use a link; return whether it was free and unused."""
        with self._guard:
            if link.state != "open":
                return False
            link.state = "busy"
            return True

    def release(self, link: Link, *, spent: bool) -> None:
        """End the use of a link."""
        with self._guard:
            link.state = "spent" if spent else "open"
            link.arrived = 0

    def bytes_arriving(self) -> int:
        """Return the bytes that have arrived of files that are not whole."""
        with self._guard:
            return sum(each.arrived for each in self._all.values())
