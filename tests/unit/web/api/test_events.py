"""`GET …/events`: server-sent events."""

import asyncio
import json
import threading
import time
from dataclasses import replace

import fastapi.routing
import pytest
import requests
from fastapi import FastAPI
from starlette.exceptions import HTTPException

from common.messages.job_id import make_job_id
from common.messages.progress import Progress, State
from tests.fakes.web_site import Site, seen_from
from web.api.events import StreamLimit, make_router
from web.http import problems

NOW = 1_790_000_000.0


@pytest.fixture
def job(site: Site) -> Progress:
    """A job that was issued here and runs."""
    progress = Progress(
        job_id=make_job_id(site.settings.sealer, NOW), state=State.RUNNING, photos_total=3, created_at=NOW
    )
    progress = replace(progress, updated_at=NOW + 1)
    site.store.update(progress)
    return progress


def listen(site: Site, job: Progress, **headers: str) -> requests.Response:
    """Open a job's stream."""
    return site.send("GET", f"/cloud_archive/jobs/{job.job_id}/events", headers=headers, stream=True)


def test_every_change_is_told_until_the_end(site: Site, job: Progress) -> None:
    """The status at once, then what changed; after the end the stream ends."""
    with listen(site, job) as stream:
        assert stream.headers["Content-Type"].startswith("text/event-stream")
        told = []
        for line in stream.iter_lines(chunk_size=1):
            if line.startswith(b"data: "):
                told.append(json.loads(line.removeprefix(b"data: ")))
                copied = len(told)
                state = State.DONE if copied == 3 else State.RUNNING
                site.store.update(replace(job, photos_copied=copied, state=state, updated_at=NOW + 1 + copied))
    assert [each["photos"]["copied"] for each in told] == [0, 1, 2, 3]
    assert told[-1] == site.send("GET", f"/cloud_archive/jobs/{job.job_id}").json()


def test_silence_is_filled_with_comments(site: Site, job: Progress, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that no proxy takes a quiet stream for a dead one."""
    monkeypatch.setattr(fastapi.routing, "_PING_INTERVAL", 0.05)
    with listen(site, job) as stream:
        lines = (line for line in stream.iter_lines(chunk_size=1) if line.startswith(b":"))
        assert next(lines) == b": ping"
    site.store.update(replace(job, state=State.CANCELLED, updated_at=NOW + 2))


def test_pages_of_allowed_hosts_may_listen(site: Site, job: Progress) -> None:
    """CORS is the same as everywhere."""
    site.store.update(replace(job, state=State.DONE, updated_at=NOW + 2))
    with listen(site, job, Origin="https://app.litegallery.io") as stream:
        assert stream.headers["Access-Control-Allow-Origin"] == "https://app.litegallery.io"
    with listen(site, job, Origin="https://elsewhere.example") as stream:
        assert "Access-Control-Allow-Origin" not in stream.headers


def test_made_up_job_has_no_stream(site: Site) -> None:
    """404 as a problem, before any place is taken."""
    answer = site.send("GET", "/cloud_archive/jobs/AAAA/events")
    assert (answer.status_code, answer.headers["Content-Type"]) == (404, "application/problem+json")


def test_places_are_few_and_come_back() -> None:
    """Who finds none is told when to come back; who leaves makes room."""

    async def fill() -> None:
        limit = StreamLimit(max_streams=1)
        first = limit.count_stream()
        await anext(first)
        with pytest.raises(HTTPException) as refused:
            await anext(limit.count_stream())
        assert (refused.value.status_code, refused.value.headers) == (503, {"Retry-After": "30"})
        await first.aclose()  # type: ignore[attr-defined]
        await anext(limit.count_stream())

    asyncio.run(fill())


def test_one_client_and_one_job_leave_places_for_others(site: Site, job: Progress) -> None:
    """Whoever opens what they can: another client still listens, to another job and in the end to the same."""
    app = FastAPI()
    limit = StreamLimit(max_streams=9, max_per_client=4, max_per_job=3)
    app.include_router(make_router(site.store.find, limit, lambda: False, poll_seconds=0.02))
    problems.install(app)
    small, other = replace(site, app=app), replace(job, job_id=make_job_id(site.settings.sealer, NOW))
    site.store.update(other)
    open_streams = [listen(small, job) for _ in range(4)]
    assert [each.status_code for each in open_streams] == [200, 200, 200, 429]
    refused = open_streams[-1]
    assert (refused.json()["code"], refused.headers["Retry-After"]) == ("too_many_streams", "30")
    open_streams += [listen(small, other) for _ in range(2)]
    assert [each.status_code for each in open_streams[4:]] == [200, 429]
    elsewhere = seen_from(small, "203.0.113.7")
    assert [listen(elsewhere, each).status_code for each in (other, job)] == [200, 429]
    open_streams[0].close()
    deadline = time.monotonic() + 20
    while (stream := listen(elsewhere, job)).status_code == 429:
        assert time.monotonic() < deadline, "its share was never given back"
    stream.close()
    for each in open_streams:
        each.close()


def test_open_streams_hold_no_threads(site: Site, job: Progress) -> None:
    """Forty guests, and not a thread more for them."""
    before = threading.active_count()
    streams = [listen(site, job).iter_lines(chunk_size=1) for _ in range(40)]
    assert all(b'"running"' in next(lines) for lines in streams)
    # The event loop's helpers may have come to life meanwhile; far fewer than there are guests.
    assert threading.active_count() - before < 20
    site.store.update(replace(job, state=State.DONE, updated_at=NOW + 9))
    assert all(any(b'"done"' in line for line in lines) for lines in streams)


def test_guest_who_leaves_makes_room(site: Site, job: Progress) -> None:
    """A closed connection gives its place to the next one."""
    app = FastAPI()
    app.include_router(make_router(site.store.find, StreamLimit(max_streams=1), lambda: False, poll_seconds=0.02))
    problems.install(app)
    small = replace(site, app=app)
    first = listen(small, job)
    assert (first.status_code, listen(small, job).status_code) == (200, 503)
    refused = listen(small, job)
    assert (refused.json()["code"], refused.headers["Retry-After"]) == ("too_many_streams", "30")
    first.close()
    deadline = time.monotonic() + 20
    while (stream := listen(small, job)).status_code == 503:
        assert time.monotonic() < deadline, "its place was never given back"
    stream.close()
