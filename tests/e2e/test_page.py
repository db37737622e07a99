"""The page of a job in a real browser: what its script does, and how it looks to whom."""

import time
from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

from playwright.sync_api import Browser, expect

from common.messages.progress import FailedPhoto, State
from tests.e2e.showcase import Showcase
from tests.fakes.snapshots import RUNNING
from web.pages.view import Situation
from web.texts import ENGLISH, RUSSIAN

FAILURES = (
    FailedPhoto("Test_003.jpg", "wrong_bytes", "", "Церемония/Кольца"),
    FailedPhoto("Test_004.jpg", "photo_unavailable", ""),
)
PARTLY = replace(RUNNING, state=State.DONE, photos_failed=2, failures=FAILURES, finished_at=RUNNING.started_at + 750)
HALF = replace(RUNNING, bytes_copied=RUNNING.bytes_total // 2)


def test_question_before_a_stop_stays_open_while_numbers_move(browser: Browser) -> None:
    """Its words move on, the button keeps its place and the focus."""
    with Showcase(browser, RUNNING) as shown:
        expect(shown.page.get_by_role("button", name=ENGLISH.say("cancel"))).to_be_visible()
        shown.progress = HALF
        shown.page.locator("summary").click()
        sure = shown.page.get_by_role("button", name=ENGLISH.say("cancel_yes"))
        sure.focus()
        expect(shown.page.locator("#kept")).to_contain_text("37 of 120")
        shown.progress = replace(HALF, photos_copied=83)
        expect(shown.page.locator("#kept")).to_contain_text("90 of 120")
        expect(sure).to_be_focused()
        shown.progress = replace(RUNNING, photos_copied=31)
        expect(shown.page.locator("#kept")).to_have_text(ENGLISH.say("cancel_more"))
        assert shown.complaints == []


def test_next_try_is_told_by_the_guests_own_clock(browser: Browser) -> None:
    """Wherever they are; without script in words, which hold for every clock."""
    now = time.time()
    waiting = replace(RUNNING, state=State.WAITING, reason="daily_limit", next_attempt_at=now + 1800)
    there = datetime.fromtimestamp(waiting.next_attempt_at, ZoneInfo("Asia/Vladivostok"))
    situation = Situation(now=now)
    with Showcase(browser, waiting, RUSSIAN, situation, timezone_id="Asia/Vladivostok") as shown:
        expect(shown.page.locator("time")).to_have_text(f"{there:%H:%M}")
        shown.progress = replace(waiting, next_attempt_at=now + 5400)
        expect(shown.page.locator("time")).not_to_have_text(f"{there:%H:%M}", timeout=20_000)
        expect(shown.page.locator("time")).to_have_text(f"{there.replace(hour=(there.hour + 1) % 24):%H:%M}")
        assert shown.complaints == []
    with Showcase(browser, waiting, RUSSIAN, situation, java_script_enabled=False) as shown:
        expect(shown.page.locator("time")).to_have_text("примерно через 30\N{NO-BREAK SPACE}минут")


def test_names_are_copied_with_their_albums(browser: Browser) -> None:
    """One line each, ready for a message to the photographer; without script there is no such button."""
    with Showcase(browser, PARTLY, permissions=["clipboard-read", "clipboard-write"]) as shown:
        shown.page.get_by_role("button", name=ENGLISH.say("copy_names")).click()
        expect(shown.page.get_by_role("status")).to_have_text(ENGLISH.say("copied"))
        copied = shown.page.evaluate("navigator.clipboard.readText()")
        assert copied == "Церемония/Кольца/Test_003.jpg\nTest_004.jpg"
        assert shown.complaints == []
    with Showcase(browser, PARTLY, java_script_enabled=False) as shown:
        expect(shown.page.get_by_role("button", name=ENGLISH.say("copy_names"))).to_be_hidden()
        expect(shown.page.get_by_role("link", name=ENGLISH.say("download_names"))).to_be_visible()
