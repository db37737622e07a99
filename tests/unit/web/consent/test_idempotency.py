"""The same POST again under its Idempotency-Key."""

from concurrent.futures import ThreadPoolExecutor
from itertools import count
from uuid import uuid4

import pytest

from tests.fakes.web_site import SEED_REQUEST, OpenSite, Site
from web.consent.idempotency import TTL_SECONDS, IdempotencyCache, KeyReused

KEY = "8e03978e-40d5-43e8-bc93-6894a57f9324"


def post_under(site: Site, key: str, **changes: str) -> tuple[int, dict[str, str]]:
    """Ask for an archive under a key; return the status and the answer."""
    answer = site.send("POST", "/cloud_archive", json={**SEED_REQUEST, **changes}, headers={"Idempotency-Key": key})
    return answer.status_code, answer.json()


@pytest.mark.parametrize("again", [KEY, KEY.upper(), f'"{KEY}"'])
def test_the_same_request_again_gets_the_same_answer(site: Site, again: str) -> None:
    """Consent page, job and all, however the key is written; without the key every request is a new one."""
    first = post_under(site, KEY)
    assert first[0] == 200
    assert post_under(site, again) == first
    assert post_under(site, str(uuid4()))[1]["job_id"] != first[1]["job_id"]
    assert site.post().json()["job_id"] != first[1]["job_id"]


@pytest.mark.parametrize(
    "change", [{"gallery_name": "B"}, {"cloud_type": "yadisk"}, {"redirect_fail_link": "https://b/"}]
)
def test_another_body_under_the_key_is_refused(
    open_site: OpenSite, environ: dict[str, str], change: dict[str, str]
) -> None:
    """And the first one keeps its answer."""
    site = open_site(environ, YANDEX_CLIENT_ID="i", YANDEX_CLIENT_SECRET="s")
    first = post_under(site, KEY)
    status, problem = post_under(site, KEY, **change)
    assert (status, problem["code"]) == (422, "key_reused")
    assert post_under(site, KEY) == first


def test_a_refused_body_does_not_use_a_key_up(site: Site) -> None:
    """Whoever mends the request may send it under the same key."""
    assert post_under(site, KEY, archive_type="all")[1]["code"] == "invalid_request"
    assert post_under(site, KEY)[0] == 200


@pytest.mark.parametrize(
    "key", ["", "1", "gallery-858329", f'"{KEY}', f"{KEY}0", f"{{{KEY}}}", "x" * 5000, f"{KEY}, {KEY}"]
)
def test_a_key_that_two_guests_might_share_is_refused(site: Site, key: str) -> None:
    """They would share an archive."""
    status, problem = post_under(site, key)
    assert (status, problem["code"]) == (400, "key_malformed")
    assert problem["errors"] == []


def test_an_answer_is_kept_for_a_quarter_of_an_hour() -> None:
    """Then the key begins anew, even with another request."""
    clock, fresh = [0.0], count()
    cache = IdempotencyCache[int](lambda: clock[0])
    assert cache.get_or_create(KEY, b"a", lambda: next(fresh)) == 0
    clock[0] = TTL_SECONDS
    assert cache.get_or_create(KEY, b"a", lambda: next(fresh)) == 0
    with pytest.raises(KeyReused):
        cache.get_or_create(KEY, b"b", lambda: next(fresh))
    clock[0] = TTL_SECONDS + 1
    assert cache.get_or_create(KEY, b"b", lambda: next(fresh)) == 1


def test_number_of_answers_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest answers go first."""
    monkeypatch.setattr("web.consent.idempotency.MAX_ENTRIES", 3)
    cache, fresh = IdempotencyCache[int](lambda: 0.0), count()
    keys = [str(uuid4()) for _ in range(4)]
    assert [cache.get_or_create(key, b"", lambda: next(fresh)) for key in keys] == [0, 1, 2, 3]
    # Asking for what is remembered makes nobody go.
    assert [cache.get_or_create(key, b"", lambda: next(fresh)) for key in keys[3:0:-1]] == [3, 2, 1]
    assert cache.get_or_create(keys[0], b"", lambda: next(fresh)) == 4


def test_requests_at_the_same_time_get_one_answer(site: Site) -> None:
    """A double click needs no luck."""
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: post_under(site, KEY)[1]["redirect_to"], range(16)))
    assert len(set(answers)) == 1


def test_a_bug_is_not_remembered() -> None:
    """The next one is tried again."""
    cache = IdempotencyCache[float]()
    with pytest.raises(ZeroDivisionError):
        cache.get_or_create(KEY, b"", lambda: 1 / 0)
    assert cache.get_or_create(KEY, b"", lambda: 1.0) == 1.0
