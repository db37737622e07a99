"""The worker's probes: alive is who still moves, ready is who takes work, and neither asks anybody else."""

import signal
import socket
import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
import requests

from common.config.settings import WorkerSettings
from common.crypto.sealing import make_key
from sandbox.run.program import find_port
from worker import __main__ as worker
from worker import health
from worker.app import create_consumer
from worker.health import serve_health
from worker.queue.consumer import Consumer
from worker.queue.reporter import Reporter
from worker.transfer.stop import Signals

STATES = {"alive": True, "ready": True}
TROUBLE = "the queue x was declared otherwise before"


@pytest.fixture
def probes() -> Iterator[tuple[str, dict[str, bool]]]:
    """Probes of a process whose states can be set."""
    port, states = find_port(), dict(STATES)
    server = serve_health(
        port, is_alive=lambda: states["alive"], is_ready=lambda: states["ready"], trouble=lambda: TROUBLE
    )
    yield f"http://127.0.0.1:{port}", states
    server.shutdown()
    server.server_close()


def test_probes_follow_what_they_stand_for(probes: tuple[str, dict[str, bool]]) -> None:
    """A worker that takes no work is not restarted; one that does not move is."""
    url, states = probes
    seen = []
    for alive, ready in ((True, True), (True, False), (False, False)):
        states.update(alive=alive, ready=ready)
        seen.append(tuple(requests.get(f"{url}/{name}", timeout=10).status_code for name in ("healthz", "readyz")))
    assert seen == [(200, 200), (200, 503), (503, 503)]
    assert requests.get(f"{url}/elsewhere", timeout=10).status_code == 404
    assert "cloud_archive_" in requests.get(f"{url}/metrics?x", timeout=10).text


def test_who_is_not_ready_says_why(probes: tuple[str, dict[str, bool]]) -> None:
    """As far as it knows; who is ready has nothing to say."""
    url, states = probes
    assert requests.get(f"{url}/readyz", timeout=10).text == "ok\n"
    states.update(ready=False, alive=False)
    assert requests.get(f"{url}/readyz", timeout=10).text == f"no: {TROUBLE}\n"
    assert requests.get(f"{url}/healthz", timeout=10).text == "no\n"


def test_who_only_holds_a_connection_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would keep a thread for ever."""
    monkeypatch.setattr(health, "REQUEST_TIMEOUT", 0.05)
    server = serve_health(0, is_alive=lambda: True, is_ready=lambda: True)
    try:
        with socket.create_connection(("127.0.0.1", server.server_address[1]), timeout=10) as idle:
            idle.sendall(b"GET /heal")
            assert idle.recv(1) == b""
    finally:
        server.shutdown()
        server.server_close()


def test_a_worker_is_alive_as_long_as_all_its_threads_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a broker too; not when the one that reports has ended."""
    environ = {"RABBITMQ_URL": "amqp://127.0.0.1:1/", "SECRET_KEYS": make_key()}
    ended = threading.Event()

    def report(_reporter: Reporter) -> None:
        ended.wait(10)
        raise SystemExit

    monkeypatch.setattr(Reporter, "_report", report)
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    _, is_alive, _ = create_consumer(WorkerSettings.read(environ, {}), Signals())
    assert is_alive()
    ended.set()
    deadline = time.monotonic() + 10
    while is_alive() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not is_alive()


def test_a_worker_that_ends_tells_what_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """What became of the last jobs: the process ends by itself only when it was told, or after a while."""
    environ = {"RABBITMQ_URL": "amqp://127.0.0.1:1/", "SECRET_KEYS": make_key()}
    close = Reporter.close
    order: list[str] = []
    monkeypatch.setattr(Consumer, "run", lambda _: order.append("took"))
    monkeypatch.setattr(Reporter, "close", lambda reporter, _: (order.append("told"), close(reporter, 10)))
    monkeypatch.setattr(
        worker, "serve_health", lambda *_, **__: SimpleNamespace(shutdown=lambda: order.append("ended"))
    )
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    worker.run(WorkerSettings.read(environ, {}))
    assert order == ["took", "told", "ended"]
