"""Debian's Chromium: found, or installed when it is missing, and how it is started."""

import shutil
import subprocess
from pathlib import Path

# Without these it asks hosts of its maker for updates and accounts; a sandbox of its own needs rights that root in a
# container lacks. https://peter.sh/experiments/chromium-command-line-switches/
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
_INSTALL = """
set -e
export DEBIAN_FRONTEND=noninteractive
apt-get -o DPkg::Lock::Timeout=300 update
apt-get -o DPkg::Lock::Timeout=300 install --yes --no-install-recommends chromium
"""


def provide_chromium() -> Path:
    """Return where Chromium is, after installing it if need be.

    Raises:
        RuntimeError: it is missing and cannot be installed.
    """
    found = shutil.which("chromium")
    if not found:
        done = subprocess.run(["/bin/sh", "-c", _INSTALL], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        found = shutil.which("chromium")
        if not found:
            raise RuntimeError(f"chromium could not be installed:\n{done.stdout[-2000:]}")
    return Path(found)
