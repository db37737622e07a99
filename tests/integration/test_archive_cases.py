"""Whole archives through the stranger cases of the scenario list: what never works, what goes away, what comes late."""

from collections.abc import Callable
from typing import Any

import pytest

from common.errors import Reason
from common.messages.archive_job import ArchiveJob
from sandbox.faults.plan import Fault
from sandbox.gallery.host import Archive
from sandbox.gallery.pictures import Picture, album
from sandbox.google.items import Item
from sandbox.world import World
from tests.fakes.worker_harness import WorkerHarness
from worker.gallery.client import Gallery
from worker.gallery.manifest import Manifest
from worker.transfer.stop import Cause, Signals

VICTIM = "victim.jpg"


@pytest.fixture
def harness(world: World, monkeypatch: pytest.MonkeyPatch) -> WorkerHarness:
    """A worker without its queue in that world; what an earlier delivery began is not waited for as in earnest."""
    monkeypatch.setattr("worker.jobs.claim.HANDOVER_SECONDS", 0.1)
    return WorkerHarness(world)


def add_gallery(world: World, count: int = 12) -> Archive:
    """Put up a gallery with nested albums."""
    return world.gallery.add("Свадьба", album(count, 20_000, albums=3))


def told(world: World) -> list[int]:
    """Return what the gallery heard."""
    return [done.json["failed_photos"] for done in world.gallery.dones]


def assert_complete(world: World, archive: Archive) -> None:
    """Every listed photo is there, once, byte for byte, the gallery knows, and each folder is there once."""
    account = world.drive.account()
    assert archive.expected() == account.tree()
    assert told(world) == [0]
    assert len({account.path(folder) for folder in account.folders()}) == len(account.folders())
    assert world.violations == []


