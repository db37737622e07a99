"""How a process speaks: one line for each record, as JSON or as text. Knows nothing of what is said."""

import json
import logging
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from types import MappingProxyType
from typing import Any

# What every record of a context says besides, and of the threads that run in copies of it: they share one dict.
log_fields: ContextVar[Mapping[str, str]] = ContextVar("log_fields", default=MappingProxyType({}))

# Libraries that write tokens, codes or client secrets at DEBUG, or a line for every frame or connection: they are
# heard from this level on, whatever LOG_LEVEL says.
_QUIET = {
    "requests_oauthlib": logging.WARNING,
    "oauthlib": logging.WARNING,
    "google": logging.WARNING,
    "google_auth_oauthlib": logging.WARNING,
    "urllib3": logging.WARNING,
    "urllib3.connection": logging.ERROR,  # warns of malformed headers with the whole address, and some are secrets
    "pika": logging.CRITICAL,  # what it reports as an error reaches us as an exception, and we decide
    "asyncio": logging.INFO,
    "multipart": logging.INFO,
    # web writes its own access lines: uvicorn's hold the query, and the callback's query is a secret.
    "uvicorn.access": logging.CRITICAL,
}

# What breaks a line or hides text for a terminal, a log collector or `str.splitlines`.
_ESCAPES = {
    code: f"\\u{code:04x}"
    for code in (*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
}

_KNOWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}

# Made once: `json.dumps` would make one for each line.
_encode = json.JSONEncoder(ensure_ascii=False, default=str).encode


def configure(level: str, form: str, about: Mapping[str, str] = MappingProxyType({})) -> None:
    """Send every record of this process to standard error, one line each.

    Args:
        level: `DEBUG`, `INFO`, `WARNING` or `ERROR`.
        form: `json`, or `text` for people.
        about: what every JSON line says of the process.
    """
    out = logging.StreamHandler(sys.stderr)
    out.addFilter(add_log_fields)
    out.setFormatter(JsonFormatter(about) if form == "json" else TextFormatter())
    logging.basicConfig(level=level, handlers=[out], force=True)
    logging.captureWarnings(True)
    threading.excepthook = _tell_of_thread
    # No line of ours tells its thread, task, process or place in the code, so no record needs to find them out:
    # https://docs.python.org/3/howto/logging.html#optimization
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    vars(logging)["logAsyncioTasks"] = False  # nobody looks at it before Python 3.12
    logging._srcfile = None
    for name, least in _QUIET.items():
        logging.getLogger(name).setLevel(max(least, logging.getLevelNamesMapping()[level]))


def _tell_of_thread(ended: threading.ExceptHookArgs) -> None:
    """Tell of a thread that ended by an exception: by default that goes to standard error, past every record."""
    name = ended.thread.name if ended.thread else "?"
    trace = (ended.exc_type, ended.exc_value, ended.exc_traceback) if ended.exc_value else None
    logging.getLogger("threads").error("a thread ended by an exception: %s", name, exc_info=trace)


@contextmanager
def bound_fields(**names: str) -> Iterator[None]:
    """Let every record say so much besides, until the block's end."""
    token = log_fields.set({**log_fields.get(), **names})
    try:
        yield
    finally:
        log_fields.reset(token)


def bind_fields(**names: str) -> None:
    """Let every further record of the piece of work that is under way say so much besides, on all of its threads."""
    known = log_fields.get()
    if isinstance(known, dict):
        known.update(names)
    else:
        log_fields.set(names)


def add_log_fields(record: logging.LogRecord) -> bool:
    """Give a record what its context says besides; a filter that lets everything pass."""
    for name, value in log_fields.get().items():
        if not hasattr(record, name):
            setattr(record, name, value)
    return True


class JsonFormatter(logging.Formatter):
    """Writes a record as one JSON object; what `extra` gave are fields of it.

    Args:
        about: what every line says of the process.
    """

    def __init__(self, about: Mapping[str, str] = MappingProxyType({})) -> None:
        super().__init__()
        self._about = about

    def format(self, record: logging.LogRecord) -> str:
        """Return the record's line."""
        line = {
            "ts": _time(record),
            "level": record.levelname,
            "logger": record.name,
            "event": record.getMessage(),
            **self._about,
            **_extras(record),
        }
        if trace := _trace(self, record):
            line["exc"] = trace
        # JSON escapes below 0x20 itself; the others stand inside texts only, where \u is JSON's own escape.
        return _escape(_encode(line))


class TextFormatter(logging.Formatter):
    """Writes a record as one line for people."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record's line."""
        words = [_time(record), f"{record.levelname:7}", f"{record.name}:", record.getMessage()]
        words += [f"{name}={value}" for name, value in _extras(record).items()]
        if trace := _trace(self, record):
            words.append("| " + trace)
        return _escape(" ".join(words))


def _escape(text: str) -> str:
    # All that is escaped is unprintable, which is asked faster than it is looked for; nearly every line is printable.
    return text if text.isprintable() else text.translate(_ESCAPES)


def _time(record: logging.LogRecord) -> str:
    return f"{_second(int(record.created))}.{int(record.msecs):03}Z"


@lru_cache(maxsize=1)  # many lines are written within one second
def _second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


def _extras(record: logging.LogRecord) -> Mapping[str, Any]:
    return {name: value for name, value in vars(record).items() if name not in _KNOWN}


def _trace(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    return formatter.formatException(record.exc_info) if record.exc_info else ""
