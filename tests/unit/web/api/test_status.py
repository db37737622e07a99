"""`GET /cloud_archive/jobs/{id}`."""

from dataclasses import replace

from common.messages.job_id import make_job_id
from common.messages.progress import FailedPhoto, Progress, State
from tests.fakes.snapshots import NOW, RUNNING
from tests.fakes.web_site import Site

FIELDS = {
    *("job_id", "cloud_type", "archive_type", "gallery_name", "state", "photos", "bytes", "bytes_per_second"),
    *(
        "eta_seconds",
        "next_attempt_at",
        "folder_url",
        "failures",
        "reason",
        "created_at",
        "started_at",
        "updated_at",
        "finished_at",
    ),
}


def make_progress(site: Site, **changes: object) -> Progress:
    """Return a snapshot of a job that was issued here."""
    return replace(RUNNING, job_id=make_job_id(site.settings.sealer, NOW), **changes)  # type: ignore[arg-type]


def test_status_has_all_fields_of_the_contract(site: Site) -> None:
    """What a worker told is what a frontend reads."""
    progress = make_progress(site)
    site.store.update(progress)
    answer = site.send("GET", f"/cloud_archive/jobs/{progress.job_id}")
    told = answer.json()
    assert (answer.status_code, set(told)) == (200, FIELDS)
    assert told["photos"] == {"total": 120, "copied": 30, "skipped": 7, "failed": 0}
    assert told["bytes"] == {"total": 1_300_000_000, "copied": 412_000_000}
    assert (told["state"], told["eta_seconds"], told["reason"]) == ("running", 240, None)
    assert (told["created_at"], told["finished_at"]) == ("2026-09-21T14:13:20.000Z", None)
    assert (answer.headers["Cache-Control"], answer.headers["X-Robots-Tag"]) == ("no-store", "noindex")


def test_job_nobody_told_of_awaits_consent(site: Site) -> None:
    """Right after POST, and at every replica: the id itself proves that it was issued."""
    asked = site.post().json()
    told = site.send("GET", f"/cloud_archive/jobs/{asked['job_id']}").json()
    assert (told["state"], told["created_at"]) == ("awaiting_consent", "2026-09-21T14:13:20.000Z")
    assert asked["status_url"].endswith(f"/cloud_archive/jobs/{asked['job_id']}")


def test_job_is_forgotten_after_a_week(site: Site, clock: list[float]) -> None:
    """Like one that never was: nobody waits for consent that long."""
    path = f"/cloud_archive/jobs/{make_job_id(site.settings.sealer, NOW)}"
    assert site.send("GET", path).status_code == 200
    clock[0] += 7 * 24 * 3600 + 1
    assert site.send("GET", path).status_code == 404


def test_made_up_job_is_unknown(site: Site) -> None:
    """404 as a problem."""
    answer = site.send("GET", "/cloud_archive/jobs/AAAA")
    assert (answer.status_code, answer.headers["Content-Type"]) == (404, "application/problem+json")


def test_unchanged_status_is_not_sent_again(site: Site) -> None:
    """ETag and 304; another snapshot has another one."""
    progress = make_progress(site)
    site.store.update(progress)
    path = f"/cloud_archive/jobs/{progress.job_id}"
    etag = site.send("GET", path).headers["ETag"]
    again = site.send("GET", path, headers={"If-None-Match": f'"other", W/{etag}'})
    assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", etag)
    site.store.update(replace(progress, photos_copied=31, updated_at=NOW + 61))
    assert site.send("GET", path, headers={"If-None-Match": etag}).status_code == 200


def test_who_asks_hears_when_to_ask_again(site: Site) -> None:
    """Soon while something moves, also when nothing changed; never again after the end."""
    progress = make_progress(site)
    path = f"/cloud_archive/jobs/{progress.job_id}"
    for state, seconds in [(State.RUNNING, "2"), (State.WAITING, "10"), (State.DONE, None)]:
        site.store.update(replace(progress, state=state))
        answer = site.send("GET", path)
        again = site.send("GET", path, headers={"If-None-Match": answer.headers["ETag"]})
        assert [each.headers.get("Retry-After") for each in (answer, again)] == [seconds, seconds]


def test_numbers_never_go_backwards(site: Site) -> None:
    """Two workers may report one job for a moment; an end stays the end."""
    progress = make_progress(site)
    site.store.update(progress)
    site.store.update(replace(progress, photos_copied=3, bytes_copied=5, updated_at=NOW + 70))
    path = f"/cloud_archive/jobs/{progress.job_id}"
    told = site.send("GET", path).json()
    assert (told["photos"]["copied"], told["bytes"]["copied"]) == (30, 412_000_000)
    failures = (FailedPhoto("a.jpg", "photo_unavailable", "the gallery answered 404"),)
    end = replace(progress, state=State.DONE, photos_copied=112, photos_failed=1, failures=failures)
    site.store.update(replace(end, updated_at=NOW + 80, finished_at=NOW + 80))
    site.store.update(replace(progress, updated_at=NOW + 90))
    told = site.send("GET", path).json()
    assert (told["state"], told["photos"]["failed"]) == ("done", 1)
    expected = {"name": "a.jpg", "path": "a.jpg", "reason": "photo_unavailable"}
    assert told["failures"] == [{**expected, "detail": "the gallery answered 404"}]


def test_reason_is_told(site: Site) -> None:
    """In a word for programs and a line for people."""
    progress = make_progress(site, state=State.FAILED, reason="storage_full", needed_bytes=9, free_bytes=5)
    site.store.update(progress)
    told = site.send("GET", f"/cloud_archive/jobs/{progress.job_id}").json()
    message = "Your cloud is full. 9\N{NO-BREAK SPACE}bytes are needed and 5\N{NO-BREAK SPACE}bytes are free."
    assert told["reason"] == {"code": "storage_full", "message": message}
