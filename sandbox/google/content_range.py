"""Content-Range of resumable uploads: parsing, and the replies to a wrong one.

https://developers.google.com/workspace/drive/api/guides/manage-uploads#resumable
"""

import re
from dataclasses import dataclass

from sandbox.http.message import Body

UNREADABLE = "Failed to parse Content-Range header."
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")
_QUERY = re.compile(r"bytes \*/(\d+|\*)")


@dataclass(frozen=True)
class ContentRange:
    """The bytes of a request: from `start` to just before `end`, of `total` if that is known."""

    start: int
    end: int
    total: int | None


def read_query(given: str) -> str:
    """Return the total a status query names, `*` if it names none; empty if it is no query."""
    found = _QUERY.fullmatch(given)
    return found[1] if found else ""


def read_content_range(given: str | None, length: int | None) -> ContentRange | None:
    """Return what a request brings; None if its header makes no sense.

    Args:
        given: Content-Range; without one the body is the whole file.
        length: Content-Length.
    """
    if given is None:
        return ContentRange(0, length or 0, length)
    found = _RANGE.fullmatch(given)
    if not found:
        return None
    start, end = int(found[1]), int(found[2]) + 1
    total = None if found[3] == "*" else int(found[3])
    return None if end <= start or (total is not None and end > total) else ContentRange(start, end, total)


def find_violations(given: str, body: Body, declared: int | None) -> list[str]:
    """Return what is forbidden about the form of a request.

    Args:
        given: Content-Range, perhaps empty.
        body: Its body, not yet read.
        declared: Bytes of the file, as told when the session was opened.
    """
    empty = body.length == 0
    violations = {
        "chunked upload body": body.chunked,
        "both Content-Length and Transfer-Encoding": body.chunked and body.length is not None,
        "Content-Range without 'bytes '": bool(given) and not given.startswith("bytes "),
        "empty body under a Content-Range": bool(_RANGE.fullmatch(given)) and empty,
        "empty body for a file that is not": not given and bool(declared) and empty,
        "a body with a status query": bool(_QUERY.fullmatch(given)) and bool(body.length),
    }
    return [text for text, happened in violations.items() if happened]


def describe_gap(span: ContentRange, stored: int) -> str:
    """Return the words for bytes that come too early: https://github.com/Byron/google-apis-rs/issues/438."""
    return (
        "Invalid request.  According to the Content-Range header, the upload offset is "
        f"{span.start} byte(s), which exceeds already uploaded size of {stored} byte(s)."
    )


def describe_mismatch(span: ContentRange, received: int) -> str:
    """Return the words for a body of another length: https://github.com/firebase/firebase-tools/pull/10325."""
    return (
        f"There were {received} byte(s) in the request body.  There should have been {span.end - span.start} byte(s) "
        f"(starting at offset {span.start} and ending at offset {span.end - 1}) according to the Content-Range header."
    )
