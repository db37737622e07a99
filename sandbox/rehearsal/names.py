"""Names below `localhost` found as browsers find them."""

import contextlib
import socket
from collections.abc import Iterator
from typing import Any


@contextlib.contextmanager
def localhost_names() -> Iterator[None]:
    """Lead every name below `localhost` to this machine, in this process, as long as the `with` block.

    Browsers do so by themselves, the C library only with the right module: https://www.rfc-editor.org/rfc/rfc6761#section-6.3
    """
    known = socket.getaddrinfo

    def find(host: Any, *arguments: Any, **options: Any) -> Any:
        is_ours = isinstance(host, str) and host.rstrip(".").endswith(".localhost")
        return known("127.0.0.1" if is_ours else host, *arguments, **options)

    socket.getaddrinfo = find  # type: ignore[assignment]
    try:
        yield
    finally:
        socket.getaddrinfo = known
