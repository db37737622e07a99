"""What runs a stand-in in a process of its own, and how it is told what to be."""

import json
import os
import ssl
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from bench.photos import Photos
from bench.wire import Reply, Request, Server


@dataclass(frozen=True)
class Conditions:
    """What a stand-in is to be.

    Args:
        host: address it listens on.
        port: of it; 0: any.
        certificate: path of its certificate and key.
        photos: what is copied; summed.
        latency: seconds for each request.
        rate: of the gallery's line, bytes a second; 0: no limit.
        creates: a second that Drive bears; 0: no limit.
        mishaps: share of the requests that fail.
        check: whether Drive compares what arrives with the photos.
    """

    host: str
    port: int
    certificate: str
    photos: Photos
    latency: float = 0.0
    rate: float = 0.0
    creates: float = 0.0
    mishaps: float = 0.0
    check: bool = False


class StandIn(Protocol):
    """The gallery, or Drive."""

    def answer(self, request: Request) -> Reply:
        """Return the answer to a request whose body it has read; may raise Gone."""
        ...

    def read_counters(self) -> dict[str, int]:
        """Return what happened."""
        ...


def run(make: Callable[[Conditions], StandIn]) -> None:
    """Be a stand-in until standard input has another line, then print its counters."""
    # Whoever holds Python's lock gives it up at its next read or write anyway. Thousands of threads (rclone's `copyurl`
    # opens a connection for each address and keeps it) that ask for it every 5 ms would use up the machine.
    sys.setswitchinterval(1.0)
    told = json.loads(sys.stdin.readline())
    conditions = Conditions(**{**told, "photos": Photos(**told["photos"])})
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(conditions.certificate)
    stand_in = make(conditions)
    server = Server((conditions.host, conditions.port), context, stand_in.answer, conditions.latency)
    threading.Thread(target=server.serve, daemon=True).start()
    print(server.port, flush=True)
    sys.stdin.readline()
    used = os.times()
    counted = {"requests": server.requests, "connections": server.connections, "cpu": used.user + used.system}
    print(json.dumps({**counted, **stand_in.read_counters()}), flush=True)
    # Its threads may still listen to whoever keeps a connection.
    os._exit(0)
