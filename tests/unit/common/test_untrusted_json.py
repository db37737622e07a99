"""JSON from others."""

import json

import pytest

from common.untrusted_json import read_json


@pytest.mark.parametrize(
    "body",
    [b'{"a": [1, -2.5, "\\ud83d\\ude00", null, true]}', '\ufeff{"название": "é"}'.encode(), b'"\\\\ud800"', b"1" * 400],
)
def test_what_can_be_used_is_read(body: bytes) -> None:
    """A character in two escapes is one, and a backslash is a backslash."""
    assert read_json(body) == json.loads(body)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"\xff\xfe{\x00}\x00",
        b'{"a": "\\ud800"}',
        b'{"\\uDFFF": 1}',
        b"[1e999]",
        b"-1e999",
        b"NaN",
        b"[Infinity]",
        b"1" * 5000,
        b"[" * 100_000,
    ],
)
def test_what_nobody_can_use_is_none(body: bytes) -> None:
    """One kind of error for all of it."""
    with pytest.raises(ValueError, match=r".*"):
        read_json(body)
