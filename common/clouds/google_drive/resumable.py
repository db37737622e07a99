"""Drive's resumable upload protocol without any I/O: build a request, read a reply. Knows no HTTP library and no clock.

Facts: https://developers.google.com/workspace/drive/api/guides/manage-uploads#resumable
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from common.errors import Reason, SessionLost
from common.untrusted_json import read_json

# Refusals that end no session: to be answered with a token, a look, or patience.
_SURVIVED = frozenset({401, 403, 408, 409, 413, 429})


def is_spoken(status: int) -> bool:
    """Say whether a status is part of the protocol; what is not (401, 403, 5xx …) is the caller's."""
    return status in (200, 201, 308) or is_lost(status)


def is_lost(status: int) -> bool:
    """Say whether a status means that the session is over and the file may begin anew.

    404: unknown or older than a week; 410: dead (seen at Cloud Storage, the same front end); 499: cancelled; 400: it
    no longer understands us. The documentation wants a new start after every other 4xx as well.
    """
    return 400 <= status < 500 and status not in _SURVIVED


_RANGE = re.compile(r"bytes=0-(\d{1,18})")


@dataclass(frozen=True)
class Stands:
    """The session goes on.

    Args:
        at: bytes that are stored; where the next request begins.
    """

    at: int


@dataclass(frozen=True)
class Complete:
    """The file is in.

    Args:
        file: its metadata, the fields that were asked for when the session was opened.
    """

    file: dict[str, Any]


class Unclear:
    """The reply does not tell where the session stands: it must be asked."""


def upload_headers(start: int, end: int, total: int) -> dict[str, str]:
    """Return the headers of a request that carries bytes start to end of a file of total bytes.

    Only the last request may end off a multiple of 256 KiB: of any other the rest would be dropped without a word.
    """
    if total == 0:
        # There is no range of nothing: "bytes 0--1/0" is refused. https://github.com/googleapis/google-api-python-client/pull/1070
        return {"Content-Length": "0"}
    return {"Content-Length": str(end - start), "Content-Range": f"bytes {start}-{end - 1}/{total}"}


def status_headers(total: int) -> dict[str, str]:
    """Return the headers of the question where a session stands."""
    # The total was declared when the session was opened: with a guessed one the question itself could end the upload.
    return {"Content-Length": "0", "Content-Range": f"bytes */{total}"}


def read_reply(
    status: int, headers: Mapping[str, str], body: bytes, *, sent: int, asked: bool
) -> Stands | Complete | Unclear:
    """Read the reply to bytes or to the question.

    Args:
        status: one that `is_spoken`.
        headers: with lower-case names.
        body: whole.
        sent: how far bytes were ever sent to this session.
        asked: whether this answers the question. Only then does a 308 without Range mean that nothing is stored:
            after bytes it was seen in error. https://github.com/googleapis/google-cloud-cpp/pull/7877

    Raises:
        SessionLost: the session is over, or claims bytes it never got.
    """
    if is_lost(status):
        raise SessionLost(Reason.CLOUD_UNAVAILABLE, f"the upload session ended with {status}")
    if status == 308:
        return Stands(0) if asked and "range" not in headers else _read_range(headers.get("range", ""), sent)
    return _read_file(body)


def _read_range(value: str, sent: int) -> Stands | Unclear:
    match = _RANGE.fullmatch(value.strip())
    if not match:
        return Unclear()
    at = int(match[1]) + 1
    if at > sent:
        raise SessionLost(Reason.WRONG_BYTES, "the upload session claims bytes that were never sent")
    return Stands(at)


def _read_file(body: bytes) -> Complete | Unclear:
    try:
        file = read_json(body)
    except ValueError:
        return Unclear()
    return Complete(file) if isinstance(file, dict) and isinstance(file.get("id"), str) else Unclear()
