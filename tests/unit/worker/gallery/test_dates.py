"""Dates of photos in every usual form: kept, to the moment; nonsense is no date and never stumbled over."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worker.gallery.dates import read_date

MOMENT = datetime(2024, 8, 17, 9, 54, 32, tzinfo=UTC)


@pytest.mark.parametrize(
    "listed",
    [
        "2024-08-17 12:54:32 +0300",
        "2024-08-17 09:54:32 UTC",
        "2024-08-17 09:54:32 utc",
        "2024-08-17 09:54:32UTC",
        "2024-08-17 09:54:32 GMT",
        "2024-08-17 09:54:32 Z",
        "2024-08-17 12:54:32 +03:00",
        "2024-08-17 12:54:32+03",
        "2024-08-17 12:54:32.000 +0300",
        "2024-08-17 00:54:32 -0900",
        "2024-08-17T09:54:32Z",
        "2024-08-17t09:54:32z",
        "2024-08-17T09:54:32.000Z",
        "2024-08-17T09:54:32,0Z",
        "2024-08-17T12:54:32+03:00",
        "2024-08-17T12:54:32+0300",
        "2024-08-17T12:54:32+03",
        "2024-08-17T12:54:32.0000000+03:00",
        "2024-08-17T15:24:32+05:30",
        "2024-08-17T09:54:32-00:00",
        "2024-08-17T12:54:32+03:00[Europe/Moscow]",
        "2024-08-17 12:54:32 +0300 (MSK)",
        "20240817T095432Z",
        "20240817T125432+0300",
        "Sat, 17 Aug 2024 09:54:32 GMT",
        "Sat, 17 Aug 2024 12:54:32 +0300",
        # Without a zone: as databases keep them.
        "2024-08-17 09:54:32",
        "2024-08-17T09:54:32",
        "2024-08-17T09:54:32.000000",
        # Unix time.
        1723888472,
        1723888472.0,
        1723888472000,
        "1723888472",
        "1723888472000",
    ],
)
def test_a_moment_is_one_however_it_is_written(listed: Any) -> None:
    """Ruby, JavaScript, Java, databases, mail: the photo keeps its date."""
    assert read_date(listed, {}) == MOMENT


@pytest.mark.parametrize(
    ("listed", "expected"),
    [
        ("2024-08-17T09:54:32.5Z", MOMENT + timedelta(seconds=0.5)),
        ("2024-08-17T09:54:32.123Z", MOMENT + timedelta(milliseconds=123)),
        ("2024-08-17 09:54:32.123456789 UTC", MOMENT + timedelta(microseconds=123456)),
        (1723888472123, MOMENT + timedelta(milliseconds=123)),
        ("2024-08-17T09:54Z", MOMENT.replace(second=0)),
        ("2024-08-17", MOMENT.replace(hour=0, minute=0, second=0)),
        ("2016-12-31T23:59:60Z", datetime(2016, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ("1826-01-01 00:00:00 UTC", datetime(1826, 1, 1, tzinfo=UTC)),
    ],
)
def test_parts_of_a_second_and_parts_of_a_date(listed: Any, expected: datetime) -> None:
    """As exact as it is written."""
    assert read_date(listed, {}) == expected


def test_the_zone_is_the_listed_one() -> None:
    """The hour on the clock where it was taken."""
    date = read_date("2024-08-17T12:54:32+03:00", {})
    assert date
    assert (date.hour, date.utcoffset()) == (12, timedelta(hours=3))


@pytest.mark.parametrize(
    "listed",
    [
        "17.08.2024",
        "08/17/2024",
        "2024-13-17 12:54:32 UTC",
        "2024-08-17 25:54:32 UTC",
        "2024-08-17 12:54:32 +9900",
        "2024-08-17 12:54:32 MSK",
        "2024-08-17 12:54:32 +0300 and more",
        "Xxx, 99 Foo 2024 12:54:32 +0300",
        "Sat, 17 Aug 2024 12:54:32 +999999",
        "٢٠٢٤-08-17 12:54:32 UTC",
        "yesterday",
        "",
        "0",
        "9" * 5000,
        2024,
        -1,
        10**400,
        float("nan"),
        float("inf"),
        True,
        None,
        [],
        {},
    ],
    ids=lambda listed: repr(listed)[:40],
)
def test_nonsense_is_no_date(listed: Any) -> None:
    """The photo is copied without one."""
    assert read_date(listed, {}) is None


ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@settings(deadline=None)
@given(
    st.datetimes(timezones=ZONES).filter(lambda moment: 1 < moment.year < 9999),
    st.sampled_from(["T", " ", "t"]),
    st.sampled_from(["", " "]),
    st.sampled_from(["", ":"]),
)
def test_any_moment_survives_being_written(moment: datetime, part: str, blank: str, colon: str) -> None:
    """Every form of ISO 8601's extended format and its relatives."""
    offset = f"{moment:%z}"
    written = f"{moment.date()}{part}{moment:%H:%M:%S.%f}{blank}{offset[:3]}{colon}{offset[3:]}"
    assert read_date(written, {}) == moment


@settings(deadline=None)
@given(
    st.text(max_size=40)
    | st.text("0123456789-:TZ +.[](),UCGM\ud800", max_size=35)
    | st.from_regex(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}:[0-9]{2} ?([+-][0-9]{4}|Z|UTC)", fullmatch=True)
    | st.integers()
    | st.floats()
)
def test_any_value_is_a_date_or_none(value: Any) -> None:
    """Every date that comes out has a moment in UTC."""
    date = read_date(value, {})
    assert date is None or date.astimezone(UTC)
