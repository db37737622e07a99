"""An authority of our own, so that https can be pretended too."""

import ssl
import tempfile
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType

import trustme

_NAMES = ("127.0.0.1", "localhost")


class Authority:
    """A private authority and one certificate for every server of a world.

    Args:
        names: Host names beyond loopback's that servers answer for.
    """

    def __init__(self, names: Iterable[str] = ()):
        self._authority = trustme.CA()
        self._folder = tempfile.TemporaryDirectory(prefix="sandbox-tls-")
        self.bundle = str(Path(self._folder.name) / "ca.pem")
        self._authority.cert_pem.write_to_path(self.bundle)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._authority.issue_cert(*_NAMES, *names).configure_cert(self.context)

    def __enter__(self) -> "Authority":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._folder.cleanup()
