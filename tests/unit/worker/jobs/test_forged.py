"""Messages that somebody else wrote into the queue: nothing is told, read or given back for them."""

import json
from dataclasses import replace
from typing import Any

import pytest

from common.clouds import CLOUDS
from common.crypto.sealing import Sealer, Secret, make_key
from common.messages.archive_job import MAX_COUNT, ArchiveJob, NotOurMessage, Phase, grant_context
from sandbox.faults.plan import Fault
from sandbox.world import World
from tests.fakes.job import JOB
from tests.fakes.worker_harness import WorkerHarness, later
from worker.jobs.runner import MAX_WAIT

CLOUD_NAMES = [cloud.name for cloud in CLOUDS]
SIGNED = {"DONE_SIGNING_SECRET": "whsec_" + "QUFB" * 8, "REVOKE_WHEN_DONE": "true"}


def senseless_grants(harness: WorkerHarness, job: ArchiveJob) -> list[str]:
    """Return grants that must not open for a job: none, another job's, one of another's key."""
    strange = Sealer([Secret(make_key())])
    text = harness.settings.sealer.open(job.grant, grant_context(job.id))
    return [
        "sealed",
        "A" * 60,
        harness.settings.sealer.seal(text, grant_context("another")),
        strange.seal(text, grant_context(job.id)),
    ]


@pytest.mark.parametrize("cloud", CLOUD_NAMES)
@pytest.mark.parametrize("state", [{"phase": Phase.TELLING, "failed_photos": 7}, {"phase": Phase.TOLD}, {}], ids=str)
def test_a_message_whose_grant_does_not_open_does_nothing(world: World, cloud: str, state: dict[str, Any]) -> None:
    """Whatever it claims is left to do: no done call, no request, no grant given back, nothing reported of it."""
    archive = world.gallery.add("x", [])
    harness = WorkerHarness(world, cloud, **SIGNED)
    job = later(harness.make_job(archive), **state)
    for grant in senseless_grants(harness, job):
        with pytest.raises(NotOurMessage, match="does not open"):
            harness.deliver(replace(job, grant=grant))
    assert world.gallery.dones == []
    assert (harness.reporter.told, harness.is_idle()) == ([], True)


@pytest.mark.parametrize("cloud", CLOUD_NAMES)
def test_a_job_that_only_tells_is_still_told(world: World, cloud: str) -> None:
    """Its own grant opens, also one that was sealed by an older key."""
    archive = world.gallery.add("x", [])
    harness = WorkerHarness(world, cloud, **SIGNED)
    job = later(harness.make_job(archive), phase=Phase.TELLING, failed_photos=2)
    harness.deliver(job)
    (done,) = world.gallery.dones
    assert json.loads(done.body)["failed_photos"] == 2


@pytest.mark.parametrize(
    "changes",
    [
        {"archive_url": "https://app.litegallery.io/../admin"},
        {"archive_url": "https://app.litegallery.io"},
        {"archive_url": "file:///etc/passwd"},
        {"archive_url": "https://user@app.litegallery.io/a/"},
        {"archive_url": "https://app.litegallery.io/a\r\nX-Header: y"},
        {"archive_type": "everything"},
        {"gallery_name": "x" * 256},
    ],
    ids=str,
)
@pytest.mark.parametrize("phase", [Phase.COPYING, Phase.TELLING])
def test_what_web_would_not_have_promised_is_not_kept(world: World, changes: dict[str, Any], phase: Phase) -> None:
    """Not even with a grant that opens: whoever writes into the queue may ask for no more than a gallery may."""
    harness = WorkerHarness(world, **SIGNED)
    job = replace(harness.make_job(world.gallery.add("x", [])), **changes)
    with pytest.raises(NotOurMessage):
        harness.deliver(later(job, phase=phase))
    assert world.gallery.dones == []


@pytest.mark.parametrize("name", ["slices", "copied", "failed_photos", "waits", "skipped"])
@pytest.mark.parametrize("value", [-2, MAX_COUNT + 1, 10**400, True, 1.5, "7"])
def test_a_count_is_one(name: str, value: object) -> None:
    """Neither less than none, nor more than any list holds, nor anything else that Python would count as a number."""
    message = json.loads(JOB.encode())
    message["course"][name] = value
    with pytest.raises(NotOurMessage, match=name):
        ArchiveJob.decode(json.dumps(message).encode())


@pytest.mark.parametrize("name", ["waiting_since", "started_at"])
@pytest.mark.parametrize("value", [-1, 1e12, "nan", "inf"])
def test_a_moment_is_one(name: str, value: object) -> None:
    """A date can show it."""
    message = json.loads(JOB.encode())
    message["course"][name] = value
    with pytest.raises(NotOurMessage, match=name):
        ArchiveJob.decode(json.dumps(message).encode())


def test_a_wait_that_begins_in_the_future_has_an_end_too(world: World) -> None:
    """It begins now: after a day it is over."""
    archive = world.gallery.add("x", [])
    harness = WorkerHarness(world, **SIGNED)
    world.faults.add(Fault("done", "status", times=None, status=500))
    job = later(harness.make_job(archive), phase=Phase.TELLING, waiting_since=harness.now + 1e9)
    harness.deliver(job)
    ((waiting, _),) = harness.queue.delayed
    assert waiting.state.waiting_since == harness.now
    harness.now += MAX_WAIT + 1
    with pytest.raises(NotOurMessage):
        harness.deliver(waiting)
