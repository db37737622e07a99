"""Photos that failed: named with their albums, grouped, and as a text to keep."""

from dataclasses import replace
from urllib.parse import unquote

import pytest

from common.messages.job_id import make_job_id
from common.messages.progress import MAX_FAILURES, FailedPhoto, State
from tests.fakes.snapshots import NOW, RUNNING
from tests.fakes.web_site import Site
from web.api.status import make_status
from web.pages.failures import FailedAlbum, fit_on_page, group_failures, write_text
from web.pages.view import describe_job, render_job
from web.texts import ENGLISH, RUSSIAN

RINGS = "Церемония/Кольца"
FAILURES = (
    FailedPhoto("Test_003.jpg", "wrong_bytes", "x", RINGS),
    FailedPhoto("Test_001.jpg", "photo_unavailable", "HTTP 404", "Церемония"),
    FailedPhoto("Test_004.jpg", "wrong_bytes", "x"),
    FailedPhoto("Test_005.jpg", "wrong_bytes", "x", RINGS),
)
PARTLY = replace(RUNNING, state=State.DONE, photos_copied=107, photos_failed=6, failures=FAILURES)
LONG = tuple(FailedPhoto(f"{each} {'Ж' * 240}.jpg", "wrong_bytes", "", "Ж" * 500) for each in range(MAX_FAILURES))


def test_photos_stand_in_their_albums_below_their_reasons() -> None:
    """Each reason once, each album once in it."""
    damaged, missing = group_failures(FAILURES, ENGLISH)
    assert damaged.why == ENGLISH.explain("wrong_bytes")
    assert damaged.albums == (
        FailedAlbum(RINGS, ("Test_003.jpg", "Test_005.jpg")),
        FailedAlbum("", ("Test_004.jpg",)),
    )
    assert missing.albums == (FailedAlbum("Церемония", ("Test_001.jpg",)),)


def test_text_has_a_line_for_each_path() -> None:
    """As a photographer can search for it; how many are not named is said."""
    assert write_text(PARTLY, RUSSIAN).splitlines() == [
        "Свадьба",
        "Не удалось сохранить 6 фотографий",
        "",
        "Фотография повреждена",
        "Церемония/Кольца/Test_003.jpg",
        "Церемония/Кольца/Test_005.jpg",
        "Test_004.jpg",
        "",
        "Галерея не отдала фотографию",
        "Церемония/Test_001.jpg",
        "",
        "и ещё 2",
    ]
    assert "more" not in write_text(replace(PARTLY, photos_failed=4), ENGLISH)


def test_text_is_downloaded_under_the_gallerys_name(site: Site) -> None:
    """In the guest's language; a made-up job has a page instead."""
    job = replace(PARTLY, job_id=make_job_id(site.settings.sealer, NOW), gallery_name='Анна & "Иван"/2')
    site.store.update(job)
    path = f"/cloud_archive/jobs/{job.job_id}/failures.txt"
    browser = {"Accept": "text/html"}
    assert f'href="{path}?lang=en"' in site.send("GET", path.removesuffix("/failures.txt"), headers=browser).text
    answer = site.send("GET", f"{path}?lang=ru", headers=browser)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/plain; charset=utf-8")
    assert answer.content.decode() == write_text(job, RUSSIAN)
    kind, plain, name = answer.headers["Content-Disposition"].split("; ")
    assert (kind, plain) == ("attachment", 'filename="photos.txt"')
    assert unquote(name) == "filename*=UTF-8''Недостающие фотографии – Анна & \"Иван\"/2.txt"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert site.send("GET", "/cloud_archive/jobs/AAAA/failures.txt", headers=browser).status_code == 404


def test_programs_read_the_path_beside_the_name() -> None:
    """Without an album they are the same."""
    told = make_status(PARTLY).failures
    assert [(each.name, each.path) for each in told[:3]] == [
        ("Test_003.jpg", "Церемония/Кольца/Test_003.jpg"),
        ("Test_001.jpg", "Церемония/Test_001.jpg"),
        ("Test_004.jpg", "Test_004.jpg"),
    ]


@pytest.mark.parametrize("letter", ["Ж", "&", "\N{CAMERA}", "x"])
def test_page_stays_small_whatever_photos_and_albums_are_called(letter: str) -> None:
    """50 kB; who is not named on the page is counted there, and stands in the text."""
    failures = tuple(replace(each, name=each.name.replace("Ж", letter), album=letter * 500) for each in LONG)
    job = replace(PARTLY, gallery_name=letter * 255, failures=failures, photos_failed=1000)
    page = render_job(job, RUSSIAN)
    assert len(page.encode()) <= 50_000
    shown = len(fit_on_page(failures))
    assert 0 < shown < MAX_FAILURES
    assert describe_job(job, ENGLISH).failures_more == f"and {1000 - shown} more"
    assert write_text(job, ENGLISH).endswith("and 900 more\n")


def test_usual_names_all_have_room() -> None:
    """A hundred of them, in albums."""
    usual = tuple(FailedPhoto(f"IMG_{each:04d}.jpg", "wrong_bytes", "", RINGS) for each in range(MAX_FAILURES))
    assert fit_on_page(usual) == usual
