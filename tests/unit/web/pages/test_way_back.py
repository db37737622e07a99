"""From every page there is a way back to the gallery, and from a bad end one press to the next consent."""

from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest

from common.clouds import CLOUDS
from common.errors import Reason, Transient
from common.messages.job_id import make_job_id
from common.messages.progress import FailedPhoto, Progress, State
from tests.fakes.snapshots import FAILED, NOW, RUNNING
from tests.fakes.web_site import CALLBACK, SEED_REQUEST, OpenSite, Site
from web.consent.gallery_request import GalleryRequest
from web.consent.oauth_state import LIFETIME_SECONDS, open_state
from web.pages.links import WayOn, list_actions
from web.texts import ENGLISH, RUSSIAN

BROWSER = {"Accept": "text/html"}
SUCCESS, FAIL = SEED_REQUEST["redirect_success_link"], SEED_REQUEST["redirect_fail_link"]
REQUEST = GalleryRequest(SEED_REQUEST["archive_url"], SUCCESS, FAIL)
HOME = "https://app.litegallery.io/"
STOPPED = replace(RUNNING, state=State.CANCELLED, reason="cancelled", archive_type="webs")


def store_job(site: Site, progress: Progress, request: GalleryRequest | None = REQUEST) -> str:
    """Let a site know a job, and return where its page is."""
    job_id = make_job_id(site.settings.sealer, NOW)
    sealed = request.seal(site.settings.sealer, job_id) if request else ""
    site.store.update(replace(progress, job_id=job_id, request=sealed, updated_at=NOW))
    return f"/cloud_archive/jobs/{job_id}"


def read_page(site: Site, path: str) -> str:
    """Return a page."""
    return site.send("GET", path, headers=BROWSER).text


def press_again(site: Site, path: str, language: str = "ru") -> tuple[int, str]:
    """Follow the link of the next try; return the status and where it leads."""
    answer = site.send("GET", f"{path}/again?lang={language}", headers=BROWSER)
    return answer.status_code, answer.headers.get("Location", "")


@pytest.mark.parametrize(
    ("progress", "link"),
    [
        (RUNNING, SUCCESS),
        (STOPPED, SUCCESS),
        (FAILED, SUCCESS),
        (Progress(job_id="x", state=State.FAILED, reason="denied"), FAIL),
    ],
)
def test_page_leads_back_to_the_gallery(site: Site, progress: Progress, link: str) -> None:
    """To the success link's page once the job began, to the fail link's page when it did not."""
    page = read_page(site, store_job(site, progress))
    assert f'<a href="{link}" rel="noopener noreferrer">{ENGLISH.say("back")}</a>' in page
    assert HOME not in page


def test_page_of_a_job_of_before_leads_to_the_galleries_site(site: Site) -> None:
    """Its snapshots tell no links; what to do for another try is said instead of a button."""
    page = read_page(site, store_job(site, STOPPED, request=None))
    assert f'<a href="{HOME}" rel="noopener noreferrer">{ENGLISH.say("home")}</a>' in page
    assert "/again" not in page
    assert ENGLISH.say("again_in_gallery") in page


def test_links_that_are_not_allowed_any_more_are_not_shown(open_site: OpenSite, environ: dict[str, str]) -> None:
    """The list of hosts may be shorter than when the gallery asked."""
    site = open_site(environ, REDIRECT_HOSTS="*.litegallery.io")
    page = read_page(site, store_job(site, STOPPED))
    assert SUCCESS not in page
    assert "/again" not in page


def test_request_opens_for_its_own_job_only(site: Site) -> None:
    """One that was moved to another job leads nowhere."""
    moved = REQUEST.seal(site.settings.sealer, "another")
    path = store_job(site, STOPPED)
    job_id = path.rsplit("/", 1)[1]
    site.store.update(replace(STOPPED, job_id=job_id, request=moved, claim=5))
    assert SUCCESS not in read_page(site, path)
    assert repr(REQUEST) == "GalleryRequest(…)"


def test_next_try_is_one_press_and_a_consent(site: Site) -> None:
    """The same gallery, type and cloud, under a job of its own; the guest comes back to its page, in their language."""
    path = store_job(site, STOPPED)
    assert f'href="{path}/again?lang=en"' in read_page(site, path)
    status, consent = press_again(site, path)
    assert status == 303
    [sealed] = parse_qs(urlsplit(consent).query)["state"]
    state = open_state(site.settings.sealer, "google_drive", sealed, NOW)
    assert state.job_id != path.rsplit("/", 1)[1]
    assert (state.archive_url, state.success_link, state.fail_link) == (REQUEST.archive_url, SUCCESS, FAIL)
    assert (state.gallery_name, state.archive_type) == (STOPPED.gallery_name, STOPPED.archive_type)
    assert site.broker.published == []
    denied = site.send("GET", CALLBACK, params={"state": sealed, "error": "access_denied"})
    own = f"{site.settings.public_base_url}/cloud_archive/jobs/{state.job_id}?lang=ru"
    assert (denied.status_code, denied.headers["Location"]) == (303, own)
    assert RUSSIAN.say("again") in read_page(site, own.removeprefix(site.settings.public_base_url))


