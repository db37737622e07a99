"""Whole archives from a pretend gallery into a pretend Drive, with what goes wrong; only the queue is missing."""

import json
import threading
import time

import pytest

from common.errors import Reason
from common.messages.archive_job import NotOurMessage, Phase, StaleMessage
from common.messages.ledger import Entry, Kind, Record
from common.messages.progress import State
from common.messages.topology import DELIVERY_LIMIT
from sandbox.faults.plan import Fault
from sandbox.gallery.host import Archive
from sandbox.gallery.pictures import Picture, album
from sandbox.world import World
from tests.fakes.worker_harness import WorkerHarness, later
from worker.jobs.runner import MANY_RETURNS, MAX_WAIT, MORE_RETURNS, WAIT_LEVELS
from worker.transfer.stop import Cause, Interrupted, Signals


@pytest.fixture
def harness(world: World) -> WorkerHarness:
    """A worker without its queue in that world."""
    return WorkerHarness(world)


def add_gallery(world: World, count: int = 12, size: int = 20_000, name: str = "Свадьба", seed: int = 0) -> Archive:
    """Put up a gallery with nested albums."""
    return world.gallery.add(name, album(count, size, albums=3, seed=seed))


def assert_complete(world: World, archive: Archive, login: str = "guest") -> None:
    """Every listed photo is there, once, byte for byte, and nothing was asked that a strict Drive forbids."""
    assert archive.expected() == world.drive.account(login).tree()
    assert world.violations == []


def count_uploads(world: World) -> int:
    """Return how often a photo's bytes were sent."""
    return sum(request.method == "PUT" for request in world.drive.requests)


def test_everything_arrives_and_the_gallery_is_told(world: World, harness: WorkerHarness) -> None:
    """Nested albums, the gallery's dates, the exact body of the done call."""
    archive = add_gallery(world)
    harness.deliver(harness.make_job(archive))
    assert_complete(world, archive)
    assert [done.body for done in world.gallery.dones] == [
        b'{"cloud_type": "google_drive", "failed_photos": 0, "archive_type": "originals"}'
    ]
    assert {"2024-08-17T09:54:32.000Z"} == {file.created for file in world.drive.account().files()}
    assert harness.is_idle()


def test_copying_again_adds_only_what_is_missing(world: World, harness: WorkerHarness) -> None:
    """A second run, even after the guest renamed the folder and moved it, brings just the photo they deleted."""
    archive = add_gallery(world)
    harness.deliver(harness.make_job(archive))
    account = world.drive.account()
    before = count_uploads(world)
    folder = next(item for item in account.folders() if item.name == archive.name)
    account.rename(folder.id, "Наша свадьба")
    account.move(folder.id, account.add_folder("Альбомы").id)
    account.delete(account.files()[0].id)
    harness.deliver(harness.make_job(archive, job_id="job-2"))
    assert before + 1 == count_uploads(world)
    expected = sorted((f"Альбомы/Наша свадьба/{p.name}", len(p.data), p.md5) for p in archive.pictures)
    assert expected == account.tree()


def test_thrown_away_folder_is_made_anew(world: World, harness: WorkerHarness) -> None:
    """What lies in the bin does not count; the guest gets a new folder."""
    archive = add_gallery(world)
    harness.deliver(harness.make_job(archive))
    account = world.drive.account()
    account.trash(next(item for item in account.folders() if item.name == archive.name).id)
    harness.deliver(harness.make_job(archive, job_id="job-2"))
    assert_complete(world, archive)


def test_empty_gallery_leaves_no_folder(world: World, harness: WorkerHarness) -> None:
    """Nothing to copy: the gallery is told, the guest's Drive stays as it was."""
    harness.deliver(harness.make_job(world.gallery.add("Пусто", [])))
    assert world.drive.account().folders() == []
    assert [done.json["failed_photos"] for done in world.gallery.dones] == [0]


