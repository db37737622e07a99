"""Request ids and trace contexts, in answers and log lines."""

import json
import logging
import time
from collections.abc import Callable, Iterator

import pytest

from common.messages.archive_job import ArchiveJob
from common.telemetry import logs
from common.telemetry.trace_context import read_trace
from sandbox.world import World
from tests.fakes.guest import agree
from tests.fakes.web_site import SEED_REQUEST, Site

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


class Lines(logging.Handler):
    """Keeps every line as a process would write it."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[dict[str, str]] = []
        self.addFilter(logs.add_log_fields)
        self.setFormatter(logs.JsonFormatter())

    def emit(self, record: logging.LogRecord) -> None:
        """Take a record."""
        self.lines.append(json.loads(self.format(record)))


@pytest.fixture
def said() -> Iterator[list[dict[str, str]]]:
    """Every line from now on, all loggers at DEBUG."""
    lines, root = Lines(), logging.getLogger()
    level = root.level
    root.addHandler(lines)
    root.setLevel(logging.DEBUG)
    yield lines.lines
    root.setLevel(level)
    root.removeHandler(lines)


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until something is so, up to a time that counts as never."""
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "it never came about"
        time.sleep(0.01)


@pytest.mark.parametrize("name", ["a", "b1946ac9-2492", "A.b_c-9", "x" * 64])
def test_a_caller_may_name_its_request(site: Site, name: str) -> None:
    """The name comes back, in problems as well."""
    good = site.send("POST", "/cloud_archive", json=SEED_REQUEST, headers={"X-Request-ID": name})
    bad = site.send("GET", "/nowhere", headers={"X-Request-ID": name})
    assert (good.headers["X-Request-ID"], bad.headers["X-Request-ID"], bad.json()["instance"]) == (name, name, name)


@pytest.mark.parametrize("name", [None, "", "x" * 65, "a b", "a;b", 'a"b', "a\tb", "<b>", "é", "../x", "a\x7f"])
def test_an_unsafe_name_is_replaced(site: Site, name: str | None) -> None:
    """By one of ours, new each time."""
    headers = {} if name is None else {"X-Request-ID": name.encode()}
    ids = {site.send("GET", "/nowhere", headers=headers).headers["X-Request-ID"] for _ in range(2)}
    assert len(ids) == 2
    assert all(len(each) == 32 and each.isalnum() for each in ids)


def test_every_line_of_a_request_names_it(site_in_world: Site, world: World, said: list[dict[str, str]]) -> None:
    """Those of the thread that serves it as well; the next request's lines name the next."""
    address = agree(site_in_world, world)
    site_in_world.come_back(address, headers={"X-Request-ID": "mine"})
    site_in_world.send("GET", "/cloud_archive/callback/google_drive", headers={"X-Request-ID": "other"})
    # The access line is written when the answer is already on its way.
    wait_for(lambda: [line["event"] for line in said].count("request") == 3)
    mine = {line["event"] for line in said if line.get("request_id") == "mine"}
    other = {line["event"] for line in said if line.get("request_id") == "other"}
    assert {"archive begun", "request"} <= mine
    assert {"callback refused", "request"} <= other
    assert "archive begun" not in other
    assert all(
        "request_id" in line for line in said if line["event"] in ("archive begun", "callback refused", "request")
    )


def test_a_trace_goes_from_the_button_to_the_message(
    site_in_world: Site, world: World, said: list[dict[str, str]]
) -> None:
    """The caller's, in every line of the POST and of the callback, both about the job, and in the message."""
    header = f"00-{TRACE}-00f067aa0ba902b7-01"
    told = site_in_world.send("POST", "/cloud_archive", json=SEED_REQUEST, headers={"Traceparent": header}).json()
    # A browser that comes back from a consent page has no trace, or another.
    other = {"Traceparent": header.replace(TRACE, "1" * 32)}
    site_in_world.come_back(world.accounts.consent(told["redirect_to"]), headers=other)
    # The access line is written when the answer is already on its way.
    wait_for(lambda: [line["event"] for line in said].count("request") == 2)
    lines = [line for line in said if line["event"] in ("archive begun", "request")]
    assert len(lines) == 3
    assert {(line["trace_id"], line["job_id"]) for line in lines} == {(TRACE, told["job_id"])}
    (message,) = site_in_world.broker.published
    trace = read_trace(ArchiveJob.decode(message.body).traceparent)
    assert trace
    assert message.headers == {"traceparent": trace.header}
    assert (trace.trace_id, trace.flags) == (TRACE, "01")
    assert trace.header != header


@pytest.mark.parametrize("headers", [{}, {"Traceparent": "00-nonsense"}])
def test_a_request_without_a_trace_begins_one(site: Site, headers: dict[str, str], said: list[dict[str, str]]) -> None:
    """A fresh one each time."""
    for _ in range(2):
        site.send("GET", "/nowhere", headers=headers)
    wait_for(lambda: [line["event"] for line in said].count("request") == 2)
    traces = [line["trace_id"] for line in said if line["event"] == "request"]
    assert len(set(traces)) == 2
    assert all(len(trace) == 32 for trace in traces)


def test_a_bug_has_its_requests_name_too(
    site: Site, said: list[dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer, its problem, and the trace in the log; the answer is allowed to a page like any other."""
    monkeypatch.setattr("web.api.archives.make_job_id", lambda *_: 1 / 0)
    headers = {"X-Request-ID": "mine", "Origin": "https://app.litegallery.io"}
    answer = site.send("POST", "/cloud_archive", json=SEED_REQUEST, headers=headers)
    assert (answer.status_code, answer.json()["instance"]) == (500, "mine")
    assert answer.headers["X-Request-ID"] == "mine"
    assert answer.headers["Access-Control-Allow-Origin"] == "https://app.litegallery.io"
    (trace,) = [line for line in said if "exc" in line]
    assert trace["request_id"] == "mine"
    assert "ZeroDivisionError" in trace["exc"]


def test_a_page_may_send_and_read_what_it_needs(site: Site) -> None:
    """The name of its request, and what is left of its share."""
    asks = {"Origin": "https://app.litegallery.io", "Access-Control-Request-Method": "POST"}
    beforehand = site.send("OPTIONS", "/cloud_archive", headers=asks).headers
    answer = site.send("GET", "/healthz", headers={"Origin": asks["Origin"]}).headers
    assert {"Content-Type", "X-Request-ID", "Traceparent"} <= set(
        beforehand["Access-Control-Allow-Headers"].split(", ")
    )
    assert {"X-Request-ID", "ETag", "RateLimit", "RateLimit-Policy", "Retry-After"} == set(
        answer["Access-Control-Expose-Headers"].split(", ")
    )


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT"])
def test_other_methods_are_told_which_is_taken(site: Site, method: str) -> None:
    """405 with Allow, also without a body; no redirect to another spelling ever takes a POST away."""
    answer = site.send(method, "/cloud_archive")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")
    assert site.send("POST", "/cloud_archive/", json=SEED_REQUEST).status_code == 404
