"""The page of a job: what a guest reads, and that nothing breaks out of it."""

import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import Reason, Transient
from common.messages.job_id import make_job_id
from common.messages.ledger import Entry, Kind
from common.messages.progress import MAX_FAILURES, FailedPhoto, Progress, State
from tests.fakes.snapshots import NOW, RUNNING
from tests.fakes.web_site import Site
from web.http.headers import prefers_html
from web.pages.view import Situation, render_job
from web.texts import ENGLISH, LANGUAGES, RUSSIAN, Texts

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
DONE = replace(RUNNING, state=State.DONE, photos_copied=113, bytes_copied=1_300_000_000, eta_seconds=None)


class Page(HTMLParser):
    """What a browser would see of a page: its elements, and its text outside of style and script."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._silent = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Remember an element."""
        self.elements.append((tag, dict(attrs)))
        self._silent = tag in ("style", "script")

    def handle_endtag(self, tag: str) -> None:
        """Words are shown again."""
        self._silent = False

    def handle_data(self, data: str) -> None:
        """Remember what is shown."""
        if not self._silent:
            self.words.append(data)

    @property
    def text(self) -> str:
        """All words, single spaces between them."""
        return " ".join("".join(self.words).split())

    def one(self, tag: str, **wanted: str) -> dict[str, str | None]:
        """Return the attributes of the only such element."""
        [found] = [each for name, each in self.elements if name == tag and wanted.items() <= each.items()]
        return found


def show(progress: Progress, language: str = "en", **situation: Any) -> Page:
    """Return a page as a browser sees it."""
    return Page(render_job(progress, LANGUAGES[language], Situation(**situation)))


def store_progress(site: Site, progress: Progress = RUNNING) -> str:
    """Let a site know a job, and return where its page is."""
    progress = replace(progress, job_id=make_job_id(site.settings.sealer, NOW))
    site.store.update(progress)
    return f"/cloud_archive/jobs/{progress.job_id}"


def test_bar_tells_how_far_it_is() -> None:
    """Named, with its value in words, in both languages."""
    bar = show(RUNNING).one("progress", role="progressbar")
    assert (bar["aria-label"], bar["value"], bar["max"]) == ("Saving photos to Google Drive", "31", "100")
    assert bar["aria-valuetext"] == "37 of 120 photos, 412\N{NO-BREAK SPACE}MB of 1.3\N{NO-BREAK SPACE}GB"
    assert "37 of 120 photos · 412 MB of 1.3 GB · 3.7 MB/s · about 4 minutes left" in show(RUNNING).text
    russian = show(RUNNING, "ru").text
    assert "37 из 120 фотографий · 412 МБ из 1,3 ГБ · 3,7 МБ/с · осталось около 4 минут" in russian
    assert "You can close this tab" in show(RUNNING).text


def test_photos_that_just_arrived_are_named() -> None:
    """So that a guest sees it is theirs; only while there are any."""
    assert "Just arrived: b.jpg, a.jpg" in show(replace(RUNNING, latest=("b.jpg", "a.jpg"))).text
    assert "Just arrived" not in show(RUNNING).text


def test_bar_without_a_list_is_indeterminate() -> None:
    """Nothing is known yet, so no value is told."""
    bar = show(Progress(job_id="x", state=State.RUNNING)).one("progress")
    assert not {"value", "aria-valuenow", "aria-valuemax"} & bar.keys()


def test_tab_tells_how_far_it_is() -> None:
    """Who looks at another tab sees the percent; after the end, that it is over."""
    assert "<title>31% · Saving to Google Drive · Свадьба</title>" in render_job(RUNNING, ENGLISH)
    assert "<title>Everything is saved · Свадьба</title>" in render_job(DONE, ENGLISH)


def test_end_shows_the_folder() -> None:
    """A link to it; nothing to cancel and nothing to wait for."""
    page = show(DONE)
    assert page.one("a", **{"class": "button"})["href"] == "https://drive.google.com/drive/folders/x"
    assert "120 photos are in your cloud." in page.text
    assert page.one("main")["data-every"] == "0"
    assert not [tag for tag, named in page.elements if tag == "form" or named.get("http-equiv") == "refresh"]


