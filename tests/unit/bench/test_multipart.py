"""Uploads in one request are taken apart, however the wire cuts them."""

import pytest

from bench.multipart import Multipart

MEDIA = b"\r\n--not the end\r\n" + bytes(range(256)) * 3
BODY = (
    b'--fence\r\nContent-Type: application/json\r\n\r\n{"name": "1.jpg"}'
    b"\r\n--fence\r\nContent-Type: image/jpeg\r\n\r\n" + MEDIA + b"\r\n--fence--\r\n"
)


@pytest.mark.parametrize("size", [1, 7, 64, 100, len(BODY)])
def test_parts_are_found_in_pieces_of_any_size(size: int) -> None:
    """Metadata and media come out whole, and nothing of the fences."""
    pieces = (memoryview(BODY[at : at + size]) for at in range(0, len(BODY), size))
    upload = Multipart('multipart/related; boundary="fence"', pieces)
    assert upload.metadata == {"name": "1.jpg"}
    assert b"".join(upload.media()) == MEDIA
