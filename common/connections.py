"""How outgoing connections are made: to public addresses only, and with limits of time. Knows no HTTP request.

A name is resolved once for each connection, every address it has is checked, and one of those very addresses is
connected to: between check and use nobody can change what the name means. `Host`, SNI and the certificate's name stay
the name's.
"""

import socket
from collections.abc import Mapping, Sequence
from typing import Any

import urllib3
from urllib3.exceptions import LocationParseError
from urllib3.util.connection import allowed_gai_family

from common.addresses import is_public

# One block of a body must leave within this time. Without it a stuck receiver would hold a thread for ever.
SEND_SECONDS = 60.0

SocketOptions = Sequence[tuple[int, int, int | bytes]]


class NotPublic(Exception):
    """A name has an address that is not public. Not an OSError: urllib3 and requests would wrap it as a broken line."""


def connect_publicly(host: str, port: int, timeout: float | None, options: SocketOptions) -> socket.socket:
    """Return a socket that is connected to one of a host's addresses.

    Args:
        host: name or address.
        port: of it.
        timeout: seconds for each address.
        options: set before connecting.

    Raises:
        NotPublic: any of the addresses is not public.
        OSError: there is none, or none answers.
    """
    failure: OSError | None = None
    for family, kind, protocol, address in _resolve(host, port):
        try:
            return _connect(socket.socket(family, kind, protocol), address, timeout, options)
        except OSError as error:
            failure = error
    raise failure or OSError("a name without addresses")


def _resolve(host: str, port: int) -> list[tuple[int, int, int, Any]]:
    try:
        found = socket.getaddrinfo(host.strip("[]"), port, allowed_gai_family(), socket.SOCK_STREAM)
    except UnicodeError:
        raise LocationParseError("label empty or too long") from None
    # A name with a public and another address is somebody's trial which of them we take.
    if not all(is_public(str(address[0])) for *_, address in found):
        raise NotPublic
    return [(family, kind, protocol, address) for family, kind, protocol, _, address in found]


def _connect(fresh: socket.socket, address: Any, timeout: float | None, options: SocketOptions) -> socket.socket:
    try:
        for option in options:
            fresh.setsockopt(*option)
        fresh.settimeout(timeout)
        fresh.connect(address)
    except BaseException:
        fresh.close()
        raise
    return fresh


class _SendTimeout:
    """Gives a connection the time a block may take to leave, which is not the time it may take to connect."""

    sock: socket.socket | None
    timeout: float | None

    def _new_conn(self) -> socket.socket:
        connected: socket.socket = super()._new_conn()  # type: ignore[misc]
        connected.settimeout(SEND_SECONDS)
        return connected

    def request(self, *args: Any, **options: Any) -> None:
        # A connection that stands already (a kept one, and every TLS one) would be set back to the time to connect.
        if self.sock is not None:
            self.timeout = SEND_SECONDS
        super().request(*args, **options)  # type: ignore[misc]


class _Public:
    """Connects to public addresses only."""

    def _new_conn(self: Any) -> socket.socket:
        return connect_publicly(self._dns_host, self.port, self.timeout, self.socket_options or ())


class _HttpConnection(_SendTimeout, urllib3.connection.HTTPConnection):
    pass


class _HttpsConnection(_SendTimeout, urllib3.connection.HTTPSConnection):
    pass


class _PublicHttpConnection(_SendTimeout, _Public, urllib3.connection.HTTPConnection):
    pass


class _PublicHttpsConnection(_SendTimeout, _Public, urllib3.connection.HTTPSConnection):
    pass


class _HttpPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _HttpConnection


class _HttpsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _HttpsConnection


class _PublicHttpPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _PublicHttpConnection


class _PublicHttpsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _PublicHttpsConnection


PoolClasses = Mapping[str, type[urllib3.HTTPConnectionPool]]


def pool_classes(*, local: bool) -> PoolClasses:
    """Return the pools of a `urllib3.PoolManager` by their scheme.

    Args:
        local: connect to any address, not only to public ones.
    """
    if local:
        return {"http": _HttpPool, "https": _HttpsPool}
    return {"http": _PublicHttpPool, "https": _PublicHttpsPool}
