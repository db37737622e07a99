"""A line that can be cut: a TCP proxy between programs and a server on loopback.

Knows nothing of what passes, unless somebody watches: then it reads what passes as AMQP.
"""

import contextlib
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from types import TracebackType

from sandbox.run.frames import Frames, Moment, Part, Talk

# Is told of a moment, and whether it has passed; says whether the line is to end there. Called by many threads.
Watch = Callable[[Moment, bool], bool]

_PIECE = 64 * 1024
_CONNECT_SECONDS = 5


@dataclass(eq=False)
class _Line:
    """One connection through the proxy."""

    client: socket.socket
    server: socket.socket
    stranded: bool = False
    mute: bool = False
    talk: Talk = field(default_factory=Talk)

    def end(self) -> None:
        """Let both sides know that it is over; of a stranded line only the server's side ends."""
        for side in (self.server,) if self.stranded else (self.server, self.client):
            with contextlib.suppress(OSError):
                side.shutdown(socket.SHUT_RDWR)


class Proxy:
    """Passes connections on to a port, as long as the `with` block and nobody disturbs them. Thread-safe.

    Args:
        port: of the server, on 127.0.0.1; whoever connects while it is away is hung up on. Of several each connection
            gets one that is there, by chance.
        watch: is asked right before and right after each publish, confirm, delivery and acknowledgement. While it
            thinks, that direction of that line stands still; where it says so, the line ends, and what came behind is
            lost, as it is when a program is killed at that moment.

    Attributes:
        port: where it listens, on 127.0.0.1.
        delay: seconds that each piece of data is held up in each direction.
        mute_after: a line whose client has sent these bytes hears nothing any more; they still arrive. Empty: none.
    """

    def __init__(self, port: int | Sequence[int], watch: Watch | None = None) -> None:
        self.watch = watch
        self._targets = [port] if isinstance(port, int) else list(port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.delay = 0.0
        self.mute_after = b""
        self._flows = threading.Event()
        self._flows.set()
        self._guard = threading.Lock()
        self._lines: set[_Line] = set()
        self._open = True
        self._accepting = threading.Thread(target=self._accept, name="proxy", daemon=True)

    def __enter__(self) -> "Proxy":
        self._accepting.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open = False
        self._listener.shutdown(socket.SHUT_RDWR)  # ends the accept, which closing would not
        self._accepting.join()
        self._listener.close()
        self.release()
        self.cut()

    def cut(self) -> int:
        """End every line, stranded ones too; return how many there were."""
        lines = self._present()
        for line in lines:
            line.stranded = False
            line.end()
        return len(lines)

    def strand(self) -> int:
        """End every line for the server only; to the client it stays open and silent, as after a lost network."""
        lines = self._present()
        for line in lines:
            line.stranded = True
            line.end()
        return len(lines)

    def hold(self) -> None:
        """Let nothing pass any more; nothing is lost."""
        self._flows.clear()

    def release(self) -> None:
        """Let everything pass again that was held."""
        self._flows.set()

    def _present(self) -> list[_Line]:
        with self._guard:
            return list(self._lines)

    def _accept(self) -> None:
        while self._open:
            with contextlib.suppress(OSError):
                client, _ = self._listener.accept()
                threading.Thread(target=self._carry, args=(client,), daemon=True).start()

    def _carry(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError), self._connect() as server:
            server.settimeout(None)
            line = _Line(client, server)
            with self._guard:
                self._lines.add(line)
            back = threading.Thread(target=self._pass, args=(line, server, client), daemon=True)
            back.start()
            self._pass(line, client, server)
            back.join()
            with self._guard:
                self._lines.discard(line)

    def _connect(self) -> socket.socket:
        for target in random.sample(self._targets, len(self._targets)):
            with contextlib.suppress(OSError):
                return socket.create_connection(("127.0.0.1", target), _CONNECT_SECONDS)
        raise ConnectionRefusedError("nobody is there")

    def _pass(self, line: _Line, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            for part in self._read(line, source):
                if part.begins and self.watch and self.watch(part.begins, False):
                    break
                target.sendall(part.data)
                if part.ends and self.watch and self.watch(part.ends, True):
                    break
        # What the client of a stranded line still says goes nowhere, until it hangs up or the line is cut.
        with contextlib.suppress(OSError):
            while line.stranded and source is line.client and source.recv(_PIECE):
                pass
        line.end()

    def _read(self, line: _Line, source: socket.socket) -> Iterator[Part]:
        frames = Frames(line.talk, from_client=source is line.client)
        while piece := source.recv(_PIECE):
            self._flows.wait()
            time.sleep(self.delay)
            line.mute = line.mute or bool(self.mute_after and source is line.client and self.mute_after in piece)
            if not (line.mute and source is line.server):
                yield from frames.feed(piece) if self.watch else (Part(piece),)
