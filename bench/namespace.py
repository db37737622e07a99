"""Linux namespace in which real host names resolve to the stand-ins."""

import fcntl
import os
import shutil
import socket
import struct
import subprocess
import sys
from pathlib import Path

from bench.world import DRIVE, GALLERY

_INSIDE = "BENCH_IN_NAMESPACE"
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 0x1


def enter() -> bool:
    """Start this very command anew in a mount and a network namespace; say whether we are in one now."""
    if os.environ.get(_INSIDE):
        return True
    command = _unshare()
    if command is not None:
        anew = [*command, sys.executable, "-m", "bench", *sys.argv[1:]]
        os.execvpe(command[0], anew, {**os.environ, _INSIDE: "1"})
    return False


def _unshare() -> list[str] | None:
    if not shutil.which("unshare"):
        return None
    as_root = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    command = ["unshare", "--mount", "--net", *as_root]
    allowed = subprocess.run([*command, "true"], capture_output=True, check=False).returncode == 0
    return command if allowed else None


def furnish(folder: Path) -> None:
    """Give the namespace its loopback device and its hosts file.

    Args:
        folder: where the file is kept.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sh14x", b"lo", 0)
        _, flags = struct.unpack("16sh14x", fcntl.ioctl(any_socket, _SIOCGIFFLAGS, request))
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | _IFF_UP))
    hosts = folder / "hosts"
    lines = ["127.0.0.1 localhost", *(f"{address} {name}" for name, address in (GALLERY, DRIVE))]
    hosts.write_text("\n".join(lines) + "\n")
    subprocess.run(["mount", "--bind", str(hosts), "/etc/hosts"], check=True)
