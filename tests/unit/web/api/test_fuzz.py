"""Any bytes to any route: no answer is a 5xx. Bounded by examples, not by a clock."""

import json
import socket
import string
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest
from h11 import SERVER, Connection, RemoteProtocolError
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from common.messages.job_id import make_job_id
from tests.fakes.web_site import CALLBACK, SEED_REQUEST, OpenSite, Site

HALVES = ["\ud800", "\udfff", "a\ud83d", "\udc00\ud800", "https://app.litegallery.io/\ud800", "https://\ud800.io/a"]
ROUTES = ["/cloud_archive", CALLBACK, "/cloud_archive/callback/", "/healthz", "/readyz", "/metrics", "/openapi.json"]
NUMBERS = [10**400, -(10**400), 1e308, float("inf"), float("nan"), 2**64, -1, 0.1]
# As a client may write them, if it must: not only as requests would.
ODD_PATHS = ["%", "%zz", "%ff", "%00", "%ED%A0%80", "%2e%2e/", "//", "..;/", "%F0%9F%96%BC" * 40, "?" * 9, ";a=b", "*"]
ODD_HEADERS = {
    "Accept": ["text/html;q=nan", "q=;;;,,", "*/*;q=1e999", "text/html" * 200, "\xff", ",".join(["a/b"] * 300)],
    "Accept-Language": ["ru;q=-inf", "-", "\xe9", "x" * 3000],
    "Content-Type": [
        "application/json;charset=utf-16",
        "APPLICATION/X+JSON",
        "/",
        "",
        "text/plain",
        "application/json",
    ],
    "Idempotency-Key": ["\xff", '"', "0" * 36, '"00000000-0000-0000-0000-000000000000"'],
    "If-None-Match": ["*", '"', "W/", "\xff", ",,,"],
    "Origin": ["null", "https://[::1", "https://\xff.io", "http://xn--a", "https://a:99999999999"],
    "Traceparent": ["00-" + "f" * 32, "\xff", "-"],
    "X-Request-ID": ["\xff", "a" * 65, ""],
    "X-Forwarded-For": ["::1%eth0", "999.1.1.1", "\xff"],
    "Last-Event-ID": ["\xff"],
    "Access-Control-Request-Method": ["POST", "\xff"],
}


@pytest.fixture
def free(open_site: OpenSite, environ: dict[str, str]) -> Site:
    """An application that nobody's minute ends."""
    return open_site(environ, RATE_LIMIT_PER_MINUTE="0")


def post(site: Site, body: bytes, **headers: str) -> int:
    """Send a body; return the status, which is never a 5xx."""
    kind = {"Content-Type": "application/json", **headers}
    status = site.send("POST", "/cloud_archive", data=body, headers=kind).status_code
    assert status < 500
    return status


@pytest.mark.parametrize("half", HALVES, ids=ascii)
@pytest.mark.parametrize("field", SEED_REQUEST)
def test_half_a_character_is_no_text(free: Site, field: str, half: str) -> None:
    """In any field, however it is written; with a key, too, under which it would be remembered."""
    body = json.dumps({**SEED_REQUEST, field: half})
    key = {"Idempotency-Key": "00000000-0000-4000-8000-000000000000"}
    assert [post(free, body.encode()), post(free, body.encode(), **key)] == [422, 422]
    raw = json.dumps({**SEED_REQUEST, field: half}, ensure_ascii=False).encode("utf-8", "surrogatepass")
    assert post(free, raw) == 422
    assert post(free, json.dumps({**SEED_REQUEST, half: half}).encode()) == 200


TEXTS = st.text(st.characters(codec=None, categories=None), max_size=40) | st.sampled_from(HALVES)
VALUES = st.recursive(
    st.none() | st.booleans() | TEXTS | st.sampled_from(NUMBERS),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=8,
)


