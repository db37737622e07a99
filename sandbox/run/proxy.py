"""TCP proxy on loopback that can cut, pause, delay and half-close the connections it forwards.

With a `watch` callback it also parses the bytes as AMQP and can end a connection at a chosen event.
"""

import contextlib
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from types import TracebackType

from sandbox.run.frames import AmqpEvent, ConnectionState, FrameParser, Segment

# Called with an event and whether it has been forwarded; returns whether to end the connection. Called by many threads.
EventWatch = Callable[[AmqpEvent, bool], bool]

_PIECE = 64 * 1024
_CONNECT_SECONDS = 5


@dataclass(eq=False)
class _Connection:
    """One connection through the proxy."""

    client: socket.socket
    server: socket.socket
    half_open: bool = False
    mute: bool = False
    state: ConnectionState = field(default_factory=ConnectionState)

    def end(self) -> None:
        """Shut both sides down; of a half-open connection only the server's."""
        for side in (self.server,) if self.half_open else (self.server, self.client):
            with contextlib.suppress(OSError):
                side.shutdown(socket.SHUT_RDWR)


class Proxy:
    """Forwards connections to a port for as long as the `with` block lasts. Thread-safe.

    Args:
        port: of the server, on 127.0.0.1; while it is down, new connections are closed at once. Of several ports each
            connection gets a random one that accepts.
        watch: called right before and right after each publish, confirm, delivery and acknowledgement is forwarded.
            That direction is blocked meanwhile. If it returns true, the connection ends and the bytes behind are
            lost, as when a program is killed at that point.

    Attributes:
        port: where it listens, on 127.0.0.1.
        delay: seconds by which each piece of data is delayed, in each direction.
        mute_after: once a client has sent these bytes, the server's answers are dropped; the bytes themselves
            still arrive. Empty: never.
    """

    def __init__(self, port: int | Sequence[int], watch: EventWatch | None = None) -> None:
        self.watch = watch
        self._targets = [port] if isinstance(port, int) else list(port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.delay = 0.0
        self.mute_after = b""
        self._flowing = threading.Event()
        self._flowing.set()
        self._guard = threading.Lock()
        self._connections: set[_Connection] = set()
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
        self.resume()
        self.cut()

    def cut(self) -> int:
        """End every connection, half-open ones too; return how many there were."""
        connections = self._open_connections()
        for connection in connections:
            connection.half_open = False
            connection.end()
        return len(connections)

    def make_half_open(self) -> int:
        """End every connection for the server only; to the client it stays open and silent, as after a network loss."""
        connections = self._open_connections()
        for connection in connections:
            connection.half_open = True
            connection.end()
        return len(connections)

    def pause(self) -> None:
        """Stop forwarding; nothing is lost."""
        self._flowing.clear()

    def resume(self) -> None:
        """Forward again, what was held up first."""
        self._flowing.set()

    def _open_connections(self) -> list[_Connection]:
        with self._guard:
            return list(self._connections)

    def _accept(self) -> None:
        while self._open:
            with contextlib.suppress(OSError):
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError), self._connect() as server:
            server.settimeout(None)
            connection = _Connection(client, server)
            with self._guard:
                self._connections.add(connection)
            back = threading.Thread(target=self._forward, args=(connection, server, client), daemon=True)
            back.start()
            self._forward(connection, client, server)
            back.join()
            with self._guard:
                self._connections.discard(connection)

    def _connect(self) -> socket.socket:
        for target in random.sample(self._targets, len(self._targets)):
            with contextlib.suppress(OSError):
                return socket.create_connection(("127.0.0.1", target), _CONNECT_SECONDS)
        raise ConnectionRefusedError("nobody is there")

    def _forward(self, connection: _Connection, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            for segment in self._read(connection, source):
                if segment.starts_event and self.watch and self.watch(segment.starts_event, False):
                    break
                target.sendall(segment.data)
                if segment.completes_event and self.watch and self.watch(segment.completes_event, True):
                    break
        # What the client of a half-open connection still sends is dropped, until it closes or is cut.
        with contextlib.suppress(OSError):
            while connection.half_open and source is connection.client and source.recv(_PIECE):
                pass
        connection.end()

    def _read(self, connection: _Connection, source: socket.socket) -> Iterator[Segment]:
        frames = FrameParser(connection.state, from_client=source is connection.client)
        while piece := source.recv(_PIECE):
            self._flowing.wait()
            time.sleep(self.delay)
            connection.mute = connection.mute or bool(
                self.mute_after and source is connection.client and self.mute_after in piece
            )
            if not (connection.mute and source is connection.server):
                yield from frames.feed(piece) if self.watch else (Segment(piece),)
