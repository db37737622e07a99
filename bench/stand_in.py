"""Run a stand-in as a process of its own, configured through standard input."""

import json
import os
import ssl
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from bench.conditions import Conditions
from bench.photos import Photos
from bench.wire import Reply, Request, Server


@dataclass(frozen=True)
class Endpoint:
    """Where a stand-in listens.

    Args:
        host: address.
        port: of it; 0: any.
        certificate: path of certificate and key.
    """

    host: str
    port: int
    certificate: str


class StandIn(Protocol):
    """The gallery, or Drive."""

    def answer(self, request: Request) -> Reply:
        """Return the answer to a request whose body it has read; may raise Gone."""
        ...

    def read_counters(self) -> dict[str, int]:
        """Return what happened."""
        ...


def run(make: Callable[[Conditions], StandIn]) -> None:
    """Serve a stand-in until standard input has another line, then print its counters."""
    # Whoever holds Python's lock gives it up at its next read or write anyway. Thousands of threads (rclone's `copyurl`
    # opens a connection for each address and keeps it) that ask for it every 5 ms would use up the machine.
    sys.setswitchinterval(1.0)
    told = json.loads(sys.stdin.readline())
    place = Endpoint(**told["place"])
    conditions = Conditions(**{**told["conditions"], "photos": Photos(**told["conditions"]["photos"])})
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(place.certificate)
    stand_in = make(conditions)
    server = Server((place.host, place.port), context, stand_in.answer, conditions.latency)
    threading.Thread(target=server.serve, daemon=True).start()
    print(server.port, flush=True)
    sys.stdin.readline()
    used = os.times()
    counted = {"requests": server.requests, "connections": server.connections, "cpu": used.user + used.system}
    print(json.dumps({**counted, **stand_in.read_counters()}), flush=True)
    # Its threads may still listen to whoever keeps a connection.
    os._exit(0)
