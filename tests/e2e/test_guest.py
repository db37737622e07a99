"""What a guest sees from the button to the folder, in a real browser."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from sandbox.demo.guest import GALLERY_NAME
from sandbox.faults.plan import Fault
from tests.e2e.guest import Guest, Stand
from web.texts import ENGLISH, RUSSIAN, Texts

Enter = Callable[..., Guest]


def slow_down(stand: Stand, seconds: float) -> None:
    """Let every upload take at least so long: loopback is too fast to be watched."""
    stand.world.faults.add(Fault("upload", "stall", times=None, seconds=seconds))


def test_guest_saves_a_gallery_and_opens_the_folder(enter: Enter, stand: Stand) -> None:
    """Press, allow, watch the bar reach its end, open the folder: all pictures are there."""
    slow_down(stand, 2.0)
    guest = enter()
    guest.ask_for_archive()
    assert guest.find_barriers() == []
    guest.take_picture("consent")
    guest.page.go_back()
    assert guest.find_barriers() == []
    guest.take_picture("gallery")
    guest.save()
    bar = guest.page.get_by_role("progressbar", name="Saving photos to Google Drive")
    expect(bar).to_have_attribute("aria-valuetext", re.compile(r"^[1-9]\d* of 24 photos, .+ of 1\.4.MB$"))
    seen, spoken = [int(bar.get_attribute("value") or 0)], guest.page.get_by_role("status")
    said = spoken.text_content()
    assert 0 < seen[0] < 100
    assert guest.find_barriers() == []
    guest.take_picture("running")
    while guest.page.locator("main").get_attribute("data-state") != "done":
        seen.append(int(bar.get_attribute("value") or 0))
        # Within 15 seconds a screen reader hears nothing but the end.
        assert (spoken.text_content() or "").startswith((str(said), ENGLISH.say("done")))
        guest.page.wait_for_timeout(100)
    assert seen == sorted(seen)
    expect(bar).to_have_attribute("value", "100")
    expect(guest.page.get_by_role("heading", name="Everything is saved")).to_be_visible()
    assert guest.find_barriers() == []
    guest.take_picture("done")
    guest.page.get_by_role("link", name="Open the folder").click()
    expect(guest.page.get_by_role("heading", level=1, name=GALLERY_NAME)).to_be_visible()
    expect(guest.page.get_by_text("24 photos, as they stand")).to_be_visible()
    guest.page.wait_for_function("[...document.images].slice(0, 4).every((each) => each.naturalWidth > 0)")
    guest.take_picture("folder")
    assert stand.archive.expected() == stand.world.drive.account(guest.login).tree()
    assert guest.complaints == []


def test_guest_opens_the_folder_at_the_other_cloud(enter: Enter, stand: Stand) -> None:
    """Its link names a path and no guest: it is that of who is signed in."""
    stand.world.yandex.account("somebody else").add_folder(GALLERY_NAME)
    guest = enter()
    guest.save("Yandex Disk")
    guest.wait_for_state("done")
    guest.page.get_by_role("link", name="Open the folder").click()
    expect(guest.page.get_by_role("heading", level=1, name=GALLERY_NAME)).to_be_visible()
    expect(guest.page.get_by_text("24 photos, as they stand")).to_be_visible()
    assert guest.complaints == []


def test_gallery_page_shows_the_progress_itself(enter: Enter, stand: Stand) -> None:
    """What a frontend can do with `status_url` alone, from its own origin."""
    guest = enter()
    guest.ask_for_archive("Yandex Disk")
    guest.allow()
    expect(guest.page.get_by_role("heading", name="Everything is saved")).to_be_visible()
    assert guest.find_barriers() == []
    guest.page.get_by_role("link", name="Open the folder").click()
    expect(guest.page.get_by_text("24 photos, as they stand")).to_be_visible()
    assert len(stand.world.yandex.account(guest.login).files()) == 24
    assert guest.complaints == []


@pytest.mark.parametrize(("locale", "texts"), [("en-GB", ENGLISH), ("ru-RU", RUSSIAN)])
def test_denied_permission_is_explained(enter: Enter, locale: str, texts: Texts) -> None:
    """At the gallery in a line, on our page in the guest's language with what to do."""
    guest = enter(locale=locale)
    guest.ask_for_archive()
    guest.deny()
    expect(guest.page.get_by_role("alert")).to_have_text(re.compile("You did not allow access"))
    guest.page.goto(guest.status_url())
    explained = texts.explain("denied")
    alarm = guest.page.get_by_role("alert")
    for sentence in (explained.title, explained.cause, explained.next_step):
        expect(alarm).to_contain_text(sentence)
    assert guest.page.locator("html").get_attribute("lang") == texts.language
    assert guest.find_barriers() == []
    guest.page.get_by_role("link", name=RUSSIAN.name if texts is ENGLISH else ENGLISH.name).click()
    other = RUSSIAN if texts is ENGLISH else ENGLISH
    expect(alarm).to_contain_text(other.explain("denied").title)
    assert guest.complaints == []


