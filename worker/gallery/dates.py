"""Parser of the dates in the gallery's list, in the usual forms."""

import re
from datetime import UTC, datetime, tzinfo
from email.utils import parsedate_to_datetime
from typing import Any

Zones = dict[tzinfo | None, tzinfo | None]
"""Time zones that were read so far, to share: thousands of dates have few, and need not hold one each."""

# A date as databases, ISO 8601, RFC 3339 and Ruby write it; what some add in brackets is the zone once more (RFC 9557).
_DATE = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:(?:[Tt]|[ ]+)([0-9]{2}:[0-9]{2}(?::[0-9]{2})?)(?:[.,]([0-9]+))?"
    r"[ ]*(?:[Zz]|UTC|utc|GMT|gmt|([+-][0-9]{2})(?::?([0-9]{2}))?)?)?[ ]*(?:\[[^\]]*\]|\([^)]*\))?"
)
# "Sat, 17 Aug 2024 12:54:32 +0300": https://www.rfc-editor.org/rfc/rfc5322#section-3.3
_MAIL_DATE = re.compile(r"[A-Z][a-z]{2}, [0-9]{1,2} [A-Z][a-z]{2} [0-9]{4} [0-9]{2}:[0-9]{2}(:[0-9]{2})? \S+")
# Seconds from 1970-04 to 2286; what is more are milliseconds. Smaller numbers are years, flags and compact days.
_FIRST_UNIX_TIME, _LAST_UNIX_TIME = 10**8, 10**10


def read_date(value: Any, zones: Zones) -> datetime | None:
    """Return the date, as in "2024-08-17 12:54:32 +0300"; a photo without a usable one is still a photo.

    Other usual ways to write it are as good: ISO 8601 with fractions of any length, `UTC`, the form of mail and HTTP,
    Unix time in seconds or milliseconds. A date that names no zone is in UTC, as databases keep them: it is hours off
    at most, and the photos stay in their order.

    Args:
        value: as the list's JSON has it.
        zones: time zones known so far; gets those that are new.
    """
    try:
        date = _parse(value)
        if date is None:
            return None
        date.astimezone(UTC)  # years at the edges have none
    except (ValueError, OverflowError):
        return None
    return date.replace(tzinfo=zones.setdefault(date.tzinfo, date.tzinfo))


def _parse(value: Any) -> datetime | None:
    """Return a date with its zone; raises ValueError or OverflowError when it is none."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _read_unix_time(value)
    if not isinstance(value, str):
        return None
    text = value.strip()
    if match := _DATE.fullmatch(text):
        return _parse_iso(match)
    if text.isascii() and text.isdigit():
        return _read_unix_time(int(text))
    date = parsedate_to_datetime(text) if _MAIL_DATE.fullmatch(text) else datetime.fromisoformat(text)
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def _parse_iso(match: re.Match[str]) -> datetime:
    day, time, fraction, hours, minutes = match.groups()
    # A leap second has no place in a datetime: https://www.rfc-editor.org/rfc/rfc3339#section-5.6
    time = f"{time[:5]}:59" if time and time[5:] == ":60" else time or "00:00"
    fraction = f".{fraction[:6]:0<6}" if fraction and len(time) > 5 else ""
    zone = f"{hours}:{minutes or '00'}" if hours else "+00:00"
    return datetime.fromisoformat(f"{day}T{time}{fraction}{zone}")


def _read_unix_time(value: float) -> datetime | None:
    if not _FIRST_UNIX_TIME <= value < 1000 * _LAST_UNIX_TIME:
        return None
    return datetime.fromtimestamp(value if value < _LAST_UNIX_TIME else value / 1000, UTC)
