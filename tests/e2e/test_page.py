"""The page of a job in a real browser: what its script does, and how it looks to whom."""

from dataclasses import replace

from playwright.sync_api import Browser, expect

from tests.e2e.showcase import Showcase
from tests.fakes.snapshots import RUNNING
from web.texts import ENGLISH

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
