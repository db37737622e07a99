"""The page of a job in a real browser: what its script does, and how it looks to whom."""

import re
import time
from dataclasses import replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Browser, expect

from common.messages.progress import FailedPhoto, Progress, State
from tests.e2e.guest import find_barriers
from tests.e2e.showcase import ADDRESS, Showcase
from tests.fakes.snapshots import RUNNING
from web.pages.links import WayOn
from web.pages.view import Situation
from web.texts import ENGLISH, RUSSIAN, Texts

FAILURES = (
    FailedPhoto("Test_003.jpg", "wrong_bytes", "", "Церемония/Кольца"),
    FailedPhoto("Test_004.jpg", "photo_unavailable", ""),
)
PARTLY = replace(RUNNING, state=State.DONE, photos_failed=2, failures=FAILURES, finished_at=RUNNING.started_at + 750)
WAITING = replace(RUNNING, state=State.WAITING, reason="daily_limit", next_attempt_at=RUNNING.updated_at + 1800)
FULL = replace(
    PARTLY, state=State.FAILED, reason="storage_full", failures=(), needed_bytes=1_300_000_000, free_bytes=5_000_000
)
STOPPED = replace(FULL, state=State.CANCELLED, reason="cancelled", needed_bytes=None)
AT_THE_GALLERY = WayOn("https://gallery.example/saved", "https://gallery.example/")
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


EVERY_PAGE = {
    "consent": Progress(job_id="x", state=State.AWAITING_CONSENT),
    "queued": replace(RUNNING, state=State.QUEUED, photos_total=0),
    "reading": replace(RUNNING, photos_total=0),
    "running": replace(RUNNING, latest=("Test_001.jpg", "Очень длинное название фотографии без пробелов" * 3)),
    "much": replace(HALF, next_attempt_at=RUNNING.updated_at + 600),
    "waiting": WAITING,
    "partly": PARTLY,
    "full": FULL,
    "stopped": STOPPED,
    "done": replace(PARTLY, photos_failed=0, failures=()),
}


@pytest.mark.parametrize(
    ("name", "texts", "window"),
    [
        ("light", ENGLISH, {}),
        ("dark-320", RUSSIAN, {"color_scheme": "dark", "viewport": {"width": 320, "height": 640}}),
        ("forced", ENGLISH, {"forced_colors": "active", "color_scheme": "dark"}),
        ("forced-320", RUSSIAN, {"forced_colors": "active", "viewport": {"width": 320, "height": 640}}),
    ],
)
def test_every_page_is_whole_for_everybody(browser: Browser, name: str, texts: Texts, window: dict[str, Any]) -> None:
    """No serious barrier and nothing beside the edge: in both languages, dark, narrow, and in a guest's own colours."""
    situation = Situation(AT_THE_GALLERY, can_ask=True, now=RUNNING.updated_at)
    with Showcase(browser, RUNNING, texts, situation, **window) as shown:
        for state, progress in EVERY_PAGE.items():
            shown.progress = progress
            shown.page.reload()
            assert find_barriers(shown.page) == [], state
            assert shown.width <= shown.page.viewport_size["width"], state  # type: ignore[index]
            expect(shown.page.get_by_role("link", name=texts.say("back"))).to_be_visible()
            shown.take_picture(f"{state}-{name}")
        assert shown.complaints == []


def test_guests_own_colours_show_bar_sign_and_buttons(browser: Browser) -> None:
    """A browser drops backgrounds then: what is drawn by one has to be drawn in the guest's colours."""
    measure = """() => {
      const style = (each, part) => getComputedStyle(document.querySelector(each), part);
      const ground = style("main").backgroundColor;
      return {
        sign: style(".head", "::before").backgroundColor !== ground,
        drawing: style(".head", "::after").backgroundColor === ground,
        bar: style("progress").color !== ground && parseFloat(style("progress").borderTopWidth) >= 1,
        buttons: [...document.querySelectorAll("main .button, main button:not([hidden]), summary")].every(
          (each) => parseFloat(getComputedStyle(each).borderTopWidth) >= 1
            && getComputedStyle(each).borderTopColor !== ground),
      };
    }"""
    situation = Situation(AT_THE_GALLERY, can_ask=True)
    for progress in (HALF, PARTLY, FULL, RUNNING):
        with Showcase(browser, progress, ENGLISH, situation, forced_colors="active") as shown:
            assert {name for name, seen in shown.page.evaluate(measure).items() if not seen} == set(), progress.state


