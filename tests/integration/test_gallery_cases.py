"""Whole archives from galleries that speak strangely and have every photo: nothing is lost for it."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest

from sandbox.faults.plan import Fault
from sandbox.gallery.host import Archive
from sandbox.gallery.pictures import Picture, draw
from sandbox.world import World
from tests.fakes.worker_harness import WorkerHarness

VICTIM = "victim.jpg"


@pytest.fixture
def harness(world: World) -> WorkerHarness:
    """A worker without its queue in that world."""
    return WorkerHarness(world)


@pytest.fixture
def archive(world: World) -> Archive:
    """Two photos, one of which is going to be spoken of strangely."""
    return world.gallery.add("Свадьба", [Picture(VICTIM, draw(1, 30_000)), Picture("other.jpg", draw(2, 30_000))])


def listed_path(archive: Archive) -> str:
    """Return where the victim is."""
    return urlsplit(str(archive.manifest[0]["url"])).path


def tries_of(world: World, path: str) -> int:
    """Return how often a path was asked for at the photos' host."""
    return len([seen for seen in world.photos.requests if seen.target.partition("?")[0] == path])


def assert_complete(world: World, archive: Archive) -> None:
    """Everything is there, nobody was told otherwise, and no request did what it must not."""
    assert world.faults.fired
    assert archive.expected() == world.drive.account().tree()
    assert world.gallery.dones[-1].json["failed_photos"] == 0
    assert world.violations == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    ("location", "path"),
    [
        (lambda _: "/ok/фото х.jpg", "/ok/фото х.jpg"),
        (lambda _: "a b.jpg", "{folder}/a b.jpg"),
        (lambda _: "../новая папка/./é.jpg#part", "{parent}/новая папка/é.jpg"),
        (lambda world: f"{world.gallery.url.replace('http', 'HTTP')}/there.jpg", "/there.jpg"),
        (lambda world: world.gallery.url.removeprefix("http:") + "\\here.jpg", "/here.jpg"),
        (lambda _: ["/twice.jpg", "/twice.jpg"], "/twice.jpg"),
    ],
    ids=["utf-8", "blank", "upwards", "scheme", "backslash", "twice"],
)
def test_a_photo_is_found_where_a_browser_finds_it(
    world: World, harness: WorkerHarness, archive: Archive, status: int, location: Callable[[World], Any], path: str
) -> None:
    """Whatever bytes the gallery writes into its Location."""
    listed = listed_path(archive)
    folder = listed.rpartition("/")[0]
    world.photos.photo_store.remove(listed)
    found = path.format(folder=folder, parent=folder.rpartition("/")[0])
    world.photos.photo_store.put(found, archive.pictures[0].data)
    world.faults.add(Fault("photo", "redirect", match=listed, status=status, location=location(world)))
    harness.deliver(harness.make_job(archive))
    assert_complete(world, archive)


def test_many_redirects_lead_somewhere_as_well(world: World, harness: WorkerHarness, archive: Archive) -> None:
    """As many as a browser follows."""
    world.faults.add(
        *(
            Fault("photo", "redirect", match=f"{listed_path(archive)}?{hop}", location=f"?{hop + 1}")
            for hop in range(19)
        ),
        Fault("photo", "redirect", match=f"{listed_path(archive)} ", location="?0"),
    )
    harness.deliver(harness.make_job(archive))
    assert tries_of(world, listed_path(archive)) == 21
    assert_complete(world, archive)


def test_one_answer_that_leads_astray_ends_no_photo(world: World, harness: WorkerHarness, archive: Archive) -> None:
    """Nothing is sent there; the photo's next try finds it."""
    world.faults.add(Fault("photo", "redirect", times=2, match=VICTIM, status=302, location="https://closed.example/"))
    harness.deliver(harness.make_job(archive))
    assert_complete(world, archive)


def test_what_always_leads_astray_is_lost_with_its_reason(
    world: World, harness: WorkerHarness, archive: Archive
) -> None:
    """After its tries, and alone."""
    world.faults.add(Fault("photo", "redirect", times=None, match=VICTIM, location="https://closed.example/"))
    harness.deliver(harness.make_job(archive))
    assert [done.json["failed_photos"] for done in world.gallery.dones] == [1]
    assert [failure.reason for failure in harness.reporter.told[-1].failures] == ["url_not_allowed"]
    assert tries_of(world, listed_path(archive)) == harness.settings.retry_attempts


