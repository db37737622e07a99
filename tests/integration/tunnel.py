"""A proxy on loopback that leads chosen host names to chosen ports."""

import contextlib
import socket
import socketserver
import threading
from typing import Any


class Tunnel(socketserver.ThreadingTCPServer):
    """A proxy that knows CONNECT, and only the hosts it is given."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, ports: dict[str, int]):
        self.ports = ports
        super().__init__(("127.0.0.1", 0), _Connection)
        self.port = self.server_address[1]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no error."""


class _Connection(socketserver.StreamRequestHandler):
    server: Tunnel

    def handle(self) -> None:
        host = self.rfile.readline().split()[1].decode().partition(":")[0]
        while self.rfile.readline().strip():
            pass
        port = self.server.ports.get(host)
        if port is None:
            self.wfile.write(b"HTTP/1.1 502 Not Here\r\nContent-Length: 0\r\n\r\n")
            return
        with socket.create_connection(("127.0.0.1", port)) as inner:
            self.wfile.write(b"HTTP/1.1 200 Connected\r\n\r\n")
            back = threading.Thread(target=_pass_on, args=(inner, self.connection), daemon=True)
            back.start()
            _pass_on(self.connection, inner)
            back.join()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while piece := source.recv(65536):
            target.sendall(piece)
    for end in (source, target):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
