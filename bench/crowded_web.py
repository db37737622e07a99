"""A `web` before which crowds gather: a process as in production, without a broker, and its token endpoint."""

import asyncio
import os
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from urllib.parse import quote

from bench.measure import python
from bench.posts import ASKED
from bench.probe import resident_mib
from common.clouds.oauth2 import make_verifier
from common.crypto.sealing import Sealer, Secret, make_key
from common.messages.job_id import make_job_id
from web.consent.oauth_state import OAuthState


class TokenEndpoint:
    """Token endpoint that rejects every request, but only once it is told to answer."""

    def __init__(self) -> None:
        self._gate = asyncio.Event()

    def answer_all(self) -> None:
        """Answer waiting and future requests."""
        self._gate.set()

    def keep_waiting(self) -> None:
        """Keep requests waiting."""
        self._gate.clear()

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[str]:
        """Serve; the block gets the address."""
        server = await asyncio.start_server(self._answer, "127.0.0.1", 0, backlog=1024)
        async with server:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/token"
            self.answer_all()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            await self._gate.wait()
            body = b'{"error": "invalid_grant"}'
            head = f"HTTP/1.1 400 No\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
            writer.write(f"{head}Connection: close\r\n\r\n".encode() + body)
            await writer.drain()
        writer.close()


@dataclass
class Web:
    """A running process of `web`."""

    port: int
    process: subprocess.Popen[bytes]
    sealer: Sealer

    def resident_mib(self) -> float:
        """Return its resident memory."""
        return resident_mib(self.process.pid)

    async def wait_until_up(self) -> None:
        """Return as soon as it answers."""
        for _ in range(600):
            with suppress(OSError):
                await self.send("GET", "/healthz")
                return
            await asyncio.sleep(0.05)
        raise TimeoutError("web does not come up")

    async def send(self, method: str, path: str, body: bytes = b"", guest: int = 0) -> tuple[int, bytes]:
        """Send a request over a connection of its own; return the status, 0 for none, and the body."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            # Each guest has an address of their own.
            forwarded = f"X-Forwarded-For: 100.{guest >> 16 & 255}.{guest >> 8 & 255}.{guest & 255}"
            kind = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close"
            writer.write(f"{method} {path} HTTP/1.1\r\nHost: us\r\n{forwarded}\r\n{kind}\r\n\r\n".encode() + body)
            head, _, told = (await reader.read(-1)).partition(b"\r\n\r\n")
        finally:
            writer.close()
        return int(head.split()[1]) if head else 0, told

    def issue(self, guests: int) -> list[str]:
        """Return states for so many guests, as the button would: there is no broker here, so it says "try later"."""
        links = (ASKED["redirect_success_link"], ASKED["redirect_fail_link"])
        now = int(time.time())
        return [
            OAuthState(
                make_job_id(self.sealer, now),
                now,
                make_verifier(),
                "originals",
                f"https://arch-d.lite.gallery/{guest}",
                ASKED["gallery_name"],
                *links,
            ).seal(self.sealer, "google_drive")
            for guest in range(guests)
        ]

    async def come_back(self, state: str, guest: int) -> int:
        """Let a guest come back from the consent page; return the status."""
        try:
            return (
                await self.send("GET", f"/cloud_archive/callback/google_drive?code=4&state={quote(state)}", b"", guest)
            )[0]
        except ConnectionError:
            return 0


@contextmanager
def serve(token_uri: str) -> Iterator[Web]:
    """Run `web` during the block.

    Args:
        token_uri: where its Google exchanges codes.
    """
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    key = make_key()
    environment = {
        "RABBITMQ_URL": "amqp://127.0.0.1:1/",
        "SECRET_KEYS": key,
        "PUBLIC_BASE_URL": "https://app.litegallery.io",
        "GOOGLE_CLIENT_ID": "client",
        "GOOGLE_CLIENT_SECRET": "secret",
        "GOOGLE_TOKEN_URI": token_uri,
        "ALLOW_LOCAL_NETWORK": "true",
        "LOG_LEVEL": "ERROR",
        "WEB_HOST": "127.0.0.1",
        "WEB_PORT": str(port),
    }
    process = subprocess.Popen(
        python("web"), env={**os.environ, **environment}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield Web(port, process, Sealer([Secret(key)]))
    finally:
        process.kill()
        process.wait()
