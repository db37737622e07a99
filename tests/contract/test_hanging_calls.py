"""Whatever hangs in the middle of an archive: the slice ends, hears that it is to stop, and in the end all arrives."""

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from common.http import deadlines
from common.http.client import HttpClient
from sandbox.faults.plan import Fault
from sandbox.gallery.host import Archive
from sandbox.gallery.pictures import album
from tests.contract.stands import Stand
from tests.fakes.worker_harness import WorkerHarness
from worker.transfer import stop as stopping
from worker.transfer.stop import Cause, Signals

SOON = 8.0  # "within a second" on a machine that is busy, with what a slice does at its end
# What never ends by itself, at any call.
HANGS: dict[str, dict[str, Any]] = {
    "says nothing": {"does": "stall", "seconds": 600},
    "headers drip": {"does": "drip_headers", "seconds": 3},
    "100 without end": {"does": "interim", "status": 100, "seconds": 0.01},
    "103 without end": {"does": "interim", "status": 103, "seconds": 0.01},
    "103 as fast as can be": {"does": "interim", "status": 103, "seconds": 0},
    "body drips": {"does": "drip", "rate": 5},
}
CALLS = ["list", "photo", "lists", "adds_folder", "begins", "sends", "token"]


def operation(stand: Stand, call: str) -> str:
    """Return what a call is named in this cloud's world."""
    if call == "token":
        return stand.pretend.operations.token
    return call if call in ("list", "photo", "done") else str(getattr(stand, call))


def add_gallery(stand: Stand) -> Archive:
    """Put up a gallery whose photos are larger than what a dripping body brings in time."""
    return stand.world.gallery.add("Свадьба", album(4, 20_000, albums=1))


def prepare(
    stand: Stand, harness: WorkerHarness, archive: Archive, call: str, hang: dict[str, Any], times: int | None
) -> Any:
    """Return a job of which one call will hang; skip what cannot hang, or cannot be mended."""
    bodiless = ("begins", "done") if stand.pretend.answers_begin_without_body else ("done",)
    if call in bodiless and hang["does"] == "drip":
        pytest.skip("this answer has no body")
    if stand.pretend.spends_refresh_tokens and call == "token" and hang["does"] != "stall":
        pytest.skip("a refresh token that was spent for an answer nobody heard is lost, whatever we do")
    job = harness.make_job(archive)
    if call == "token":
        stand.accounts.expire_tokens()
    stand.world.faults.add(Fault(operation(stand, call), **hang, times=times))
    return job


