"""HTTP/1.1 as uvicorn speaks it, with an end to every wait for a client, and a bound to how many there are.

uvicorn ends a connection that is idle after an answer; one that never sends a request, or never the rest of it, or
never reads an answer, it keeps. What is used of its class are the methods that asyncio and its own cycle call.
"""

import asyncio
import logging
import resource
import sys
from functools import partial
from typing import Any, cast

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

logger = logging.getLogger(__name__)

# The longest head that is taken: a callback with a state of 6 kB and a code, or a page's with its cookies; as nginx's
# own 8 kB for one line and some more. Also what a half-sent one may cost.
LONGEST_HEAD = 16 * 1024
# From the connection, or from the answer before, to the last byte of a head; then again to the last byte of a body,
# which is no longer than a head (`web.http.middleware.LONGEST_BODY`): 1.6 kB/s, less than any phone's line today.
HEAD_SECONDS = BODY_SECONDS = 10.0
# How long a client may leave more than 64 KiB of an answer unread, which is when asyncio tells us.
UNREAD_SECONDS = 30.0
# 300 guests who wait for their cloud, 500 streams, and 2,000 and more that are idle between two requests or slow, which
# are the first to go; those take 6 kB each, a guest who waits 45 (`bench/burst.py`).
MOST_OPEN = 3000
# Files that are open besides: the broker's, the clouds', the log.
OTHER_FILES = 200

_WAITS_FOR = {h11.IDLE: "head", h11.SEND_BODY: "body"}


class Doors:
    """Which connections are open. For one event loop.

    Args:
        most: so many may be; fewer, if the system lets this process open fewer files.
    """

    def __init__(self, most: int = MOST_OPEN) -> None:
        self._most = max(1, min(most, _count_files() - OTHER_FILES))
        self._open = 0
        # In the order in which they began to wait: the first has waited longest.
        self._waiting: dict[TimedProtocol, None] = {}

    def enter(self) -> bool:
        """Count a connection in, and say whether there is room: one that has no request under way makes it."""
        self._open += 1
        if self._open > self._most and self._waiting:
            next(iter(self._waiting)).give_up()
            return True
        return self._open <= self._most

    def leave(self) -> None:
        """Count a connection out."""
        self._open -= 1

    def note(self, connection: "TimedProtocol", *, waiting: bool) -> None:
        """Note that a connection waits for a request from now on, or does so no more."""
        self._waiting.pop(connection, None)
        if waiting:
            self._waiting[connection] = None


class TimedProtocol(H11Protocol):
    """One connection. For one event loop.

    Args:
        doors: what it is counted by.
        options: of uvicorn.
    """

    def __init__(self, doors: Doors, **options: Any) -> None:
        super().__init__(**options)
        self._doors = doors
        self._waits_for = ""
        self._deadline: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Let it in, or not."""
        super().connection_made(transport)
        if self._doors.enter():
            self._watch()
        else:
            logger.warning("too many connections: one is not taken")
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self._doors.leave()
        self._wait("")
        self.resume_writing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on; a byte now and then does not put off the deadline."""
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        """Wait for the next request, if there is to be one."""
        super().on_response_complete()
        self._watch()

    def pause_writing(self) -> None:
        """Wait for the client to read."""
        super().pause_writing()
        self._unread = self.loop.call_later(UNREAD_SECONDS, self.give_up)

    def resume_writing(self) -> None:
        """Write on."""
        super().resume_writing()
        if self._unread:
            self._unread.cancel()
            self._unread = None

    def give_up(self) -> None:
        """Close, whatever is under way: the application hears of it as of a client that left."""
        logger.debug("a client kept us waiting", extra={"waits_for": self._waits_for or "reader"})
        self._wait("")
        self.transport.abort()

    def _watch(self) -> None:
        waits_for = "" if self.transport.is_closing() else _WAITS_FOR.get(self.conn.their_state, "")
        if waits_for != self._waits_for:
            self._wait(waits_for)

    def _wait(self, waits_for: str) -> None:
        self._waits_for = waits_for
        if self._deadline:
            self._deadline.cancel()
            self._deadline = None
        if waits_for:
            self._deadline = self.loop.call_later(HEAD_SECONDS if waits_for == "head" else BODY_SECONDS, self.give_up)
        self._doors.note(self, waiting=bool(waits_for))


def make_protocol(doors: Doors) -> type[asyncio.Protocol]:
    """Return what uvicorn makes of every connection."""
    return cast(type[asyncio.Protocol], partial(TimedProtocol, doors))


def allow_more_files() -> None:
    """Let this process open as many files as it needs, if it may: the usual 1024 are fewer than our connections."""
    soft, hard = (_count(limit) for limit in resource.getrlimit(resource.RLIMIT_NOFILE))
    if soft < MOST_OPEN + OTHER_FILES:
        _, unchanged = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, MOST_OPEN + OTHER_FILES), unchanged))


def _count_files() -> int:
    return _count(resource.getrlimit(resource.RLIMIT_NOFILE)[0])


def _count(limit: int) -> int:
    return sys.maxsize if limit == resource.RLIM_INFINITY else limit
