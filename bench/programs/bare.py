"""Lower bound: raw requests over sockets, answers dropped, nothing hashed or checked.

What it reaches is what the stand-ins could give anybody; what it costs is TLS in Python, in and out, and nothing else.
"""

import json
import socket
import ssl
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

from bench.config import RunConfig, read_config
from bench.measure import reporting_usage
from bench.photos import ALBUM
from bench.wire import PIECE_BYTES


class Connection:
    """One kept connection.

    Args:
        url: where to.
        bundle: path of the authority to trust.
    """

    def __init__(self, url: str, bundle: str) -> None:
        parts = urlsplit(url)
        assert parts.hostname
        self._host = parts.netloc
        plain = socket.create_connection((parts.hostname, parts.port or 443))
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._line = ssl.create_default_context(cafile=bundle).wrap_socket(plain, server_hostname=parts.hostname)
        self._room = memoryview(bytearray(PIECE_BYTES))

    def ask(self, method: str, path: str, length: int = 0, body: Iterable[memoryview | bytes] = ()) -> bytes:
        """Send a request, drop the answer's body and return its head."""
        self._line.sendall(
            f"{method} {path} HTTP/1.1\r\nHost: {self._host}\r\nContent-Length: {length}\r\n\r\n".encode()
        )
        for piece in body:
            self._line.sendall(piece)
        return self._drop_answer()

    def _drop_answer(self) -> bytes:
        got = bytearray()
        while (end := got.find(b"\r\n\r\n")) < 0:
            got += self._line.recv(16 * 1024)
        head = bytes(got[:end])
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        left = length - (len(got) - end - len(b"\r\n\r\n"))
        while left:
            left -= self._line.recv_into(self._room[:left])
        return head


def _copy(config: RunConfig, first: int) -> None:
    """Take a thread's share of the photos, and give as many away; whether they are the same is no matter."""
    gallery, drive = Connection(config.gallery_url, config.bundle), Connection(config.drive_url, config.bundle)
    photos = config.photos
    for index in range(first, photos.count, config.threads):
        name = photos.name(index)
        gallery.ask("GET", f"/{ALBUM}/{name}")
        metadata = json.dumps({"name": name}).encode()
        opened = drive.ask("POST", "/upload/drive/v3/files?uploadType=resumable", len(metadata), [metadata])
        address = opened.decode().partition("Location: ")[2].partition("\r\n")[0]
        drive.ask("PUT", urlsplit(address).path, photos.size, photos.pieces(index, 0, PIECE_BYTES))


if __name__ == "__main__":
    told = read_config()
    with reporting_usage(), ThreadPoolExecutor(told.threads) as pool:
        list(pool.map(lambda first: _copy(told, first), range(told.threads)))
