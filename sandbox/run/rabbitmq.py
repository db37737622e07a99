"""Find RabbitMQ on this machine or install it, without starting the system's service."""

import os
import shutil
import subprocess
from pathlib import Path

from sandbox.run.installation import InstallationFailed, run_shown

# Debian's own path: /usr/sbin/rabbitmq-server is a wrapper that only runs the system's node as the system's user.
_SERVER = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")

# Packages start their services when installed, unless this file forbids it:
# https://people.debian.org/~hmh/invokerc.d-policyrc.d-specification.txt
_INSTALL = """
set -e
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    trap 'exit 130' INT TERM HUP
    printf '#!/bin/sh\\nexit 101\\n' > "$policy"
    chmod 755 "$policy"
fi
export DEBIAN_FRONTEND=noninteractive
apt-get -o DPkg::Lock::Timeout=300 update
apt-get -o DPkg::Lock::Timeout=300 install --yes --no-install-recommends rabbitmq-server
"""


class BrokerError(Exception):
    """RabbitMQ could not be installed or did not start; the message holds the end of its log."""


def find_server() -> Path | None:
    """Return the script that runs a node; None if RabbitMQ is not installed."""
    if _SERVER.exists():
        return _SERVER
    # Other systems and RabbitMQ's own archives have no wrapper: what is in PATH is the script itself.
    found = shutil.which("rabbitmq-server")
    return Path(found) if found else None


def install_server() -> Path:
    """Install RabbitMQ with the system's package manager, without starting the system's service.

    Raises:
        BrokerError: if this is not a Debian, we are neither root nor have sudo, or apt-get fails.
    """
    if not shutil.which("apt-get"):
        raise BrokerError(
            "There is no rabbitmq-server and no apt-get to install it with: install it, or set RABBITMQ_URL."
        )
    as_root = [] if os.geteuid() == 0 else ["sudo"]
    if as_root and not shutil.which("sudo"):
        raise BrokerError("rabbitmq-server is missing and can't be installed without root or sudo: set RABBITMQ_URL.")
    if as_root:
        # A password is asked for now, not behind a line that moves.
        subprocess.run(["sudo", "--validate"], check=False)
    try:
        run_shown("installing rabbitmq-server with apt-get (once; about 110 MB)", [*as_root, "/bin/sh", "-c", _INSTALL])
    except InstallationFailed as error:
        raise BrokerError(f"apt-get could not install rabbitmq-server:\n{str(error)[-3000:]}") from None
    server = find_server()
    if not server:
        raise BrokerError("apt-get installed rabbitmq-server, and it is nowhere to be found")
    return server
