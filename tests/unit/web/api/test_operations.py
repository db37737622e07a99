"""Probes: alive is a process whose threads move, ready is one that can begin archives."""

import threading
from concurrent.futures import ThreadPoolExecutor

import requests
from fastapi import FastAPI

from common.errors import Reason, Transient
from common.messages.topology import OtherTopology
from tests.fakes.web_site import Server
from web.api.operations import make_router
from web.http.readiness import FRESH_SECONDS, Readiness


def serve(server: Server, readiness: Readiness, *, alive: bool = True) -> str:
    """Put the routes behind a real server; return its address."""
    app = FastAPI()
    app.include_router(make_router(readiness, lambda: alive))
    server.app = app
    return server.url


def test_a_replica_whose_thread_stands_still_is_not_alive(server: Server) -> None:
    """Whatever the broker does is another question."""
    readiness = Readiness(lambda: None)
    assert requests.get(serve(server, readiness) + "/healthz", timeout=10).status_code == 200
    told = requests.get(serve(server, readiness, alive=False) + "/healthz", timeout=10)
    assert (told.status_code, told.json()["code"]) == (503, "not_alive")


def test_readiness_names_what_only_an_operator_can_mend(server: Server) -> None:
    """A queue that was declared otherwise; of an outage there is no more to say."""
    troubles: list[Transient | None] = [OtherTopology("the queue x differs"), Transient(Reason.TRY_LATER, "away"), None]

    def check() -> None:
        if trouble := troubles.pop(0):
            raise trouble

    clock = iter(range(0, 1000, 10))
    url = serve(server, Readiness(check, now=lambda: float(next(clock))))
    told = [requests.get(f"{url}/readyz", timeout=10) for _ in range(3)]
    assert [answer.status_code for answer in told] == [503, 503, 200]
    assert "the queue x differs" in told[0].json()["detail"]
    assert told[1].json()["detail"] == "The broker cannot be reached."


class Probe:
    """A broker that counts how often it is asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.well = True

    def __call__(self) -> None:
        """Answer, or not."""
        self.asked += 1
        if not self.well:
            raise Transient(Reason.TRY_LATER)


def test_readiness_is_asked_for_now_and_then() -> None:
    """Many probes are one question, until its answer is old."""
    clock, probe = [0.0], Probe()
    readiness = Readiness(probe, now=lambda: clock[0])
    assert [readiness.is_ready() for _ in range(5)] == [True] * 5
    assert probe.asked == 1
    probe.well = False
    assert readiness.is_ready()
    clock[0] = FRESH_SECONDS
    assert not readiness.is_ready()
    assert probe.asked == 2


def test_readiness_is_not_waited_for_twice() -> None:
    """While a broker is slow to answer, others get the answer before: at first, not ready."""
    asking, go_on = threading.Event(), threading.Event()

    def slow() -> None:
        asking.set()
        go_on.wait(30)

    readiness = Readiness(slow)
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(readiness.is_ready)
        asking.wait(30)
        assert not readiness.is_ready()
        go_on.set()
        assert first.result(30)
