"""How outgoing connections are made: to public addresses only, and with limits of time. Knows no HTTP request.

A name is resolved once for each connection, every address it has is checked, and one of those very addresses is
connected to: between check and use nobody can change what the name means. `Host`, SNI and the certificate's name stay
the name's.
"""

import socket
from typing import Any

from common.addresses import is_public

# Keep idle connections alive through address translation, and notice a dead peer: probes after 30 s of silence.
_OPTIONS = (
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 30),
)


class NotPublic(Exception):
    """A name has an address that is not public. Not an OSError: the libraries would wrap it as a broken line."""


def connect(host: str, port: int, timeout: float | None, *, local: bool) -> socket.socket:
    """Return a socket that is connected to one of a host's addresses.

    Args:
        host: name or address.
        port: of it.
        timeout: seconds for each address.
        local: connect to any address, not only to public ones.

    Raises:
        NotPublic: any of the addresses is not public.
        OSError: there is none, or none answers.
    """
    failure: OSError | None = None
    for family, kind, protocol, address in _resolve(host, port, local=local):
        try:
            return _connect(socket.socket(family, kind, protocol), address, timeout)
        except OSError as error:
            failure = error
    raise failure or OSError("a name without addresses")


def _resolve(host: str, port: int, *, local: bool) -> list[tuple[int, int, int, Any]]:
    try:
        found = socket.getaddrinfo(host.strip("[]"), port, socket.AF_UNSPEC, socket.SOCK_STREAM)
    except UnicodeError:
        raise OSError("a part of the name is empty or too long") from None
    # A name with a public and another address is somebody's trial which of them we take.
    if not local and not all(is_public(str(address[0])) for *_, address in found):
        raise NotPublic
    return [(family, kind, protocol, address) for family, kind, protocol, _, address in found]


def _connect(fresh: socket.socket, address: Any, timeout: float | None) -> socket.socket:
    try:
        for option in _OPTIONS:
            fresh.setsockopt(*option)
        fresh.settimeout(timeout)
        fresh.connect(address)
    except BaseException:
        fresh.close()
        raise
    return fresh
