"""What a replica keeps of what it hears."""

from dataclasses import replace

from common.messages.progress import MOST_FAILURES, FailedPhoto, Progress, State
from web.progress.store import KEPT_SECONDS, News

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
    news = News(lambda: NOW)
    news.learn(DONE)
    news.learn(replace(DONE, state=State.RUNNING, updated_at=NOW + 1))
    assert news.find("done") == DONE


def test_job_is_forgotten_a_week_after_its_last_news() -> None:
    """At every replica alike, whatever else happened there."""
    moment = [NOW]
    news = News(lambda: moment[0])
    news.learn(DONE)
    moment[0] += KEPT_SECONDS
    assert news.find("done")
    moment[0] += 1
    assert news.find("done") is None


def test_bad_day_does_not_use_up_the_memory() -> None:
    """Where every job names a hundred photos, the jobs that were heard of least lately are forgotten first."""
    news = News(lambda: NOW, most_bytes=20_000)
    for number in range(200):
        names = [f"{pow(7919, number * 100 + each, 10**40)}.jpg" for each in range(MOST_FAILURES)]
        news.learn(
            replace(DONE, job_id=str(number), failures=tuple(FailedPhoto(name, "wrong_bytes", "") for name in names))
        )
    known = [number for number in range(200) if news.find(str(number))]
    assert known == list(range(known[0], 200))
    assert 5 < len(known) < 40


def test_what_changes_state_often_weighs_once() -> None:
    """A job that ended, was begun anew and ended again pushes nobody out."""
    news = News(lambda: NOW, most_bytes=1000)
    news.learn(DONE)
    broken = Progress(job_id="again", state=State.FAILED, reason="internal", updated_at=NOW)
    for number in range(100):
        news.learn(replace(broken, updated_at=NOW + number))
        news.learn(replace(broken, state=State.RUNNING, reason="", updated_at=NOW + number))
    assert news.find("done") == DONE
