"""What a gallery may say about a photo's bytes, whatever it is: the listed photo, or an error of ours."""

import random
import zlib
from collections.abc import Mapping
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.clouds.photos import Photo
from common.errors import Reason, SessionLost, Transient
from worker.transfer.buffers import BLOCK_BYTES, BufferPool
from worker.transfer.photo_stream import GalleryStream

DATA = random.Random(5).randbytes(BLOCK_BYTES + 1000)
SIZE = len(DATA)
# Where the first answer breaks and the second goes on.
BREAK = BLOCK_BYTES
RIGHT_RANGE = f"bytes {BREAK}-{SIZE - 1}/{SIZE}"
NUMBERS = st.sampled_from(
    [str(number) for number in (0, 1, BREAK, SIZE - 1, SIZE, 10**17, 10**30)] + ["", "-1", "٣", "1e3"]
)
RANGES = st.text(max_size=20) | st.builds(
    "{}{}{}-{}/{}".format,
    st.sampled_from(["bytes", "Bytes", "octets", ""]),
    st.sampled_from([" ", "=", "", "\t"]),
    NUMBERS,
    NUMBERS,
    NUMBERS | st.just("*"),
)
HEADERS = st.fixed_dictionaries(
    {},
    optional={
        "content-range": RANGES | st.just(RIGHT_RANGE),
        "content-length": NUMBERS | st.text(max_size=5),
        "content-type": st.text(max_size=12),
        "content-encoding": st.sampled_from(["identity", "gzip", ""]) | st.text(max_size=5),
        "etag": st.text(max_size=5),
    },
)


class Answer:
    """One answer of the gallery, see `worker.transfer.photo_stream.Source`."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes, breaks: int | None = None) -> None:
        self.status = status
        self.headers = headers
        self._rest = body
        self._breaks = breaks

    def read_into(self, block: memoryview) -> int:
        """Fill the block; the line may break."""
        if self._breaks == 0:
            raise Transient(Reason.PHOTO_UNAVAILABLE, "the line broke")
        data = self._rest[: len(block)][: self._breaks]
        block[: len(data)] = data
        self._rest = self._rest[len(data) :]
        self._breaks = None if self._breaks is None else self._breaks - len(data)
        return len(data)

    def close(self) -> None:
        """Let it go."""


def go_on_after_a_break(second: Answer) -> bytes:
    """Read a photo whose first answer breaks, and then span by span from another; return what was given out."""
    answers = [Answer(200, {}, DATA, breaks=BREAK), second]
    photo = Photo("1", (), "a.jpg", "https://h/a.jpg", SIZE, zlib.crc32(DATA))
    stream = GalleryStream(photo, lambda _offset, _etag: answers.pop(0), lambda: None, BufferPool())
    got = b""
    with suppress(Transient):
        for block in stream.blocks(0, SIZE):
            got += bytes(block)
    for block in stream.blocks(len(got), SIZE):
        got += bytes(block)
    assert stream.digest
    return got


@settings(deadline=None, max_examples=300)
@given(
    status=st.sampled_from([200, 206, 206, 206, 204, 304, 416]),
    headers=HEADERS,
    start=st.sampled_from([0, 1, BREAK, BREAK - 1, SIZE]),
    more=st.sampled_from([b"", b"x"]),
)
def test_whatever_is_said_of_a_range_the_whole_is_the_photo(
    status: int, headers: dict[str, str], start: int, more: bytes
) -> None:
    """No header is believed beyond what the bytes prove."""
    with suppress(Transient, SessionLost):
        assert go_on_after_a_break(Answer(status, headers, DATA[start:] + more)) == DATA


@pytest.mark.parametrize(
    "told",
    [
        "",
        "bytes",
        f"bytes {BREAK - 1}-{SIZE - 1}/{SIZE}",
        f"bytes {BREAK}-{SIZE}/{SIZE}",
        f"bytes {BREAK}-{SIZE - 1}/{SIZE + 1}",
        f"bytes 0-{SIZE - 1}/{SIZE}",
        f"bytes */{SIZE}",
        f"octets {BREAK}-{SIZE - 1}/{SIZE}",
        f"{RIGHT_RANGE}\n",
        f"{RIGHT_RANGE}, bytes 0-1/2",
    ],
)
def test_another_range_than_asked_for_ends_the_upload(told: str) -> None:
    """Even where its bytes are the right ones."""
    with pytest.raises(SessionLost):
        go_on_after_a_break(Answer(206, {"content-range": told}, DATA[BREAK:]))
    assert go_on_after_a_break(Answer(206, {"content-range": RIGHT_RANGE}, DATA[BREAK:])) == DATA
