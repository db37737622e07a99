"""uvicorn's HTTP/1.1 protocol with a deadline for every wait for a client, and a limit of connections.

Of these, uvicorn 0.54 has as settings only the idle time after an answer (`timeout_keep_alive`), the size of a head
(`h11_max_incomplete_event_size`, used) and a 503 beyond so many connections (`limit_concurrency`), idle ones included,
so that a flood of them shuts out honest clients. It waits without end for a first request, for the rest of a head or
body, and for a client that reads no answer. Only methods that asyncio and uvicorn's own cycle call are overridden.
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

# The largest request head: a callback with a state of 6 kB and a code, or a page's with its cookies; nginx takes 8 kB
# for one line. Also the memory that half a head may take.
MAX_HEAD_BYTES = 16 * 1024
# From the connection, or from the answer before, to the last byte of a head; then again to the last byte of a body,
# which is no longer than a head (`web.http.middleware.MAX_BODY_BYTES`): 1.6 kB/s, less than any phone's line today.
HEAD_SECONDS = BODY_SECONDS = 10.0
# How long a client may leave more than 64 KiB of an answer unread: asyncio's high-water mark.
UNREAD_SECONDS = 30.0
# 300 guests who wait for their cloud, 500 event streams, and over 2,000 that are idle or slow, which are closed first.
# An idle one takes 6 kB, a guest who waits 45 kB (`bench/burst.py`).
MAX_CONNECTIONS = 3000
# Files that are open besides: the broker's, the clouds', the log.
OTHER_FILES = 200

_WAITS_FOR = {h11.IDLE: "head", h11.SEND_BODY: "body"}


class ConnectionLimit:
    """Bound the number of open connections. For one event loop.

    Args:
        max_connections: lowered to what the process may open as files.
    """

    def __init__(self, max_connections: int = MAX_CONNECTIONS) -> None:
        self._max = max(1, min(max_connections, _count_files() - OTHER_FILES))
        self._open = 0
        # Connections without a request under way, the longest waiting first.
        self._waiting: dict[TimedProtocol, None] = {}

    def add(self) -> bool:
        """Count a new connection and return whether it may stay; the longest waiting one is closed to make room."""
        self._open += 1
        if self._open > self._max and self._waiting:
            next(iter(self._waiting)).abort()
            return True
        return self._open <= self._max

    def remove(self) -> None:
        """Count a closed connection."""
        self._open -= 1

    def mark(self, connection: "TimedProtocol", *, waiting: bool) -> None:
        """Mark whether a connection waits for (the rest of) a request."""
        self._waiting.pop(connection, None)
        if waiting:
            self._waiting[connection] = None


class TimedProtocol(H11Protocol):
    """One connection, closed when its client is too slow. For one event loop.

    Args:
        limit: counts it.
        options: of uvicorn's protocol.
    """

    def __init__(self, limit: ConnectionLimit, **options: Any) -> None:
        super().__init__(**options)
        self._limit = limit
        self._waits_for = ""
        self._deadline: asyncio.TimerHandle | None = None
        self._unread_deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the first deadline, or close the connection if there are too many."""
        super().connection_made(transport)
        if self._limit.add():
            self._update_deadline()
        else:
            logger.warning("too many connections: one is not taken")
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel the deadlines."""
        self._limit.remove()
        self._set_deadline("")
        self.resume_writing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on; bytes that drip do not extend the deadline."""
        super().data_received(data)
        self._update_deadline()

    def on_response_complete(self) -> None:
        """Start the deadline of the next request, if the connection is kept."""
        super().on_response_complete()
        self._update_deadline()

    def pause_writing(self) -> None:
        """Start the deadline for the client to read."""
        super().pause_writing()
        self._unread_deadline = self.loop.call_later(UNREAD_SECONDS, self.abort)

    def resume_writing(self) -> None:
        """Cancel that deadline."""
        super().resume_writing()
        if self._unread_deadline:
            self._unread_deadline.cancel()
            self._unread_deadline = None

    def abort(self) -> None:
        """Close at once; the application sees a client that disconnected."""
        logger.debug("a client kept us waiting", extra={"waits_for": self._waits_for or "reader"})
        self._set_deadline("")
        self.transport.abort()

    def _update_deadline(self) -> None:
        waits_for = "" if self.transport.is_closing() else _WAITS_FOR.get(self.conn.their_state, "")
        if waits_for != self._waits_for:
            self._set_deadline(waits_for)

    def _set_deadline(self, waits_for: str) -> None:
        self._waits_for = waits_for
        if self._deadline:
            self._deadline.cancel()
            self._deadline = None
        if waits_for:
            self._deadline = self.loop.call_later(HEAD_SECONDS if waits_for == "head" else BODY_SECONDS, self.abort)
        self._limit.mark(self, waiting=bool(waits_for))


def make_protocol(limit: ConnectionLimit) -> type[asyncio.Protocol]:
    """Return the `http` setting of uvicorn: called for every connection."""
    return cast(type[asyncio.Protocol], partial(TimedProtocol, limit))


def raise_file_limit() -> None:
    """Let this process open a file for each connection, as far as it may: the usual 1024 are too few."""
    soft, hard = (_count(limit) for limit in resource.getrlimit(resource.RLIMIT_NOFILE))
    if soft < MAX_CONNECTIONS + OTHER_FILES:
        _, unchanged = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, MAX_CONNECTIONS + OTHER_FILES), unchanged))


def _count_files() -> int:
    return _count(resource.getrlimit(resource.RLIMIT_NOFILE)[0])


def _count(limit: int) -> int:
    return sys.maxsize if limit == resource.RLIM_INFINITY else limit