def test_running_job_can_be_cancelled_and_refreshes_without_script() -> None:
    """A form that posts, and a refresh for who runs no script."""
    page = show(RUNNING)
    form = page.one("form")
    assert (form["method"], form["action"]) == ("post", "/cloud_archive/jobs/x/cancel?lang=en")
    assert page.one("meta", **{"http-equiv": "refresh"})["content"] == "5"
    asked = show(RUNNING, cancelling="asked")
    assert "Stopping." in asked.text
    assert "form" not in [tag for tag, _ in asked.elements]


def test_full_cloud_says_how_much_is_missing() -> None:
    """Needed, free, and what has to be freed."""
    full = replace(
        RUNNING, state=State.FAILED, reason="storage_full", needed_bytes=1_300_000_000, free_bytes=200_000_000
    )
    text = show(full).text
    assert "1.3 GB are needed and 200 MB are free." in text
    assert "Please free up at least 1.1 GB." in text
    assert "37 photos stay in your cloud." in text
    assert "Нужно 1,3 ГБ, свободно 200 МБ." in show(full, "ru").text
    assert "1.3 GB more are needed." in show(replace(full, free_bytes=None)).text
    assert "needed" not in show(replace(full, needed_bytes=None)).text


@pytest.mark.parametrize("reason", Reason)
@pytest.mark.parametrize("language", LANGUAGES.values(), ids=LANGUAGES)
def test_every_reason_reaches_the_page(language: Texts, reason: Reason) -> None:
    """As an alarm when the archive failed; with nothing to do when it only waits."""
    page = render_job(replace(RUNNING, state=State.FAILED, reason=reason), language)
    alarm = page[page.index('role="alert"') : page.index('id="reason"')]
    explained = language.explain(reason)
    for sentence in (explained.title, explained.cause, explained.next_step):
        assert sentence.replace("'", "&#39;") in alarm
    waiting = render_job(replace(RUNNING, state=State.WAITING, reason=reason), language)
    assert language.say("waiting_more") in waiting
    assert explained.next_step.replace("'", "&#39;") not in waiting


def test_failures_are_named_with_what_to_do() -> None:
    """Those that failed alike stand together; those that nobody named are counted."""
    failures = (FailedPhoto("A/1.jpg", "wrong_bytes", "x"), FailedPhoto("A/2.jpg", "photo_unavailable", "HTTP 404"))
    text = show(replace(DONE, failures=failures, photos_failed=5)).text
    assert "Saved, but not everything" in text
    assert "5 photos could not be saved" in text
    assert "The photo is damaged" in text
    assert "A/1.jpg" in text
    assert "Download the list" in text
    assert "and 3 more" in text
    assert "HTTP 404" not in text


def test_page_is_small_however_much_goes_wrong() -> None:
    """50 kB with a hundred long names."""
    failures = tuple(FailedPhoto(f"{number} {'Ж' * 150}.jpg", "wrong_bytes", "") for number in range(MAX_FAILURES))
    worst = replace(RUNNING, gallery_name="Ж" * 255, failures=failures, photos_failed=1000)
    assert len(render_job(worst, RUSSIAN).encode()) <= 50_000


