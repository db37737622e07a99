"""Multipart uploads: metadata and bytes in one multipart/related request.

https://developers.google.com/workspace/drive/api/guides/manage-uploads#multipart
"""

import json
import re
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any

from sandbox.google.errors import ApiError
from sandbox.http.message import Request


def split_parts(request: Request) -> tuple[Any, str, bytes]:
    """Return the metadata, the media type and the bytes of a multipart/related request.

    Raises:
        ApiError: It has not two parts, or the first is not JSON.
    """
    kind = request.headers.get("Content-Type") or ""
    boundary = re.search(r'boundary="?([^";]+)"?', kind)
    if not kind.startswith("multipart/related") or not boundary:
        raise ApiError("badRequest", "Malformed multipart body.")
    marker = b"--" + boundary[1].encode()
    parts = request.content().split(marker)[1:3]
    if len(parts) != 2:
        raise ApiError("badRequest", "Malformed multipart body.")
    try:
        (_, metadata), (head, media) = (_split_part(each) for each in parts)
        return json.loads(metadata), head.get("Content-Type") or "", media
    except ValueError:
        raise ApiError("badRequest", "Parse Error") from None


def _split_part(part: bytes) -> tuple[Any, bytes]:
    # Lines should end in CR LF; Google's own Python client ends them in LF, and Google takes that.
    head, body = re.split(rb"\r?\n\r?\n", re.sub(rb"^\r?\n", b"", part), maxsplit=1)
    body = body.removesuffix(b"\n").removesuffix(b"\r") if body.endswith(b"\r\n") else body.removesuffix(b"\n")
    return BytesParser(policy=HTTP).parsebytes(head + b"\r\n\r\n", headersonly=True), body
