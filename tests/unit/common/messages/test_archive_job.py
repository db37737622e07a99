"""The message says everything, and nothing that is not ours is taken for one."""

import contextlib
import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.messages.archive_job import VERSION, ArchiveJob, JobState, NotOurMessage, Phase, grant_context

JOB = ArchiveJob(
    id="job",
    cloud_type="google_drive",
    archive_type="webs",
    archive_url="https://arch.litegallery.io/asdfdafdf/",
    gallery_name="Название галереи",
    grant="sealed",
    created_at="2026-11-23T12:00:00+00:00",
)
TEXTS = [
    field.name
    for field in dataclasses.fields(ArchiveJob)
    if field.name not in ("state", "traceparent", "ticket", "edition")
]


def message(**changes: object) -> bytes:
    """Return a message with some fields changed."""
    return json.dumps({**json.loads(JOB.encode()), **changes}).encode()


def test_a_job_comes_back_as_it_was() -> None:
    """Fresh, and after it has come some way."""
    state = JobState(
        slices=3,
        copied=2,
        arrived={"7": "file"},
        rejected={"8": ("photo_unavailable", "404")},
        phase=Phase.TELLING,
        failed_photos=1,
        waits=2,
        waiting_since=1.5,
        reason="gallery_unavailable",
    )
    for job in (JOB, dataclasses.replace(JOB, state=state)):
        assert ArchiveJob.decode(job.encode()) == job


def test_a_trace_travels_along_and_may_be_missing() -> None:
    """Messages of an earlier version have none; whatever stands there, the job is none the worse."""
    traced = dataclasses.replace(JOB, traceparent="00-1-2-01")
    assert ArchiveJob.decode(traced.encode()) == traced
    assert traced.headers == {"traceparent": "00-1-2-01"}
    old = {key: value for key, value in json.loads(JOB.encode()).items() if key not in ("traceparent", "ticket")}
    assert ArchiveJob.decode(json.dumps(old).encode()) == JOB
    assert JOB.headers == {}
    assert ArchiveJob.decode(message(traceparent=None)).id == JOB.id


def test_a_message_is_json_for_people_too() -> None:
    """With its version, and names as they are written."""
    body = JOB.encode()
    assert json.loads(body)["version"] == VERSION
    assert "Название галереи" in body.decode()


def test_a_message_without_a_state_is_at_its_beginning() -> None:
    """And what a state does not say is as at the beginning; what we do not know is ignored."""
    old = {key: value for key, value in json.loads(JOB.encode()).items() if key != "course"}
    assert ArchiveJob.decode(json.dumps(old).encode()) == JOB
    assert ArchiveJob.decode(message(course={"slices": 1, "new": 2}, other=[])).state == JobState(slices=1)


# What the version before this one wrote, and the phase it meant.
FLAGS = [(False, False, Phase.COPYING), (True, False, Phase.TELLING), (False, True, Phase.TOLD)]


@pytest.mark.parametrize(("telling", "told", "phase"), [*FLAGS, (True, True, Phase.TOLD)])
def test_the_phase_is_read_from_the_two_flags_of_earlier_versions(telling: bool, told: bool, phase: Phase) -> None:
    """In whichever combination: whoever was told is not told again."""
    assert ArchiveJob.decode(message(course={"telling": telling, "told": told})).state.phase is phase


@pytest.mark.parametrize(("telling", "told", "phase"), FLAGS)
def test_the_phase_is_written_as_the_two_flags(telling: bool, told: bool, phase: Phase) -> None:
    """Workers of both versions run side by side; neither may meet a key that it does not know the meaning of."""
    written = json.loads(dataclasses.replace(JOB, state=JobState(phase=phase)).encode())["course"]
    assert (written["telling"], written["told"]) == (telling, told)
    assert "phase" not in written


def test_the_bytes_are_those_of_the_version_before() -> None:
    """A worker knows a message by its body: two versions must write the same job as the same bytes."""
    state = JobState(slices=1, arrived={"7": "file"}, rejected={"8": ("gone", "404")}, may_have_duplicates=True)
    body = dataclasses.replace(JOB, state=state, ticket="t").encode().decode()
    assert body == (
        '{"version": 1, "id": "job", "cloud_type": "google_drive", "archive_type": "webs", "archive_url": '
        '"https://arch.litegallery.io/asdfdafdf/", "gallery_name": "Название галереи", "grant": "sealed", '
        '"created_at": "2026-11-23T12:00:00+00:00", '
        '"course": {"slices": 1, "copied": 0, "arrived": {"7": "file"}, "rejected": '
        '{"8": ["gone", "404"]}, "tries": {}, "telling": false, "failed_photos": 0, "waits": 0, "waiting_since": 0, '
        '"reason": "", "crowded": true, "skipped": -1, "started_at": 0, "told": false}, '
        '"traceparent": "", "edition": "", "ticket": "t"}'
    )


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("value", [None, "", 5, ["text"], {}])
def test_every_field_is_a_text(name: str, value: object) -> None:
    """What is missing or something else is named."""
    with pytest.raises(NotOurMessage, match=name):
        ArchiveJob.decode(message(**{name: value}))


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"null", b"[]", b'"text"', b"\xff", b"[" * 100_000, b"9" * 5000, b"{}", message(version=VERSION + 1)],
)
def test_other_bytes_are_not_ours(body: bytes) -> None:
    """Whatever somebody put into the queue."""
    with pytest.raises(NotOurMessage):
        ArchiveJob.decode(body)


@pytest.mark.parametrize(
    "course",
    [
        [],
        "text",
        {"slices": "many"},
        {"slices": None},
        {"arrived": []},
        {"arrived": None},
        {"rejected": {"a": "b"}},
        {"rejected": {"a": ["b"]}},
        {"waiting_since": {}},
    ],
)
def test_a_state_that_is_none_is_not_ours(course: object) -> None:
    """It would lead a worker astray."""
    with pytest.raises(NotOurMessage, match="course"):
        ArchiveJob.decode(message(course=course))


JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


STATE = st.dictionaries(st.sampled_from(sorted(JobState().write())), JSON)


@given(changes=st.dictionaries(st.sampled_from([*TEXTS, "version"]), JSON, max_size=2), course=JSON | STATE)
def test_a_message_is_understood_or_refused(changes: dict[str, Any], course: object) -> None:
    """Nothing else ever comes out."""
    body = json.dumps({**json.loads(JOB.encode()), **changes, "course": course}).encode()
    with contextlib.suppress(NotOurMessage):
        assert ArchiveJob.decode(ArchiveJob.decode(body).encode()) == ArchiveJob.decode(body)


def test_a_grant_belongs_to_its_job() -> None:
    """Two jobs never share a context."""
    assert grant_context("a") != grant_context("b")


@pytest.mark.parametrize(
    ("field", "value"),
    [("id", "x" * 201), ("id", "я" * 101), ("ticket", "x" * 65), ("ticket", "a.b"), ("ticket", 7), ("ticket", None)],
)
def test_what_the_broker_could_not_take_again_is_none_of_ours(field: str, value: object) -> None:
    """An id or a ticket that no key and no queue can bear would go round in a circle: it is told at once."""
    body = json.dumps({**json.loads(JOB.encode()), field: value}).encode()
    with pytest.raises(NotOurMessage, match=field):
        ArchiveJob.decode(body)
