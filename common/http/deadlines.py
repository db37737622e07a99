"""Sockets with deadlines: no wait lasts without end, and each ends early when the work is cancelled.

A socket's own timeout bounds a single read, so a peer that drips one byte at a time would hold a thread for ever. Here
waits are bounded by a deadline or by a minimum speed, and are cut into short ones between which cancellation is seen.
"""

import http.client
import io
import math
import socket
import time
from collections.abc import Callable
from typing import Any, Protocol

# A wait checks so often whether the work was cancelled: two checks a second cost nothing, and no other thread needs to
# close a socket that is in use.
POLL_SECONDS = 0.5
# Fewer bytes a second than this, over a window of so many seconds of waiting, count as stuck. A receiver may think
# longer than a sender.
MIN_BYTES_PER_SECOND, RECEIVE_WINDOW, SEND_WINDOW = 4 * 1024, 30.0, 60.0
# Bytes given to TLS at once: before it has sent all of them it does not say how many it has sent.
SEND_BYTES = 256 * 1024
# All headers of an answer and of those before it (1xx), or all trailers of a body. Browsers take 256 KiB.
MAX_HEADER_BYTES = 128 * 1024
# Bytes that may come for one byte of a body: a chunk of a single byte has six.
_BYTES_PER_BODY_BYTE = 8


class Cancellation(Protocol):
    """What may cancel work before its time. Asked on many threads."""

    def check(self) -> None:
        """Raise an exception of its own when the work is cancelled."""
        ...


class TimedOut(OSError):
    """A deadline passed, or bytes moved more slowly than the minimum speed."""


def never_cancelled() -> None:
    """Check of work that nothing cancels."""


class Deadline:
    """A moment after which nothing is waited for. Used by one thread.

    Args:
        seconds: from now.
        check: called before each wait; raises when the work is cancelled.
    """

    def __init__(self, seconds: float, check: Callable[[], None] = never_cancelled) -> None:
        self._ends = time.monotonic() + seconds
        self._seconds = seconds
        self._check = check

    @property
    def left(self) -> float:
        """Seconds that are left; zero or less when it has passed."""
        return self._ends - time.monotonic()

    def next_wait(self) -> float:
        """Return how many seconds to wait before calling this again.

        Raises:
            TimedOut: it has passed.
        """
        self._check()
        left = self.left
        if left <= 0:
            raise TimedOut(f"nothing in {self._seconds:g} seconds")
        return min(left, POLL_SECONDS)


class _MinimumSpeed:
    """A bound for how slowly bytes may move. Only time spent waiting counts, not what the caller does meanwhile.

    Args:
        window: seconds of waiting over which the speed is taken.
    """

    def __init__(self, window: float) -> None:
        self._window = window
        self._waited = 0.0
        self._count = 0

    def add(self, count: int, seconds: float) -> None:
        """Count bytes and the seconds they were waited for; raises TimedOut when they are too few."""
        self._waited += seconds
        self._count += count
        if self._waited < self._window:
            return
        if self._count < MIN_BYTES_PER_SECOND * self._waited:
            raise TimedOut(f"only {self._count} bytes in {self._waited:.0f} seconds")
        self._waited, self._count = 0.0, 0


