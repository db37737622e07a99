"""Logging setup: one JSON or text line per record, with fields from the context."""

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

# Fields of every record of a context, and of the threads that run in copies of it: they share one dict.
log_fields: ContextVar[Mapping[str, str]] = ContextVar("log_fields", default=MappingProxyType({}))

# Libraries that write tokens, codes or client secrets at DEBUG, or a line for every frame or connection: they log
# from this level on, whatever LOG_LEVEL says.
_MIN_LEVELS = {
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

# Characters that break a line or hide text for a terminal, a log collector or `str.splitlines`.
_ESCAPES = {
    code: f"\\u{code:04x}"
    for code in (*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
}

_STANDARD_FIELDS = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}

# What every line says itself: an extra of such a name stands there with a `_` behind it.
_OWN_FIELDS = frozenset({"ts", "level", "logger", "event", "exc"})

# Made once: `json.dumps` would make one for each line.
_encode = json.JSONEncoder(ensure_ascii=False, default=str).encode


def configure(level: str, log_format: str, process_fields: Mapping[str, str] = MappingProxyType({})) -> None:
    """Log every record of this process to standard error, one line each.

    Args:
        level: `DEBUG`, `INFO`, `WARNING` or `ERROR`.
        log_format: `json`, or `text` for people.
        process_fields: fields of every JSON line.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(add_log_fields)
    handler.setFormatter(JsonFormatter(process_fields) if log_format == "json" else TextFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.captureWarnings(True)
    threading.excepthook = _log_thread_exception
    # No line of ours has its thread, task, process or place in the code, so no record needs to find them out:
    # https://docs.python.org/3/howto/logging.html#optimization
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    vars(logging)["logAsyncioTasks"] = False  # Python 3.12 and later; ignored before
    logging._srcfile = None
    for name, min_level in _MIN_LEVELS.items():
        logging.getLogger(name).setLevel(max(min_level, logging.getLevelNamesMapping()[level]))


def _log_thread_exception(ended: threading.ExceptHookArgs) -> None:
    """Log a thread that ended by an exception, which by default goes to standard error beside all records."""
    name = ended.thread.name if ended.thread else "?"
    trace = (ended.exc_type, ended.exc_value, ended.exc_traceback) if ended.exc_value else None
    logging.getLogger("threads").error("a thread ended by an exception: %s", name, exc_info=trace)


@contextmanager
def bound_fields(**fields: str) -> Iterator[None]:
    """Add fields to every record until the block's end."""
    token = log_fields.set({**log_fields.get(), **fields})
    try:
        yield
    finally:
        log_fields.reset(token)


def bind_fields(**fields: str) -> None:
    """Add fields to every further record of the current context, on all threads that run in copies of it."""
    known = log_fields.get()
    if isinstance(known, dict):
        known.update(fields)
    else:
        log_fields.set(fields)


def add_log_fields(record: logging.LogRecord) -> bool:
    """Add the context's fields to a record; a filter that lets everything pass."""
    for name, value in log_fields.get().items():
        if not hasattr(record, name):
            setattr(record, name, value)
    return True


class JsonFormatter(logging.Formatter):
    """Formats a record as one line of JSON; the items of `extra` are fields of it.

    Args:
        process_fields: fields of every line.
    """

    def __init__(self, process_fields: Mapping[str, str] = MappingProxyType({})) -> None:
        super().__init__()
        self._process_fields = process_fields
        self._taken = _OWN_FIELDS | process_fields.keys()

    def format(self, record: logging.LogRecord) -> str:
        """Return the record's line."""
        line = {
            "ts": _time(record),
            "level": record.levelname,
            "logger": record.name,
            "event": record.getMessage(),
            **self._process_fields,
            **{f"{name}_" if name in self._taken else name: value for name, value in _extras(record).items()},
        }
        if exception := _format_exception(self, record):
            line["exc"] = exception
        # JSON escapes below 0x20 itself; the others stand inside texts only, where \u is JSON's own escape.
        return escape(_encode(line))


class TextFormatter(logging.Formatter):
    """Formats a record as one line of text for people."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record's line."""
        words = [_time(record), f"{record.levelname:7}", f"{record.name}:", record.getMessage()]
        words += [f"{name}={value}" for name, value in _extras(record).items()]
        if exception := _format_exception(self, record):
            words.append("| " + exception)
        return escape(" ".join(words))


def escape(text: str) -> str:
    """Return a text in which no character breaks a line or hides what stands beside it."""
    # All that is escaped is unprintable, and nearly every line is printable, which `isprintable` says sooner.
    return text if text.isprintable() else text.translate(_ESCAPES)


def _time(record: logging.LogRecord) -> str:
    return f"{_second(int(record.created))}.{int(record.msecs):03}Z"


@lru_cache(maxsize=1)  # many lines are written within one second
def _second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


def _extras(record: logging.LogRecord) -> Mapping[str, Any]:
    return {name: value for name, value in vars(record).items() if name not in _STANDARD_FIELDS}


def _format_exception(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    return formatter.formatException(record.exc_info) if record.exc_info else ""
