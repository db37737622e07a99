"""Whole archives into every cloud, by a worker that misses only its queue."""

import threading
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from common.clouds.grant import Grant
from common.messages.archive_job import ArchiveJob, Phase
from common.messages.topology import WAITING_SECONDS
from sandbox.gallery.host import Archive
from sandbox.gallery.pictures import Picture, album
from tests.contract.stands import Stand
from tests.fakes.worker_harness import WorkerHarness
from worker.archive.batch import BatchResult
from worker.archive.copier import Copier
from worker.archive.stages import STAGE_COUNT
from worker.gallery.client import Gallery
from worker.gallery.manifest import Manifest
from worker.transfer.stop import Cause, Signals


def add_gallery(stand: Stand, count: int = 12) -> Archive:
    """Put up a gallery with nested albums."""
    return stand.world.gallery.add("Свадьба", album(count, 20_000, albums=3))


def assert_complete(stand: Stand, archive: Archive) -> None:
    """Every listed photo is there, once, byte for byte, and nothing was asked that a strict cloud forbids."""
    assert archive.expected() == stand.tree()
    assert stand.world.violations == []


def deliver_on(harness: WorkerHarness, job: ArchiveJob) -> None:
    """Deliver a job, and again while it is put behind: a slice may end to pass a replaced grant on."""
    harness.deliver(job)
    while harness.queue.requeued:
        harness.deliver(harness.queue.requeued.pop())


def told(stand: Stand) -> list[int]:
    """Return what the gallery heard."""
    return [done.json["failed_photos"] for done in stand.world.gallery.dones]


def count_sent(stand: Stand) -> int:
    """Return how many uploads were begun."""
    return sum(request.operation == stand.begins for request in stand.service.requests)


def test_everything_arrives_and_the_gallery_is_told(stand: Stand) -> None:
    """The body names the cloud."""
    archive, harness = add_gallery(stand), stand.harness()
    harness.deliver(harness.make_job(archive))
    assert_complete(stand, archive)
    body = f'{{"cloud_type": "{stand.name}", "failed_photos": 0, "archive_type": "originals"}}'.encode()
    assert [body] == [done.body for done in stand.world.gallery.dones]
    assert harness.is_idle()


def test_copying_again_adds_only_what_is_missing(stand: Stand) -> None:
    """Even after the guest renamed the folder."""
    archive, harness = add_gallery(stand), stand.harness()
    harness.deliver(harness.make_job(archive))
    account, before = stand.service.account(), count_sent(stand)
    account.rename(next(item.id for item in account.folders() if item.name == archive.name), "Наша свадьба")
    account.trash(account.files()[0].id)
    harness.deliver(harness.make_job(archive, job_id="job-2"))
    assert before + 1 == count_sent(stand)
    assert sorted((f"Наша свадьба/{p.name}", len(p.data), p.md5) for p in archive.pictures) == stand.tree()
    assert stand.world.violations == []


def test_strange_names_and_equal_ones_all_arrive_once(stand: Stand) -> None:
    """And a second run has nothing to do."""
    names = [
        "a/b:c.jpg",
        "it's.jpg",
        "🎉/😀.jpg",
        "x" * 300 + ".jpg",
        "same.jpg",
        "same.jpg",
        "same.jpg",
        "same (2).jpg",
    ]
    pictures = [Picture(name, b"photo %d" % number) for number, name in enumerate(names)]
    archive = stand.world.gallery.add(
        'Имя: "12/30"', [*pictures, Picture("empty.jpg", b""), Picture("same.jpg/x", b"x")]
    )
    harness = stand.harness()
    for number in range(2):
        harness.deliver(harness.make_job(archive, job_id=f"job-{number}"))
    assert sorted(picture.md5 for picture in archive.pictures) == sorted(md5 for _, _, md5 in stand.tree())
    assert count_sent(stand) >= len(archive.pictures)
    assert told(stand) == [0, 0]
    assert stand.world.violations == []


def test_slices_carry_the_newest_grant_on(stand: Stand) -> None:
    """Every access token has ended by the next delivery; refresh tokens that rotate are used once each."""
    # Long enough to come to a photo on a busy machine as well; all of them take several times as long on any.
    harness = stand.harness(SLICE_SECONDS="0.3", WORKER_PHOTOS="1")
    archive = add_gallery(stand, 30)
    stand.fault("photo", "stall", times=None, seconds=0.1)
    job, deliveries = harness.make_job(archive), 0
    while job:
        stand.accounts.expire_tokens()
        harness.deliver(job)
        deliveries += 1
        job = harness.queue.requeued.pop() if harness.queue.requeued else None
        assert deliveries < 50
    assert deliveries > 2
    assert stand.accounts.refreshes == deliveries
    assert archive.expected() == stand.tree()
    assert told(stand) == [0]
    assert stand.world.violations == []


