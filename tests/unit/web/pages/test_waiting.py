"""Honest waiting: what a guest reads while nothing moves, and how long it took in the end."""

from dataclasses import replace

import pytest

from common.messages.progress import State
from tests.fakes.snapshots import NOW, RUNNING
from web.api.status import make_status
from web.pages.view import Situation, describe_job, render_job
from web.texts import ENGLISH, RUSSIAN

WAITING = replace(
    RUNNING, state=State.WAITING, reason="gallery_unavailable", eta_seconds=None, next_attempt_at=NOW + 300
)
SPACE = "\N{NO-BREAK SPACE}"


@pytest.mark.parametrize(
    ("later", "english", "russian"),
    [
        (0, "in about 5 minutes", "примерно через 5 минут"),
        (200, "in about 2 minutes", "примерно через 2 минуты"),
        (240, "in about 1 minute", "примерно через 1 минуту"),
        (280, "any moment now", "с минуты на минуту"),
        (999, "any moment now", "с минуты на минуту"),
    ],
)
def test_next_try_is_told_without_a_clock_of_the_guests(later: float, english: str, russian: str) -> None:
    """The page's script puts the guest's own time in its place, from the moment that stands beside it."""
    for texts, words in ((ENGLISH, english), (RUSSIAN, russian)):
        shown = describe_job(WAITING, texts, Situation(now=NOW + later)).next_try
        assert shown
        assert shown.text.replace(SPACE, " ") == words
        assert shown.moment == "2026-09-21T14:18:20Z"
    page = render_job(WAITING, ENGLISH, Situation(now=NOW))
    assert 'Next try: <time datetime="2026-09-21T14:18:20Z">' in page


def test_pause_that_a_cloud_asks_for_is_said() -> None:
    """With the next try; the estimate is the worker's, which counts the pause."""
    paused = replace(RUNNING, next_attempt_at=NOW + 300, eta_seconds=540.0)
    page = render_job(paused, ENGLISH, Situation(now=NOW))
    assert ENGLISH.say("pause") in page
    assert f"about 9{SPACE}minutes left" in page
    assert "<time" in page
    assert ENGLISH.say("pause") not in render_job(RUNNING, ENGLISH)
    assert "<time" not in render_job(RUNNING, ENGLISH)


@pytest.mark.parametrize("state", [State.DONE, State.FAILED, State.CANCELLED, State.QUEUED])
def test_who_does_not_wait_has_no_next_try(state: State) -> None:
    """Whatever an older snapshot said."""
    assert describe_job(replace(WAITING, state=state), ENGLISH).next_try is None


def test_programs_read_the_same_moment() -> None:
    """RFC 3339, null when there is none."""
    assert make_status(WAITING).next_attempt_at == "2026-09-21T14:18:20.000Z"
    assert make_status(RUNNING).next_attempt_at is None
    assert make_status(replace(WAITING, state=State.DONE)).next_attempt_at is None


@pytest.mark.parametrize(
    ("seconds", "english", "russian"),
    [
        (5, "less than a minute", "меньше минуты"),
        (60, "1 min", "1 мин"),
        (3600, "1 h", "1 ч"),
        (7500, "2 h 5 min", "2 ч 5 мин"),
        (86_400 + 7500, "1 d 2 h", "1 сут 2 ч"),
        (86_400, "1 d", "1 сут"),
    ],
)
def test_whole_time_is_shown_at_the_end(seconds: float, english: str, russian: str) -> None:
    """In two units at most; from when a worker began."""
    ended = replace(RUNNING, state=State.DONE, finished_at=RUNNING.started_at + seconds)
    assert f"It took {english}." in " ".join(describe_job(ended, ENGLISH).lead).replace(SPACE, " ")
    assert f"Это заняло {russian}." in " ".join(describe_job(ended, RUSSIAN).lead).replace(SPACE, " ").replace(
        "..", "."
    )


def test_what_never_began_took_no_time() -> None:
    """Nor does a clock that jumped back tell one."""
    for ended in (
        replace(RUNNING, state=State.FAILED, started_at=0, finished_at=NOW),
        replace(RUNNING, state=State.FAILED, finished_at=NOW),
    ):
        assert "took" not in " ".join(describe_job(ended, ENGLISH).lead)