@pytest.mark.parametrize(
    "strange",
    [
        {"does": "interim", "status": 103, "count": 2, "seconds": 0.01},
        {"does": "interim", "status": 102, "count": 1, "seconds": 0.01},
        {"does": "relabel", "headers": {"Content-Encoding": "Identity"}},
        {"does": "relabel", "headers": {"Content-Encoding": ""}},
        {"does": "relabel", "lines": [["Content-Encoding", "identity"], ["content-encoding", "identity"]]},
        {"does": "relabel", "headers": {"Content-Encoding": "aws-chunked"}},
        {"does": "relabel", "headers": {"Content-Encoding": "gzip"}},
        {"does": "relabel", "headers": {"Content-Type": "text/html"}},
        {"does": "relabel", "headers": {"Content-Type": None}},
        {"does": "relabel", "status": 203},
        {"does": "relabel", "lines": [["Content-Length", "30000"]]},
        {"does": "relabel", "length": "30000, 30000"},
        {"does": "relabel", "length": None},
        {"does": "relabel", "status": 206, "headers": {"Content-Range": "bytes 0-29999/30000"}},
    ],
    ids=str,
)
def test_right_bytes_are_the_photo(
    world: World, harness: WorkerHarness, archive: Archive, strange: dict[str, Any]
) -> None:
    """At the first try, whatever is said of them: size and CRC-32 agree."""
    world.faults.add(Fault("photo", times=None, match=VICTIM, **strange))
    harness.deliver(harness.make_job(archive))
    assert_complete(world, archive)
    assert tries_of(world, listed_path(archive)) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"does": "gzip"},
        {"does": "html"},
        {"does": "relabel", "lines": [["Content-Length", "29999"]]},
        {"does": "relabel", "length": "29999"},
        {"does": "relabel", "status": 206},
        {"does": "relabel", "status": 206, "headers": {"Content-Range": "bytes 0-29998/30000"}},
    ],
    ids=str,
)
def test_wrong_bytes_or_lengths_that_differ_are_none(
    world: World, harness: WorkerHarness, archive: Archive, wrong: dict[str, Any]
) -> None:
    """However they are labelled; two lengths are how an answer is smuggled into another."""
    world.faults.add(Fault("photo", times=None, match=VICTIM, **wrong))
    harness.deliver(harness.make_job(archive))
    assert [done.json["failed_photos"] for done in world.gallery.dones] == [1]
    assert [name for name, *_ in world.drive.account().tree()] == ["Свадьба/other.jpg"]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_list_that_moved_is_read_where_it_is(
    world: World, harness: WorkerHarness, archive: Archive, status: int
) -> None:
    """At any host of the gallery."""
    world.faults.add(Fault("list", "redirect", status=status, location="?json=true"))
    harness.deliver(harness.make_job(archive))
    assert_complete(world, archive)


@pytest.mark.parametrize("strange", [{"status": 203}, {"headers": {"Content-Type": "text/html"}}, {"length": None}])
def test_a_list_is_what_reads_as_one(
    world: World, harness: WorkerHarness, archive: Archive, strange: dict[str, Any]
) -> None:
    """Whatever is said of it."""
    world.faults.add(Fault("list", "relabel", **strange))
    harness.deliver(harness.make_job(archive))
    assert_complete(world, archive)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_an_end_is_told_where_it_is_taken(world: World, archive: Archive, status: int) -> None:
    """In the same delivery, as the same call, signature and all."""
    harness = WorkerHarness(world, DONE_SIGNING_SECRET="whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    world.faults.add(Fault("done", "redirect", status=status, location="/новый-адрес/cloud_archive/done/"))
    harness.deliver(harness.make_job(archive))
    assert_complete(world, archive)
    first, second = world.gallery.dones
    assert (first.method, second.method, second.status) == ("POST", "POST", 200)
    assert (first.body, sorted(first.headers.items())) == (second.body, sorted(second.headers.items()))
    assert second.headers["webhook-signature"]
    assert harness.is_idle()


@pytest.mark.parametrize("status", [303, 308])
def test_an_end_that_is_led_elsewhere_is_told_again(
    world: World, harness: WorkerHarness, archive: Archive, status: int
) -> None:
    """Nothing is sent to another's host, and a page to be looked at has taken nothing."""
    world.faults.add(Fault("done", "redirect", status=status, location="https://closed.example/done"))
    job = harness.make_job(archive)
    harness.deliver(job)
    assert len(harness.queue.delayed) == 1
    waiting, _ = harness.queue.delayed.pop()
    harness.deliver(waiting)
    assert [done.status for done in world.gallery.dones] == [status, 200]
    assert_complete(world, archive)


@pytest.mark.parametrize(
    "listed", ["2024-08-17 09:54:32 UTC", "2024-08-17T12:54:32.000+03:00", "2024-08-17T09:54:32Z", 1723888472]
)
def test_a_photo_keeps_its_date(world: World, harness: WorkerHarness, listed: Any) -> None:
    """In whatever form it is listed."""
    world.gallery.add("Даты", [Picture("a.jpg", draw(1, 3000), created_at=listed)])
    harness.deliver(harness.make_job(world.gallery.archives()[0]))
    (file,) = world.drive.account().files()
    assert file.modified == "2024-08-17T09:54:32.000Z"
