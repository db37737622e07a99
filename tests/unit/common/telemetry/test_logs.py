"""Every record is one line, whatever it holds."""

import json
import logging
import threading
import warnings
from collections.abc import Iterator

import pytest

from common.crypto.sealing import Secret
from common.telemetry import logs

CONTROLS = "a\nb\rc\td\x00e\x1b[31mf\x7fg\x85h\u2028i\u2029j\u202ek"


class StandardError:
    """What was written to standard error."""

    def __init__(self, captured: pytest.CaptureFixture[str]) -> None:
        self._captured = captured
        self._text = ""

    def getvalue(self) -> str:
        """Return all of it."""
        self._text += self._captured.readouterr().err
        return self._text


@pytest.fixture
def stderr(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[StandardError]:
    """Standard error; the loggers are put back afterwards."""
    for name in ("logThreads", "logProcesses", "logMultiprocessing", "_srcfile"):
        monkeypatch.setattr(logging, name, getattr(logging, name))
    monkeypatch.setattr(logging, "logAsyncioTasks", True, raising=False)
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers = []
    levels = {name: logging.getLogger(name).level for name in logging.root.manager.loggerDict}
    yield StandardError(capsys)
    logging.captureWarnings(False)
    root.handlers = handlers
    root.setLevel(level)
    for name in logging.root.manager.loggerDict:
        logging.getLogger(name).setLevel(levels.get(name, logging.NOTSET))


def read_json(stderr: StandardError) -> list[dict[str, object]]:
    """Return the lines as objects."""
    return [json.loads(line) for line in stderr.getvalue().splitlines()]


def test_a_record_is_one_json_object(stderr: StandardError) -> None:
    """Time in UTC, level, logger, event, and what was given besides."""
    logs.configure("INFO", "json")
    logging.getLogger("a.b").info("photo %s", "copied", extra={"job_id": "j", "bytes": 5, "name_of": "Имя"})
    (line,) = read_json(stderr)
    assert str(line.pop("ts")).endswith("Z")
    assert line == {
        "level": "INFO",
        "logger": "a.b",
        "event": "photo copied",
        "job_id": "j",
        "bytes": 5,
        "name_of": "Имя",
    }
    assert "Имя" in stderr.getvalue()


def test_no_extra_overwrites_what_a_line_says_itself(stderr: StandardError) -> None:
    """A field of the same name stands beside it: a collector that reads `level` reads the level."""
    logs.configure("INFO", "json", {"service": "worker", "version": "1"})
    clash = dict.fromkeys(("ts", "level", "logger", "event", "service", "version", "exc"), "other")
    with logs.bound_fields(level="bound"):
        logging.getLogger("a.b").info("said", extra=clash)
    (line,) = read_json(stderr)
    told = {"level": "INFO", "logger": "a.b", "event": "said", "service": "worker", "version": "1"}
    assert told.items() <= line.items()
    assert {f"{name}_": "other" for name in clash}.items() <= line.items()
    assert str(line["ts"]).endswith("Z")


@pytest.mark.parametrize("form", [logs.JsonFormatter(), logs.TextFormatter()])
def test_a_line_begins_with_its_time(form: logging.Formatter) -> None:
    """In UTC, to the millisecond; each line its own."""
    record = logging.makeLogRecord({"msg": "a"})
    for created, told in [
        (1_790_000_000.0456, "2026-09-21T14:13:20.045Z"),
        (1_790_000_001.5, "2026-09-21T14:13:21.500Z"),
    ]:
        record.created, record.msecs = created, created % 1 * 1000
        assert told in form.format(record)[:40]


def test_a_record_is_one_line_of_text(stderr: StandardError) -> None:
    """The text format."""
    logs.configure("INFO", "text")
    logging.getLogger("a.b").warning("photo copied", extra={"job_id": "j"})
    (line,) = stderr.getvalue().splitlines()
    assert line.endswith(" WARNING a.b: photo copied job_id=j")


@pytest.mark.parametrize("form", ["json", "text"])
def test_no_character_breaks_a_line_or_paints_a_terminal(stderr: StandardError, form: str) -> None:
    """Wherever it stands: message, argument, field or trace."""
    logs.configure("INFO", form)
    logger = logging.getLogger(CONTROLS)
    try:
        raise ValueError(CONTROLS)
    except ValueError:
        logger.exception("%s " + CONTROLS, CONTROLS, extra={CONTROLS: CONTROLS, "other": {CONTROLS: [CONTROLS]}})
    (line,) = stderr.getvalue().splitlines()
    assert stderr.getvalue() == line + "\n"
    assert line.isprintable()


@pytest.mark.parametrize(
    "code", [*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029, *range(0x202A, 0x202F), 0x2066, 0x2069]
)
def test_one_such_character_is_enough(stderr: StandardError, code: int) -> None:
    """A line that is otherwise printable."""
    logs.configure("INFO", "text")
    logging.getLogger("a").info("before%safter", chr(code))
    assert stderr.getvalue().endswith(f" INFO    a: before\\u{code:04x}after\n")


def test_json_says_what_was_said(stderr: StandardError) -> None:
    """Escapes are JSON's own: the reader gets the characters back."""
    logs.configure("INFO", "json")
    logging.getLogger("a").info("%s", CONTROLS)
    assert read_json(stderr)[0]["event"] == CONTROLS


def test_a_trace_is_a_field(stderr: StandardError) -> None:
    """With the line that raised."""
    logs.configure("INFO", "json")
    try:
        _ = 1 / 0
    except ZeroDivisionError:
        logging.getLogger("a").exception("a bug")
    assert str(read_json(stderr)[0]["exc"]).startswith("Traceback")
    assert "ZeroDivisionError" in str(read_json(stderr)[0]["exc"])


@pytest.mark.parametrize("form", ["json", "text"])
def test_secrets_stay_hidden(stderr: StandardError, form: str) -> None:
    """As a field, inside a field, or as an argument."""
    logs.configure("DEBUG", form)
    secret = Secret("hush")
    logging.getLogger("a").info("%s", secret, extra={"key": secret, "keys": {"a": [secret]}})
    assert "hush" not in stderr.getvalue()
    assert "Secret(4 characters)" in stderr.getvalue()


def test_levels_are_kept(stderr: StandardError) -> None:
    """Records below the level are dropped."""
    logs.configure("WARNING", "json")
    logging.getLogger("a").info("no")
    logging.getLogger("a").warning("yes")
    assert [line["event"] for line in read_json(stderr)] == ["yes"]


@pytest.mark.parametrize(
    "name",
    [
        "requests_oauthlib.oauth2_session",
        "oauthlib.oauth2.rfc6749.clients.base",
        "google.auth.transport.requests",
        "google_auth_oauthlib.flow",
        "urllib3.connectionpool",
        "pika.adapters.blocking_connection",
        "uvicorn.access",
    ],
)
def test_libraries_that_tell_secrets_are_kept_quiet(stderr: StandardError, name: str) -> None:
    """They write tokens, codes, queries or upload addresses at DEBUG and INFO."""
    logs.configure("DEBUG", "json")
    logging.getLogger(name).debug("hush")
    logging.getLogger(name).info("hush")
    assert stderr.getvalue() == ""


def test_a_higher_level_holds_for_quiet_libraries_too(stderr: StandardError) -> None:
    """LOG_LEVEL holds for them too."""
    logs.configure("ERROR", "json")
    logging.getLogger("urllib3.connectionpool").warning("no")
    assert stderr.getvalue() == ""


def test_warnings_are_records_too(stderr: StandardError) -> None:
    """Not loose lines beside the JSON."""
    logs.configure("INFO", "json")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(True)
        warnings.warn("old", stacklevel=1)
        logging.captureWarnings(False)
    (line,) = read_json(stderr)
    assert line["logger"] == "py.warnings"
    assert "old" in str(line["event"])


def test_configuring_twice_says_everything_once(stderr: StandardError) -> None:
    """The last call counts."""
    logs.configure("INFO", "text")
    logs.configure("INFO", "json")
    logging.getLogger("a").info("once")
    assert len(read_json(stderr)) == 1