def test_waiting_jobs_carry_the_newest_grant_on(stand: Stand) -> None:
    """A cloud that goes down after a refresh, then a gallery that does not take the news."""
    # Few at a time, and none of them fast, so that enough photos are left when it goes down to tell that from photos
    # that are broken, before the last of them was tried.
    harness = stand.harness(RETRY_ATTEMPTS="1", WORKER_PHOTOS="1")
    archive = add_gallery(stand, 40)
    stand.fault("photo", "stall", times=None, seconds=0.05)
    stand.accounts.expire_tokens()
    stand.fault(stand.begins, "expire_token", after=2)
    stand.fault(stand.begins, "status", times=None, after=3, status=503)
    job = harness.make_job(archive)
    deliver_on(harness, job)
    ((waiting, level),) = harness.queue.delayed
    shown = harness.reporter.told[-1]
    assert shown.next_attempt_at == pytest.approx(shown.updated_at + WAITING_SECONDS[level])
    assert stand.accounts.refreshes == 1
    assert open_grant(harness, waiting).access_token != open_grant(harness, job).access_token
    stand.world.faults.clear()
    harness.queue.delayed.clear()
    stand.accounts.expire_tokens()
    stand.fault("done", "status", status=500)
    deliver_on(harness, waiting)
    ((telling, _),) = harness.queue.delayed
    assert telling.state.phase is Phase.TELLING
    assert stand.accounts.refreshes == 2
    assert open_grant(harness, telling).access_token != open_grant(harness, waiting).access_token
    assert_complete(stand, archive)


def test_a_shutdown_carries_the_newest_grant_on(stand: Stand) -> None:
    """What moved is let go; the job goes on elsewhere, with tokens that work."""
    harness, signals = stand.harness(), Signals()
    archive = add_gallery(stand, 40)
    stand.fault("photo", "stall", times=None, seconds=0.02)
    stand.fault(stand.begins, "expire_token", after=1)
    done = threading.Event()

    def wait_and_stop() -> None:
        while not stand.service.account().files() and not done.wait(0.005):
            pass
        signals.stop(Cause.SHUTDOWN)

    thread = threading.Thread(target=wait_and_stop)
    thread.start()
    harness.deliver(harness.make_job(archive), signals=signals)
    done.set()
    thread.join()
    (rest,) = harness.queue.requeued
    harness.queue.requeued.clear()
    stand.world.faults.clear()
    stand.accounts.expire_tokens()
    deliver_on(harness, rest)
    assert_complete(stand, archive)


def test_a_full_cloud_is_left_alone(stand: Stand) -> None:
    """What does not fit is not begun, and the gallery hears how many are missing."""
    archive, harness = add_gallery(stand), stand.harness()
    stand.service.account().limit = 100_000
    harness.deliver(harness.make_job(archive))
    assert stand.service.account().folders() == []
    assert told(stand) == [12]


@pytest.mark.parametrize("number", range(2))
def test_a_cloud_that_fills_up_meanwhile_stops_the_job(stand: Stand, number: int) -> None:
    """A quota error in the middle is the last thing asked."""
    faults = stand.pretend.full
    archive, harness = add_gallery(stand, 40), stand.harness()
    fault: dict[str, Any] = faults[number % len(faults)]
    stand.fault(**fault, times=None, after=10)
    harness.deliver(harness.make_job(archive))
    assert [40 - len(stand.tree())] == told(stand)
    assert count_sent(stand) <= 12 + harness.settings.photos * STAGE_COUNT


def test_a_wrong_file_is_not_left_behind(stand: Stand) -> None:
    """The cloud spoils a photo and will not remove it at once; nobody may take it for the photo next time."""
    archive, harness = add_gallery(stand, 1), stand.harness(RETRY_ATTEMPTS="1")
    stand.fault(stand.sends, "corrupt")
    stand.fault(stand.pretend.operations.remove, "status", status=503)
    harness.deliver(harness.make_job(archive))
    assert (stand.tree(), told(stand)) == ([], [1])


def test_a_revoked_grant_ends_the_job_once(stand: Stand) -> None:
    """No storm of refreshes."""
    archive, harness = add_gallery(stand), stand.harness()
    job = harness.make_job(archive)
    stand.accounts.revoke("guest")
    harness.deliver(job)
    assert told(stand) == [12]
    assert harness.is_idle()
    assert stand.accounts.refreshes <= 1


