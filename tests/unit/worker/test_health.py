"""The worker's probes: alive is who still moves, ready is who takes work, and neither asks anybody else."""

from collections.abc import Iterator

import pytest
import requests

from sandbox.program import find_port
from worker.health import serve_health

STATES = {"alive": True, "ready": True}


@pytest.fixture
def probes() -> Iterator[tuple[str, dict[str, bool]]]:
    """Probes of a process whose states can be set."""
    port, states = find_port(), dict(STATES)
    server = serve_health(port, is_alive=lambda: states["alive"], is_ready=lambda: states["ready"])
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
