"""Range requests: Range, If-Range and entity tags (RFC 9110, sections 13 and 14)."""

import re

from sandbox.http.message import Reply, Request

_ONE_RANGE = re.compile(r"bytes=\s*(\d*)-(\d*)\s*")


def serve(request: Request, data: bytes, kind: str, etag: str, modified: str) -> Reply:
    """Answer a GET or HEAD for `data`.

    Args:
        request: May ask for one range; several, or a malformed one, get the whole.
        data: The representation.
        kind: Its media type.
        etag: Its strong entity tag, with quotes.
        modified: Its date, in HTTP's form.
    """
    headers = {"Content-Type": kind, "Accept-Ranges": "bytes", "ETag": etag, "Last-Modified": modified}
    wanted = _ONE_RANGE.fullmatch(request.headers.get("Range") or "")
    condition = request.headers.get("If-Range")
    if not wanted or wanted.groups() == ("", "") or condition not in (None, etag, modified):
        return Reply(200, data, headers)
    total = len(data)
    first, last = _bounds(wanted[1], wanted[2], total)
    if last < first and wanted[1] and wanted[2] and int(wanted[2]) < int(wanted[1]):
        return Reply(200, data, headers)
    if first >= total or last < first:
        return Reply(416, b"", {**headers, "Content-Range": f"bytes */{total}"})
    return Reply(206, data[first : last + 1], {**headers, "Content-Range": f"bytes {first}-{last}/{total}"})


def _bounds(first: str, last: str, total: int) -> tuple[int, int]:
    if not first:
        return max(total - int(last), 0), (total - 1 if int(last) else -1)
    return int(first), min(int(last), total - 1) if last else total - 1
