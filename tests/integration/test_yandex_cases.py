"""Whole archives into Yandex Disk through what only Yandex does: works, limits, accounts without a disk, slow media."""

import pytest

from common.clouds.yandex_disk import disk
from common.errors import Reason
from sandbox.faults.plan import Fault
from sandbox.gallery.pictures import Picture, album
from sandbox.world import World
from tests.fakes.worker_harness import WorkerHarness


@pytest.fixture
def harness(world: World, monkeypatch: pytest.MonkeyPatch) -> WorkerHarness:
    """A worker without its queue in that world, whose waits for late files are short."""
    monkeypatch.setattr(disk, "LOOK_DELAYS", (0.001, 0.001, 0.001))
    monkeypatch.setattr(disk, "FIRST_POLL_SECONDS", 0.001)
    return WorkerHarness(world, "yadisk")


def told(world: World) -> list[int]:
    """Return what the gallery heard."""
    return [done.json["failed_photos"] for done in world.gallery.dones]


@pytest.mark.parametrize("already", [0, 4])
def test_technical_works_are_waited_out(world: World, harness: WorkerHarness, already: int) -> None:
    """While the disk can only be read no photo is given up, not even the last two; the job waits in its queue."""
    archive = world.gallery.add("Свадьба", album(6, 2_000))
    harness.deliver(harness.make_job(archive, job_id="before"))
    account = world.yandex.account()
    for item in account.files()[already:]:
        account.delete(item.id)
    world.yandex.read_only = True
    harness.deliver(harness.make_job(archive))
    ((waiting, level),) = harness.queue.delayed
    assert (waiting.state.reason, waiting.state.rejected, level) == (Reason.CLOUD_UNAVAILABLE, {}, 0)
    world.yandex.read_only = False
    harness.queue.delayed.clear()
    assert harness.deliver_to_the_end(waiting) == 1
    assert archive.expected() == account.tree()
    assert told(world) == [0, 0]


@pytest.mark.parametrize("trouble", ["unsupported", "blocked"])
def test_an_account_that_is_refused_ends_the_job(world: World, harness: WorkerHarness, trouble: str) -> None:
    """Only the guest can help: everything listed has failed, after a handful of requests."""
    archive = world.gallery.add("Свадьба", album(6, 2_000))
    setattr(world.yandex.account(), trouble, True)
    harness.deliver(harness.make_job(archive))
    assert (told(world), harness.is_idle()) == ([6], True)
    assert harness.reporter.told[-1].reason == Reason.ACCOUNT_REFUSED
    assert len(world.yandex.requests) <= 10  # one look and the last one before the gallery is told, each tried again


def test_a_photo_larger_than_the_account_takes_costs_no_byte(world: World, harness: WorkerHarness) -> None:
    """The others arrive, and the gallery hears of one."""
    small = [Picture(f"{number}.jpg", b"small %d" % number) for number in range(4)]
    archive = world.gallery.add("Свадьба", [*small, Picture("large.mp4", b"l" * 5_000)])
    world.yandex.account().max_file_size = 4_000
    assert harness.deliver_to_the_end(harness.make_job(archive)) == 1
    assert sorted(f"Свадьба/{each.name}" for each in small) == [path for path, _, _ in world.yandex.account().tree()]
    assert (told(world), world.yandex.received) == ([1], sum(len(each.data) for each in small))


def test_slow_media_arrive_and_the_speed_is_the_measured_one(world: World, harness: WorkerHarness) -> None:
    """A video at Yandex's pace is not given up, and what a guest is told knows of it."""
    world.yandex.slow_rate = 400_000
    videos = [Picture(f"{number}.mp4", bytes([number]) * 100_000) for number in range(4)]
    archive = world.gallery.add("Свадьба", videos)
    paces = []
    change = world.yandex.account().change

    def look_and_change(*args: object, **values: object) -> object:
        paces.append(harness.reporter.watched[0]().bytes_per_second)
        return change(*args, **values)

    world.yandex.account().change = look_and_change
    assert harness.deliver_to_the_end(harness.make_job(archive)) == 1
    assert archive.expected() == world.yandex.account().tree()
    # Four at a time, each at its pace, and never faster.
    assert 0 < max(paces) <= 4 * world.yandex.slow_rate
    assert told(world) == [0]


def test_what_is_stored_later_or_shows_late_or_was_not_confirmed_arrives_once(
    world: World, harness: WorkerHarness
) -> None:
    """202 with an operation, metadata that comes late, a PUT that landed although its answer never came."""
    archive = world.gallery.add("Свадьба", album(8, 2_000))
    world.faults.add(
        Fault("yandex_upload", "defer", polls=3),
        Fault("yandex_upload", "defer", ends="failed", polls=1),
        Fault("yandex_upload", "late", looks=3),
        Fault("yandex_upload", "late", looks=2, status=500),
        Fault("yandex_upload", "drop_after", times=2),
    )
    assert harness.deliver_to_the_end(harness.make_job(archive)) == 1
    assert archive.expected() == world.yandex.account().tree()
    assert (len(world.faults.fired), told(world), world.violations) == (6, [0], [])
    puts = [request for request in world.yandex_uploader.requests if request.method == "PUT"]
    assert len(puts) == 8 + 1