def test_browser_gets_a_page_and_others_get_json(site: Site) -> None:
    """The same address; caches are told what it depends on."""
    path = store_progress(site)
    page = site.send("GET", path, headers=BROWSER)
    assert (page.status_code, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert {"Accept", "Accept-Language"} <= {each.strip() for each in page.headers["Vary"].split(",")}
    assert page.headers["Cache-Control"] == "no-store"
    plain = site.send("GET", path)
    assert plain.headers["Content-Type"] == "application/json"
    assert "Accept" in plain.headers["Vary"]
    assert 'lang="ru"' in site.send("GET", path, headers={**BROWSER, "Accept-Language": "ru"}).text[:40]
    assert 'lang="en"' in site.send("GET", f"{path}?lang=en", headers={**BROWSER, "Accept-Language": "ru"}).text[:40]


def test_unchanged_page_is_not_sent_again(site: Site) -> None:
    """ETag and 304, another one for another language."""
    path = store_progress(site)
    etag = site.send("GET", path, headers=BROWSER).headers["ETag"]
    headers = {**BROWSER, "If-None-Match": etag}
    assert site.send("GET", path, headers=headers).status_code == 304
    assert site.send("GET", f"{path}?lang=ru", headers=headers).status_code == 200


def test_policy_knows_everything_in_the_page_by_its_hash(site: Site) -> None:
    """No inline attribute, nothing from elsewhere, and the hashes are those of what stands there."""
    answer = site.send("GET", store_progress(site), headers=BROWSER)
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    for tag in ("style", "script"):
        [content] = re.findall(f"<{tag}>(.*?)</{tag}>", answer.text, re.DOTALL)
        assert base64.b64encode(hashlib.sha256(content.encode()).digest()).decode() in policy
    for tag, named in Page(answer.text).elements:
        assert not {name for name in named if name == "style" or name.startswith("on")}, tag
        assert tag not in ("img", "iframe", "object", "embed")
        assert "src" not in named, tag


def test_made_up_job_has_a_page_as_well(site: Site) -> None:
    """404, in words."""
    answer = site.send("GET", "/cloud_archive/jobs/AAAA", headers={**BROWSER, "Accept-Language": "ru"})
    assert (answer.status_code, answer.headers["Content-Type"]) == (404, "text/html; charset=utf-8")
    assert RUSSIAN.say("unknown_title") in answer.text
    assert site.send("POST", "/cloud_archive/jobs/AAAA/cancel", headers=BROWSER).status_code == 404


def test_the_button_tells_the_workers_and_leads_back(site: Site) -> None:
    """303 to the page, which says that it stops; a broker that is away is admitted."""
    path = store_progress(site)
    pressed = site.send("POST", f"{path}/cancel?lang=ru", headers=BROWSER)
    assert (pressed.status_code, pressed.headers["Location"]) == (303, f"{path}?lang=ru&cancelling=asked")
    (written,) = site.broker.published
    assert Entry.decode(written.body)[1] == Entry(job_id=path.rsplit("/", 1)[1], kind=Kind.STOPPED)
    assert RUSSIAN.say("stopping") in site.send("GET", pressed.headers["Location"], headers=BROWSER).text
    site.broker.failure = Transient(Reason.TRY_LATER)
    pressed = site.send("POST", f"{path}/cancel", headers=BROWSER)
    assert ENGLISH.say("not_stopped") in site.send("GET", pressed.headers["Location"], headers=BROWSER).text


def test_who_wants_json_cancels_as_before(site: Site) -> None:
    """The contract's answer."""
    assert site.send("POST", f"{store_progress(site)}/cancel").status_code == 202


@pytest.mark.parametrize(
    ("accept", "html"),
    [
        ("", False),
        ("*/*", False),
        ("application/json", False),
        ("text/html", True),
        ("text/*", True),
        ("text/html, application/json", False),
        ("text/html;q=0.5, application/json;q=0.4", True),
        ("text/html;q=0, */*", False),
        ("text/html;q=x, */*;q=0.1", False),
        ("TEXT/HTML", True),
        (BROWSER["Accept"], True),
        ("text/event-stream", False),
        (";,;q=;", False),
    ],
)
def test_html_is_for_who_likes_it_better(accept: str, html: bool) -> None:
    """JSON by default, and when both are liked alike."""
    assert html == prefers_html(accept)


MARKUP = st.text(st.sampled_from("<>&\"'=/ -!`{}%\x00\u2028abscript"), max_size=30)


@given(name=MARKUP, photo=MARKUP, folder=MARKUP)
def test_names_never_break_out(name: str, photo: str, folder: str) -> None:
    """Whatever galleries and photos are called, the page has the same elements, and shows the names as they are."""
    failures = (FailedPhoto(photo, "wrong_bytes", ""),)
    url = f"https://drive.example/{folder}"
    named = replace(DONE, gallery_name=f"x{name}", failures=failures, photos_failed=1, folder_url=url)
    usual = replace(named, gallery_name="x", failures=(FailedPhoto("y", "wrong_bytes", ""),), folder_url="https://z")
    page, other = show(named), show(usual)
    assert [tag for tag, _ in other.elements] == [tag for tag, _ in page.elements]
    assert [sorted(each) for _, each in other.elements] == [sorted(each) for _, each in page.elements]
    assert page.one("a", **{"class": "button"})["href"] == url.replace("\x00", "\ufffd") or "\x00" in url
    assert f"x{name}" in "".join(page.words) or "\x00" in name


@pytest.mark.parametrize("url", ["javascript:alert(1)", "data:text/html,x", "//elsewhere.example/", ""])
def test_folder_that_is_no_web_address_is_no_link(url: str) -> None:
    """Escaping alone would let a script's address through."""
    assert not [named for tag, named in show(replace(DONE, folder_url=url)).elements if named.get("class") == "button"]