def test_two_workers_with_one_job_leave_every_photo_once(stand: Stand) -> None:
    """Both copy at the same time; whoever looks last sees every photo once, and every folder."""
    archive = add_gallery(stand, 30)
    desks = [stand.harness(), stand.harness()]
    jobs = [harness.make_job(archive) for harness in desks]
    threads = [threading.Thread(target=harness.deliver, args=[job]) for harness, job in zip(desks, jobs, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    desks[0].deliver(desks[0].make_job(archive, job_id="job-2"))
    assert archive.expected() == stand.tree()
    account = stand.service.account()
    assert len({account.path(folder) for folder in account.folders()}) == len(account.folders()) == 4


def open_grant(harness: WorkerHarness, job: Any) -> Grant:
    """Return the grant that travels with a job."""
    from common.messages.archive_job import grant_context

    return Grant.from_text(harness.settings.sealer.open(job.grant, grant_context(job.id)))


@pytest.mark.parametrize("what", ["there are bytes", "there is no photo"])
def test_a_photo_that_is_listed_as_nothing_is_proved_first(stand: Stand, what: str) -> None:
    """Nothing is stored of it: asking about an empty upload may end it, and an empty request does."""
    archive, harness = add_gallery(stand, count=4), stand.harness()
    entry = archive.manifest[1]
    entry["filesize"] = 0
    entry["crc"] = "-"
    if what == "there is no photo":
        stand.world.gallery.photo_store.remove(urlsplit(unquote(entry["url"])).path)
    harness.deliver_to_the_end(harness.make_job(archive))
    assert [row for row in archive.expected() if not row[0].endswith(entry["name"])] == stand.tree()
    assert told(stand) == [1]
    assert stand.world.violations == []


@pytest.mark.parametrize("status", [403, 507])
@pytest.mark.parametrize("after", [0, 1])
def test_one_strange_answer_to_a_listing_ends_nothing(stand: Stand, after: int, status: int) -> None:
    """Neither to the first nor to the last: also "full" is no answer to who only looks."""
    archive, harness = add_gallery(stand), stand.harness()
    stand.fault(stand.lists, "status", after=after, status=status, reason="neverHeardOf")
    harness.deliver_to_the_end(harness.make_job(archive))
    assert (harness.reporter.told[-1].state, stand.fired()) == ("done", 1)
    assert_complete(stand, archive)


@pytest.mark.parametrize("reason", ["neverHeardOf", "accountDisabled"])
def test_who_refuses_when_all_is_there_ends_nothing_any_more(
    stand: Stand, monkeypatch: pytest.MonkeyPatch, reason: str
) -> None:
    """Every photo arrived and was seen to agree; only the last look is refused for good."""
    archive, harness = add_gallery(stand), stand.harness()
    copy = Copier.copy

    def copy_and_refuse(copier: Copier, *given: Any) -> BatchResult:
        done = copy(copier, *given)
        stand.fault(stand.lists, "status", times=None, status=403, reason=reason)
        return done

    monkeypatch.setattr(Copier, "copy", copy_and_refuse)
    harness.deliver(harness.make_job(archive))
    last = harness.reporter.told[-1]
    assert (last.state, last.reason, last.photos_copied, told(stand)) == ("done", "", 12, [0])
    assert harness.is_idle()
    assert_complete(stand, archive)


def test_photos_that_leave_the_list_were_not_found(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is told of at the end adds up to the list as it stands then."""
    archive, harness = add_gallery(stand), stand.harness()
    harness.deliver_to_the_end(harness.make_job(archive))
    fetch, lists = Gallery.fetch_manifest, []

    def fetch_fewer(gallery: Gallery, archive_url: str) -> Manifest:
        lists.append(archive_url)
        if len(lists) == 2:
            del archive.manifest[2:]
        return fetch(gallery, archive_url)

    monkeypatch.setattr(Gallery, "fetch_manifest", fetch_fewer)
    harness.deliver_to_the_end(harness.make_job(archive, job_id="job-2"))
    last = harness.reporter.told[-1]
    assert (last.photos_copied, last.photos_skipped, last.photos_failed, last.photos_total) == (0, 2, 0, 2)


@pytest.mark.parametrize("deed", ["moved", "overwritten"])
def test_what_a_guest_takes_meanwhile_is_copied_once_more(
    stand: Stand, monkeypatch: pytest.MonkeyPatch, deed: str
) -> None:
    """A photo that had just arrived: theirs stays as it is, and the archive's place is complete at the end."""
    archive, harness = add_gallery(stand), stand.harness()
    account: Any = stand.service.account()
    copy, theirs = Copier.copy, []

    def copy_and_take(copier: Copier, *given: Any) -> BatchResult:
        done = copy(copier, *given)
        if not theirs:
            theirs.append(account.files()[0])
            if deed == "moved":
                account.move(theirs[0].id, account.add_folder("Мое").id)
            else:
                account.overwrite(theirs[0].id, b"retouched")
            theirs.append(set(stand.tree()) - set(archive.expected()))
        return done

    monkeypatch.setattr(Copier, "copy", copy_and_take)
    harness.deliver_to_the_end(harness.make_job(archive))
    assert theirs[1] <= set(stand.tree())
    others = [md5 for _, _, md5 in set(stand.tree()) - theirs[1]]
    assert sorted(others) == sorted(each.md5 for each in archive.pictures)
    assert (harness.reporter.told[-1].state, told(stand)) == ("done", [0])
