"""Deadlines: how long a wait for a socket may last, and who may end it sooner."""

import http.client
import io
import math
import socket
import time
from collections.abc import Callable
from typing import Any, Protocol

# Whoever waits looks up so often to see whether the work has ended meanwhile: two looks a second cost nothing, and no
# other thread needs to lay hands on a socket that is in use.
POLL_SECONDS = 0.5
# Bytes that move more slowly than so many a second, for so many seconds, are as good as stuck: a socket's timeout
# never ends what drips. A receiver may think longer than a sender.
MIN_BYTES_PER_SECOND, RECEIVE_WINDOW, SEND_WINDOW = 4 * 1024, 30.0, 60.0
# TLS says nothing of how much it sent before it sent all it was given; so it is given little.
PIECE = 256 * 1024
# All headers of an answer and of those before it (1xx), or all trailers of a body. Browsers take 256 KiB.
MAX_HEADER_BYTES = 128 * 1024
# Bytes that may come for one byte of a body: a chunk of a single byte has six.
_CHUNKED_BYTE = 8


class Cancellation(Protocol):
    """What may end the work before its time. Asked on many threads."""

    def check(self) -> None:
        """Raise what ends the work, once it is to end."""
        ...


class TimedOut(OSError):
    """It does not come, or it drips."""


def never_cancelled() -> None:
    """Let the work go on: nothing ends it but its deadlines."""


class Deadline:
    """A moment after which nothing is waited for. Used by one thread.

    Args:
        seconds: from now.
        check: called before each wait; raises what ends the work.
    """

    def __init__(self, seconds: float, check: Callable[[], None] = never_cancelled) -> None:
        self._ends = time.monotonic() + seconds
        self._seconds = seconds
        self.check = check

    @property
    def left(self) -> float:
        """Seconds that are left; none or less when it has passed."""
        return self._ends - time.monotonic()

    def look(self) -> float:
        """Return how many seconds to wait before looking here again.

        Raises:
            TimedOut: none are left.
        """
        self.check()
        left = self.left
        if left <= 0:
            raise TimedOut(f"nothing in {self._seconds:g} seconds")
        return min(left, POLL_SECONDS)


class _MinimumSpeed:
    """Notices what moves too slowly. Only time spent waiting counts: who is waited for meanwhile is not to blame.

    Args:
        window: seconds over which the speed is taken.
    """

    def __init__(self, window: float) -> None:
        self._window = window
        self._waited = 0.0
        self._counted = 0

    def note(self, count: int, seconds: float) -> None:
        """Learn of bytes, and of the time they took; raises TimedOut."""
        self._waited += seconds
        self._counted += count
        if self._waited < self._window:
            return
        if self._counted < MIN_BYTES_PER_SECOND * self._waited:
            raise TimedOut(f"only {self._counted} bytes in {self._waited:.0f} seconds")
        self._waited, self._counted = 0.0, 0


class TimedSocket:
    """A connected socket as `http.client` uses one: it sends all of something, is read as a file, and is closed.

    Every wait ends: by a deadline, by a floor of speed, or because the work ends, which is looked for twice a second.
    Used by one thread at a time.

    Args:
        sock: by TLS or not; the handshake is over.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._check: Callable[[], None] = never_cancelled
        self._outflow = self._inflow = _MinimumSpeed(SEND_WINDOW)
        self._until = math.inf
        self._allowed = 0
        self._is_head = True
        self._look = 0.0

    def begin(self, check: Callable[[], None]) -> None:
        """Begin a request: its bytes leave at the floor's speed, or TimedOut is raised.

        Args:
            check: called before each wait, until the next request begins; raises what ends the work.
        """
        self._check = check
        self._outflow = _MinimumSpeed(SEND_WINDOW)
        if self._look != POLL_SECONDS:
            self._look = POLL_SECONDS
            self._sock.settimeout(self._look)

    def expect_headers(self, seconds: float) -> None:
        """Demand the answer's headers, with whatever comes before them, in so many seconds, and no more than fit."""
        self._until = time.monotonic() + seconds
        self._allowed = MAX_HEADER_BYTES
        self._is_head = True

    def expect_body(self, most: int, *, until: float | None = None) -> None:
        """Allow so many more bytes of the body, at the floor's speed.

        Args:
            most: of what is left when everything around it is taken away.
            until: by when, on the monotonic clock; None leaves it at what was said before.
        """
        self._allowed = MAX_HEADER_BYTES + _CHUNKED_BYTE * most
        if until is not None:
            self._until = until
        if self._is_head:
            self._inflow = _MinimumSpeed(RECEIVE_WINDOW)
            self._is_head = False

    def sendall(self, data: bytes | memoryview) -> None:
        """Send all of it."""
        rest = memoryview(data).cast("B")
        while rest:
            count = self._move(self._sock.send, rest[:PIECE], math.inf, self._outflow)
            rest = rest[count:]

    def receive(self, room: memoryview) -> int:
        """Receive what there is, at most what there is room for; nothing at the end."""
        count = self._move(self._sock.recv_into, room, self._until, None if self._is_head else self._inflow)
        self._allowed -= count
        if self._allowed < 0:
            raise http.client.HTTPException("headers, chunks or trailers without end")
        return count

    def makefile(self, _mode: str) -> io.BufferedReader:
        """Return what comes in, as a file; it keeps the socket open."""
        return io.BufferedReader(_SocketReader(self, self._sock.makefile("rb", buffering=0)))

    def fileno(self) -> int:
        """Return the socket's descriptor."""
        return self._sock.fileno()

    def close(self) -> None:
        """Close the socket, as soon as no file of it is open."""
        self._sock.close()

    def _move(self, act: Callable[[Any], int], block: memoryview, until: float, floor: _MinimumSpeed | None) -> int:
        """Send or receive, in waits so short that the end of the work is noticed between them."""
        began = time.monotonic()
        while True:
            self._check()
            if until - began < self._look:
                self._hurry(until - began)
            moved = -1
            try:
                moved = act(block)
            except TimeoutError as error:
                # It may be tried again, by TLS as well; unless this is the connection's own end, not our wait's.
                if error.errno is not None:
                    raise
            ended = time.monotonic()
            if floor:
                floor.note(max(moved, 0), ended - began)
            if moved >= 0:
                return moved
            began = ended

    def _hurry(self, left: float) -> None:
        """Wait no longer than what is left, from now on."""
        if left <= 0:
            raise TimedOut("no end of the answer in its time")
        self._look = left
        self._sock.settimeout(left)


class _SocketReader(io.RawIOBase):
    """What comes in.

    Args:
        wire: by which.
        source: the socket's file, which keeps it open.
    """

    def __init__(self, wire: TimedSocket, source: io.RawIOBase) -> None:
        self._wire = wire
        self._source = source

    def readable(self) -> bool:
        return True

    def readinto(self, block: Any) -> int:
        """Fill a large block, which TLS gives in pieces of 16 KiB; of a small one as much as there is."""
        room = memoryview(block)
        is_large = len(room) > io.DEFAULT_BUFFER_SIZE
        count = got = self._wire.receive(room)
        while is_large and got and count < len(room):
            got = self._wire.receive(room[count:])
            count += got
        return count

    def close(self) -> None:
        self._source.close()
        super().close()
