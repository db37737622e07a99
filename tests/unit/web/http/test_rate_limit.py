"""Quotas of clients, archives and states, and their headers."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from common.messages.job_id import make_job_id
from sandbox.world import World
from tests.fakes.guest import SUCCESS, agree, change
from tests.fakes.web_site import CALLBACK, SEED_REQUEST, OpenSite, Site, seen_from
from web.http.rate_limit import STATUS_PER_POST, Quota

OURS = "https://app.litegallery.io"


@pytest.fixture
def limited(open_site: OpenSite, environ: dict[str, str]) -> Site:
    """An application that takes three POSTs a minute of each client."""
    return open_site(environ, RATE_LIMIT_PER_MINUTE="3")


def test_a_client_has_so_many_posts_a_minute(limited: Site) -> None:
    """The rest is refused with a problem that tells when to come back; a page of ours may read it."""
    answers = [limited.send("POST", "/cloud_archive", json=SEED_REQUEST, headers={"Origin": OURS}) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert [answer.headers["RateLimit"].rpartition(";t=")[0] for answer in answers] == [
        '"default";r=2',
        '"default";r=1',
        '"default";r=0',
        '"default";r=0',
    ]
    assert {answer.headers["RateLimit-Policy"] for answer in answers} == {'"default";q=3;w=60'}
    refusal = answers[-1]
    assert refusal.headers["Content-Type"] == "application/problem+json"
    assert refusal.json()["code"] == "rate_limited"
    assert refusal.json()["type"] == "https://iana.org/assignments/http-problem-types#quota-exceeded"
    assert 0 < int(refusal.headers["Retry-After"]) <= 60
    assert refusal.headers["RateLimit"] == f'"default";r=0;t={refusal.headers["Retry-After"]}'
    assert refusal.headers["Access-Control-Allow-Origin"] == OURS
    assert {"Retry-After", "RateLimit"} <= set(refusal.headers["Access-Control-Expose-Headers"].split(", "))


def test_the_next_minute_is_a_new_one(limited: Site, clock: list[float]) -> None:
    """Whoever waits as long as told is served, and who comes before is not; a refusal makes nobody's minute longer."""
    assert limited.post().headers["RateLimit"] == '"default";r=2;t=60'
    clock[0] += 20.5
    refusal = [limited.post() for _ in range(3)][-1]
    assert refusal.headers["Retry-After"] == "40"
    clock[0] += 38.5
    assert limited.post().status_code == 429
    clock[0] += 1.5
    answer = limited.post()
    assert (answer.status_code, answer.headers["RateLimit"]) == (200, '"default";r=2;t=60')


