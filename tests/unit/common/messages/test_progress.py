"""A snapshot's wire form, and how one follows another."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.messages.progress import NotProgress, Progress, State
from tests.fakes.snapshots import FAILED


def test_wire_form_tells_everything() -> None:
    """What is encoded comes out as it was; a nought that means something is not lost."""
    assert Progress.decode(FAILED.encode()) == FAILED
    assert Progress.decode(FAILED.encode()).free_bytes == 0


def test_wire_form_leaves_out_what_is_as_usual() -> None:
    """A job that has just been queued is told in few words."""
    assert json.loads(Progress(job_id="x").encode()) == {"version": 1, "job_id": "x"}


def test_snapshots_of_before_are_read() -> None:
    """Those that spell every field out, and lack those that came later."""
    told = json.loads(FAILED.encode())
    for late in ("latest", "needed_bytes", "free_bytes"):
        del told[late]
    old = {**told, "eta_seconds": None, "failures": []}
    expected = replace(FAILED, latest=(), needed_bytes=None, free_bytes=None, eta_seconds=None, failures=())
    assert expected == Progress.decode(json.dumps(old).encode())


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff",
        b"[]",
        b"null",
        b"{}",
        b'{"version": 1}',
        b'{"version": 2, "job_id": "x"}',
        b'{"version": 1, "job_id": "x", "state": "dancing"}',
        b'{"version": 1, "job_id": "x", "failures": [1]}',
        b'{"version": 1, "job_id": "x", "photos_total": 1e999}',
        b"[" * 100_000,
    ],
)
def test_what_is_no_snapshot_is_refused(body: bytes) -> None:
    """With one error, whatever it is."""
    with pytest.raises(NotProgress):
        Progress.decode(body)


@given(name=st.text(), photo=st.text())
def test_any_name_travels(name: str, photo: str) -> None:
    """Galleries and photos are called as people like; what no text can hold is refused before."""
    try:
        f"{name}{photo}".encode()
    except UnicodeEncodeError:
        return
    named = replace(FAILED, gallery_name=name, latest=(photo,))
    assert named == Progress.decode(named.encode())


def test_number_never_goes_backwards() -> None:
    """Two workers may report one job; the newer snapshot wins, the larger number stays."""
    later = replace(FAILED, state=State.RUNNING, reason="", photos_copied=1, updated_at=4.0)
    running = replace(FAILED, state=State.RUNNING, reason="")
    assert later.after(running).photos_copied == 3
    assert running.after(later) == later
    assert later.after(FAILED) == FAILED


def test_an_end_is_an_end_however_late_it_is_heard_of() -> None:
    """A full cloud ends a job before the guest's callback has come to its own end, and is told of after it."""
    queued = Progress(job_id="x", state=State.QUEUED, gallery_name="Свадьба", updated_at=FAILED.updated_at + 0.05)
    shown = FAILED.after(queued)
    assert (shown.state, shown.reason) == (State.FAILED, "storage_full")
    assert queued.after(shown) == shown


def test_an_end_that_may_be_followed_is_no_end_when_it_is_older() -> None:
    """A guest said no, then yes; the no is heard of once more."""
    queued = Progress(job_id="x", state=State.QUEUED, updated_at=FAILED.updated_at + 1)
    assert replace(FAILED, reason="denied").after(queued) == queued