class TimedSocket:
    """A connected socket, with as much of its interface as `http.client` uses. Used by one thread at a time.

    Headers have a deadline and a bound of bytes; bodies, both ways, have a minimum speed, and incoming ones a deadline
    and a bound as well. All of it may raise TimedOut.

    Args:
        sock: plain, or secure after its handshake.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._check: Callable[[], None] = never_cancelled
        self._send_speed = self._receive_speed = _MinimumSpeed(SEND_WINDOW)
        self._deadline = math.inf
        self._bytes_left = 0
        self._is_head = True
        self._timeout = 0.0

    def begin_request(self, check: Callable[[], None]) -> None:
        """Prepare for sending a request.

        Args:
            check: called before each wait, until the next request begins; raises when the work is cancelled.
        """
        self._check = check
        self._send_speed = _MinimumSpeed(SEND_WINDOW)
        if self._timeout != POLL_SECONDS:
            self._timeout = POLL_SECONDS
            self._sock.settimeout(self._timeout)

    def expect_headers(self, seconds: float) -> None:
        """Bound the answer's headers, and whatever comes before them, to so many seconds from now."""
        self._deadline = time.monotonic() + seconds
        self._bytes_left = MAX_HEADER_BYTES
        self._is_head = True

    def expect_body(self, max_bytes: int, *, deadline: float | None = None) -> None:
        """Allow some more of the body.

        Args:
            max_bytes: of the body itself, without the framing of chunks and trailers.
            deadline: on the monotonic clock; None leaves it as it is.
        """
        self._bytes_left = MAX_HEADER_BYTES + _BYTES_PER_BODY_BYTE * max_bytes
        if deadline is not None:
            self._deadline = deadline
        if self._is_head:
            self._receive_speed = _MinimumSpeed(RECEIVE_WINDOW)
            self._is_head = False

    def sendall(self, data: bytes | memoryview) -> None:
        """Send all of the data."""
        rest = memoryview(data).cast("B")
        while rest:
            count = self._transfer(self._sock.send, rest[:SEND_BYTES], math.inf, self._send_speed)
            rest = rest[count:]

    def recv_into(self, buffer: memoryview) -> int:
        """Receive what there is, at most what fits; return its bytes, 0 at the end."""
        speed = None if self._is_head else self._receive_speed
        count = self._transfer(self._sock.recv_into, buffer, self._deadline, speed)
        self._bytes_left -= count
        if self._bytes_left < 0:
            raise http.client.HTTPException("headers, chunks or trailers without end")
        return count

    def makefile(self, _mode: str) -> io.BufferedReader:
        """Return what comes in as a file, which keeps the socket open."""
        return io.BufferedReader(_SocketReader(self, self._sock.makefile("rb", buffering=0)))

    def fileno(self) -> int:
        """Return the socket's descriptor."""
        return self._sock.fileno()

    def close(self) -> None:
        """Close the socket, as soon as no file of it is open."""
        self._sock.close()

    def _transfer(
        self, call: Callable[[Any], int], buffer: memoryview, deadline: float, speed: _MinimumSpeed | None
    ) -> int:
        """Call send or recv_into until it moves something, in waits short enough to see a cancellation between them."""
        began = time.monotonic()
        while True:
            self._check()
            if deadline - began < self._timeout:
                self._shorten_timeout(deadline - began)
            count = -1
            try:
                count = call(buffer)
            except TimeoutError as error:
                # Our own timeout has no errno, and TLS too may be called again after it; the connection's ETIMEDOUT
                # has one, and is its end.
                if error.errno is not None:
                    raise
            ended = time.monotonic()
            if speed:
                speed.add(max(count, 0), ended - began)
            if count >= 0:
                return count
            began = ended

    def _shorten_timeout(self, left: float) -> None:
        if left <= 0:
            raise TimedOut("no end of the answer in its time")
        self._timeout = left
        self._sock.settimeout(left)


class _SocketReader(io.RawIOBase):
    """The incoming bytes of a socket, as a raw file.

    Args:
        timed: the socket.
        file: the plain socket's own file, which keeps it open.
    """

    def __init__(self, timed: TimedSocket, file: io.RawIOBase) -> None:
        self._timed = timed
        self._file = file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a large buffer, since TLS gives pieces of 16 KiB; read into a small one what there is."""
        room = memoryview(buffer)
        is_large = len(room) > io.DEFAULT_BUFFER_SIZE
        count = received = self._timed.recv_into(room)
        while is_large and received and count < len(room):
            received = self._timed.recv_into(room[count:])
            count += received
        return count

    def close(self) -> None:
        self._file.close()
        super().close()