def test_full_cloud_says_what_is_missing(enter: Enter, stand: Stand) -> None:
    """Needed and free, in the dark, on a narrow phone."""
    guest = enter(locale="ru-RU", color_scheme="dark", viewport={"width": 320, "height": 640})
    stand.world.drive.account(guest.login).limit = 400_000
    guest.save()
    guest.wait_for_state("failed")
    expect(guest.page.get_by_role("alert")).to_contain_text(
        "Нужно 1,4\N{NO-BREAK SPACE}МБ, свободно 400\N{NO-BREAK SPACE}кБ."
    )
    assert guest.page.evaluate("document.documentElement.scrollWidth") <= 320
    assert guest.find_barriers() == []
    guest.take_picture("full-dark-320")
    assert guest.complaints == []


def stop_and_wait(guest: Guest, stand: Stand) -> None:
    """Press the page's button, twice if it asks, and see the archive stop by itself."""
    guest.page.locator("#cancel").get_by_text(RUSSIAN.say("cancel"), exact=True).click()
    sure = guest.page.get_by_role("button", name=RUSSIAN.say("cancel_yes"))
    if sure.is_visible():
        sure.click()
    expect(guest.page.get_by_text(RUSSIAN.say("stopping"))).to_be_visible()
    guest.wait_for_state("cancelled")
    expect(guest.page.get_by_role("heading", level=1)).to_have_text(RUSSIAN.say("cancelled"))
    assert len(stand.world.drive.account(guest.login).files()) < 24
    assert guest.complaints == []


def test_guest_stops_an_archive_in_the_dark(enter: Enter, stand: Stand) -> None:
    """Contrast and width hold for the bar as well, nothing moves for who asked for that, and the button works."""
    slow_down(stand, 3)
    window = {"width": 320, "height": 640}
    guest = enter(locale="ru-RU", color_scheme="dark", viewport=window, reduced_motion="reduce")
    guest.save()
    expect(guest.page.get_by_role("progressbar")).to_have_attribute("aria-valuetext", re.compile("из 24 фотографий"))
    assert guest.page.evaluate("document.documentElement.scrollWidth") <= 320
    assert guest.page.evaluate("document.getAnimations().length") == 0
    assert guest.find_barriers() == []
    guest.take_picture("running-dark-320")
    stop_and_wait(guest, stand)


def test_guest_stops_an_archive_without_script(enter: Enter, stand: Stand) -> None:
    """The button is a form, and the page comes again by itself."""
    slow_down(stand, 3)
    scripted = enter(locale="ru-RU")
    scripted.save()
    guest = enter(locale="ru-RU", java_script_enabled=False)
    guest.login = scripted.login
    guest.page.goto(scripted.page.url)
    stop_and_wait(guest, stand)


def test_guest_thinks_twice_stops_and_continues(enter: Enter, stand: Stand) -> None:
    """More than half is there: the page asks once more, and after the stop one press leads on."""
    # The last ones never end by themselves, however slow the machine that presses is.
    stand.world.faults.add(Fault("upload", "stall", times=None, after=18, seconds=300))
    guest = enter(locale="ru-RU", viewport={"width": 320, "height": 640})
    guest.save()
    asking = guest.page.locator("summary")
    asking.click()
    sure = guest.page.get_by_role("button", name=RUSSIAN.say("cancel_yes"))
    expect(sure).to_be_visible()
    assert guest.find_barriers() == []
    guest.take_picture("stop-asks-320")
    sure.click()
    guest.wait_for_state("cancelled")
    assert guest.find_barriers() == []
    assert guest.page.evaluate("document.documentElement.scrollWidth") <= 320
    guest.take_picture("stopped-320")
    stand.world.faults.clear()
    guest.page.get_by_role("link", name=RUSSIAN.say("continue")).click()
    guest.page.locator("input[name=login]").fill(guest.login)
    guest.page.get_by_role("button", name="Allow").click()
    guest.wait_for_state("done")
    assert guest.page.locator("html").get_attribute("lang") == "ru"
    assert stand.archive.expected() == stand.world.drive.account(guest.login).tree()
    guest.page.get_by_role("link", name=RUSSIAN.say("back")).click()
    guest.page.wait_for_url("**/ok")
    assert guest.complaints == []


def test_made_up_address_has_a_page(enter: Enter, stand: Stand) -> None:
    """In the guest's language, and as easy to read."""
    guest = enter(locale="ru-RU")
    answer = guest.page.goto(f"{stand.web_url}/cloud_archive/jobs/AAAA")
    assert answer
    assert answer.status == 404
    expect(guest.page.get_by_role("heading", name=RUSSIAN.say("unknown_title"))).to_be_visible()
    assert guest.find_barriers() == []
