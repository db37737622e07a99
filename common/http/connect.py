"""How outgoing connections are made: to public addresses only, and in bounded time. Knows no HTTP request.

A name is resolved once for each connection, every address it has is checked, and one of those very addresses is
connected to: between check and use nobody can change what the name means. `Host`, SNI and the certificate's name stay
the name's.
"""

import os
import queue
import select
import socket
import ssl
import threading
from collections.abc import Callable
from typing import Any

from common.http.deadlines import Deadline, never_cancelled
from common.http.network_policy import NetworkPolicy
from common.http.public_ip import is_public

# Keep idle connections alive through address translation, and notice a dead peer: probes after 30 s of silence.
_OPTIONS = (
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 30),
)


class NotPublic(Exception):
    """A name has an address that is not public. Not an OSError: the libraries would wrap it as a broken line."""


def connect(
    host: str, port: int, seconds: float, *, policy: NetworkPolicy, check: Callable[[], None] = never_cancelled
) -> socket.socket:
    """Return a socket that is connected to one of a host's addresses.

    Args:
        host: name or address.
        port: of it.
        seconds: for looking it up and for all of its addresses, which get equal shares of what is left.
        policy: whether addresses may be private.
        check: called twice a second; what it raises comes out as it is.

    Raises:
        NotPublic: any of the addresses is not public.
        OSError: there is none, or none answers.
    """
    deadline = Deadline(seconds, check)
    failure: OSError | None = None
    found = _resolve(host, port, deadline, policy)
    for number, (family, kind, protocol, address) in enumerate(found):
        share = Deadline(deadline.left / (len(found) - number), check)
        try:
            return _connect(socket.socket(family, kind, protocol), address, share)
        except OSError as error:
            failure = error
    raise failure or OSError("a name without addresses")


def start_tls(fresh: socket.socket, tls: ssl.SSLContext, name: str, deadline: Deadline) -> ssl.SSLSocket:
    """Return a connected socket made secure.

    Args:
        fresh: closed when this fails.
        tls: how.
        name: the host's, which its certificate must have.
        deadline: by when.

    Raises:
        OSError: there was no handshake, or it was not with them.
    """
    secure = None
    try:
        secure = tls.wrap_socket(fresh, server_hostname=name, do_handshake_on_connect=False)
        while True:
            secure.settimeout(deadline.look())
            try:
                secure.do_handshake()
            except TimeoutError as error:
                if error.errno is not None:
                    raise
            else:
                return secure
    except BaseException:
        (secure or fresh).close()
        raise


def _resolve(host: str, port: int, deadline: Deadline, policy: NetworkPolicy) -> list[tuple[int, int, int, Any]]:
    try:
        found = _look_up(host.strip("[]"), port, deadline)
    except UnicodeError:
        raise OSError("a part of the name is empty or too long") from None
    # A name with a public and another address is somebody's trial which of them we take.
    if not policy.allow_private and not all(is_public(str(address[0])) for *_, address in found):
        raise NotPublic
    return [(family, kind, protocol, address) for family, kind, protocol, _, address in found]


def _look_up(host: str, port: int, deadline: Deadline) -> list[tuple[Any, Any, int, str, Any]]:
    """Ask the resolver on a thread of its own: it cannot be told to hurry, and may take a minute to give up.

    A thread that nobody waits for any more ends when the resolver does (resolv.conf(5): 5 s, twice, for each server).
    """
    answers: queue.SimpleQueue[list[tuple[Any, Any, int, str, Any]] | Exception] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answers.put(socket.getaddrinfo(host, port, socket.AF_UNSPEC, socket.SOCK_STREAM))
        except Exception as error:  # noqa: BLE001 - raised below, where somebody waits for it
            answers.put(error)

    threading.Thread(target=ask, name="resolver", daemon=True).start()
    while True:
        try:
            found = answers.get(timeout=deadline.look())
        except queue.Empty:
            continue
        if isinstance(found, Exception):
            raise found
        return found


def _connect(fresh: socket.socket, address: Any, deadline: Deadline) -> socket.socket:
    try:
        for option in _OPTIONS:
            fresh.setsockopt(*option)
        fresh.setblocking(False)
        try:
            fresh.connect(address)
        except BlockingIOError:
            _await_connection(fresh, deadline)
    except BaseException:
        fresh.close()
        raise
    return fresh


def _await_connection(fresh: socket.socket, deadline: Deadline) -> None:
    watch = select.poll()
    watch.register(fresh, select.POLLOUT)
    while not watch.poll(deadline.look() * 1000):
        pass
    if failure := fresh.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
        raise OSError(failure, os.strerror(failure))
