"""Middleware: CORS, the limit of a body, the access line, problems."""

import http.client
import json
import logging
from collections.abc import Iterator
from urllib.parse import urlsplit

import jsonschema
import pytest

from common.errors import Reason, Transient
from tests.fakes.web_site import SEED_REQUEST, OpenSite, Site

LIMIT = 16 * 1024
OURS = "https://app.litegallery.io"


@pytest.mark.parametrize("origin", [OURS, "https://litegallery.io", "https://a.b.litegallery.io"])
def test_pages_of_our_hosts_may_call_us(site: Site, origin: str) -> None:
    """The exact origin is named, never a star, and no cookies are let through."""
    answer = site.send("POST", "/cloud_archive", json=SEED_REQUEST, headers={"Origin": origin})
    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Origin"] == origin
    assert answer.headers["Vary"] == "Origin"
    assert "Access-Control-Allow-Credentials" not in answer.headers


@pytest.mark.parametrize("path", ["/cloud_archive", "/nowhere"])
def test_our_pages_may_read_refusals_too(site: Site, path: str) -> None:
    """A page can show what is wrong."""
    answer = site.send("POST", path, data=b"x" * (LIMIT + 1), headers={"Origin": OURS})
    assert answer.status_code == 413
    assert answer.headers["Access-Control-Allow-Origin"] == OURS


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "*",
        "http://app.litegallery.io",
        "https://app.litegallery.io:8443",
        "https://app.litegallery.io:443",
        "https://app.litegallery.io/",
        "https://APP.litegallery.io",
        "https://evillitegallery.io",
        "https://app.litegallery.io.evil.com",
        "https://evil.com#.litegallery.io",
        "https://evil.com",
    ],
)
def test_pages_of_others_may_not(site: Site, origin: str) -> None:
    """Their browser gets no permission, neither beforehand nor with the answer."""
    asks = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    beforehand = site.send("OPTIONS", "/cloud_archive", headers=asks)
    answer = site.send("POST", "/cloud_archive", json=SEED_REQUEST, headers={"Origin": origin})
    for each in (beforehand, answer):
        assert not [name for name in each.headers if name.lower().startswith("access-control")]
        assert each.headers["Vary"] == "Origin"


def test_a_browser_that_asks_beforehand_is_answered(site: Site) -> None:
    """A POST with JSON is allowed for ten minutes."""
    asks = {"Origin": OURS, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
    answer = site.send("OPTIONS", "/cloud_archive", headers=asks)
    assert answer.status_code == 204
    assert answer.headers["Access-Control-Allow-Origin"] == OURS
    assert "POST" in answer.headers["Access-Control-Allow-Methods"]
    named = {name.lower() for name in answer.headers["Access-Control-Allow-Headers"].split(", ")}
    assert {"content-type", "idempotency-key", "traceparent"} <= named
    assert answer.headers["Access-Control-Max-Age"] == "600"


def test_a_local_page_may_call_a_local_service(open_site: OpenSite, environ: dict[str, str]) -> None:
    """In the sandbox origins are plain http on any port."""
    local = open_site(environ, ALLOW_LOCAL_NETWORK="true", CORS_HOSTS="127.0.0.1")
    answer = local.send("POST", "/cloud_archive", json=SEED_REQUEST, headers={"Origin": "http://127.0.0.1:4711"})
    assert answer.headers["Access-Control-Allow-Origin"] == "http://127.0.0.1:4711"


def test_a_body_may_fill_the_limit_and_no_more(site: Site) -> None:
    """16 KiB pass, one byte more does not."""
    body = json.dumps(SEED_REQUEST).encode()
    kind = {"Content-Type": "application/json"}
    full = site.send("POST", "/cloud_archive", data=body.ljust(LIMIT), headers=kind)
    over = site.send("POST", "/cloud_archive", data=body.ljust(LIMIT + 1), headers=kind)
    assert full.status_code == 200
    assert over.status_code == 413
    assert over.headers["Content-Type"] == "application/problem+json"
    assert over.json()["code"] == "too_large"


def test_a_body_without_a_length_is_counted(site: Site) -> None:
    """Chunks are added up; what was not announced does not pass either."""

    def blocks(count: int) -> Iterator[bytes]:
        yield json.dumps(SEED_REQUEST).encode()
        yield from (b" " * 1000 for _ in range(count))

    kind = {"Content-Type": "application/json"}
    assert site.send("POST", "/cloud_archive", data=blocks(3), headers=kind).status_code == 200
    assert site.send("POST", "/cloud_archive", data=blocks(17), headers=kind).status_code == 413


def test_a_body_that_is_announced_too_long_is_not_waited_for(site: Site) -> None:
    """The answer comes before the body does."""
    site.server.app = site.app
    connection = http.client.HTTPConnection(urlsplit(site.url).netloc, timeout=10)
    connection.putrequest("POST", "/cloud_archive")
    connection.putheader("Content-Length", str(10**9))
    connection.endheaders()
    assert connection.getresponse().status == 413
    connection.close()


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "not_found"),
        ("GET", "/", 404, "not_found"),
        ("POST", "/cloud_archive/", 404, "not_found"),
        ("POST", "/cloud_archive/done", 404, "not_found"),
        ("GET", "/cloud_archive", 405, "method_not_allowed"),
        ("DELETE", "/cloud_archive", 405, "method_not_allowed"),
        ("OPTIONS", "/cloud_archive", 405, "method_not_allowed"),
        ("POST", "/healthz", 405, "method_not_allowed"),
    ],
)
def test_every_error_is_a_problem(site: Site, method: str, path: str, status: int, code: str) -> None:
    """RFC 9457, whoever noticed it; 405 names what would be taken."""
    answer = site.send(method, path)
    problem = answer.json()
    assert answer.status_code == problem["status"] == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert set(problem) == {"type", "title", "status", "detail", "code", "instance", "errors"}
    assert problem["code"] == code
    assert ("Allow" in answer.headers) == (status == 405)


