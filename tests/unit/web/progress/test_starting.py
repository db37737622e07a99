"""A replica that has not caught up yet, and which jobs workers know to be watched."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from common.clouds import CLOUDS
from common.config.settings import WebSettings
from common.messages.job_id import make_job_id
from common.messages.progress import Progress, State
from tests.fakes.web_site import FakeBroker, NullSubscriber, Server, Site
from web.app import wire
from web.progress.requester import MAX_WATCHED, REPEAT_SECONDS, WatchedJobs
from web.progress.store import ProgressStore

NOW = 1_790_000_000.0
HTML = {"Accept": "text/html"}


class SlowSubscriber(NullSubscriber):
    """Has not caught up until a test says so.

    Attributes:
        watched: the jobs that workers know to be watched.
    """

    is_caught_up = False

    def __init__(self) -> None:
        self.watched: list[str] = []

    def note_watched(self, job_id: str) -> None:
        """Record a job."""
        self.watched.append(job_id)


@pytest.fixture
def subscriber() -> SlowSubscriber:
    """A subscriber that has just started."""
    return SlowSubscriber()


@pytest.fixture
def site(server: Server, environ: Mapping[str, str], subscriber: SlowSubscriber) -> Site:
    """An application that starts."""
    settings = WebSettings.read(environ, {cloud.name: cloud.variables for cloud in CLOUDS})
    broker, store = FakeBroker(), ProgressStore(lambda: NOW)
    app = wire(settings, broker, store, store.update, subscriber, lambda: NOW)
    return Site(server.url, broker, settings, app, server, store)


@pytest.fixture
def path(site: Site) -> str:
    """The address of a job of which something old is known."""
    job = Progress(job_id=make_job_id(site.settings.sealer, NOW), updated_at=NOW, created_at=NOW)
    site.store.update(job)
    return f"/cloud_archive/jobs/{job.job_id}"


def test_nothing_old_is_shown_while_the_past_is_read(site: Site, subscriber: SlowSubscriber, path: str) -> None:
    """Who asks is asked to come back; then the answer is there."""
    for address in (path, f"{path}/events"):
        told = site.send("GET", address)
        assert (told.status_code, told.json()["code"], told.headers["Retry-After"]) == (503, "starting", "1")
    subscriber.is_caught_up = True
    assert site.send("GET", path).json()["state"] == "queued"


def test_the_page_asks_again_by_itself(site: Site, subscriber: SlowSubscriber, path: str) -> None:
    """In the guest's language."""
    for language in ("en", "ru"):
        page = site.send("GET", path, headers={**HTML, "Accept-Language": language})
        assert (page.status_code, page.headers["Retry-After"], page.headers["Refresh"]) == (503, "1", "1")
        assert page.headers["Content-Language"] == language
    subscriber.is_caught_up = True
    assert site.send("GET", path, headers=HTML).status_code == 200


@pytest.mark.parametrize("job_id", ["AAAA", "x" * 38])
def test_what_is_no_job_is_none_at_any_time(site: Site, job_id: str) -> None:
    """Ids that were never issued need no past."""
    for address in (f"/cloud_archive/jobs/{job_id}", f"/cloud_archive/jobs/{job_id}/events"):
        assert site.send("GET", address).status_code == 404
    assert site.send("GET", f"/cloud_archive/jobs/{job_id}", headers=HTML).status_code == 404


def test_a_job_can_be_stopped_at_any_time(site: Site, path: str) -> None:
    """Whoever wants no more of it need not wait for the past."""
    assert site.send("POST", f"{path}/cancel").status_code == 202
    assert site.send("POST", f"{path}/cancel", headers=HTML).status_code == 303


def test_workers_know_that_somebody_looks(site: Site, subscriber: SlowSubscriber, path: str) -> None:
    """At what may move; what has ended is looked at in peace."""
    subscriber.is_caught_up = True
    job_id = path.rpartition("/")[2]
    site.send("GET", path)
    site.send("GET", path, headers=HTML)
    assert subscriber.watched == [job_id] * 2
    known = site.store.find(job_id)
    assert known
    site.store.update(replace(known, state=State.DONE))
    site.send("GET", path)
    with site.send("GET", f"{path}/events", stream=True) as stream:
        assert list(stream.iter_lines())
    assert subscriber.watched == [job_id] * 2


def test_workers_are_told_of_a_job_once_in_a_while() -> None:
    """However often somebody looks."""
    now = [0.0]
    watched_jobs = WatchedJobs(lambda: now[0])
    told = []
    for _ in range(40):
        watched_jobs.note("a")
        told += watched_jobs.take_new()
        now[0] += REPEAT_SECONDS / 10
    assert 3 <= len(told) <= 4


def test_a_crowd_that_looks_at_everything_uses_up_no_memory() -> None:
    """Also while there is no broker to tell it to."""
    now = [0.0]
    watched_jobs = WatchedJobs(lambda: now[0])
    for round_ in range(3):
        for number in range(MAX_WATCHED + 5):
            watched_jobs.note(f"{round_}-{number}")
        now[0] += REPEAT_SECONDS
    assert len(watched_jobs._noted_at) <= MAX_WATCHED
    assert len(watched_jobs.take_new()) <= MAX_WATCHED
