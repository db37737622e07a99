"""Drive's upload protocol, one test for every kind of reply; no HTTP."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.clouds.google_drive.resumable import (
    Complete,
    Incomplete,
    OffsetUnknown,
    ends_session,
    is_protocol_status,
    read_reply,
    status_headers,
    upload_headers,
)
from common.errors import Reason, SessionLost

UNIT = 256 * 1024
FILE = {"id": "1abc", "size": "7", "md5Checksum": "0" * 32}


@pytest.mark.parametrize(
    ("span", "expected"),
    [
        ((0, 7, 7), {"Content-Length": "7", "Content-Range": "bytes 0-6/7"}),
        ((0, 1, 1), {"Content-Length": "1", "Content-Range": "bytes 0-0/1"}),
        ((0, UNIT, UNIT + 1), {"Content-Length": "262144", "Content-Range": "bytes 0-262143/262145"}),
        ((UNIT, UNIT + 1, UNIT + 1), {"Content-Length": "1", "Content-Range": "bytes 262144-262144/262145"}),
        ((0, 0, 0), {"Content-Length": "0"}),
    ],
    ids=["whole", "one byte", "first part", "last part", "nothing"],
)
def test_a_request_names_its_span(span: tuple[int, int, int], expected: dict[str, str]) -> None:
    """The range is inclusive, and of nothing there is none: "bytes 0--1/0" is refused."""
    assert expected == upload_headers(*span)


def test_the_question_names_the_declared_total() -> None:
    """Unit and total are there: without the one it is refused, with a guessed other one it could end the upload."""
    assert status_headers(7) == {"Content-Length": "0", "Content-Range": "bytes */7"}


@pytest.mark.parametrize(
    ("headers", "asked", "expected"),
    [
        ({"range": "bytes=0-262143"}, False, Incomplete(UNIT)),
        ({"range": "bytes=0-0"}, False, Incomplete(1)),
        ({"range": " bytes=0-262143 "}, True, Incomplete(UNIT)),
        ({}, True, Incomplete(0)),
    ],
    ids=["bytes stored", "one byte stored", "blanks", "nothing stored"],
)
def test_where_a_session_stands(headers: dict[str, str], asked: bool, expected: Incomplete) -> None:
    """The next offset is the last stored one and one more; the server alone knows it."""
    assert expected == read_reply(308, headers, b"", bytes_sent=2 * UNIT, is_query=asked)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "0-262143",
        "bytes=1-262143",
        "bytes 0-262143",
        "bytes=0-",
        "bytes=0--1",
        "bytes=0-1,3-4",
        "bytes=0-" + "9" * 30,
    ],
)
@pytest.mark.parametrize("asked", [False, True])
def test_a_range_nobody_understands_is_asked_for_again(value: str, asked: bool) -> None:
    """What is no range from the start tells nothing."""
    assert isinstance(read_reply(308, {"range": value}, b"", bytes_sent=UNIT, is_query=asked), OffsetUnknown)


def test_no_range_after_bytes_is_no_loss() -> None:
    """A 308 without Range was seen in mid-upload in error: only the question's answer counts."""
    assert isinstance(read_reply(308, {}, b"", bytes_sent=UNIT, is_query=False), OffsetUnknown)


@pytest.mark.parametrize("asked", [False, True])
def test_a_claim_of_bytes_never_sent_ends_the_session(asked: bool) -> None:
    """An acknowledgement beyond what was sent means that somebody's bytes are mixed up."""
    with pytest.raises(SessionLost) as lost:
        read_reply(308, {"range": "bytes=0-262144"}, b"", bytes_sent=UNIT, is_query=asked)
    assert lost.value.reason == Reason.WRONG_BYTES


def test_all_that_was_sent_may_be_claimed() -> None:
    """The edge of the former."""
    assert Incomplete(UNIT) == read_reply(308, {"range": "bytes=0-262143"}, b"", bytes_sent=UNIT, is_query=False)


@pytest.mark.parametrize("status", [200, 201])
@pytest.mark.parametrize("asked", [False, True])
def test_a_file_is_the_end(status: int, asked: bool) -> None:
    """200 as seen, 201 as documented; to the question as well as to the last byte."""
    assert Complete(FILE) == read_reply(status, {}, json.dumps(FILE).encode(), bytes_sent=7, is_query=asked)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b'{"id": "1a',
        b"<html>log in</html>",
        b"[]",
        b"null",
        b'"1abc"',
        b"{}",
        b'{"id": 7}',
        b"\xff\xfe",
        b"[" * 9999,
    ],
    ids=["empty", "cut", "page", "array", "null", "text", "no id", "id is a number", "no text", "deep"],
)
def test_a_success_without_a_file_is_asked_for_again(body: bytes) -> None:
    """The question brings the metadata once more."""
    assert isinstance(read_reply(200, {}, body, bytes_sent=7, is_query=False), OffsetUnknown)


@pytest.mark.parametrize("status", [200, 201])
def test_a_file_that_is_told_is_the_end(status: int) -> None:
    """Drive says either: https://developers.google.com/workspace/drive/api/guides/manage-uploads#resumable."""
    assert is_protocol_status(status)
    assert isinstance(read_reply(status, {}, b'{"id": "1"}', bytes_sent=7, is_query=False), Complete)


@pytest.mark.parametrize("status", [400, 402, 404, 405, 410, 411, 412, 416, 499])
@pytest.mark.parametrize("asked", [False, True])
def test_a_session_that_is_over(status: int, asked: bool) -> None:
    """Unknown, expired, dead, cancelled, or it no longer understands us: the file begins anew."""
    assert ends_session(status)
    assert is_protocol_status(status)
    with pytest.raises(SessionLost, match=str(status)):
        read_reply(status, {}, b"", bytes_sent=7, is_query=asked)


@pytest.mark.parametrize("status", [401, 403, 408, 409, 413, 429, 500, 502, 503, 504, 301, 302, 307, 204, 100])
def test_statuses_that_are_the_callers(status: int) -> None:
    """A token, patience or a look is the answer to them; the session lives. A gap is told by 503: ask, don't repeat."""
    assert not ends_session(status)
    assert not is_protocol_status(status)


@settings(deadline=None)
@given(
    status=st.one_of(st.sampled_from([200, 201, 308, 404]), st.integers(200, 499).filter(is_protocol_status)),
    headers=st.dictionaries(st.just("range"), st.one_of(st.text(), st.from_regex(r"bytes=0-\d{1,20}", fullmatch=True))),
    body=st.binary(max_size=60),
    sent=st.integers(0, 2**60),
    asked=st.booleans(),
)
def test_any_reply_is_read(status: int, headers: dict[str, str], body: bytes, sent: int, asked: bool) -> None:
    """Whatever comes means something, and never more bytes than were sent."""
    try:
        reply = read_reply(status, headers, body, bytes_sent=sent, is_query=asked)
    except SessionLost:
        return
    assert isinstance(reply, Incomplete | Complete | OffsetUnknown)
    assert not isinstance(reply, Incomplete) or 0 <= reply.offset <= sent
