"""The button that stops an archive: asks once more when much is done, also without script."""

from dataclasses import replace

import pytest

from common.messages.progress import Progress, State
from tests.fakes.snapshots import RUNNING
from web.pages.view import MUCH_PHOTOS, Situation, describe_job, render_job
from web.texts import ENGLISH, RUSSIAN

HALF = replace(RUNNING, bytes_copied=RUNNING.bytes_total // 2)


@pytest.mark.parametrize(
    ("progress", "asks"),
    [
        (RUNNING, False),
        (HALF, True),
        (replace(HALF, bytes_copied=HALF.bytes_copied - 13_000_000), False),
        (replace(RUNNING, photos_total=10_000, photos_copied=MUCH_PHOTOS), True),
        (replace(HALF, state=State.WAITING, reason="daily_limit"), True),
        (Progress(job_id="x", state=State.QUEUED), False),
        (Progress(job_id="x", state=State.RUNNING), False),
    ],
)
def test_much_is_not_thrown_away_by_one_press(progress: Progress, asks: bool) -> None:
    """Half of the bytes, or hundreds of photos; less stops at once."""
    assert asks == bool(describe_job(progress, ENGLISH).ask_first)
    page = render_job(progress, ENGLISH)
    assert asks == ("<summary>" in page)
    assert page.count("<form ") == 1


def test_question_says_what_stays() -> None:
    """How much is there, that it stays, and that the rest can come later; in both languages."""
    english, russian = describe_job(HALF, ENGLISH).ask_first, describe_job(HALF, RUSSIAN).ask_first
    assert english.startswith("Already saved: 37 of 120 photos. They stay")
    assert russian.startswith("Уже сохранено: 37 из 120 фотографий.")
    assert "continue later" in english


def test_nobody_is_asked_when_there_is_nothing_to_stop() -> None:
    """Neither after the end nor once the button was pressed."""
    for page in (
        render_job(replace(HALF, state=State.DONE), ENGLISH),
        render_job(HALF, ENGLISH, Situation(cancelling="asked")),
    ):
        assert "<summary>" not in page
        assert "<form" not in page
        assert "data-key" not in page.replace("dataset.key", "")
