"""What happens when the services are only imported."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WATCHED = """
import sys, os
def hear(event, told):
    wrote = event == "open" and isinstance(told[2], int) and told[2] & (os.O_WRONLY | os.O_RDWR)
    if wrote or event in ("socket.connect", "socket.bind", "socket.getaddrinfo", "subprocess.Popen"):
        raise AssertionError(f"{event} {told}")
sys.dont_write_bytecode = True
sys.addaudithook(hear)
import web.app, web.__main__, worker.app, worker.__main__
print("quiet")
"""


def test_an_import_reaches_for_nothing() -> None:
    """No socket, no file written, no program, and no setting needed."""
    done = subprocess.run(
        [sys.executable, "-c", WATCHED], cwd=ROOT, env={}, capture_output=True, text=True, check=False
    )
    assert done.stdout == "quiet\n", done.stderr
