"""How many POSTs one client may send, and what it is told of it."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from starlette.types import Receive, Scope, Send

from tests.fakes.web_site import SEED_REQUEST, OpenSite, Site
from web.rate_limit import Quota

OURS = "https://app.litegallery.io"


@pytest.fixture
def limited(open_site: OpenSite, environ: dict[str, str]) -> Site:
    """An application that takes three POSTs a minute of each client."""
    return open_site(environ, RATE_LIMIT_PER_MINUTE="3")


def seen_from(site: Site, address: str | None) -> Site:
    """Return the same application as a client at an address reaches it."""

    async def moved(scope: Scope, receive: Receive, send: Send) -> None:
        await site.app({**scope, "client": (address, 1) if address else None}, receive, send)

    return replace(site, app=moved)


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
    monkeypatch.setattr("web.rate_limit.MOST_KEYS", 2)
    now = [0.0]
    quota = Quota("default", 1, lambda: now[0])
    assert [quota.take(key) for key in ("a", "b", "a", "c", "b", "a")] == [True, True, False, True, False, True]
    now[0] = 61
    assert [quota.take(key) for key in ("b", "c", "b")] == [True, True, False]


def test_nobody_takes_another_ones_share() -> None:
    """Many threads that take at once get as many as there are, and not one more."""
    quota = Quota("default", 1000)
    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(lambda _: quota.take("key"), range(2000)))
    assert taken.count(True) == 1000


def test_only_posts_count(limited: Site) -> None:
    """Reading, preflights and probes are free; every POST counts, whatever becomes of it."""
    for _ in range(5):
        assert limited.send("GET", "/healthz").status_code == 200
        assert limited.send("OPTIONS", "/cloud_archive").status_code == 405
    answers = [limited.post([]), limited.send("POST", "/nowhere"), limited.post(), limited.post()]
    assert [answer.status_code for answer in answers] == [422, 404, 200, 429]


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
