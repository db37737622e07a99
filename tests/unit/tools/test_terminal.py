"""Command lines, tables and times."""

import argparse

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.config.env import WrongSetting
from common.errors import Reason, Transient
from common.telemetry import logs
from tools import terminal
from tools.terminal import NotPossible, parse, parse_since, run, show_json, show_table, write_ago


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """The loggers of the tests stay as they are."""
    monkeypatch.setattr(logs, "configure", lambda *_: None)


def make_parser() -> argparse.ArgumentParser:
    """Return a parser like the commands'."""
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(required=True)
    showing = commands.add_parser("show")
    showing.add_argument("id", nargs="?", default="")
    showing.add_argument("--gallery", default="")
    showing.add_argument("--json", action="store_true")
    return parser


@given(st.text("-_aA0", min_size=38, max_size=38), st.booleans(), st.booleans())
def test_an_id_may_begin_with_a_dash(job_id: str, is_value: bool, json: bool) -> None:
    """One in 64 does; it is no option, wherever it stands."""
    words = ["--gallery", job_id] if is_value else [job_id]
    asked = parse(make_parser(), ["show", *words, *(["--json"] if json else [])])
    assert ((asked.gallery if is_value else asked.id), asked.json) == (job_id, json)


@pytest.mark.parametrize(
    ("text", "at"),
    [("90m", 94_600.0), ("1h", 96_400.0), ("1d", 13_600.0), ("1970-01-02", 86_400.0), ("1970-01-02T01:00", 90_000.0)],
)
def test_since_is_a_span_or_a_date(text: str, at: float) -> None:
    """Dates are UTC."""
    assert parse_since(text, 100_000.0) == at


@pytest.mark.parametrize("text", ["", "yesterday", "1w", "-1h", "99999999d", "2026-13-01"])
def test_any_other_since_is_refused(text: str) -> None:
    """And says what would be right."""
    with pytest.raises(ValueError, match="write 90m"):
        parse_since(text, 0.0)


def test_a_table_is_aligned_and_lets_nothing_paint_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever a stranger wrote into the queue; a name of 255 characters does not push the rest out of sight."""
    show_table(("A", "B", "C"), [("x\x1b[31m\n", "", "z"), ("н" * 255, "日本", "z")])
    head, first, second = capsys.readouterr().out.splitlines()
    assert head.startswith("A" + " " * 59)
    assert "x\\u001b[31m\\u000a" in first
    assert " -     z" in first
    assert second.endswith("…  日本  z")


def test_json_is_escaped_too(capsys: pytest.CaptureFixture[str]) -> None:
    """Letters are letters, and what hides text is not."""
    show_json({"name": "Имя\u202e\x9b"})
    assert capsys.readouterr().out == '{\n  "name": "Имя\\u202e\\u009b"\n}\n'


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (NotPossible("because\n"), 1, "x: because\\u000a\n"),
        (Transient(Reason.TRY_LATER, "the broker cannot be reached"), 1, "x: the broker cannot be reached\n"),
        (WrongSetting("RABBITMQ_URL is required"), 2, "x: RABBITMQ_URL is required\n"),
    ],
)
def test_what_goes_wrong_is_one_line_and_a_status(
    error: Exception, status: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """No trace."""

    def fail() -> None:
        raise error

    assert run("x", fail) == status
    assert capsys.readouterr().err == said


@pytest.mark.parametrize(("seconds", "told"), [(-1, "0s"), (119, "119s"), (1800, "30m"), (7200, "2h"), (200_000, "2d")])
def test_a_span_has_one_unit(seconds: float, told: str) -> None:
    """The largest of which there are two."""
    assert write_ago(seconds) == told


def test_the_brokers_address_is_all_that_a_look_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    """And it is needed."""
    monkeypatch.setattr(terminal, "load_environment", lambda: {"RABBITMQ_URL": "amqp://u:p@h/"})
    assert terminal.read_broker_url().reveal() == "amqp://u:p@h/"
    monkeypatch.setattr(terminal, "load_environment", dict)
    with pytest.raises(WrongSetting, match="RABBITMQ_URL is required"):
        terminal.read_broker_url()