def test_link_that_names_its_job_names_the_next_one(site: Site) -> None:
    """A gallery that asked for its job's id in a link gets that of the new job, never the old one."""
    path = store_job(site, STOPPED)
    job_id = path.rsplit("/", 1)[1]
    named = replace(REQUEST, success_link=f"{SUCCESS}?job={job_id}")
    sealed = named.seal(site.settings.sealer, job_id)
    site.store.update(replace(STOPPED, job_id=job_id, request=sealed, claim=5))
    _, consent = press_again(site, path)
    state = open_state(site.settings.sealer, "google_drive", parse_qs(urlsplit(consent).query)["state"][0], NOW)
    assert job_id not in state.success_link


@pytest.mark.parametrize("progress", [RUNNING, replace(RUNNING, state=State.DONE, photos_copied=113)])
def test_there_is_no_next_try_while_it_runs_or_when_all_is_there(site: Site, progress: Progress) -> None:
    """The page has no button, and its address leads back to the page."""
    path = store_job(site, progress)
    assert "/again" not in read_page(site, path)
    assert press_again(site, path) == (303, f"{path}?lang=ru")


def test_next_try_waits_for_a_broker(site: Site) -> None:
    """A page that tries again by itself, as at any other moment when nothing can begin."""
    path = store_job(site, STOPPED)
    site.broker.failure, site.broker.is_late = Transient(Reason.TRY_LATER), False
    answer = site.send("GET", f"{path}/again", headers=BROWSER)
    assert (answer.status_code, answer.headers["Refresh"]) == (503, "5")
    assert ENGLISH.say("later_title") in answer.text


def test_next_try_in_a_cloud_that_is_not_offered_any_more(site: Site) -> None:
    """The page says where else to try."""
    path = store_job(site, replace(STOPPED, cloud_type="yadisk"))
    assert press_again(site, path) == (303, f"{path}?lang=ru&again=refused")
    page = read_page(site, f"{path}?lang=ru&again=refused")
    assert RUSSIAN.say("again_in_gallery") in page
    assert "/again?" not in page


def test_made_up_job_has_no_next_try(site: Site) -> None:
    """A page with a way on and the other language."""
    answer = site.send("GET", '/cloud_archive/jobs/A"A/again', headers=BROWSER)
    assert answer.status_code == 404
    assert HOME in answer.text
    assert 'href="/cloud_archive/jobs/A%22A?lang=ru"' in answer.text


def test_full_cloud_leads_to_its_own_storage_page() -> None:
    """Before the next try, which would end the same way."""
    for cloud in CLOUDS:
        full = replace(FAILED, cloud_type=cloud.name, reason="storage_full", folder_url="https://z")
        labels = [ENGLISH.say(each) for each in ("open_storage", "again", "open_folder")]
        links = list(list_actions(full, ENGLISH, can_ask=True))
        assert [each.label for each in links] == labels
        assert links[0].url == cloud.storage_url
        assert urlsplit(cloud.storage_url).scheme == "https"
        assert [each.is_main for each in links] == [True, False, False]


def test_photos_that_failed_can_be_tried_again_after_the_folder() -> None:
    """Most guests want the folder."""
    partly = replace(RUNNING, state=State.DONE, photos_failed=1, failures=(FailedPhoto("a", "wrong_bytes", ""),))
    assert [each.label for each in list_actions(partly, ENGLISH, can_ask=True)] == ["Open the folder", "Try again"]


def test_old_state_leads_back_to_the_gallery(site: Site, clock: list[float]) -> None:
    """Its page has the other language too, and the code stands nowhere in it."""
    state = parse_qs(urlsplit(site.post().json()["redirect_to"]).query)["state"][0]
    clock[0] += LIFETIME_SECONDS + 1
    answer = site.send("GET", CALLBACK, params={"state": state, "code": "SECRET"}, headers=BROWSER)
    assert answer.status_code == 400
    assert f'href="{FAIL}"' in answer.text
    assert "SECRET" not in answer.text
    assert f'href="?state={state}&amp;lang=ru"' in answer.text
    russian = site.send("GET", CALLBACK, params={"state": state, "lang": "ru"}, headers=BROWSER).text
    assert RUSSIAN.say("back") in russian
    assert f'href="{FAIL}"' in russian


def test_old_state_leads_to_no_link_that_is_not_allowed(
    open_site: OpenSite, environ: dict[str, str], clock: list[float]
) -> None:
    """Nor does one that nobody sealed; both lead to the galleries' site."""
    state = parse_qs(urlsplit(open_site(environ).post().json()["redirect_to"]).query)["state"][0]
    clock[0] += LIFETIME_SECONDS + 1
    site = open_site(environ, REDIRECT_HOSTS="*.litegallery.io")
    for sealed in (state, "made-up"):
        page = site.send("GET", CALLBACK, params={"state": sealed}, headers=BROWSER).text
        assert FAIL not in page
        assert f'href="{HOME}"' in page
        assert 'href="?lang=ru"' in page


def test_way_on_may_lead_nowhere() -> None:
    """Where nothing is known."""
    assert WayOn().link(ENGLISH) is None
