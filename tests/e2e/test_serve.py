"""`scripts/demo --serve`: everything stays up until somebody stops it."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import requests

from tests.integration.processes import processes_of

ROOT = Path(__file__).parents[2]


def test_demo_serves_a_gallery_until_it_is_stopped(rabbitmq_url: str, tmp_path: Path) -> None:
    """The printed address shows the gallery with its button; Ctrl-C leaves nothing behind."""
    command = [sys.executable, "-m", "sandbox.demo", "--serve", "--photos", "3", "--size", "40000"]
    environment = {"PATH": os.environ["PATH"], "TMPDIR": str(tmp_path), "RABBITMQ_URL": rabbitmq_url}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as demo:
        assert demo.stdout
        address = next(found[0] for line in demo.stdout if (found := re.search(r"http://\S+/", line)))
        with requests.Session() as browser:
            browser.trust_env = False
            page = browser.get(address, timeout=10)
        demo.send_signal(signal.SIGINT)
        assert demo.wait(30) == 128 + signal.SIGINT
    assert "Save to cloud" in page.text
    assert page.text.count("<img ") == 3
    assert processes_of(tmp_path) == {}