def bounded(examples: int) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Try so many times, always the same ones, and tell of a failure at once."""
    return settings(
        max_examples=examples,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
        derandomize=True,
        database=None,
    )


def test_any_json_is_answered(free: Site) -> None:
    """Any value in any field, any value instead of an object, deep nests, and numbers beyond all bounds."""

    @bounded(150)
    @given(st.dictionaries(st.sampled_from(list(SEED_REQUEST)), VALUES, max_size=3) | VALUES)
    def send(value: object) -> None:
        asked = {**SEED_REQUEST, **value} if isinstance(value, dict) and value.keys() <= SEED_REQUEST.keys() else value
        post(free, json.dumps(asked).encode())

    send()
    for body in (
        b"[" * 16000,
        b'{"a":' * 3000,
        b"9" * 16000,
        b'{"archive_url": ' + b"9" * 5000 + b"}",
        b"\xef\xbb\xbf{}",
    ):
        assert post(free, body) == 422


def test_any_bytes_are_answered(free: Site) -> None:
    """In any encoding that JSON may be taken for."""

    @bounded(100)
    @given(st.binary(max_size=200), st.sampled_from(ODD_HEADERS["Content-Type"]))
    @example(json.dumps(SEED_REQUEST).encode("utf-16"), "application/json")
    @example(json.dumps(SEED_REQUEST).encode("utf-32"), "application/json")
    def send(body: bytes, kind: str) -> None:
        post(free, body, **{"Content-Type": kind})

    send()


def test_any_path_query_and_header_is_answered(free: Site, clock: list[float]) -> None:
    """Of every route, in every method, as bytes that no library would send."""
    job = f"/cloud_archive/jobs/{make_job_id(free.settings.sealer, clock[0])}"
    routes = [*ROUTES, job, f"{job}/cancel", "/cloud_archive/jobs/"]
    letters = st.text(string.ascii_letters + string.digits + "%/?=&;:@!$'()*+,-._~[]{}|^`\"<>\\", max_size=30)
    headers = st.dictionaries(st.sampled_from(list(ODD_HEADERS)), st.integers(0, 9), max_size=3)

    @bounded(250)
    @given(
        st.sampled_from(["GET", "POST", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH", "M-SEARCH"]),
        st.sampled_from(routes),
        st.sampled_from(ODD_PATHS) | letters | st.just(""),
        letters,
        headers,
    )
    @example("GET", CALLBACK, "", "state=%ED%A0%80&code=%ff&state[]=1", {})
    @example("GET", job, "?lang=%ED%A0%80&cancelling=%00", "", {"Accept": 0})
    def send(method: str, path: str, more: str, query: str, chosen: dict[str, int]) -> None:
        lines = [f"{name}: {ODD_HEADERS[name][which % len(ODD_HEADERS[name])]}" for name, which in chosen.items()]
        assert send_raw(free, f"{method} {path}{more}?{query} HTTP/1.1", lines) < 500

    send()


def send_raw(site: Site, line: str, headers: list[str]) -> int:
    """Send a request as it is; return the status, 400 for what is none."""
    site.server.app = site.app
    parts = urlsplit(site.url)
    sent = "\r\n".join([line, "Host: us", *headers, "Connection: close", "", ""]).encode("latin-1")
    try:
        reader = Connection(SERVER)
        reader.receive_data(sent)
        reader.next_event()
    except RemoteProtocolError:
        return 400  # uvicorn reads it the same way, and answers before any of ours
    with socket.create_connection((parts.hostname, parts.port), timeout=30) as connection:
        connection.sendall(sent)
        return int(connection.recv(4096).split()[1])


@pytest.mark.parametrize("wrong", HALVES, ids=ascii)
def test_half_a_character_in_an_address_is_not_found(free: Site, wrong: str) -> None:
    """A job's id, a cloud, a state: 404 or 400, for programs and for browsers."""
    written = "".join(f"%{byte:02X}" for byte in wrong.encode("utf-8", "surrogatepass"))
    for accept in ("*/*", "text/html"):
        told = [f"Accept: {accept}"]
        assert send_raw(free, f"GET /cloud_archive/jobs/{written} HTTP/1.1", told) == 404
        assert send_raw(free, f"GET /cloud_archive/jobs/{written}/events HTTP/1.1", told) == 404
        assert send_raw(free, f"POST /cloud_archive/jobs/{written}/cancel HTTP/1.1", told) == 404
        assert send_raw(free, f"GET {CALLBACK}?state={written}&code={written} HTTP/1.1", told) == 400
        assert send_raw(free, f"GET /cloud_archive/callback/{written} HTTP/1.1", told) in (400, 404)