def test_awkward_names_arrive_under_the_nearest_honest_ones(world: World, harness: WorkerHarness) -> None:
    """Dots, slashes, quotes, emoji, control characters, 300 characters, equal names: each arrives once."""
    names = [
        "../up.jpg",
        "/lead.jpg",
        "a//b.jpg",
        "it's.jpg",
        "back\\slash.jpg",
        "🎉/😀.jpg",
        "c\r\n.jpg",
        "x" * 300 + ".jpg",
    ]
    names += ["same.jpg", "same.jpg", "", "Альбом/"]
    pictures = [Picture(name, b"photo %d" % number) for number, name in enumerate(names)]
    pictures.append(Picture("empty.jpg", b""))
    archive = world.gallery.add('Имя "в кавычках"', pictures)
    harness.deliver(harness.make_job(archive))
    tree = world.drive.account().tree()
    assert sorted(picture.md5 for picture in pictures) == sorted(md5 for _, _, md5 in tree)
    paths = [path.removeprefix(archive.name + "/") for path, _, _ in tree]
    for name in ("up.jpg", "lead.jpg", "a/b.jpg", "it's.jpg", "back\\slash.jpg", "🎉/😀.jpg", "c__.jpg", "empty.jpg"):
        assert name in paths
    assert paths.count("same.jpg") == 2
    assert "x" * 251 + ".jpg" in paths
    assert [done.json["failed_photos"] for done in world.gallery.dones] == [0]
    assert world.violations == []


def test_broken_photos_never_stop_the_others(world: World, harness: WorkerHarness) -> None:
    """Missing, truncated, of other bytes, of a foreign host, unreadable: they are counted."""
    good = album(6, 20_000)
    bad = [
        Picture("bad/missing.jpg", b"m" * 100),
        Picture("bad/short.jpg", b"s" * 100),
        Picture("bad/crc.jpg", b"c" * 100, crc="00000001"),
        Picture("bad/host.jpg", b"h" * 100, url="http://evil.example/host.jpg"),
        Picture("bad/size.jpg", b"z" * 100, filesize="many"),
    ]
    archive = world.gallery.add("Не все", [*bad, *good])
    world.faults.add(Fault("photo", "status", times=None, match="missing.jpg", status=404))
    world.faults.add(Fault("photo", "truncate", times=None, match="short.jpg", bytes=50))
    harness.deliver(harness.make_job(archive))
    assert sorted((f"Не все/{p.name}", len(p.data), p.md5) for p in good) == world.drive.account().tree()
    assert [done.json["failed_photos"] for done in world.gallery.dones] == [5]


def test_photo_gets_its_five_tries(world: World, harness: WorkerHarness) -> None:
    """Four failures in a row are borne; its own host and the gallery's count as one try."""
    archive = world.gallery.add("Пять", [Picture("one.jpg", b"1" * 100), *album(3, 1000)])
    world.faults.add(Fault("photo", "status", times=8, match="one.jpg", status=404))
    harness.deliver(harness.make_job(archive))
    assert_complete(world, archive)


def test_unusable_list_is_waited_for_and_then_an_honest_failure(world: World, harness: WorkerHarness) -> None:
    """A list that is none lets the job wait with a reason; after a day it fails, and without a count nobody is told."""
    archive = add_gallery(world)
    world.faults.add(Fault("list", "status", times=None, body="<html>", status=200))
    job = harness.make_job(archive)
    harness.deliver(job)
    ((waiting, level),) = harness.queue.delayed
    assert (waiting.state.reason, waiting.state.waits, level) == (Reason.GALLERY_UNAVAILABLE, 1, 0)
    harness.queue.delayed.clear()
    harness.now += MAX_WAIT + 1
    harness.deliver(waiting)
    assert harness.is_idle()
    assert world.gallery.dones == []


