"""The store of progress: newest snapshots, for seven days, within a limit of bytes."""

from dataclasses import replace

from common.messages.progress import MAX_FAILURES, FailedPhoto, Progress, State
from web.progress.store import RETENTION_SECONDS, ProgressStore

NOW = 1_790_000_000.0
DONE = Progress(
    job_id="done",
    gallery_name="Свадьба",
    state=State.DONE,
    photos_copied=5,
    failures=(FailedPhoto("a.jpg", "wrong_bytes", ""),),
    updated_at=NOW,
)


def test_ended_job_comes_out_as_it_went_in() -> None:
    """However it is kept; and its end stays its end."""
    store = ProgressStore(lambda: NOW)
    store.update(DONE)
    store.update(replace(DONE, state=State.RUNNING, updated_at=NOW + 1))
    assert store.find("done") == DONE


def test_job_is_forgotten_a_week_after_its_last_news() -> None:
    """At every replica alike, whatever else happened there."""
    moment = [NOW]
    store = ProgressStore(lambda: moment[0])
    store.update(DONE)
    moment[0] += RETENTION_SECONDS
    assert store.find("done")
    moment[0] += 1
    assert store.find("done") is None


def test_bad_day_does_not_use_up_the_memory() -> None:
    """Where every job names a hundred photos, the jobs that were heard of least lately are forgotten first."""
    store = ProgressStore(lambda: NOW, max_packed_bytes=20_000)
    for number in range(200):
        names = [f"{pow(7919, number * 100 + each, 10**40)}.jpg" for each in range(MAX_FAILURES)]
        store.update(
            replace(DONE, job_id=str(number), failures=tuple(FailedPhoto(name, "wrong_bytes", "") for name in names))
        )
    known = [number for number in range(200) if store.find(str(number))]
    assert known == list(range(known[0], 200))
    assert 5 < len(known) < 40


def test_what_changes_state_often_weighs_once() -> None:
    """A job that ended, was begun anew and ended again pushes nobody out."""
    store = ProgressStore(lambda: NOW, max_packed_bytes=1000)
    store.update(DONE)
    broken = Progress(job_id="again", state=State.FAILED, reason="internal", updated_at=NOW)
    for number in range(100):
        store.update(replace(broken, updated_at=NOW + number))
        store.update(replace(broken, state=State.RUNNING, reason="", updated_at=NOW + number))
    assert store.find("done") == DONE
