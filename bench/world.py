"""Start the stand-ins as processes, under the host names and certificate that programs expect."""

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import trustme

from bench.conditions import Conditions
from bench.config import RunConfig
from bench.stand_in import Endpoint

# Loopback addresses that a namespace's own hosts file gives the names to.
GALLERY, DRIVE = ("app.litegallery.io", "127.0.0.2"), ("www.googleapis.com", "127.0.0.3")
# The one that Google and Go's programs agree on; Python alone would take AES-256, which costs more.
_OPENSSL_CONF = """\
openssl_conf = all
[all]
ssl_conf = tls
[tls]
system_default = default
[default]
Ciphersuites = TLS_AES_128_GCM_SHA256
"""


class Authority:
    """A private authority, and one certificate for both stand-ins.

    Args:
        folder: where their files are kept.
    """

    def __init__(self, folder: Path) -> None:
        authority = trustme.CA()
        self.bundle = str(folder / "ca.pem")
        self.certificate = str(folder / "servers.pem")
        self.openssl_conf = str(folder / "openssl.cnf")
        authority.cert_pem.write_to_path(self.bundle)
        authority.issue_cert("localhost", GALLERY[0], DRIVE[0]).private_key_and_cert_chain_pem.write_to_path(
            self.certificate
        )
        Path(self.openssl_conf).write_text(_OPENSSL_CONF)


class World:
    """A gallery and a Drive for one run of one program.

    Args:
        authority: their certificate.
        conditions: of both.
        named: whether names lead to the stand-ins (in a namespace), or only localhost does.
    """

    def __init__(self, authority: Authority, conditions: Conditions, *, named: bool) -> None:
        self._authority = authority
        self._conditions = conditions
        self._named = named

    def __enter__(self) -> Self:
        self._gallery = _StandIn("bench.gallery", self._authority, self._conditions, GALLERY, named=self._named)
        self._drive = _StandIn("bench.drive", self._authority, self._conditions, DRIVE, named=self._named)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._gallery.kill()
        self._drive.kill()

    def config(self, threads: int) -> RunConfig:
        """Return what a program is told."""
        photos = self._conditions.photos
        return RunConfig(self._gallery.url, self._drive.url, self._authority.bundle, photos, threads)

    def close(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """End both and return their counters: the gallery's, Drive's."""
        return self._gallery.finish(), self._drive.finish()


class _StandIn:
    def __init__(
        self, module: str, authority: Authority, conditions: Conditions, name: tuple[str, str], *, named: bool
    ) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OPENSSL_CONF": authority.openssl_conf},
        )
        host, port = (name[1], 443) if named else ("127.0.0.1", 0)
        told = {"place": asdict(Endpoint(host, port, authority.certificate)), "conditions": asdict(conditions)}
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(told) + "\n")
        self._process.stdin.flush()
        port = int(self._process.stdout.readline())
        self.url = f"https://{name[0]}" if named else f"https://localhost:{port}"

    def finish(self) -> dict[str, Any]:
        """Let it print its counters and end."""
        output, _ = self._process.communicate("\n", timeout=60)
        counters: dict[str, Any] = json.loads(output)
        return counters

    def kill(self) -> None:
        """End it, unless it has ended."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate()


def make_folder() -> tempfile.TemporaryDirectory[str]:
    """Return a folder for what a benchmark needs on disk."""
    return tempfile.TemporaryDirectory(prefix="bench-")