def test_cloud_that_goes_down_loses_nobody(world: World) -> None:
    """Photos that failed because Drive was down are not given up: the job waits and then brings them all."""
    harness = WorkerHarness(world, RETRY_ATTEMPTS="2")
    archive = add_gallery(world, 20)
    down = [Fault(on, "status", times=None, after=5, status=503) for on in ("initiate", "files_list")]
    for fault in down:
        world.faults.add(fault)
    harness.deliver(harness.make_job(archive))
    ((waiting, _),) = harness.queue.delayed
    assert waiting.state.rejected == {}
    harness.queue.delayed.clear()
    world.faults.clear()
    harness.deliver(waiting)
    assert_complete(world, archive)
    assert [done.json["failed_photos"] for done in world.gallery.dones] == [0]


def test_photo_host_that_is_down_is_waited_for(world: World) -> None:
    """No photo can be read and the list can: this is no matter of photos."""
    harness = WorkerHarness(world, RETRY_ATTEMPTS="2")
    archive = add_gallery(world, 20)
    world.faults.add(Fault("photo", "status", times=None, status=502))
    harness.deliver(harness.make_job(archive))
    ((waiting, _),) = harness.queue.delayed
    assert waiting.state.reason == Reason.GALLERY_UNAVAILABLE
    world.faults.clear()
    harness.deliver(waiting)
    assert_complete(world, archive)


def test_many_broken_photos_at_the_front_are_no_outage(world: World) -> None:
    """Ten photos that answer 503 for ever come first; the others arrive, and the ten are counted."""
    harness = WorkerHarness(world, RETRY_ATTEMPTS="2")
    bad = [Picture(f"bad/bad-{number}.jpg", b"b" * 100) for number in range(10)]
    good = album(10, 1000)
    archive = world.gallery.add("Сломанные", [*bad, *good])
    world.faults.add(Fault("photo", "status", times=None, match="/bad-", status=503))
    harness.deliver_to_the_end(harness.make_job(archive))
    assert sorted((f"Сломанные/{p.name}", len(p.data), p.md5) for p in good) == world.drive.account().tree()
    assert [done.json["failed_photos"] for done in world.gallery.dones] == [10]


def test_full_drive_is_left_alone(world: World, harness: WorkerHarness) -> None:
    """What does not fit is not begun: nothing uploaded, no folder, and the gallery hears how many are missing."""
    archive = add_gallery(world)
    world.drive.account().limit = 100_000
    harness.deliver(harness.make_job(archive))
    assert world.drive.account().folders() == []
    assert [done.json["failed_photos"] for done in world.gallery.dones] == [12]
    end = harness.reporter.told[-1]
    assert (end.needed_bytes, end.free_bytes) == (end.bytes_total, 100_000)


def test_drive_that_fills_up_meanwhile_stops_the_job_at_once(world: World, harness: WorkerHarness) -> None:
    """A quota error in the middle is the last thing asked."""
    archive = add_gallery(world, 40)
    world.faults.add(Fault("initiate", "status", times=None, after=10, status=403, reason="storageQuotaExceeded"))
    harness.deliver(harness.make_job(archive))
    arrived = len(world.drive.account().tree())
    assert [40 - arrived] == [done.json["failed_photos"] for done in world.gallery.dones]
    assert count_uploads(world) <= 10 + harness.settings.photos
    end = harness.reporter.told[-1]
    assert (end.needed_bytes, end.free_bytes) == (end.bytes_total - end.bytes_copied, None)


def test_revoked_grant_ends_the_job_once(world: World, harness: WorkerHarness) -> None:
    """No storm of refreshes: the job ends, and the gallery hears how many are missing."""
    archive = add_gallery(world)
    job = harness.make_job(archive)
    world.accounts.revoke("guest")
    harness.deliver(job)
    assert [done.json["failed_photos"] for done in world.gallery.dones] == [12]
    assert harness.is_idle()
    assert world.accounts.refreshes <= 1


