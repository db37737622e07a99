"""Connecting sockets: to public addresses only (SSRF guard), with a deadline, and with TLS.

A name is resolved once for each connection, every address it has is checked, and one of those very addresses is
connected to: between check and use nobody can change what the name means. `Host`, SNI and the certificate's name stay
the name's.
"""

import contextlib
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
    """A name has an address that is not public. Not an OSError: that would be taken for a broken connection."""


def connect(
    host: str, port: int, seconds: float, *, policy: NetworkPolicy, check: Callable[[], None] = never_cancelled
) -> socket.socket:
    """Return a non-blocking socket that is connected to one of a host's addresses.

    Args:
        host: name or address.
        port: TCP port.
        seconds: for resolving the name and trying its addresses, which get equal shares of what is left.
        policy: whether its addresses may be private.
        check: called twice a second; raises when the work is cancelled.

    Raises:
        NotPublic: any of the addresses is not public, and the policy asks for public ones.
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


def start_tls(plain: socket.socket, tls: ssl.SSLContext, host: str, deadline: Deadline) -> ssl.SSLSocket:
    """Return a TLS socket over a connected one, after the handshake.

    Args:
        plain: closed when this fails.
        tls: which certificates are trusted.
        host: the name that the certificate must have.
        deadline: for the handshake.

    Raises:
        OSError: the handshake failed, or the certificate is not the host's.
    """
    secure = None
    try:
        secure = tls.wrap_socket(plain, server_hostname=host, do_handshake_on_connect=False)
        while True:
            secure.settimeout(deadline.next_wait())
            try:
                secure.do_handshake()
            except TimeoutError as error:
                if error.errno is not None:
                    raise
            else:
                return secure
    except BaseException:
        (secure or plain).close()
        clear_openssl_errors(tls)
        raise


def clear_openssl_errors(tls: ssl.SSLContext) -> None:
    """Empty the list in which OpenSSL keeps the errors of this thread; to be called when a TLS connection ends.

    Python leaves there why a connection broke, and takes it for the fate of the thread's next one, again and again:
    https://github.com/python/cpython/issues/148594. A handshake begins by emptying the list, even one without a peer.
    """
    with contextlib.suppress(ssl.SSLWantReadError):
        handshake = tls.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname="nobody.invalid")
        handshake.do_handshake()


def _resolve(host: str, port: int, deadline: Deadline, policy: NetworkPolicy) -> list[tuple[int, int, int, Any]]:
    try:
        found = _look_up(host.strip("[]"), port, deadline)
    except UnicodeError:
        raise OSError("a part of the name is empty or too long") from None
    # A name with a public and a private address is an attempt to find out which of them we take.
    if not policy.allow_private and not all(is_public(str(address[0])) for *_, address in found):
        raise NotPublic
    return [(family, kind, protocol, address) for family, kind, protocol, _, address in found]


def _look_up(host: str, port: int, deadline: Deadline) -> list[tuple[Any, Any, int, str, Any]]:
    """Resolve a name on a thread of its own: the resolver takes no deadline, and may take a minute to give up.

    A thread that is not waited for any more ends when the resolver does (resolv.conf(5): 5 s, twice, for each server).
    """
    answers: queue.SimpleQueue[list[tuple[Any, Any, int, str, Any]] | Exception] = queue.SimpleQueue()

    def resolve() -> None:
        try:
            answers.put(socket.getaddrinfo(host, port, socket.AF_UNSPEC, socket.SOCK_STREAM))
        except Exception as error:  # noqa: BLE001 - raised below, on the thread that waits
            answers.put(error)

    threading.Thread(target=resolve, name="resolver", daemon=True).start()
    while True:
        try:
            found = answers.get(timeout=deadline.next_wait())
        except queue.Empty:
            continue
        if isinstance(found, Exception):
            raise found
        return found


def _connect(sock: socket.socket, address: Any, deadline: Deadline) -> socket.socket:
    try:
        for option in _OPTIONS:
            sock.setsockopt(*option)
        sock.setblocking(False)
        try:
            sock.connect(address)
        except BlockingIOError:
            _await_connection(sock, deadline)
    except BaseException:
        sock.close()
        raise
    return sock


def _await_connection(sock: socket.socket, deadline: Deadline) -> None:
    poll = select.poll()
    poll.register(sock, select.POLLOUT)
    while not poll.poll(deadline.next_wait() * 1000):
        pass
    if failure := sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
        raise OSError(failure, os.strerror(failure))
