"""What every command shares: its broker, its answers as a table or as JSON, its exit status."""

import argparse
import json
import os
import re
import sys
import unicodedata
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from common.config import parsers
from common.config.env import Environment, WrongSetting
from common.config.settings import load_environment
from common.crypto.sealing import Secret
from common.errors import Transient
from common.messages.past import NAME
from common.messages.publisher import Publisher
from common.telemetry import logs
from common.telemetry.logs import escape

NOTHING = "-"
# A column takes no more than so many characters: names may have 255.
MAX_CELL = 60
_OPTION = re.compile(r"--([a-z]+(=.*)?)?|-h", re.DOTALL)
_WITH_VALUE = ("--gallery", "--since", "--state")
_SPAN = re.compile(r"([0-9]{1,5})([mhd])")
_SPAN_SECONDS = {"m": 60, "h": 3600, "d": 86_400}


class NotPossible(Exception):
    """What was asked for cannot be done; says why, and what to do instead."""


def run(program: str, command: Callable[[], object]) -> int:
    """Run a command and return its exit status: 1 when it could not be done, 2 when a setting is wrong.

    Args:
        program: its name.
        command: prints its answer.
    """
    # Libraries that speak of what is no trouble would do so beside the answer.
    logs.configure("WARNING", "text")
    try:
        command()
    except WrongSetting as error:
        print(f"{program}: {error}", file=sys.stderr)
        return 2
    except NotPossible as error:
        print(f"{program}: {escape(str(error))}", file=sys.stderr)
        return 1
    except Transient as error:
        print(f"{program}: {escape(error.detail or str(error))}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # Whoever read the answer has seen enough; Python would complain again at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def read_broker_url() -> Secret:
    """Return the broker's URL; raises WrongSetting. No command that only looks needs another setting."""
    environment = Environment(load_environment())
    url = environment.read_secret("RABBITMQ_URL", parsers.broker_url)
    environment.raise_problems()
    return url


def publish(url: Secret, messages: Sequence[tuple[str, str, bytes, str]]) -> None:
    """Publish messages, each confirmed; raises Transient, and InDoubt when one may be in its queue.

    Args:
        url: of the broker.
        messages: exchange, routing key, body and message id of each.
    """
    publisher = Publisher(url, NAME)
    try:
        for exchange, key, body, message_id in messages:
            publisher.publish(exchange, key, body, message_id=message_id)
    finally:
        publisher.close()


def parse(parser: argparse.ArgumentParser, arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse a command line in which ids may begin with a dash, as one in 64 does; exits as argparse does.

    Args:
        parser: options with values are long ones.
        arguments: the command line without the program; None: the process's.
    """
    words: list[str] = []
    ids: list[str] = []
    for word in sys.argv[1:] if arguments is None else arguments:
        if not word.startswith("-") or _OPTION.fullmatch(word):
            words.append(word)
        elif words and words[-1] in _WITH_VALUE:
            words[-1] += f"={word}"
        else:
            ids.append(word)
    return parser.parse_args([*words, *(["--", *ids] if ids else [])])


def add_json(parser: argparse.ArgumentParser) -> None:
    """Let a command answer programs."""
    parser.add_argument("--json", action="store_true", help="answer in JSON")


def show_json(value: Any) -> None:
    """Print a JSON value."""
    # Escaped as log lines are: texts are a stranger's, and the terminal is an operator's.
    print("\n".join(map(escape, json.dumps(value, ensure_ascii=False, indent=2).splitlines())))


def show_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table, its columns as wide as they must be.

    Args:
        heads: of the columns.
        rows: their cells; the last column is not cut.
    """
    last = len(heads) - 1
    cells = [
        [escape(cell or NOTHING) if place == last else _cut(escape(cell or NOTHING)) for place, cell in enumerate(row)]
        for row in (heads, *rows)
    ]
    widths = [max(map(_measure, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        padded = (cell + " " * (width - _measure(cell)) for cell, width in zip(row, widths, strict=True))
        print("  ".join(padded).rstrip())


def show_lines(lines: Sequence[tuple[str, str]]) -> None:
    """Print names and values below each other."""
    width = max(len(name) for name, _ in lines)
    for name, value in lines:
        print(f"{name:{width}}  {escape(value)}".rstrip())


def write_time(seconds: float) -> str:
    """Return a moment in UTC for people; `-` for none."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%SZ") if seconds else NOTHING


def write_iso(seconds: float) -> str | None:
    """Return a moment as RFC 3339 has it; None for none."""
    return datetime.fromtimestamp(int(seconds), UTC).isoformat().replace("+00:00", "Z") if seconds else None


def write_ago(seconds: float) -> str:
    """Return how long something took, or is ago, in one unit."""
    for unit, size in (("d", 86_400), ("h", 3600), ("m", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f}{unit}"
    return f"{max(0.0, seconds):.0f}s"


def parse_since(text: str, now: float) -> float:
    """Return the moment that `--since` names: `90m`, `36h`, `7d`, or a date with or without a time, in UTC.

    Raises:
        ValueError: it names none.
    """
    if told := _SPAN.fullmatch(text):
        return now - int(told[1]) * _SPAN_SECONDS[told[2]]
    with suppress(ValueError, OverflowError):
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    raise ValueError("write 90m, 36h, 7d, or a date like 2026-11-27 or 2026-11-27T22:00 (UTC)")


def _cut(text: str) -> str:
    return text if len(text) <= MAX_CELL else text[: MAX_CELL - 1] + "…"


def _measure(text: str) -> int:
    """Return how many columns of a terminal a text takes."""
    wide = sum(unicodedata.east_asian_width(letter) in "WF" for letter in text)
    return len(text) + wide - sum(bool(unicodedata.combining(letter)) for letter in text)