def test_token_that_ends_in_the_middle_is_renewed_once_for_all(world: World, harness: WorkerHarness) -> None:
    """Every thread meets the refusal; one refresh is made and identical bytes go out again."""
    archive = add_gallery(world, 40)
    world.faults.add(Fault("initiate", "expire_token", after=10))
    harness.deliver(harness.make_job(archive))
    assert archive.expected() == world.drive.account().tree()
    assert world.accounts.refreshes == 1


def test_slices_carry_the_rest_on(world: World) -> None:
    """A delivery works for its slice only; the rest goes behind the others, and nothing is copied twice."""
    # Long enough to come to a photo on a busy machine as well; all of them take several times as long on any.
    harness = WorkerHarness(world, SLICE_SECONDS="0.3", WORKER_PHOTOS="1")
    archive = add_gallery(world, 30)
    world.faults.add(Fault("upload", "stall", times=None, seconds=0.04))
    deliveries = harness.deliver_to_the_end(harness.make_job(archive))
    assert deliveries > 2
    assert_complete(world, archive)
    assert count_uploads(world) == 30
    assert [done.json["failed_photos"] for done in world.gallery.dones] == [0]


def stop_once_some_arrived(world: World, signals: Signals, cause: Cause) -> threading.Thread:
    """Send the signal as soon as a photo has arrived and its worker has heard so: five are there, and four may move."""

    def wait_and_stop() -> None:
        while len(world.drive.account().files()) < 5:
            time.sleep(0.005)
        signals.stop(cause)

    thread = threading.Thread(target=wait_and_stop)
    thread.start()
    return thread


def test_shutdown_gives_the_job_back(world: World, harness: WorkerHarness) -> None:
    """What moved is let go, the job goes on elsewhere and finishes there."""
    archive = add_gallery(world, 60)
    world.faults.add(Fault("photo", "stall", times=None, seconds=0.02))
    signals = Signals()
    stopper = stop_once_some_arrived(world, signals, Cause.SHUTDOWN)
    harness.deliver(harness.make_job(archive), signals=signals)
    stopper.join()
    (rest,) = harness.queue.requeued
    assert 0 < rest.state.copied < 60
    harness.queue.requeued.clear()
    world.faults.clear()
    harness.deliver(rest)
    assert_complete(world, archive)


def test_cancelled_job_ends_and_says_what_is_missing(world: World, harness: WorkerHarness) -> None:
    """Open sessions are closed, nothing goes on, and what was copied stays."""
    archive = add_gallery(world, 60)
    world.faults.add(Fault("photo", "stall", times=None, seconds=0.02))
    signals = Signals()
    stopper = stop_once_some_arrived(world, signals, Cause.CANCELLED)
    harness.deliver(harness.make_job(archive), signals=signals)
    stopper.join()
    assert harness.queue.requeued == []
    # A photo that arrived while its line was cut might be another worker's: such a job is looked after once more.
    assert all(job.state.phase is Phase.TOLD for job, _ in harness.queue.delayed)
    assert [60 - len(world.drive.account().tree())] == [done.json["failed_photos"] for done in world.gallery.dones]


def test_job_that_another_worker_has_says_nothing(world: World, harness: WorkerHarness) -> None:
    """Neither queue nor gallery hears of it: the other worker speaks."""
    archive = add_gallery(world, 60)
    world.faults.add(Fault("photo", "stall", times=None, seconds=0.02))
    signals = Signals()
    stopper = stop_once_some_arrived(world, signals, Cause.TAKEN_OVER)
    with pytest.raises(Interrupted):
        harness.deliver(harness.make_job(archive), signals=signals)
    stopper.join()
    assert harness.is_idle()
    assert world.gallery.dones == []