def test_a_bug_is_a_problem_without_a_trace(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The caller learns that it is our fault, the log learns the rest."""
    monkeypatch.setattr("web.api.archives.make_job_id", lambda *_: 1 / 0)
    answer = site.post()
    assert answer.status_code == 500
    assert answer.json()["code"] == "internal_error"
    assert "Zero" not in answer.text
    assert "division" not in answer.text


def test_the_access_line_has_no_query(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    """A callback's query is a secret; probes are not worth a line."""
    with caplog.at_level(logging.INFO):
        site.send("GET", "/cloud_archive/callback/google_drive?code=hush&state=hush")
        site.send("GET", "/healthz?hush")
    # pytest listens to uvicorn's own access lines even where they are switched off; the process's log is tested whole.
    records = [record for record in caplog.records if record.name != "uvicorn.access"]
    lines = [record for record in records if record.name == "web.access"]
    assert [(line.path, line.status) for line in lines] == [("/cloud_archive/callback/google_drive", 400)]
    assert "hush" not in "".join(str(vars(record)) for record in records)


def test_readiness_follows_the_broker(site: Site) -> None:
    """503 as a problem when it cannot be reached; being alive needs nobody."""
    site.broker.failure = Transient(Reason.TRY_LATER, "the broker cannot be reached")
    answer = site.send("GET", "/readyz")
    assert answer.status_code == 503
    assert answer.json()["code"] == "not_ready"
    assert site.send("GET", "/healthz").json() == {"status": "ok"}


def test_readiness_is_said_when_the_broker_is_there(site: Site) -> None:
    """200 otherwise."""
    assert site.send("GET", "/readyz").status_code == 200


def test_the_description_is_whole(site: Site) -> None:
    """Every operation, with an example that works, and no answer of a shape that we never send."""
    described = site.send("GET", "/openapi.json").json()
    ours = {"/cloud_archive", "/cloud_archive/callback/{cloud_type}", "/cloud_archive/jobs/{job_id}/cancel"}
    ours |= {"/healthz", "/readyz"}
    assert ours <= set(described["paths"])
    names = [each["operationId"] for path in described["paths"].values() for each in path.values()]
    assert len(names) == len(set(names))
    assert "HTTPValidationError" not in described["components"]["schemas"]
    post = described["paths"]["/cloud_archive"]["post"]
    body = post["requestBody"]["content"]["application/json"]["schema"]
    schema = described["components"]["schemas"]["ArchiveRequest"]
    assert sorted(SEED_REQUEST) == sorted(schema["required"])
    assert schema["properties"]["archive_type"]["enum"] == ["webs", "originals"]
    assert set(post["responses"]) == {"200", "400", "413", "422", "429", "503"}
    assert ("Idempotency-Key", "header", False) in [
        (each["name"], each["in"], each["required"]) for each in post["parameters"]
    ]
    assert site.post(body["examples"][0]).status_code == 200


def test_every_example_is_what_it_says(site: Site) -> None:
    """Whoever copies one gets what the description promises."""
    described = site.send("GET", "/openapi.json").json()
    contents = [
        content
        for path in described["paths"].values()
        for operation in path.values()
        for part in (operation.get("requestBody", {}), *operation["responses"].values())
        for content in part.get("content", {}).values()
    ]
    checked = 0
    for content in contents:
        schema = {**content.get("schema", {}), "components": described["components"]}
        resolved = described["components"]["schemas"].get(schema.get("$ref", "").rpartition("/")[2], schema)
        examples = [*schema.get("examples", []), *([content["example"]] if "example" in content else [])]
        fields = resolved.get("properties", {})
        if (
            all("examples" in field for name, field in fields.items() if name in resolved.get("required", ()))
            and fields
        ):
            examples.append({name: field["examples"][0] for name, field in fields.items() if "examples" in field})
        for example in examples:
            jsonschema.validate(example, schema)
            checked += 1
    assert checked > 10


def test_the_description_can_be_read_by_people(site: Site) -> None:
    """There is a page for it."""
    assert "swagger" in site.send("GET", "/docs").text
