"""Debian's Chromium: found, or installed when it is missing, and how it is started."""

import os
import shutil
from pathlib import Path

from sandbox.run.installation import InstallationFailed, run_shown

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
        as_root = [] if os.geteuid() == 0 else ["sudo"]
        try:
            run_shown("installing chromium with apt-get (once; about 400 MB)", [*as_root, "/bin/sh", "-c", _INSTALL])
        except InstallationFailed as error:
            raise RuntimeError(f"chromium could not be installed:\n{str(error)[-2000:]}") from None
        found = shutil.which("chromium")
        if not found:
            raise RuntimeError("apt-get installed chromium, and it is nowhere to be found")
    return Path(found)