@pytest.fixture(autouse=True)
def watchful(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look up more often than in earnest."""
    monkeypatch.setattr(deadlines, "POLL_SECONDS", 0.1)
    monkeypatch.setattr(stopping, "REFRESH_GRACE_SECONDS", 0.05)
    monkeypatch.setattr(stopping, "LONG_REFRESH_GRACE_SECONDS", 0.3)
    monkeypatch.setattr("worker.jobs.claim.HANDOVER_SECONDS", 0.1)


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every deadline be so short that tests live to see it."""
    request, opened = HttpClient.request, HttpClient.open

    def request_in_haste(http: HttpClient, *args: Any, **options: Any) -> Any:
        return request(http, *args, **{**options, "read_seconds": 0.25, "body_seconds": None})

    def open_in_haste(http: HttpClient, *args: Any, **options: Any) -> Any:
        return opened(http, *args, **{**options, "read_seconds": 0.25})

    monkeypatch.setattr(HttpClient, "request", request_in_haste)
    monkeypatch.setattr(HttpClient, "open", open_in_haste)
    monkeypatch.setattr(deadlines, "RECEIVE_WINDOW", 0.25)
    monkeypatch.setattr(deadlines, "SEND_WINDOW", 0.25)


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("call", [*CALLS, "done"])
@pytest.mark.parametrize("hang", HANGS.values(), ids=list(HANGS))
def test_what_hangs_is_tried_again(stand: Stand, call: str, hang: dict[str, Any]) -> None:
    """The archive is complete, nothing is there twice, and the gallery knows."""
    archive, harness = add_gallery(stand), stand.harness()
    job = prepare(stand, harness, archive, call, hang, 1)
    harness.deliver_to_the_end(job)
    assert stand.fired() == 1
    assert archive.expected() == stand.tree()
    assert {done.json["failed_photos"] for done in stand.world.gallery.dones} == {0}


@pytest.mark.usefixtures("hasty")
def test_an_upload_that_is_not_taken_is_tried_again(stand: Stand) -> None:
    """Nobody reads what is sent."""
    archive, harness = stand.world.gallery.add("Свадьба", album(1, 8 * 1024 * 1024)), stand.harness()
    stand.fault(stand.sends, "never_read", seconds=600)
    harness.deliver_to_the_end(harness.make_job(archive))
    assert (stand.fired(), archive.expected()) == (1, stand.tree())


def stop_when(is_so: Callable[[], bool], signals: Signals, cause: Cause) -> threading.Thread:
    """Stop everything a little after something is so."""

    def wait_and_stop() -> None:
        ends = time.monotonic() + 30
        while not is_so() and time.monotonic() < ends:
            time.sleep(0.005)
        time.sleep(0.1)
        signals.stop(cause)

    thread = threading.Thread(target=wait_and_stop)
    thread.start()
    return thread


def deliver_and_stop(stand: Stand, harness: WorkerHarness, job: Any, cause: Cause = Cause.SHUTDOWN) -> float:
    """Deliver a job that will hang, stop it then, and return how many seconds later it was let go."""
    signals = Signals()
    stopping = stop_when(lambda: bool(stand.fired()), signals, cause)
    stopped_at: list[float] = []
    stop = signals.abort.set

    def set_and_note(why: Cause) -> None:
        stopped_at.append(time.monotonic())
        stop(why)

    signals.abort.set = set_and_note  # type: ignore[method-assign]
    harness.deliver(job, signals=signals)
    took = time.monotonic() - stopped_at[0]
    stopping.join()
    return took


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("hang", HANGS.values(), ids=list(HANGS))
def test_what_hangs_hears_that_it_is_to_stop(stand: Stand, call: str, hang: dict[str, Any]) -> None:
    """In earnest, with deadlines of minutes; the job goes on elsewhere, and there everything arrives."""
    archive, harness = add_gallery(stand), stand.harness()
    job = prepare(stand, harness, archive, call, hang, None)
    assert deliver_and_stop(stand, harness, job) < SOON
    (rest,) = harness.queue.requeued
    harness.queue.requeued.clear()
    stand.world.faults.clear()
    harness.deliver_to_the_end(rest)
    assert archive.expected() == stand.tree()


def test_an_upload_that_is_not_taken_hears_that_it_is_to_stop(stand: Stand) -> None:
    """While it waits for room to send."""
    archive, harness = stand.world.gallery.add("Свадьба", album(1, 8 * 1024 * 1024)), stand.harness()
    stand.fault(stand.sends, "never_read", seconds=600)
    assert deliver_and_stop(stand, harness, harness.make_job(archive)) < SOON
    harness.deliver_to_the_end(harness.queue.requeued.pop())
    assert archive.expected() == stand.tree()


def test_a_cancelled_job_looks_once_more(stand: Stand) -> None:
    """What arrived without a reply is no failed photo: after everything was let go, the cloud is asked for it."""
    archive, harness = add_gallery(stand), stand.harness()
    # The call that makes a file a copy of ours.
    stand.fault(stand.pretend.operations.finish, "stall", seconds=600, when="after", times=None, match=".jpg")
    assert deliver_and_stop(stand, harness, harness.make_job(archive), Cause.CANCELLED) < SOON
    assert stand.tree()
    assert [done.json["failed_photos"] for done in stand.world.gallery.dones] == [4 - len(stand.tree())]


def test_a_cancelled_job_that_cannot_look_tells_nothing_that_nobody_knows(stand: Stand) -> None:
    """Another worker had it before, and may have copied all of it: the gallery is told when the cloud is back."""
    archive, harness = add_gallery(stand), stand.harness()
    harness.deliver_to_the_end(harness.make_job(archive))
    stand.world.gallery.dones.clear()
    stand.fault(stand.lists, "status", status=500, times=None)
    signals = Signals()
    signals.stop(Cause.CANCELLED)
    harness.deliver(harness.make_job(archive, job_id="job-2"), returns=1, signals=signals)
    assert stand.world.gallery.dones == []
    ((waiting, _),) = harness.queue.delayed
    harness.queue.delayed.clear()
    stand.world.faults.clear()
    signals = Signals()
    signals.stop(Cause.CANCELLED)
    harness.deliver(waiting, signals=signals)
    assert [done.json["failed_photos"] for done in stand.world.gallery.dones] == [0]


def test_a_cancelled_job_counts_what_a_killed_worker_copied(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    """It did not live to note that it had proved them; they are there all the same."""
    monkeypatch.setattr("worker.archive.reconciler.Reconciler.note_proved", lambda _self: None)
    archive, harness = add_gallery(stand), stand.harness()
    harness.deliver_to_the_end(harness.make_job(archive))
    stand.world.gallery.dones.clear()
    signals = Signals()
    signals.stop(Cause.CANCELLED)
    harness.deliver(harness.make_job(archive, job_id="job-2"), returns=1, signals=signals)
    assert [done.json["failed_photos"] for done in stand.world.gallery.dones] == [0]


def test_a_cancelled_job_whose_count_is_known_waits_for_no_cloud(stand: Stand) -> None:
    """It waited in an orderly way, and nobody has touched it since."""
    archive, harness = add_gallery(stand), stand.harness()
    stand.fault(stand.begins, "status", status=503, times=None)
    harness.deliver(harness.make_job(archive))
    ((waiting, _),) = harness.queue.delayed
    harness.queue.delayed.clear()
    stand.fault(stand.lists, "status", status=500, times=None)
    signals = Signals()
    signals.stop(Cause.CANCELLED)
    harness.deliver(waiting, signals=signals)
    assert [done.json["failed_photos"] for done in stand.world.gallery.dones] == [4]