def test_two_workers_with_one_job_leave_every_photo_once(world: World) -> None:
    """Both copy at the same time; the last looks remove what is there twice, folders included."""
    archive = add_gallery(world, 30)
    harnesses = [WorkerHarness(world), WorkerHarness(world)]
    jobs = [harness.make_job(archive) for harness in harnesses]
    threads = [
        threading.Thread(target=harness.deliver, args=[job]) for harness, job in zip(harnesses, jobs, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # Who saw the other one looks again later.
    for harness in harnesses:
        for job, _ in harness.queue.delayed:
            harness.deliver(job)
    assert archive.expected() == world.drive.account().tree()
    assert len({world.drive.account().path(folder) for folder in world.drive.account().folders()}) == 4
    assert len(world.drive.account().folders()) == 4


def test_worker_that_died_late_leaves_no_doubles(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It lost its message unknowing, went on after the other's last look, and was killed: a later look mends it."""
    monkeypatch.setattr("worker.jobs.slice.Slice._leave_no_doubles", lambda self: None)  # what is killed looks no more
    archive = add_gallery(world, 30)
    slow, quick = WorkerHarness(world, WORKER_PHOTOS="1"), WorkerHarness(world)
    job, signals = slow.make_job(archive), Signals()

    def work_unknowing() -> None:
        with pytest.raises(Interrupted):
            slow.deliver(job, signals=signals)

    unknowing = threading.Thread(target=work_unknowing)
    world.faults.add(Fault("photo", "stall", times=None, seconds=0.05))
    unknowing.start()
    while not world.drive.account().files():
        time.sleep(0.005)
    quick.deliver(quick.make_job(archive))
    assert [done.json["failed_photos"] for done in world.gallery.dones] == [0]
    left = len(world.drive.account().files())
    while len(world.drive.account().files()) < left + 2:
        time.sleep(0.005)
    signals.stop(Cause.TAKEN_OVER)
    unknowing.join()
    ((again, level),) = quick.queue.delayed
    assert (again.state.phase, level) == (Phase.TOLD, 1)
    quick.queue.delayed.clear()
    quick.deliver(again)
    assert archive.expected() == world.drive.account().tree()
    assert (len(world.gallery.dones), quick.is_idle()) == (1, True)


def test_worker_that_hears_of_it_late_removes_its_own_doubles(world: World) -> None:
    """It lets go, looks once more, and tells nobody."""
    archive = add_gallery(world, 30)
    slow, quick = WorkerHarness(world, WORKER_PHOTOS="1"), WorkerHarness(world)
    job, signals = slow.make_job(archive), Signals()

    def work_unknowing() -> None:
        with pytest.raises(Interrupted):
            slow.deliver(job, signals=signals)

    unknowing = threading.Thread(target=work_unknowing)
    world.faults.add(Fault("photo", "stall", times=None, seconds=0.05))
    unknowing.start()
    while not world.drive.account().files():
        time.sleep(0.005)
    quick.deliver(quick.make_job(archive))
    left = len(world.drive.account().files())
    while len(world.drive.account().files()) < left + 2:
        time.sleep(0.005)
    signals.stop(Cause.TAKEN_OVER)
    unknowing.join()
    assert archive.expected() == world.drive.account().tree()
    assert len(world.gallery.dones) == 1


def test_listing_that_lags_behind_makes_no_doubles(world: World, harness: WorkerHarness) -> None:
    """Photos that arrived and are not listed yet are asked for by their ids."""
    archive = add_gallery(world, 10)
    world.faults.add(Fault("files_list", "hide", times=None, count=3))
    harness.deliver(harness.make_job(archive))
    world.faults.clear()
    assert_complete(world, archive)
    assert count_uploads(world) == 10


def test_throttling_uses_up_no_tries(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Objections by either status, with and without Retry-After, slow the account down; every photo arrives."""
    monkeypatch.setattr("worker.transfer.throttle.FIRST_PAUSE", 0.05)
    harness = WorkerHarness(world, RETRY_ATTEMPTS="1")
    archive = add_gallery(world, 12)
    world.faults.add(Fault("initiate", "throttle", times=2, status=403))
    world.faults.add(Fault("initiate", "throttle", times=1, after=4, status=429, retry_after=1))
    harness.deliver(harness.make_job(archive))
    assert_complete(world, archive)
    assert [done.json["failed_photos"] for done in world.gallery.dones] == [0]


@pytest.mark.parametrize(
    ("reason", "message"),
    [("dailyLimitExceeded", "Daily Limit Exceeded"), ("userRateLimitExceeded", "User rate limit exceeded.")],
)
def test_daily_limit_parks_the_job(world: World, harness: WorkerHarness, reason: str, message: str) -> None:
    """No retrying, no photo given up: the job waits half an hour at a time, and goes on by itself."""
    archive = add_gallery(world, 12)
    body = json.dumps({"error": {"code": 403, "message": message, "errors": [{"reason": reason, "message": message}]}})
    world.faults.add(Fault("initiate", "status", times=None, after=4, status=403, body=body))
    harness.deliver(harness.make_job(archive))
    ((waiting, level),) = harness.queue.delayed
    assert (waiting.state.reason, level, waiting.state.rejected) == (Reason.DAILY_LIMIT, 3, {})
    world.faults.clear()
    harness.deliver(waiting)
    assert_complete(world, archive)


def test_message_that_ends_its_workers_waits_longer_each_time(world: World, harness: WorkerHarness) -> None:
    """It ends fewer of them so; what a storm ended goes on by itself, long before its queue gives it up."""
    archive, levels = add_gallery(world, 5), []
    job, returns = harness.make_job(archive), MANY_RETURNS
    assert MORE_RETURNS < MANY_RETURNS < DELIVERY_LIMIT
    for _ in range(12):
        harness.deliver(job, returns=returns)
        ((job, level),) = harness.queue.delayed
        harness.queue.delayed.clear()
        levels.append(level)
        returns = MORE_RETURNS
    assert (levels, job.state.reason) == ([*WAIT_LEVELS, WAIT_LEVELS[-1]], Reason.INTERNAL)
    assert (harness.reporter.told[-1].state, world.gallery.dones) == (State.WAITING, [])
    harness.deliver(job)
    assert_complete(world, archive)


def test_message_that_ends_its_workers_for_a_day_is_dead_lettered(world: World, harness: WorkerHarness) -> None:
    """Somebody has to look; when it is replayed it is no stale message."""
    archive = add_gallery(world, 5)
    job = later(harness.make_job(archive), waits=40, waiting_since=harness.now - MAX_WAIT - 1)
    with pytest.raises(NotOurMessage):
        harness.deliver(job, returns=MANY_RETURNS)
    harness.deliver(job)
    assert_complete(world, archive)


def test_stopped_message_that_came_back_often_waits_for_a_moment(world: World, harness: WorkerHarness) -> None:
    """Its gallery is to be told within a minute."""
    job = later(harness.make_job(add_gallery(world, 5)), waits=40, waiting_since=harness.now)
    harness.ledger.append(Entry(job_id=job.id, kind=Kind.STOPPED))
    harness.deliver(job, returns=MANY_RETURNS)
    assert [level for _, level in harness.queue.delayed] == [0]


def test_message_that_came_back_often_is_worked_on_all_the_same(world: World, harness: WorkerHarness) -> None:
    """A storm of restarts counts returns without anybody's fault."""
    archive = add_gallery(world, 5)
    harness.deliver(harness.make_job(archive), returns=MANY_RETURNS - 1)
    assert_complete(world, archive)


def test_stale_message_is_not_dead_lettered_however_often_it_came_back(world: World, harness: WorkerHarness) -> None:
    """Its job has ended: the dead letters hold only jobs that did not."""
    job = harness.make_job(add_gallery(world, 1))
    harness.ledger.forgets_ended = False
    harness.deliver(job)
    harness.deliver(job, returns=MANY_RETURNS)


@pytest.mark.parametrize("phase", [Phase.COPYING, Phase.TELLING])
def test_a_message_whose_job_another_worker_has_is_a_leftover(
    world: World, harness: WorkerHarness, *, phase: Phase
) -> None:
    """Not one that has served: the other's very message may have come here meanwhile, when that worker was killed."""

    def overtake(entry: Entry, _record: Record) -> None:
        if entry.kind is Kind.CLAIMED and entry.by != "other":
            harness.ledger.append(Entry(job_id=entry.job_id, kind=Kind.CLAIMED, by="other", returns=1))

    harness.ledger.followers.append(overtake)
    job = later(harness.make_job(add_gallery(world, 5)), phase=phase)
    with pytest.raises(StaleMessage):
        harness.job_runner.run(job, 0, Signals())
    assert world.gallery.dones == []


def test_done_call_waits_for_its_gallery_and_copies_nothing_again(world: World, harness: WorkerHarness) -> None:
    """A stage of its own: one key for every repetition, and what failed is what was counted."""
    archive = add_gallery(world, 5)
    world.faults.add(Fault("done", "status", times=2, status=500))
    harness.deliver(harness.make_job(archive))
    ((waiting, level),) = harness.queue.delayed
    assert (waiting.state.phase, waiting.state.failed_photos, level) == (Phase.TELLING, 0, 0)
    before = len(world.drive.requests)
    harness.queue.delayed.clear()
    assert harness.deliver_to_the_end(waiting) == 2
    assert before == len(world.drive.requests)
    assert [done.status for done in world.gallery.dones] == [500, 500, 200]
    assert {("job-1", archive.url)} == {
        (done.headers["Idempotency-Key"], done.headers["X-Cloud-Archive-Url"]) for done in world.gallery.dones
    }


def test_done_call_that_is_never_taken_ends_among_the_dead(world: World, harness: WorkerHarness) -> None:
    """After a day of refusals an operator has to look; replaying it tells the gallery again."""
    job = later(harness.make_job(add_gallery(world, 1)), phase=Phase.TELLING, waiting_since=harness.now - MAX_WAIT - 1)
    world.faults.add(Fault("done", "status", times=None, status=302, headers={"Location": "/elsewhere"}))
    with pytest.raises(NotOurMessage):
        harness.deliver(job)


def test_done_call_is_signed(world: World) -> None:
    """With a secret set, Standard Webhooks' three headers go along."""
    harness = WorkerHarness(world, DONE_SIGNING_SECRET="whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    harness.deliver(harness.make_job(add_gallery(world, 1)))
    (done,) = world.gallery.dones
    assert done.headers["webhook-id"] == "job-1"
    assert done.headers["webhook-signature"].startswith("v1,")


def test_grant_of_another_job_does_not_open(world: World, harness: WorkerHarness) -> None:
    """A message whose grant was moved is not ours."""
    archive = add_gallery(world, 1)
    mine, other = harness.make_job(archive), harness.make_job(archive, job_id="job-2")
    with pytest.raises(NotOurMessage):
        harness.deliver(later(mine).__class__(**{**vars(mine), "grant": other.grant}))


@pytest.mark.parametrize("wanted", [True, False])
def test_grant_is_given_back_when_that_is_wanted(world: World, wanted: bool) -> None:
    """By default it is only forgotten: giving one back ends all of a guest's archives."""
    harness = WorkerHarness(world, REVOKE_WHEN_DONE=str(wanted))
    archive = add_gallery(world, 2)
    job = harness.make_job(archive)
    harness.deliver(job)
    assert_complete(world, archive)
    world.accounts.expire_tokens()
    harness.deliver(job)  # as if its acknowledgement had been lost
    revoked = [request.status for request in world.accounts.requests if request.target == "/revoke"]
    assert revoked == ([200, 400] if wanted else [])
    assert world.gallery.dones[-1].json["failed_photos"] == (2 if wanted else 0)