def test_what_is_counted_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A flood of addresses fills no memory: the oldest minute goes first, and all of them when they are over."""
    monkeypatch.setattr("web.http.rate_limit.MAX_KEYS", 2)
    now = [0.0]
    quota = Quota("default", 1, lambda: now[0])
    assert [quota.try_consume(key) for key in ("a", "b", "a", "c", "b", "a")] == [True, True, False, True, False, True]
    now[0] = 61
    assert [quota.try_consume(key) for key in ("b", "c", "b")] == [True, True, False]


def test_nobody_takes_another_ones_share() -> None:
    """Many threads that take at once get as many as there are, and not one more."""
    quota = Quota("default", 1000)
    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(lambda _: quota.try_consume("key"), range(2000)))
    assert taken.count(True) == 1000


def test_only_posts_count(limited: Site) -> None:
    """Reading, preflights and probes are free; every POST counts, whatever becomes of it."""
    for _ in range(5):
        assert limited.send("GET", "/healthz").status_code == 200
        assert limited.send("OPTIONS", "/cloud_archive").status_code == 405
    answers = [limited.post([]), limited.send("POST", "/nowhere"), limited.post(), limited.post()]
    assert [answer.status_code for answer in answers] == [422, 404, 200, 429]


def test_callbacks_are_limited_as_posts_are(limited: Site) -> None:
    """Three a minute of each client, whatever they hold; a share of its own; a page for browsers, that comes again."""
    answers = [limited.send("GET", CALLBACK + "?state=x") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [400, 400, 400, 429]
    assert {answer.headers["RateLimit-Policy"] for answer in answers} == {'"callback";q=3;w=60'}
    assert answers[-1].json()["code"] == "rate_limited"
    asks = {"Accept": "text/html,*/*;q=0.8", "Accept-Language": "ru"}
    page = limited.send("GET", CALLBACK + "?state=x", headers=asks)
    assert (page.status_code, page.headers["Content-Type"]) == (429, "text/html; charset=utf-8")
    assert page.headers["Content-Language"] == "ru"
    assert 0 < int(page.headers["Retry-After"]) <= 60
    assert page.headers["Refresh"] == page.headers["Retry-After"]
    assert seen_from(limited, "8.8.8.8").send("GET", CALLBACK).status_code == 400
    assert limited.post().status_code == 200


def test_one_state_is_limited_from_everywhere(
    open_site: OpenSite, worldly: dict[str, str], world: World, clock: list[float]
) -> None:
    """A link that is passed round; who is refused may come back with it later, and it still counts."""
    limited = open_site(worldly, RATE_LIMIT_PER_MINUTE="3")
    address = agree(limited, world)
    wrong = [change(address, code=f"4/0Awrong{number}") for number in range(3)]
    crowd = [seen_from(limited, f"8.8.8.{number}") for number in range(5)]
    answers = [guest.come_back(each) for guest, each in zip(crowd, [*wrong, address], strict=False)]
    assert [answer.status_code for answer in answers] == [303, 303, 303, 429]
    assert answers[-1].headers["RateLimit-Policy"] == '"state";q=3;w=60, "callback";q=3;w=60'
    assert (world.accounts.exchanges, limited.broker.published) == (3, [])
    clock[0] += 61
    assert crowd[4].come_back(address).headers["Location"] == SUCCESS


def test_looking_is_limited_widely(limited: Site, clock: list[float]) -> None:
    """A hundred times as often as asking: status, page and events; and nobody's look takes another's share."""
    job_id = make_job_id(limited.settings.sealer, clock[0])
    path = f"/cloud_archive/jobs/{job_id}"
    answers = [limited.send("GET", path) for _ in range(20)]
    assert {answer.status_code for answer in answers} == {200}
    assert {answer.headers["RateLimit-Policy"] for answer in answers} == {'"status";q=300;w=60'}
    quota = Quota("status", STATUS_PER_POST * 3)
    assert [quota.try_consume("client") for _ in range(301)] == [True] * 300 + [False]
    assert limited.send("POST", f"{path}/cancel").status_code == 202


def test_nobody_is_limited_by_zero(open_site: OpenSite, environ: dict[str, str]) -> None:
    """And nothing is said about it."""
    free = open_site(environ, RATE_LIMIT_PER_MINUTE="0")
    answers = [free.post() for _ in range(6)]
    assert {answer.status_code for answer in answers} == {200}
    assert not any("RateLimit" in answer.headers for answer in answers)


@pytest.mark.parametrize(
    ("address", "neighbour", "shared"),
    [
        ("8.8.8.8", "8.8.4.4", False),
        ("2a00:1450:4001:80e::1", "2a00:1450:4001:80e:ffff::2", True),
        ("2a00:1450:4001:80e::1", "2a00:1450:4001:80f::1", False),
        ("8.8.8.8", "::ffff:8.8.8.8", True),
        ("8.8.8.8", None, False),
    ],
)
def test_a_client_is_an_address_or_a_network(limited: Site, address: str, neighbour: str | None, shared: bool) -> None:
    """Whoever has an IPv6 address has 2^64 of them."""
    for _ in range(3):
        seen_from(limited, address).post()
    assert seen_from(limited, neighbour).post().status_code == (429 if shared else 200)


def test_an_archive_has_as_many_posts_as_five_clients(limited: Site) -> None:
    """A crowd of machines does not press one gallery's button for ever; other galleries are not their victims."""
    crowd = [seen_from(limited, f"8.8.8.{number}") for number in range(16)]
    spellings = ["https://a.lite.gallery/g/1?mod=web", "https://b.lite.gallery/%67/1", "https://a.lite.gallery/g/1#x"]
    answers = [each.post(archive_url=spellings[number % 3]) for number, each in enumerate(crowd)]
    assert [answer.status_code for answer in answers] == [200] * 15 + [429]
    refusal = answers[-1]
    assert refusal.json()["code"] == "rate_limited"
    assert 0 < int(refusal.headers["Retry-After"]) <= 60
    assert refusal.headers["RateLimit-Policy"] == '"archive";q=15;w=60, "default";q=3;w=60'
    assert refusal.headers["RateLimit"].startswith('"archive";r=0;t=')
    assert crowd[-1].post(archive_url="https://a.lite.gallery/g/2").status_code == 200


def test_what_is_refused_costs_an_archive_nothing(limited: Site) -> None:
    """Else nobody could save a gallery that somebody sends nonsense about."""
    crowd = [seen_from(limited, f"8.8.8.{number}") for number in range(16)]
    assert {each.post(archive_type="all").status_code for each in crowd} == {422}
    assert limited.post().status_code == 200


Post = Callable[..., int]


@pytest.fixture
def post_as(limited: Site, monkeypatch: pytest.MonkeyPatch) -> Post:
    """Send a POST with an X-Forwarded-For to a site whose proxies are known; returns the status."""
    from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

    def post(forwarded: str, peer: str = "10.0.0.7") -> int:
        behind = ProxyHeadersMiddleware(limited.app, trusted_hosts="10.0.0.7")  # type: ignore[arg-type]
        site = seen_from(replace(limited, app=behind), peer)  # type: ignore[arg-type]
        return site.send(
            "POST", "/cloud_archive", json=SEED_REQUEST, headers={"X-Forwarded-For": forwarded}
        ).status_code

    return post


def test_what_a_client_claims_to_be_does_not_count(post_as: Post) -> None:
    """Behind our proxy only the address that the proxy added counts, past all that was there before."""
    assert [post_as(f"1.2.3.{number}, 8.8.8.8") for number in range(4)] == [200, 200, 200, 429]
    assert post_as("8.8.8.8, 8.8.4.4") == 200


def test_what_strangers_forward_does_not_count(post_as: Post) -> None:
    """Without our proxy in between, the connection's own address is all there is."""
    assert [post_as(f"1.2.3.{number}", peer="8.8.8.8") for number in range(4)] == [200, 200, 200, 429]
