"""The message says everything, and nothing that is not ours is taken for one."""

import contextlib
import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.messages.archive_job import VERSION, ArchiveJob, Course, NotOurMessage, grant_context

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
    if field.name not in ("course", "traceparent", "ticket", "edition")
]


def message(**changes: object) -> bytes:
    """Return a message with some fields changed."""
    return json.dumps({**json.loads(JOB.encode()), **changes}).encode()


def test_a_job_comes_back_as_it_was() -> None:
    """Fresh, and after it has come some way."""
    course = Course(
        slices=3,
        copied=2,
        arrived={"7": "file"},
        rejected={"8": ("photo_unavailable", "404")},
        telling=True,
        failed_photos=1,
        waits=2,
        waiting_since=1.5,
        reason="gallery_unavailable",
    )
    for job in (JOB, dataclasses.replace(JOB, course=course)):
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


def test_a_message_without_a_course_is_at_its_beginning() -> None:
    """And what a course does not say is as at the beginning; what we do not know is ignored."""
    old = {key: value for key, value in json.loads(JOB.encode()).items() if key != "course"}
    assert ArchiveJob.decode(json.dumps(old).encode()) == JOB
    assert ArchiveJob.decode(message(course={"slices": 1, "new": 2}, other=[])).course == Course(slices=1)


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
def test_a_course_that_is_none_is_not_ours(course: object) -> None:
    """It would lead a worker astray."""
    with pytest.raises(NotOurMessage, match="course"):
        ArchiveJob.decode(message(course=course))


JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


COURSE = st.dictionaries(st.sampled_from([field.name for field in dataclasses.fields(Course)]), JSON)


@given(changes=st.dictionaries(st.sampled_from([*TEXTS, "version"]), JSON, max_size=2), course=JSON | COURSE)
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
