"""The benchmark's photos are what their sums say."""

import hashlib
import zlib

import pytest

from bench.photos import BLOCK_BYTES, Photos

PHOTOS = Photos(4, 2 * BLOCK_BYTES + 5).summed()


def _bytes(index: int, start: int = 0, most: int = BLOCK_BYTES) -> bytes:
    return b"".join(PHOTOS.pieces(index, start, most))


def test_sums_are_those_of_the_bytes() -> None:
    """Nobody hashes again what was summed once."""
    for index in range(PHOTOS.count):
        content = _bytes(index)
        assert len(content) == PHOTOS.size
        assert PHOTOS.md5(index) == hashlib.md5(content).hexdigest()
        assert int(PHOTOS.crc32(index), 16) == zlib.crc32(content)


@pytest.mark.parametrize("start", [0, 1, BLOCK_BYTES - 1, BLOCK_BYTES, 2 * BLOCK_BYTES + 4])
def test_bytes_are_the_same_from_any_offset(start: int) -> None:
    """A range is a part of the whole, in pieces of any size, and is recognised by it."""
    rest = _bytes(1)[start:]
    assert _bytes(1, start, most=100_000) == rest
    assert PHOTOS.holds(1, start, memoryview(rest[: BLOCK_BYTES + 1]))
    assert not PHOTOS.holds(2, start, memoryview(rest[: BLOCK_BYTES + 1]))


def test_names_lead_back() -> None:
    """A file's name says which photo it is, or that it is none."""
    assert [PHOTOS.index(PHOTOS.name(index)) for index in range(PHOTOS.count)] == [0, 1, 2, 3]
    assert PHOTOS.index("00004.jpg") is None
    assert PHOTOS.index("Photos") is None
