"""Many callbacks at once at a slow token endpoint: no other request waits for them."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
import requests

from common.errors import Reason, Transient
from common.messages.job_id import make_job_id
from common.messages.topology import LEDGER_KEY
from sandbox.faults.plan import Fault
from sandbox.world import World
from tests.fakes.guest import SUCCESS, agree
from tests.fakes.web_site import OpenSite, Site
from web.api import cancel
from web.consent import completion
from web.http import readiness

SLOW = 0.5
AS_BROWSER = {"Accept": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8", "Accept-Language": "ru"}


@contextmanager
def guests_back(site: Site, addresses: list[str], world: World) -> Iterator[list[requests.Response]]:
    """Let guests come back while the block runs, at a token endpoint that takes its time; their answers after it."""
    for _ in addresses:
        world.faults.add(Fault(on="token", does="stall", seconds=SLOW))
    answers: list[requests.Response] = []
    with ThreadPoolExecutor(len(addresses)) as browsers:
        coming = [browsers.submit(site.come_back, address, headers=AS_BROWSER) for address in addresses]
        while not world.faults.fired:
            time.sleep(0.01)
        yield answers
        answers += [each.result() for each in coming]


def look_around(site: Site, clock: list[float]) -> list[int]:
    """Ask for all that waits for nobody; return the statuses."""
    job = f"/cloud_archive/jobs/{make_job_id(site.settings.sealer, clock[0])}"
    paths = ["/healthz", "/readyz", "/metrics", "/openapi.json", "/docs", job, f"{job}/events"]
    page = site.send("GET", job, headers=AS_BROWSER)
    assert "html" in page.headers["Content-Type"]
    return [page.status_code, *(site.send("GET", path, stream="events" in path).status_code for path in paths)]


def test_one_state_many_times_is_one_exchange(site_in_world: Site, world: World, clock: list[float]) -> None:
    """Sixty callbacks with one state: one thread, one exchange, one job; everything else answers meanwhile."""
    with guests_back(site_in_world, [agree(site_in_world, world)] * 60, world) as answers:
        began = time.monotonic()
        assert set(look_around(site_in_world, clock)) == {200}
        assert len(world.faults.fired) == 1
        assert time.monotonic() - began < 10
    assert {answer.headers["Location"] for answer in answers} == {SUCCESS}
    assert (world.accounts.exchanges, len(site_in_world.broker.published)) == (1, 1)


def test_guests_beyond_all_bounds_are_put_off(
    open_site: OpenSite, worldly: dict[str, str], world: World, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With two threads and three who wait: the others get a page that comes again, and their states still count."""
    monkeypatch.setattr(completion, "MAX_THREADS", 2)
    monkeypatch.setattr(completion, "MAX_QUEUED", 3)
    site = open_site(worldly)
    addresses = [agree(site, world) for _ in range(12)]
    with guests_back(site, addresses, world) as answers:
        time.sleep(0.2)
        assert set(look_around(site, clock)) == {200}
    put_off = [answer for answer in answers if answer.status_code == 503]
    assert {answer.headers["Location"] for answer in answers if answer not in put_off} == {SUCCESS}
    # All but two and three, if all were back before the first was served.
    assert 0 < len(put_off) <= 7
    assert 5 <= int(put_off[0].headers["Retry-After"]) <= 15
    assert put_off[0].headers["Refresh"] == put_off[0].headers["Retry-After"]
    assert (put_off[0].headers["Content-Language"], "html" in put_off[0].headers["Content-Type"]) == ("ru", True)
    assert len(site.broker.published) == 12 - len(put_off)
    again = [site.come_back(address) for address in addresses]
    assert {answer.headers["Location"] for answer in again} == {SUCCESS}
    assert len(site.broker.published) == 12


def test_programs_that_are_put_off_read_a_problem(
    open_site: OpenSite, worldly: dict[str, str], world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same, for who does not ask for HTML."""
    monkeypatch.setattr(completion, "MAX_THREADS", 1)
    monkeypatch.setattr(completion, "MAX_QUEUED", 0)
    site = open_site(worldly)
    first, second = agree(site, world), agree(site, world)
    with guests_back(site, [first], world):
        answer = site.come_back(second)
    assert (answer.status_code, answer.json()["code"]) == (503, "too_many_guests")
    assert 5 <= int(answer.headers["Retry-After"]) <= 15


def test_cancels_hold_up_only_cancels(
    open_site: OpenSite, worldly: dict[str, str], world: World, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A broker that answers late: guests who are back are served, and cancels beyond a bound are put off."""
    monkeypatch.setattr(cancel, "MAX_THREADS", 1)
    monkeypatch.setattr(cancel, "MAX_QUEUED", 1)
    site = open_site(worldly)
    address = agree(site, world)
    publish = site.broker.publish

    def publish_late(exchange: str, routing_key: str, body: bytes, **options: str) -> None:
        if routing_key == LEDGER_KEY:
            time.sleep(SLOW)
            raise Transient(Reason.TRY_LATER)
        publish(exchange, routing_key, body, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(site.broker, "publish", publish_late)
    path = f"/cloud_archive/jobs/{make_job_id(site.settings.sealer, clock[0])}/cancel"
    with ThreadPoolExecutor(8) as browsers:
        cancels = [browsers.submit(site.send, "POST", path) for _ in range(8)]
        assert site.come_back(address).headers["Location"] == SUCCESS
        assert set(look_around(site, clock)) == {200}
        assert {each.result().status_code for each in cancels} == {503}


def test_a_broker_that_readiness_waits_for_holds_up_nobody(
    open_site: OpenSite, worldly: dict[str, str], world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While it is asked, other probes get the answer before, and guests are served."""
    monkeypatch.setattr(readiness, "FRESH_SECONDS", 0.0)
    site, asked, go_on = open_site(worldly), threading.Event(), threading.Event()
    address = agree(site, world)
    assert site.send("GET", "/readyz").status_code == 200

    def answer_late() -> None:
        asked.set()
        go_on.wait(30)

    with ThreadPoolExecutor(1) as probe, monkeypatch.context() as patch:
        patch.setattr(site.broker, "check", answer_late)
        asking = probe.submit(site.send, "GET", "/readyz")
        assert asked.wait(30)
        patch.setattr(site.broker, "check", lambda: None)
        assert [site.send("GET", path).status_code for path in ("/readyz", "/healthz", "/readyz")] == [200] * 3
        assert site.come_back(address).headers["Location"] == SUCCESS
        assert not asking.done()
        go_on.set()
        assert asking.result().status_code == 200
