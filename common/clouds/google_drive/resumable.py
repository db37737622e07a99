"""Drive's resumable upload protocol, without I/O: the headers of a request, the meaning of a reply.

Facts: https://developers.google.com/workspace/drive/api/guides/manage-uploads#resumable
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from common.errors import Reason, SessionLost
from common.untrusted_json import read_json

# Refusals that end no session: they are answered with a token, a look, or patience.
_SESSION_SURVIVES = frozenset({401, 403, 408, 409, 413, 429})


def is_protocol_status(status: int) -> bool:
    """Tell whether a status is part of the protocol; every other (401, 403, 5xx …) is the caller's to read."""
    return status in (200, 201, 308) or ends_session(status)


def ends_session(status: int) -> bool:
    """Tell whether a status means that the session is over and the upload must begin anew.

    404: unknown or older than a week; 410: dead (seen at Cloud Storage, the same front end); 499: cancelled; 400: it
    no longer understands us. The documentation wants a new start after every other 4xx as well.
    """
    return 400 <= status < 500 and status not in _SESSION_SURVIVES


_RANGE = re.compile(r"bytes=0-(\d{1,18})")


@dataclass(frozen=True)
class Incomplete:
    """The upload is incomplete, and its session goes on.

    Args:
        offset: how many bytes are stored; where the next request begins.
    """

    offset: int


@dataclass(frozen=True)
class Complete:
    """The upload is complete.

    Args:
        file: its metadata, the fields that were asked for when the session was opened.
    """

    file: dict[str, Any]


class OffsetUnknown:
    """The reply does not tell how many bytes are stored: the session must be queried."""


def upload_headers(start: int, end: int, total: int) -> dict[str, str]:
    """Return the headers of a request that carries bytes start to end of a file of total bytes.

    Only the last request may end off a multiple of 256 KiB: of any other the rest would be dropped without a word.
    """
    if total == 0:
        # There is no range of nothing: "bytes 0--1/0" is refused. https://github.com/googleapis/google-api-python-client/pull/1070
        return {"Content-Length": "0"}
    return {"Content-Length": str(end - start), "Content-Range": f"bytes {start}-{end - 1}/{total}"}


def status_headers(total: int) -> dict[str, str]:
    """Return the headers of a status query: how many bytes does the session hold?"""
    # The total was declared when the session was opened: with a guessed one the query itself could end the upload.
    return {"Content-Length": "0", "Content-Range": f"bytes */{total}"}


def read_reply(
    status: int, headers: Mapping[str, str], body: bytes, *, bytes_sent: int, is_query: bool
) -> Incomplete | Complete | OffsetUnknown:
    """Read the reply to bytes or to a status query.

    Args:
        status: one that `is_protocol_status`.
        headers: with lower-case names.
        body: whole.
        bytes_sent: how far bytes were ever sent to this session.
        is_query: whether this answers a status query. Only then does a 308 without Range mean that nothing is stored:
            after bytes it was seen in error. https://github.com/googleapis/google-cloud-cpp/pull/7877

    Raises:
        SessionLost: the session is over, or claims bytes it never got.
    """
    if ends_session(status):
        raise SessionLost(Reason.CLOUD_UNAVAILABLE, f"the upload session ended with {status}")
    if status == 308:
        return (
            Incomplete(0) if is_query and "range" not in headers else _read_range(headers.get("range", ""), bytes_sent)
        )
    return _read_file(body)


def _read_range(value: str, bytes_sent: int) -> Incomplete | OffsetUnknown:
    match = _RANGE.fullmatch(value.strip())
    if not match:
        return OffsetUnknown()
    offset = int(match[1]) + 1
    if offset > bytes_sent:
        raise SessionLost(Reason.WRONG_BYTES, "the upload session claims bytes that were never sent")
    return Incomplete(offset)


def _read_file(body: bytes) -> Complete | OffsetUnknown:
    try:
        file = read_json(body)
    except ValueError:
        return OffsetUnknown()
    return Complete(file) if isinstance(file, dict) and isinstance(file.get("id"), str) else OffsetUnknown()
