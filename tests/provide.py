"""`python -m tests.provide`: install what tests would else install where nobody sees it, inside of pytest.

scripts/test runs it before tests that need a broker or a browser. What is there already is passed over in silence.
"""

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from sandbox.run.installation import InstallationFailed, run_shown
from sandbox.run.rabbitmq import BrokerError, find_server, install_server
from tests.e2e.browser import provide_chromium

ROOT = Path(__file__).resolve().parents[1]


def provide_promtool() -> None:
    """Let scripts/promtool fetch Prometheus' tool, if it is not there."""
    if not (shutil.which("promtool") or (ROOT / ".venv/promtool").exists()):
        run_shown("fetching promtool (once)", [ROOT / "scripts/promtool", "--version"])


def provide_broker() -> None:
    """Install RabbitMQ, unless one is given or there."""
    if not (os.environ.get("RABBITMQ_URL") or find_server()):
        install_server()


def main() -> None:
    """Provide all; what cannot be had is told, and the tests that need it fail by themselves."""
    steps: tuple[Callable[[], object], ...] = (provide_promtool, provide_broker, provide_chromium)
    for provide in steps:
        try:
            provide()
        except (BrokerError, InstallationFailed, RuntimeError, OSError) as error:
            sys.stderr.write(f"{provide.__name__}: {error}\n")


if __name__ == "__main__":
    main()