def when_there_are(world: World, count: int, act: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """Do something once, as soon as so many files are in the guest's Drive."""
    account = world.drive.account()
    put = account.put

    def put_and_act(item: Item) -> Item:
        added = put(item)
        if len(account.files()) == count:
            monkeypatch.setattr(account, "put", put)
            act()
        return added

    monkeypatch.setattr(account, "put", put_and_act)


def wait_out(harness: WorkerHarness) -> ArchiveJob:
    """Return the job that waits, taken from its tray."""
    ((job, _),) = harness.queue.delayed
    harness.queue.delayed.clear()
    return job


@pytest.mark.parametrize(
    ("on", "fault"),
    [
        ("upload", {"does": "lie_md5"}),
        ("upload", {"does": "corrupt", "at": 5}),
        ("upload", {"does": "partial", "bytes": 0}),
        ("upload", {"does": "forget_session"}),
        ("upload", {"does": "status", "status": 400, "body": "Failed to parse Content-Range header."}),
        ("upload", {"does": "status", "status": 404, "body": "Not Found"}),
        ("upload", {"does": "status", "status": 401}),
        ("photo", {"does": "html"}),
        ("photo", {"does": "gzip"}),
        ("photo", {"does": "corrupt", "at": 5}),
        ("photo", {"does": "longer", "bytes": 3}),
    ],
    ids=str,
)
def test_a_photo_that_never_works_costs_only_itself(
    world: World, harness: WorkerHarness, on: str, fault: dict[str, Any]
) -> None:
    """Its tries come to an end; nothing wrong is left in Drive, the others arrive, and one is missing."""
    good = album(8, 20_000)
    archive = world.gallery.add("Не все", [Picture(VICTIM, b"v" * 30_000), *good])
    world.faults.add(Fault(on, times=None, match=VICTIM, **fault))
    assert harness.deliver_to_the_end(harness.make_job(archive)) == 1
    assert sorted((f"Не все/{each.name}", len(each.data), each.md5) for each in good) == world.drive.account().tree()
    assert told(world) == [1]
    sessions = [session for session in world.drive.uploads.sessions() if session.plan.meta["name"] == VICTIM]
    assert len(sessions) <= harness.settings.retry_attempts
    assert world.faults.fired


@pytest.mark.parametrize("which", ["Свадьба", "Photos 1"])
@pytest.mark.parametrize("gone", ["delete", "trash"])
def test_a_folder_that_goes_away_meanwhile_is_made_anew(
    world: World, harness: WorkerHarness, monkeypatch: pytest.MonkeyPatch, gone: str, which: str
) -> None:
    """Once, with everything that had been in it; no photo fails for it."""
    archive = add_gallery(world)
    account = world.drive.account()

    def throw_away() -> None:
        getattr(account, gone)(next(each.id for each in account.folders() if each.name == which))

    when_there_are(world, 5, throw_away, monkeypatch)
    harness.deliver_to_the_end(harness.make_job(archive))
    assert_complete(world, archive)


@pytest.mark.parametrize("looks", [1, 2, 1000])
def test_a_folder_that_is_not_listed_yet_is_there_once_in_the_end(
    world: World, monkeypatch: pytest.MonkeyPatch, looks: int
) -> None:
    """The next delivery's looks show nothing of the one before: what is made twice is joined, at the latest later."""
    harness, signals = WorkerHarness(world, WORKER_PHOTOS="1"), Signals()
    archive = add_gallery(world)
    when_there_are(world, 5, lambda: signals.wind_down.set(Cause.SHUTDOWN), monkeypatch)
    harness.deliver(harness.make_job(archive), signals=signals)
    rest = harness.queue.requeued.pop()
    assert 5 <= rest.state.copied < 12
    world.faults.add(Fault("files_list", "hide", count=1000, times=looks))
    harness.deliver(rest)
    assert told(world) == [0]
    world.faults.clear()
    for job, _ in harness.queue.delayed:
        harness.deliver(job)
    assert_complete(world, archive)


def test_pressing_again_while_the_listing_lags_behind_heals_by_itself(world: World, harness: WorkerHarness) -> None:
    """Two folders and every photo twice, until each job has looked once more; no third press is needed."""
    archive = add_gallery(world)
    account = world.drive.account()
    account.lag = 3600.0
    for number in range(2):
        harness.deliver(harness.make_job(archive, job_id=f"job-{number}"))
    assert len(account.files()) == 2 * 12
    account.lag = 0.0
    for job, _ in harness.queue.delayed:
        harness.deliver(job)
    assert archive.expected() == account.tree()
    assert len({account.path(folder) for folder in account.folders()}) == len(account.folders())
    assert told(world) == [0, 0]


@pytest.mark.parametrize(
    "reason", ["numChildrenInNonRootLimitExceeded", "appNotAuthorizedToFile", "insufficientFilePermissions"]
)
def test_a_folder_that_takes_nothing_ends_the_job_once(world: World, harness: WorkerHarness, reason: str) -> None:
    """It would refuse every photo: no more than what is under way is tried, and the gallery hears what is missing."""
    archive = add_gallery(world, 40)
    world.faults.add(Fault("initiate", "status", times=None, after=10, status=403, reason=reason))
    assert harness.deliver_to_the_end(harness.make_job(archive)) == 1
    refused = len(world.faults.fired)
    # Those that were under way, and one for each try that is left.
    assert refused <= harness.settings.photos + harness.settings.retry_attempts - 1
    assert [40 - len(world.drive.account().tree())] == told(world)


def test_a_scope_that_is_missing_ends_the_job_once(world: World, harness: WorkerHarness) -> None:
    """The guest must agree again: nothing is repeated."""
    world.faults.add(Fault("files_list", "status", times=None, status=403, reason="insufficientPermissions"))
    assert harness.deliver_to_the_end(harness.make_job(add_gallery(world))) == 1
    assert told(world) == [12]
    assert len(world.faults.fired) == 1


@pytest.mark.parametrize("on", ["files_list", "files_create"])
def test_a_refusal_of_a_call_for_the_whole_archive_ends_the_job_honestly(
    world: World, harness: WorkerHarness, on: str
) -> None:
    """400, or a 403 nobody knows, and no photo is to blame: the gallery is told, nothing is dead-lettered."""
    for number, status in enumerate((400, 403)):
        world.faults.clear()
        world.faults.add(Fault(on, "status", times=None, status=status, reason="noIdea"))
        assert harness.deliver_to_the_end(harness.make_job(add_gallery(world), job_id=f"job-{number}")) == 1
    assert told(world) == [12, 12]
    assert world.drive.account().tree() == []


def test_a_drive_that_finds_nothing_of_itself_lets_the_job_wait(world: World, harness: WorkerHarness) -> None:
    """404 to the listing: that may be over later, and then everything arrives."""
    archive = add_gallery(world)
    world.faults.add(Fault("files_list", "status", times=None, status=404))
    harness.deliver(harness.make_job(archive))
    waiting = wait_out(harness)
    assert (waiting.state.reason, told(world)) == (Reason.CLOUD_REFUSED, [])
    world.faults.clear()
    harness.deliver(waiting)
    assert_complete(world, archive)


def test_a_token_endpoint_that_is_down_lets_the_job_wait(world: World, harness: WorkerHarness) -> None:
    """The grant is not given up for it."""
    archive = add_gallery(world)
    job = harness.make_job(archive)
    world.accounts.expire_tokens()
    world.faults.add(Fault("token", "status", times=None, status=503, html=True))
    harness.deliver(job)
    waiting = wait_out(harness)
    assert (waiting.state.reason, told(world)) == (Reason.CLOUD_UNAVAILABLE, [])
    world.faults.clear()
    harness.deliver(waiting)
    assert_complete(world, archive)


def test_an_opening_whose_reply_is_lost_makes_no_double(world: World, harness: WorkerHarness) -> None:
    """The session was made and nobody knows of it: another one is, for the same id."""
    archive = add_gallery(world)
    world.faults.add(Fault("initiate", "drop_after", times=5), Fault("initiate", "stall", seconds=0.05, when="after"))
    harness.deliver(harness.make_job(archive))
    assert_complete(world, archive)
    assert len({session.plan.meta["id"] for session in world.drive.uploads.sessions()}) == 12


def test_the_list_is_asked_once_more_for_photos_that_moved(
    world: World, harness: WorkerHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Links had run out: those that the gallery lists anew arrive, the others are counted, and it ends there."""
    archive = add_gallery(world)
    good = [entry["url"] for entry in archive.manifest[:3]]
    for entry in archive.manifest[:3]:
        entry["url"] = f"{entry['url']}.gone"
    fetch, looks = Gallery.fetch_manifest, []

    def fetch_newer(gallery: Gallery, archive_url: str) -> Manifest:
        looks.append(archive_url)
        if len(looks) == 2:
            for entry, url in zip(archive.manifest[:2], good, strict=False):
                entry["url"] = url
        return fetch(gallery, archive_url)

    monkeypatch.setattr(Gallery, "fetch_manifest", fetch_newer)
    harness.deliver(harness.make_job(archive))
    # At the start, at the end, and once more since it had changed.
    assert len(looks) == 3
    assert told(world) == [1]
    missing = f"{archive.name}/{archive.pictures[2].name}"
    assert [entry for entry in archive.expected() if entry[0] != missing] == world.drive.account().tree()


def test_a_slow_gallery_only_takes_its_time(world: World, harness: WorkerHarness) -> None:
    """Upload sessions wait for bytes that drip and for answers that come late."""
    archive = world.gallery.add("Медленно", [Picture("slow.jpg", b"s" * 30_000), Picture("late.jpg", b"l" * 30_000)])
    world.faults.add(Fault("photo", "drip", match="slow.jpg", rate=60_000))
    world.faults.add(Fault("photo", "stall", match="late.jpg", seconds=0.5))
    harness.deliver(harness.make_job(archive))
    assert len(world.faults.fired) == 2
    assert_complete(world, archive)


def test_the_top_of_the_drive_is_never_asked_for(world: World, harness: WorkerHarness) -> None:
    """Under `drive.file` it answers 404; the alias is not needed, a folder without a parent is there by itself."""
    archive = add_gallery(world)
    harness.deliver(harness.make_job(archive))
    assert_complete(world, archive)
    assert not [request.target for request in world.drive.requests if "root" in request.target]


@pytest.mark.parametrize("reason", ["accountDisabled", "insufficientParentPermissions", "domainPolicy", "neverHeardOf"])
def test_an_account_that_is_refused_ends_the_job_after_a_handful(
    world: World, harness: WorkerHarness, reason: str
) -> None:
    """Not after one refused request for each photo; the page says why, and the gallery hears what is missing."""
    archive = add_gallery(world, 300)
    world.faults.add(Fault("initiate", "status", times=None, status=403, reason=reason))
    harness.deliver_to_the_end(harness.make_job(archive))
    assert len(world.faults.fired) <= 4 * 3 + 4 * 4 + 5
    last = harness.reporter.told[-1]
    assert last.state == "failed"
    assert last.reason == ("cloud_refused" if reason == "neverHeardOf" else "account_refused")
    assert told(world) == [300]


@pytest.mark.parametrize("on", ["initiate", "files_list", "about", "files_create", "generate_ids"])
def test_when_we_are_refused_jobs_wait_and_we_are_told(
    world: World, harness: WorkerHarness, caplog: pytest.LogCaptureFixture, on: str
) -> None:
    """Suspended, unpaid, misregistered: no guest can help, the owner reads an ERROR, and it goes on by itself."""
    archive = add_gallery(world)
    world.faults.add(Fault(on, "status", times=None, status=403, reason="CONSUMER_SUSPENDED"))
    harness.deliver(harness.make_job(archive))
    ((job, _),) = harness.queue.delayed
    assert harness.reporter.told[-1].reason == job.state.reason == "app_refused"
    (told,) = [record for record in caplog.records if "refuses this service itself" in record.message]
    assert told.levelname == "ERROR"
    assert "compare GOOGLE_CLIENT_ID and GOOGLE_CLIENT_SECRET" in told.message
    world.faults.clear()
    harness.queue.delayed.clear()
    harness.deliver(job)
    assert_complete(world, archive)


@pytest.mark.parametrize("error", ["disabled_client", "invalid_client", "unauthorized_client", "invalid_request"])
def test_a_client_that_is_refused_lets_jobs_wait(world: World, harness: WorkerHarness, error: str) -> None:
    """At the token endpoint: the guest's permission is as good as before."""
    archive = add_gallery(world)
    job = harness.make_job(archive)
    world.accounts.expire_tokens()
    world.faults.add(Fault("token", "status", times=None, status=401, reason=error))
    harness.deliver(job)
    ((job, _),) = harness.queue.delayed
    assert job.state.reason == "app_refused"
    world.faults.clear()
    harness.queue.delayed.clear()
    harness.deliver(job)
    assert_complete(world, archive)


@pytest.mark.parametrize("status", [400, 403])
@pytest.mark.parametrize("on", ["files_list", "about", "generate_ids", "files_create", "initiate", "upload"])
def test_one_odd_answer_ends_nothing(world: World, harness: WorkerHarness, on: str, status: int) -> None:
    """Wherever it comes: the call is tried again."""
    archive = add_gallery(world)
    world.faults.add(Fault(on, "status", times=1, status=status, reason="forbidden" if status == 403 else "invalid"))
    assert harness.deliver_to_the_end(harness.make_job(archive)) == 1
    assert len(world.faults.fired) == 1
    assert (harness.reporter.told[-1].state, told(world)) == ("done", [0])
    assert_complete(world, archive)
