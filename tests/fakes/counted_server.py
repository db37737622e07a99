"""A server with chosen replies that counts connections and requests."""

import socket
import ssl
from collections.abc import Callable
from typing import Any

from sandbox.http.message import Reply, Request, text_reply
from sandbox.http.server import Server


class CountedServer(Server):
    """A server whose replies the test chooses.

    Args:
        tls: for one that speaks it.

    Attributes:
        accepted: connections so far.
        seen: requests so far; their bodies are read when they are answered, unless the reply is an early one.
        reply: answers a request.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.accepted = 0
        self.seen: list[Request] = []
        self.reply: Callable[[Request], Reply] = lambda _: text_reply("hello")
        super().__init__(self._answer, "127.0.0.1", tls=tls)

    def get_request(self) -> tuple[socket.socket, Any]:
        """Count a connection."""
        connection = super().get_request()
        self.accepted += 1
        return connection

    def _answer(self, request: Request) -> Reply:
        self.seen.append(request)
        reply = self.reply(request)
        if not reply.early:
            request.content()
        return reply
