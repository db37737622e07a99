"""scripts/tunnel, with a stand-in of the agent and of the agent's API."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from common.clouds import CLOUDS
from sandbox.run.program import find_port

ROOT = Path(__file__).resolve().parents[3]
TUNNELS = {
    "tunnels": [
        {"public_url": "https://other.ngrok.app", "config": {"addr": "http://localhost:3000"}},
        {"public_url": "http://ours.ngrok.app", "config": {"addr": "http://web:8000"}},
        {"public_url": "https://ours.ngrok.app", "config": {"addr": "http://web:8000"}},
    ]
}


@contextmanager
def agent_api(answer: object, status: int = 200) -> Iterator[str]:
    """What an agent answers at /api/tunnels, and where."""

    class Exchange(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/api/tunnels" else 404)
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        def log_message(self, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Exchange) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def open_tunnel(dotenv: Path, api: str, path: Path | None = None, *more: str) -> "subprocess.CompletedProcess[str]":
    """Run the script; only programs of one folder are found."""
    return subprocess.run(
        [sys.executable, str(ROOT / "scripts/tunnel"), "--api", api, "--env-file", str(dotenv), *more],
        env={"PATH": str(path or "/nonexistent")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_address_is_found_and_told(tmp_path: Path) -> None:
    """The https tunnel to web is taken, and the exact URIs are printed."""
    dotenv = tmp_path / ".env"
    dotenv.write_text("# mine\nSECRET_KEYS=keep-me\nPUBLIC_BASE_URL=https://old.example\nLAST=1\n")
    with agent_api(TUNNELS) as api:
        ran = open_tunnel(dotenv, api)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert dotenv.read_text() == "# mine\nSECRET_KEYS=keep-me\nPUBLIC_BASE_URL=https://ours.ngrok.app\nLAST=1\n"
    assert sorted(line.strip() for line in ran.stdout.splitlines() if line.startswith("  ")) == sorted(
        f"https://ours.ngrok.app/cloud_archive/callback/{cloud.name}" for cloud in CLOUDS
    )


def test_settings_are_made_from_the_example(tmp_path: Path) -> None:
    """Who has no .env gets one, which nobody else can read."""
    dotenv = tmp_path / ".env"
    with agent_api(TUNNELS) as api:
        assert open_tunnel(dotenv, api).returncode == 0
    example = (ROOT / ".env.example").read_text()
    expected = example.replace("\nPUBLIC_BASE_URL=\n", "\nPUBLIC_BASE_URL=https://ours.ngrok.app\n")
    assert expected == dotenv.read_text()
    assert expected != example
    assert oct(dotenv.stat().st_mode)[-3:] == "600"
    assert [path.name for path in tmp_path.iterdir()] == [".env"]


@pytest.mark.parametrize(
    ("answer", "status", "told"),
    [
        ({"tunnels": []}, 200, "no https tunnel to port 8000"),
        ({"tunnels": TUNNELS["tunnels"][:1]}, 200, "localhost:3000"),
        ({"tunnels": TUNNELS["tunnels"][:2]}, 200, "no https tunnel"),
        (["something else"], 200, "no ngrok agent"),
        ({}, 404, "no ngrok agent (404)"),
    ],
)
def test_another_agent_is_an_error(tmp_path: Path, answer: object, status: int, told: str) -> None:
    """What is there is said, and nothing is written."""
    with agent_api(answer, status) as api:
        ran = open_tunnel(tmp_path / ".env", api)
    assert ran.returncode == 1
    assert told in ran.stderr
    assert list(tmp_path.iterdir()) == []


def test_no_agent_and_none_to_start(tmp_path: Path) -> None:
    """The two ways to get one are told."""
    ran = open_tunnel(tmp_path / ".env", f"http://127.0.0.1:{find_port()}")
    assert ran.returncode == 1
    assert "--profile tunnel" in ran.stderr
    assert "https://ngrok.com/download" in ran.stderr


def write_agent(folder: Path, program: str) -> Path:
    """Put a program called ngrok into a folder."""
    folder.mkdir()
    agent = folder / "ngrok"
    agent.write_text(f"#!{sys.executable}\n{program}")
    agent.chmod(0o700)
    return folder


def test_an_agent_without_a_token_says_so(tmp_path: Path) -> None:
    """Its own words are long; ours name what to do."""
    words = "ERROR: authentication failed: Usage of ngrok requires a verified account and authtoken."
    agent = f"raise SystemExit({words!r})"
    ran = open_tunnel(tmp_path / ".env", f"http://127.0.0.1:{find_port()}", write_agent(tmp_path / "bin", agent))
    assert ran.returncode == 1
    assert "ngrok config add-authtoken" in ran.stderr


def test_an_agent_is_started(tmp_path: Path) -> None:
    """It is given web's port and the account's domain, its address is read, and the script stays as long as it does."""
    port = find_port()
    agent = f"""
import http.server, json, sys
assert sys.argv[1:5] == ["http", "8000", "--url", "https://ours.ngrok.app"], sys.argv
class Exchange(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({TUNNELS!r}).encode())
server = http.server.HTTPServer(("127.0.0.1", {port}), Exchange)
server.handle_request()
"""
    dotenv = tmp_path / ".env"
    ran = open_tunnel(
        dotenv, f"http://127.0.0.1:{port}", write_agent(tmp_path / "bin", agent), "--domain", "ours.ngrok.app"
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "PUBLIC_BASE_URL=https://ours.ngrok.app\n" in dotenv.read_text()
    assert "until Ctrl-C" in ran.stdout


def test_it_can_be_run_as_it_is() -> None:
    """Like the other scripts."""
    assert os.access(ROOT / "scripts/tunnel", os.X_OK)
