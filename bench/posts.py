"""Throughput of `POST /cloud_archive` in one process, compared with an empty route under the same server."""

import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from statistics import median

from bench.measure import python
from common.crypto.sealing import make_key
from sandbox.run.broker import Broker

CONNECTIONS = 8
ASKED = {
    "redirect_success_link": "https://app.litegallery.io/saved/",
    "redirect_fail_link": "https://app.litegallery.io/not-saved/",
    "archive_url": "https://arch-d.lite.gallery/g/api/stream/858329/f9d24b1dfb81a1bfa215cc008f46f3d3?mod=web",
    "gallery_name": "Название галереи",
    "archive_type": "originals",
    "cloud_type": "google_drive",
}


def compare(seconds: float, runs: int) -> str:
    """Return the requests a second of ours and of an empty route, medians of short turns, since machines change pace.

    Args:
        seconds: for each run, which is so many turns of a second at the most.
        runs: of each.
    """
    turn = min(seconds, 1.0)
    with Broker() as broker, _serve("web", broker.url) as ours, _serve("bench.empty_route", broker.url) as empty:
        for port in (ours, empty):
            _load(port, turn)
        turns = [(_load(ours, turn), _load(empty, turn)) for _ in range(round(runs * seconds / turn))]
    rates = [median(measured) for measured in zip(*turns, strict=True)]
    ratio = median(answered / idle for answered, idle in turns)
    return (
        f"POST /cloud_archive: {rates[0]:.0f} requests/s on one process; an empty FastAPI route: {rates[1]:.0f}; "
        f"ratio {ratio:.2f}"
    )


@contextmanager
def _serve(module: str, broker_url: str) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    environment = {
        "RABBITMQ_URL": broker_url,
        "SECRET_KEYS": make_key(),
        "PUBLIC_BASE_URL": "https://app.litegallery.io",
        "GOOGLE_CLIENT_ID": "client",
        "GOOGLE_CLIENT_SECRET": "secret",
        "RATE_LIMIT_PER_MINUTE": "0",
        "WEB_HOST": "127.0.0.1",
        "WEB_PORT": str(port),
    }
    process = subprocess.Popen(
        python(module), env={**os.environ, **environment}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        _await(port)
        yield port
    finally:
        process.kill()
        process.wait()


def _await(port: int) -> None:
    for _ in range(600):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            time.sleep(0.05)
        else:
            return
    raise TimeoutError("the service does not come up")


def _load(port: int, seconds: float) -> float:
    """Return the answers a second over kept connections."""
    until = time.monotonic() + seconds
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        answers = sum(pool.map(lambda _: _ask_until(port, until), range(CONNECTIONS)))
    return answers / seconds


def _ask_until(port: int, until: float) -> int:
    body = json.dumps(ASKED).encode()
    head = "POST /cloud_archive HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    request = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
    answers = 0
    with socket.create_connection(("127.0.0.1", port)) as line:
        while time.monotonic() < until:
            line.sendall(request)
            _read_answer(line)
            answers += 1
    return answers


def _read_answer(line: socket.socket) -> None:
    got = b""
    while (end := got.find(b"\r\n\r\n")) < 0:
        got += _receive(line)
    assert got.startswith(b"HTTP/1.1 200"), got
    length = int(got[:end].lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    while len(got) < end + 4 + length:
        got += _receive(line)


def _receive(line: socket.socket) -> bytes:
    data = line.recv(64 * 1024)
    if not data:
        raise ConnectionError("the service hung up")
    return data