def test_paper_holds_what_is_worth_keeping(browser: Browser) -> None:
    """Names, albums and the folder's address; nothing that can only be pressed."""
    with Showcase(browser, PARTLY, ENGLISH, Situation(AT_THE_GALLERY, can_ask=True), color_scheme="dark") as shown:
        shown.page.emulate_media(media="print")
        expect(shown.page.get_by_text("Test_003.jpg")).to_be_visible()
        expect(shown.page.get_by_text("Церемония/Кольца")).to_be_visible()
        address = shown.page.evaluate("getComputedStyle(document.querySelector('#actions .button'), '::after').content")
        assert PARTLY.folder_url in address
        for label in ("again", "copy_names", "download_names", "back"):
            expect(shown.page.get_by_text(ENGLISH.say(label), exact=True)).to_be_hidden()
        expect(shown.page.locator("footer")).to_be_hidden()
        light = re.findall(r"\d+", shown.page.evaluate("getComputedStyle(document.querySelector('main')).color"))
        assert all(int(each) < 60 for each in light)
        shown.take_picture("paper")


# A browser's notifications, written down: a headless one has nowhere to show them.
NOTICES = """
window.notices = [];
window.Notification = class {
  static permission = "default";
  static async requestPermission() { return (Notification.permission = window.answer || "granted"); }
  constructor(title, { body }) { window.notices.push(title, body); }
};
"""


def test_who_wants_it_is_told_at_the_end(browser: Browser) -> None:
    """Once, in the words of the page; the button tells whether it is on, and nobody is asked before they press it."""
    with Showcase(browser, HALF, script=NOTICES) as shown:
        button = shown.page.get_by_role("button", name=ENGLISH.say("notify"))
        expect(button).to_have_attribute("aria-pressed", "false")
        assert shown.page.evaluate("Notification.permission") == "default"
        button.click()
        expect(button).to_have_attribute("aria-pressed", "true")
        assert find_barriers(shown.page) == []
        shown.progress = replace(HALF, photos_copied=83)
        expect(shown.page.locator("#kept")).to_contain_text("90 of 120")
        expect(button).to_have_attribute("aria-pressed", "true")
        shown.progress = EVERY_PAGE["done"]
        expect(shown.page.get_by_role("heading", level=1)).to_have_text(ENGLISH.say("done"))
        assert shown.page.evaluate("notices")[0] == "Everything is saved · Свадьба"
        expect(button).to_be_hidden()
        shown.page.wait_for_timeout(100)
        assert len(shown.page.evaluate("notices")) == 2
        assert shown.complaints == []


def test_who_does_not_want_it_is_left_alone(browser: Browser) -> None:
    """Switched off again, refused to the browser, or without notifications at all."""
    with Showcase(browser, RUNNING, script=NOTICES) as shown:
        button = shown.page.get_by_role("button", name=ENGLISH.say("notify"))
        button.click()
        expect(button).to_have_attribute("aria-pressed", "true")
        button.click()
        expect(button).to_have_attribute("aria-pressed", "false")
        shown.progress = EVERY_PAGE["done"]
        expect(shown.page.get_by_role("heading", level=1)).to_have_text(ENGLISH.say("done"))
        assert shown.page.evaluate("notices") == []
    with Showcase(browser, RUNNING, script=f"{NOTICES} window.answer = 'denied';") as shown:
        button = shown.page.get_by_role("button", name=ENGLISH.say("notify"))
        button.click()
        expect(button).to_be_hidden()
        assert shown.complaints == []
    with Showcase(browser, RUNNING, script="delete window.Notification") as shown:
        expect(shown.page.get_by_role("button", name=ENGLISH.say("notify"))).to_be_hidden()


def test_address_to_keep_holds_nothing_that_was_pressed(browser: Browser) -> None:
    """The language stays; the page goes on asking for what the guest saw."""
    with Showcase(browser, RUNNING, query="?lang=en&cancelling=asked") as shown:
        assert shown.page.url == f"{ADDRESS}?lang=en"
        expect(shown.page).to_have_title(re.compile("^31%"))
        with shown.page.expect_request(re.compile("cancelling=asked")):
            pass
    with Showcase(browser, RUNNING, query="?again=refused") as shown:
        assert shown.page.url == ADDRESS
