"""What an orchestrator is told: alive is whose threads move, ready is who can begin archives, and why not."""

import requests
from fastapi import FastAPI

from common.errors import Reason, Transient
from common.messages.topology import OtherTopology
from tests.fakes.web_site import Server
from web.api.operations import Readiness, make_router


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
