"""A photo's bytes, read from a gallery that breaks, changes its mind and lies; no HTTP."""

import gzip
import hashlib
import random
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.clouds.digests import NewDigest, NoDigest
from common.clouds.photos import Photo
from common.errors import PhotoRejected, Reason, SessionLost, Transient
from worker.transfer.buffers import BLOCK_BYTES, BufferPool
from worker.transfer.photo_stream import GalleryStream
from worker.transfer.stop import Interrupted

DATA = random.Random(2).randbytes(3 * BLOCK_BYTES + 1000)


@dataclass
class Given:
    """One answer of the gallery, which is what a gallery should give unless told otherwise.

    Attributes:
        data: the photo as this answer has it.
        breaks_after: bytes of the body after which the line breaks; None: it does not.
        ranges: whether a start in the middle is granted.
        honours_condition: whether another ETag than the wanted one brings the whole.
        status: instead of the right one.
        headers: instead of the right ones; None takes one away.
        closed: whether it was let go.
    """

    data: bytes = DATA
    breaks_after: int | None = None
    ranges: bool = True
    honours_condition: bool = True
    status: int | None = None
    headers: dict[str, str | None] = field(default_factory=dict)
    closed: bool = False

    def open(self, offset: int, etag: str | None) -> "OpenAnswer":
        """Answer a request."""
        own = self.headers.get("etag")
        changed = self.honours_condition and etag not in (None, own)
        partial = bool(offset) and self.ranges and not changed
        body = self.data[offset:] if partial else self.data
        headers: dict[str, str | None] = {"content-type": "image/jpeg", "content-length": str(len(body))}
        if partial:
            headers["content-range"] = f"bytes {offset}-{len(self.data) - 1}/{len(self.data)}"
        headers |= self.headers
        given = {name: value for name, value in headers.items() if value is not None}
        return OpenAnswer(self.status or (206 if partial else 200), given, body, self)


@dataclass
class OpenAnswer:
    """What `worker.transfer.photo_stream.Source` is."""

    status: int
    headers: dict[str, str]
    body: bytes
    given: Given
    at: int = 0

    def read_into(self, block: memoryview) -> int:
        """Fill the block; fewer bytes only at the end."""
        assert not self.given.closed
        breaks = self.given.breaks_after
        if breaks is not None and self.at + len(block) > breaks:
            raise Transient(Reason.PHOTO_UNAVAILABLE, "the line broke")
        data = self.body[self.at : self.at + len(block)]
        self.at += len(data)
        block[: len(data)] = data
        return len(data)

    def close(self) -> None:
        """Let it go."""
        self.given.closed = True


class Gallery:
    """Gives its answers one after the other, the last one for ever.

    Attributes:
        asked: offset and condition of every request.
        opened: the answers given.
    """

    def __init__(self, *answers: Given) -> None:
        self._answers = list(answers)
        self.asked: list[tuple[int, str | None]] = []
        self.opened: list[Given] = []

    def open(self, offset: int, etag: str | None) -> OpenAnswer:
        """Answer a request."""
        self.asked.append((offset, etag))
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        answer.closed = False
        self.opened.append(answer)
        return answer.open(offset, etag)


def stream_of(
    *answers: Given, data: bytes = DATA, has_crc: bool = True, check: Callable[[], None] = lambda: None
) -> tuple[GalleryStream, Gallery]:
    """Return the stream of a photo, and its gallery."""
    photo = Photo("1", (), "p.jpg", "https://h/p.jpg", len(data), zlib.crc32(data) if has_crc else None)
    gallery = Gallery(*answers)
    return GalleryStream(photo, gallery.open, check, BufferPool()), gallery


def take(stream: GalleryStream, start: int, end: int) -> bytes:
    """Read a span; each block is copied before the next overwrites it."""
    return b"".join(bytes(block) for block in stream.blocks(start, end))


def take_until(stream: GalleryStream, start: int, end: int, error: type[Exception]) -> tuple[bytes, Exception]:
    """Read a span that breaks; return what was given out before, and the error."""
    got = []
    with pytest.raises(error) as raised:
        got.extend(bytes(block) for block in stream.blocks(start, end))
    return b"".join(got), raised.value


def md5(data: bytes) -> str:
    """Return the MD5 in hex."""
    return hashlib.md5(data).hexdigest()


@pytest.mark.parametrize("size", [0, 1, 1000, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1, len(DATA)])
@pytest.mark.parametrize("has_crc", [True, False])
def test_a_photo_is_read_whole(size: int, has_crc: bool) -> None:
    """One request, every byte, and an MD5 once the last one was read and not before."""
    data = DATA[:size]
    stream, gallery = stream_of(Given(data), data=data, has_crc=has_crc)
    assert stream.digest is None
    assert take(stream, 0, size) == data
    assert stream.digest == md5(data)
    assert gallery.asked == [(0, None)]
    stream.close()
    assert gallery.opened[0].closed


@pytest.mark.parametrize(
    ("new_digest", "expected"), [(hashlib.sha256, hashlib.sha256(DATA).hexdigest()), (NoDigest, "")]
)
def test_the_digest_is_the_clouds(new_digest: NewDigest, expected: str) -> None:
    """Whatever the cloud can confirm; where it is nothing, the whole photo is proved all the same, and said so."""
    photo = Photo("1", (), "p.jpg", "https://h/p.jpg", len(DATA), zlib.crc32(DATA))
    stream = GalleryStream(photo, Gallery(Given(DATA)).open, lambda: None, BufferPool(), new_digest)
    take(stream, 0, len(DATA) - 1)
    assert stream.digest is None
    take(stream, 0, len(DATA))
    assert stream.digest == expected


def test_a_photo_is_read_span_by_span_from_one_answer() -> None:
    """Upload after upload takes its share where the last one ended."""
    stream, gallery = stream_of(Given())
    spans = [*pairwise(range(0, len(DATA), BLOCK_BYTES)), (3 * BLOCK_BYTES, len(DATA))]
    assert b"".join(take(stream, start, end) for start, end in spans) == DATA
    assert (gallery.asked, stream.digest) == ([(0, None)], md5(DATA))


def test_blocks_are_no_longer_than_a_block() -> None:
    """Memory is threads times this; and the unit in which Drive keeps bytes."""
    stream, _ = stream_of(Given())
    sizes = [len(block) for block in stream.blocks(0, len(DATA))]
    assert sizes == [BLOCK_BYTES, BLOCK_BYTES, BLOCK_BYTES, 1000]


def test_a_block_is_lent_while_bytes_move_and_no_longer() -> None:
    """A source that is only open holds none, and the next photo gets the one that was given back."""
    lent: list[memoryview] = []

    class Lender(BufferPool):
        """Remembers what is lent and not given back."""

        def acquire(self) -> memoryview:
            lent.append(super().acquire())
            return lent[-1]

        def release(self, block: memoryview) -> None:
            lent.remove(block)
            super().release(block)

    blocks = Lender()
    stream = GalleryStream(Photo("1", (), "p", "https://h/p", len(DATA)), Gallery(Given()).open, lambda: None, blocks)
    stream.open()
    assert lent == []
    take(stream, 0, BLOCK_BYTES)
    take(stream, BLOCK_BYTES, len(DATA))
    assert len(lent) == 1
    first = lent[0]
    stream.close()
    stream.close()
    assert lent == []
    assert blocks.acquire() is first


def test_a_broken_line_is_gone_on_with_where_it_broke() -> None:
    """By a range on condition that the photo is the same."""
    stream, gallery = stream_of(
        Given(breaks_after=BLOCK_BYTES, headers={"etag": '"a"'}), Given(headers={"etag": '"a"'})
    )
    got, _ = take_until(stream, 0, len(DATA), Transient)
    assert got == DATA[:BLOCK_BYTES]
    assert take(stream, BLOCK_BYTES, len(DATA)) == DATA[BLOCK_BYTES:]
    assert stream.digest == md5(DATA)
    assert gallery.asked == [(0, None), (BLOCK_BYTES, '"a"')]
    assert gallery.opened[0].closed


def test_an_offset_that_goes_back_counts_no_byte_twice() -> None:
    """The cloud kept less than it was sent; sums are those of the photo all the same."""
    stream, gallery = stream_of(Given())
    take(stream, 0, 2 * BLOCK_BYTES)
    assert take(stream, BLOCK_BYTES, 3 * BLOCK_BYTES) == DATA[BLOCK_BYTES : 3 * BLOCK_BYTES]
    assert take(stream, 0, len(DATA)) == DATA
    assert stream.digest == md5(DATA)
    assert take(stream, 3 * BLOCK_BYTES, len(DATA)) == DATA[3 * BLOCK_BYTES :]
    assert stream.digest == md5(DATA)
    assert [offset for offset, _ in gallery.asked] == [0, BLOCK_BYTES, 0, 3 * BLOCK_BYTES]


def test_a_whole_in_place_of_a_part_is_skipped_up_to_there() -> None:
    """A gallery without ranges costs a second reading, and the sums begin anew."""
    stream, gallery = stream_of(Given(breaks_after=2 * BLOCK_BYTES), Given(ranges=False))
    take_until(stream, 0, len(DATA), Transient)
    assert take(stream, 2 * BLOCK_BYTES, len(DATA)) == DATA[2 * BLOCK_BYTES :]
    assert stream.digest == md5(DATA)
    assert [offset for offset, _ in gallery.asked] == [0, 2 * BLOCK_BYTES]


def test_an_unread_beginning_cannot_be_leapt_over() -> None:
    """Who asks for the middle first, as for a session found half done, gets sums of the whole nevertheless."""
    stream, gallery = stream_of(Given())
    assert take(stream, BLOCK_BYTES, len(DATA)) == DATA[BLOCK_BYTES:]
    assert (gallery.asked, stream.digest) == ([(0, None)], md5(DATA))


def test_the_same_photo_under_another_etag_goes_on() -> None:
    """Another server's ETag brings the whole again; its bytes are the same, so nothing is lost but time."""
    stream, _ = stream_of(Given(breaks_after=BLOCK_BYTES, headers={"etag": '"a"'}), Given(headers={"etag": '"b"'}))
    take_until(stream, 0, len(DATA), Transient)
    assert take(stream, BLOCK_BYTES, len(DATA)) == DATA[BLOCK_BYTES:]
    assert stream.digest == md5(DATA)


OTHER = bytes([DATA[0] ^ 1]) + DATA[1:]
SAME_END = DATA[:BLOCK_BYTES] + bytes([DATA[BLOCK_BYTES] ^ 1]) + DATA[BLOCK_BYTES + 1 :]


@pytest.mark.parametrize("has_crc", [True, False])
def test_another_photo_under_another_etag_ends_the_upload(has_crc: bool) -> None:
    """The cloud holds the first one's beginning: a mixture is neither, even where nobody knows a CRC."""
    stream, _ = stream_of(
        Given(OTHER, breaks_after=BLOCK_BYTES, headers={"etag": '"a"'}),
        Given(headers={"etag": '"b"'}),
        has_crc=has_crc,
    )
    take_until(stream, 0, len(DATA), Transient)
    got, _ = take_until(stream, BLOCK_BYTES, len(DATA), SessionLost)
    assert got == b""
    assert take(stream, 0, len(DATA)) == DATA
    assert stream.digest == md5(DATA)


def test_another_etag_on_a_part_ends_the_upload() -> None:
    """A server that ignores conditions gives itself away."""
    stream, _ = stream_of(
        Given(breaks_after=BLOCK_BYTES, headers={"etag": '"a"'}),
        Given(headers={"etag": '"b"'}, honours_condition=False),
    )
    take_until(stream, 0, len(DATA), Transient)
    got, error = take_until(stream, BLOCK_BYTES, len(DATA), SessionLost)
    assert (got, "changed" in str(error)) == (b"", True)


def test_a_part_without_etag_is_believed_as_long_as_its_bytes_agree() -> None:
    """Size, CRC and the bytes read before are the proof."""
    stream, _ = stream_of(Given(breaks_after=BLOCK_BYTES, headers={"etag": '"a"'}), Given(honours_condition=False))
    take_until(stream, 0, len(DATA), Transient)
    assert take(stream, BLOCK_BYTES, len(DATA)) == DATA[BLOCK_BYTES:]


def test_a_weak_etag_is_handed_on_as_it_is() -> None:
    """Whether it may stand in a condition is for who sends the request; a change is seen all the same."""
    stream, gallery = stream_of(
        Given(breaks_after=BLOCK_BYTES, headers={"etag": 'W/"a"'}),
        Given(headers={"etag": 'W/"b"'}, honours_condition=False),
    )
    take_until(stream, 0, len(DATA), Transient)
    take_until(stream, BLOCK_BYTES, len(DATA), SessionLost)
    assert gallery.asked == [(0, None), (BLOCK_BYTES, 'W/"a"')]


def test_bytes_read_again_must_be_the_same() -> None:
    """They are hashed once only; so what goes out a second time is compared with the first."""
    stream, _ = stream_of(Given(), Given(SAME_END))
    take(stream, 0, 3 * BLOCK_BYTES)
    got, _ = take_until(stream, BLOCK_BYTES, len(DATA), SessionLost)
    assert got == b""


def test_an_offset_inside_a_block_is_read_from_the_block_s_beginning() -> None:
    """A cloud's units need not be ours; what goes out is the photo from that offset on."""
    stream, gallery = stream_of(Given())
    take(stream, 0, 2 * BLOCK_BYTES)
    assert take(stream, BLOCK_BYTES + 700, len(DATA)) == DATA[BLOCK_BYTES + 700 :]
    assert ([offset for offset, _ in gallery.asked], stream.digest) == ([0, BLOCK_BYTES], md5(DATA))


def test_the_rest_of_a_block_must_be_the_same_as_well() -> None:
    """It is compared before it goes out, wherever in the block the cloud stands."""
    other = DATA[: BLOCK_BYTES + 800] + bytes([DATA[BLOCK_BYTES + 800] ^ 1]) + DATA[BLOCK_BYTES + 801 :]
    stream, _ = stream_of(Given(), Given(other))
    take(stream, 0, 3 * BLOCK_BYTES)
    got, _ = take_until(stream, BLOCK_BYTES + 700, len(DATA), SessionLost)
    assert got == b""


@pytest.mark.parametrize("has_crc", [True, False])
def test_the_last_bytes_read_again_must_be_the_same(has_crc: bool) -> None:
    """The end is compared like every block before it."""
    stream, _ = stream_of(Given(), Given(DATA[:-1] + bytes([DATA[-1] ^ 1])), has_crc=has_crc)
    take(stream, 0, len(DATA))
    got, _ = take_until(stream, 3 * BLOCK_BYTES, len(DATA), SessionLost)
    assert got == b""


@pytest.mark.parametrize(
    "headers",
    [
        {"content-range": None},
        {"content-range": "bytes 0-787431/787432"},
        {"content-range": f"bytes {BLOCK_BYTES - 1}-{len(DATA) - 1}/{len(DATA)}"},
        {"content-range": f"bytes {BLOCK_BYTES}-{len(DATA) - 2}/{len(DATA)}"},
        {"content-range": f"bytes {BLOCK_BYTES}-{len(DATA) - 1}/{len(DATA) + 1}"},
        {"content-range": f"{BLOCK_BYTES}-{len(DATA) - 1}/{len(DATA)}"},
        {"content-range": f"bytes */{len(DATA)}"},
        {"content-range": None, "content-type": "multipart/byteranges; boundary=x"},
    ],
    ids=["none", "whole", "start", "end", "total", "no unit", "unsatisfied", "multipart"],
)
def test_another_range_than_asked_for_is_no_use(headers: dict[str, str | None]) -> None:
    """A part that is not proved to be the right one never goes out."""
    stream, _ = stream_of(Given(breaks_after=BLOCK_BYTES), Given(headers=headers), Given())
    take_until(stream, 0, len(DATA), Transient)
    got, _ = take_until(stream, BLOCK_BYTES, len(DATA), SessionLost)
    assert (got, stream.digest) == (b"", None)
    assert take(stream, 0, len(DATA)) == DATA


def test_a_range_may_leave_its_total_open() -> None:
    """As RFC 9110 allows."""
    open_total = f"bytes {BLOCK_BYTES}-{len(DATA) - 1}/*"
    stream, _ = stream_of(Given(breaks_after=BLOCK_BYTES), Given(headers={"content-range": open_total}))
    take_until(stream, 0, len(DATA), Transient)
    assert take(stream, BLOCK_BYTES, len(DATA)) == DATA[BLOCK_BYTES:]


@pytest.mark.parametrize("status", [204, 206, 301, 304, 403, 404, 410, 416, 429, 500, 503])
def test_a_status_that_brings_no_photo_is_tried_again(status: int) -> None:
    """The same source may do better next time; a part where the whole was asked for is no photo either."""
    stream, gallery = stream_of(Given(status=status), Given())
    got, error = take_until(stream, 0, len(DATA), Transient)
    assert got == b""
    assert isinstance(error, Transient)
    assert error.reason == Reason.PHOTO_UNAVAILABLE
    assert gallery.opened[0].closed
    assert take(stream, 0, len(DATA)) == DATA


NOT_LIKE_PHOTOS: list[dict[str, str | None]] = [
    {"content-type": "text/html; charset=utf-8"},
    {"content-type": "Text/HTML"},
    {"content-type": "application/xhtml+xml"},
    {"content-encoding": "gzip"},
    {"content-encoding": "br"},
    {"content-encoding": "identity, gzip"},
    {"content-encoding": "aws-chunked"},
]


@pytest.mark.parametrize("headers", NOT_LIKE_PHOTOS, ids=str)
def test_what_looks_like_no_photo_is_none_unless_the_list_can_prove_it(headers: dict[str, str | None]) -> None:
    """A log-in page, a packed body: without a CRC-32 not one byte of it goes out."""
    stream, gallery = stream_of(Given(headers=headers), Given(), has_crc=False)
    got, error = take_until(stream, 0, len(DATA), Transient)
    assert (got, getattr(error, "reason", None)) == (b"", Reason.PHOTO_UNAVAILABLE)
    assert gallery.opened[0].closed
    assert take(stream, 0, len(DATA)) == DATA


@pytest.mark.parametrize("headers", NOT_LIKE_PHOTOS, ids=str)
@pytest.mark.parametrize("status", [200, 201, 202, 203])
def test_what_size_and_crc_prove_is_the_photo(headers: dict[str, str | None], status: int) -> None:
    """Storages and proxies label bytes strangely and give them unchanged: the bytes tell, not the head."""
    stream, gallery = stream_of(Given(headers=headers, status=status))
    assert take(stream, 0, len(DATA)) == DATA
    assert (stream.digest, len(gallery.asked)) == (md5(DATA), 1)


@pytest.mark.parametrize(
    ("body", "headers", "detail"),
    [
        (gzip.compress(DATA), {"content-encoding": "gzip"}, "the gallery packed the photo"),
        (gzip.compress(DATA), {"content-encoding": "gzip", "content-length": None}, "the gallery packed the photo"),
        (b"<html>log in</html>", {"content-type": "text/html"}, "the gallery answered with a page"),
        (b"<html>log in</html>", {"content-type": "text/html", "content-length": None}, "answered with a page"),
    ],
)
def test_what_is_really_packed_or_a_page_is_called_so(body: bytes, headers: dict[str, str | None], detail: str) -> None:
    """The proof fails, and a guest hears what came instead of the photo; the last block never goes out."""
    stream, _ = stream_of(Given(body, headers=headers), Given())
    with pytest.raises((Transient, SessionLost), match=detail):
        take(stream, 0, len(DATA))
    assert stream.digest is None
    assert take(stream, 0, len(DATA)) == DATA


@pytest.mark.parametrize(
    "start", ["<!DOCTYPE html>", "\ufeff\n <html lang=ru>", "<!-- x -->\n<HEAD>", "<script src=a>"]
)
def test_a_page_of_the_right_size_is_a_page(start: str) -> None:
    """Whatever it calls itself, where nothing but its size could prove it."""
    page = start.encode() + bytes(len(DATA) - len(start.encode()))
    stream, _ = stream_of(Given(page, headers={"content-type": "image/jpeg"}), Given(), has_crc=False)
    got, error = take_until(stream, 0, len(DATA), Transient)
    assert (got, "page" in str(error)) == (b"", True)
    assert take(stream, 0, len(DATA)) == DATA


@pytest.mark.parametrize("start", [b"<svg xmlns=", b"<?xml version=", b"\xff\xd8\xff\xe0", b"<htmlish", b"<"])
def test_what_begins_like_a_picture_is_no_page(start: bytes) -> None:
    """Drawings begin with a bracket as well."""
    data = start + DATA[len(start) :]
    stream, _ = stream_of(Given(data), data=data, has_crc=False)
    assert take(stream, 0, len(data)) == data


@pytest.mark.parametrize("length", ["5", str(len(DATA) + 1), "0"])
@pytest.mark.parametrize("has_crc", [True, False])
def test_another_size_than_listed_is_seen_at_the_head(length: str, has_crc: bool) -> None:
    """It is another photo by now, or a part of it: not one byte goes out."""
    stream, gallery = stream_of(Given(headers={"content-length": length}), Given(), has_crc=has_crc)
    got, error = take_until(stream, 0, len(DATA), Transient)
    assert (got, getattr(error, "reason", None)) == (b"", Reason.WRONG_BYTES)
    assert gallery.opened[0].closed
    assert take(stream, 0, len(DATA)) == DATA


@pytest.mark.parametrize(
    "headers",
    [
        {"content-encoding": "identity"},
        {"content-encoding": "Identity"},
        {"content-encoding": ""},
        {"content-encoding": "identity, IDENTITY"},
        {"content-type": None},
        {"content-type": "application/octet-stream"},
        {"content-length": None},
        {"content-length": f"000{len(DATA)}"},
        {"content-length": "5", "transfer-encoding": "chunked"},
    ],
    ids=str,
)
@pytest.mark.parametrize("has_crc", [True, False])
def test_what_a_head_leaves_open_is_proved_by_the_bytes(headers: dict[str, str | None], has_crc: bool) -> None:
    """Neither type nor length are needed, and nothing is packed by saying that it is not."""
    stream, _ = stream_of(Given(headers=headers), has_crc=has_crc)
    assert take(stream, 0, len(DATA)) == DATA


@pytest.mark.parametrize("told", ["bytes 0-{last}/{size}", "bytes 0-{last}/*", "Bytes=0-{last}/{size}"])
def test_a_part_that_is_the_whole_is_the_photo(told: str) -> None:
    """206 where nobody asked for a part: some caches always answer so."""
    told = told.format(last=len(DATA) - 1, size=len(DATA))
    stream, gallery = stream_of(Given(status=206, headers={"content-range": told}))
    assert take(stream, 0, len(DATA)) == DATA
    assert len(gallery.asked) == 1


@pytest.mark.parametrize(
    "told", [f"bytes 0-{len(DATA) - 2}/{len(DATA)}", f"bytes 1-{len(DATA)}/{len(DATA)}", "bytes */7", "bytes 0-1/2"]
)
def test_a_part_that_is_less_is_no_photo(told: str) -> None:
    """Nobody asked for it, and the rest is not there."""
    stream, _ = stream_of(Given(status=206, headers={"content-range": told}), Given())
    assert take_until(stream, 0, len(DATA), Transient)[0] == b""


@pytest.mark.parametrize(("first", "second"), [('"a"', 'W/"a"'), ('W/"a"', '"a"')])
def test_a_version_that_calls_itself_weak_is_the_same(first: str, second: str) -> None:
    """Whoever packs for others weakens it; another name is another version."""
    stream, gallery = stream_of(
        Given(breaks_after=BLOCK_BYTES, headers={"etag": first}),
        Given(honours_condition=False, headers={"etag": second}),
    )
    take_until(stream, 0, len(DATA), Transient)
    assert take(stream, BLOCK_BYTES, len(DATA)) == DATA[BLOCK_BYTES:]
    assert len(gallery.asked) == 2


@pytest.mark.parametrize("cut", [0, 1, BLOCK_BYTES, len(DATA) - 1])
def test_a_short_body_never_gives_its_last_block(cut: int) -> None:
    """Without a length its end is only silence; what is missing is read by the next answer."""
    stream, _ = stream_of(Given(DATA[:cut], headers={"content-length": None}), Given())
    got, _ = take_until(stream, 0, len(DATA), Transient)
    assert got == DATA[: cut // BLOCK_BYTES * BLOCK_BYTES]
    assert stream.digest is None
    assert take(stream, len(got), len(DATA)) == DATA[len(got) :]
    assert stream.digest == md5(DATA)


def test_a_longer_body_never_gives_its_last_block() -> None:
    """What follows the listed size makes all before it worthless."""
    stream, _ = stream_of(Given(DATA + b"x", headers={"content-length": None}), Given())
    got, error = take_until(stream, 0, len(DATA), SessionLost)
    assert got == DATA[: 3 * BLOCK_BYTES]
    assert (stream.digest, "longer" in str(error)) == (None, True)
    assert take(stream, 0, len(DATA)) == DATA


@pytest.mark.parametrize("at", [0, BLOCK_BYTES, len(DATA) - 1])
def test_wrong_bytes_never_give_their_last_block(at: int) -> None:
    """The CRC-32 of the whole is known before the whole is given out."""
    wrong = DATA[:at] + bytes([DATA[at] ^ 0x80]) + DATA[at + 1 :]
    stream, _ = stream_of(Given(wrong), Given())
    got, error = take_until(stream, 0, len(DATA), SessionLost)
    assert got == wrong[: 3 * BLOCK_BYTES]
    assert stream.digest is None
    assert isinstance(error, SessionLost)
    assert error.reason == Reason.WRONG_BYTES
    assert take(stream, 0, len(DATA)) == DATA
    assert stream.digest == md5(DATA)


@pytest.mark.parametrize("data", [b"", b"x"])
def test_a_photo_of_one_block_proves_itself_before_anything_goes_out(data: bytes) -> None:
    """Most photos are one request; of a wrong one not a byte leaves."""
    stream, _ = stream_of(Given(data + b"y", headers={"content-length": None}), data=data)
    assert take_until(stream, 0, len(data), SessionLost)[0] == b""


def test_nothing_at_all_is_proved_as_well() -> None:
    """A photo of zero bytes has a CRC and an MD5, read as often as wanted."""
    stream, _ = stream_of(Given(b""), data=b"")
    assert take(stream, 0, 0) == b""
    assert take(stream, 0, 0) == b""
    assert stream.digest == "d41d8cd98f00b204e9800998ecf8427e"


def test_a_line_that_breaks_after_the_last_byte_proves_nothing() -> None:
    """Whether more would have come nobody knows, unless a sum tells: the end is read again."""
    stream, _ = stream_of(Given(breaks_after=len(DATA)), Given(), has_crc=False)
    got, _ = take_until(stream, 0, len(DATA), Transient)
    assert (got, stream.digest) == (DATA[: 3 * BLOCK_BYTES], None)
    assert take(stream, 3 * BLOCK_BYTES, len(DATA)) == DATA[3 * BLOCK_BYTES :]
    assert stream.digest == md5(DATA)


def test_a_line_that_breaks_after_bytes_that_are_proved_has_brought_them() -> None:
    """Size and CRC-32 agree: it is the photo, though its end was never said, or the line was reset."""
    stream, gallery = stream_of(Given(breaks_after=len(DATA)))
    assert take(stream, 0, len(DATA)) == DATA
    assert (stream.digest, len(gallery.asked)) == (md5(DATA), 1)
    stream.close()
    assert gallery.opened[0].closed


def test_the_sum_of_nothing_proves_nothing() -> None:
    """A photo of zero bytes has the sum 0 whatever would have come: its end must be seen."""
    stream, _ = stream_of(Given(b"", breaks_after=0), Given(b""), data=b"")
    take_until(stream, 0, 0, Transient)
    assert stream.digest is None
    assert take(stream, 0, 0) == b""
    assert stream.digest == md5(b"")


@pytest.mark.parametrize("has_crc", [True, False])
@pytest.mark.parametrize("is_open", [True, False])
@pytest.mark.parametrize(
    ("given", "error", "reason"),
    [
        (Given(DATA), Transient, Reason.WRONG_BYTES),
        (Given(DATA, headers={"content-length": None}), SessionLost, Reason.WRONG_BYTES),
        (Given(b"x", headers={"content-length": None}), SessionLost, Reason.WRONG_BYTES),
        (Given(b"", status=404), Transient, Reason.PHOTO_UNAVAILABLE),
        (Given(b"", status=204), Transient, Reason.PHOTO_UNAVAILABLE),
    ],
)
def test_nothing_is_proved_as_everything_else(
    given: Given, error: type[Exception], reason: Reason, is_open: bool, has_crc: bool
) -> None:
    """A photo listed with zero bytes that has some, or is not there: asked for its no bytes, the stream says so."""
    stream, _ = stream_of(given, data=b"", has_crc=has_crc)
    for _ in range(2):
        if is_open:
            with suppress(Transient):
                stream.open()
        with pytest.raises(error) as raised:
            list(stream.blocks(0, 0))
        assert getattr(raised.value, "reason", None) is reason
        assert stream.digest is None


def test_nothing_with_a_sum_is_a_contradiction() -> None:
    """A list that gives zero bytes a CRC-32 means another photo."""
    photo = Photo("1", (), "p.jpg", "https://h/p.jpg", 0, 0xE7B057B2)
    stream = GalleryStream(photo, Gallery(Given(b"")).open, lambda: None, BufferPool())
    with pytest.raises(SessionLost):
        list(stream.blocks(0, 0))


CALLS = st.one_of(
    st.just(("open",)),
    st.just(("close",)),
    st.tuples(st.just("blocks"), st.integers(0, 4), st.integers(0, 4)),
    st.tuples(st.just("begin"), st.integers(0, 4), st.integers(0, 4)),
)


@settings(deadline=None, max_examples=100)
@given(
    size=st.sampled_from([0, 1, BLOCK_BYTES, 2 * BLOCK_BYTES + 5]),
    calls=st.lists(CALLS, max_size=8),
    answers=st.lists(
        st.builds(Given, data=st.none(), ranges=st.booleans(), breaks_after=st.sampled_from([None, 0, BLOCK_BYTES])),
        max_size=4,
    ),
    has_crc=st.booleans(),
)
def test_calls_may_come_in_any_order(size: int, calls: list[Any], answers: list[Given], has_crc: bool) -> None:
    """Opened or not, closed in between, asked for nothing, for the end, again, or left in the middle of a block.

    What comes out is the photo; its MD5 is there only when all of it was read; nothing but a known error ever comes.
    """
    data = DATA[:size]
    for answer in answers:
        answer.data = data
    stream, _ = stream_of(*answers, Given(data), data=data, has_crc=has_crc)
    for name, *span in calls:
        start, end = sorted(min(step * BLOCK_BYTES, size) for step in span) if span else (0, 0)
        with suppress(Transient):
            if name == "blocks":
                assert take(stream, start, end) == data[start:end]
            elif name == "begin":
                next(stream.blocks(start, end), None)
            else:
                getattr(stream, name)()
        assert stream.digest in (None, md5(data))
    while True:
        with suppress(Transient):
            assert take(stream, 0, size) == data
            break
    assert stream.digest == md5(data)


@pytest.mark.parametrize("kind", [Interrupted, Transient])
def test_the_check_may_end_the_reading(kind: type[Exception]) -> None:
    """It is asked before every block, skipped ones included, and what it raises comes out as it is."""
    calls: list[None] = []

    def check() -> None:
        calls.append(None)
        if len(calls) == 3:
            raise Interrupted if kind is Interrupted else Transient(Reason.TRY_LATER)

    stream, _ = stream_of(Given(), check=check)
    got, _ = take_until(stream, 0, len(DATA), kind)
    assert got == DATA[: 2 * BLOCK_BYTES]
    assert take(stream, 2 * BLOCK_BYTES, len(DATA)) == DATA[2 * BLOCK_BYTES :]
    assert stream.digest == md5(DATA)


@pytest.mark.parametrize("error", [PhotoRejected(Reason.URL_NOT_ALLOWED), Transient(Reason.PHOTO_UNAVAILABLE)])
def test_a_source_that_cannot_be_opened_says_why(error: Exception) -> None:
    """As it is, and the stream can be asked again."""

    def refuse(_offset: int, _etag: str | None) -> Any:
        raise error

    stream = GalleryStream(Photo("1", (), "p", "https://h/p", 7), refuse, lambda: None, BufferPool())
    for _ in range(2):
        with pytest.raises(type(error)) as raised:
            next(stream.blocks(0, 7))
        assert raised.value is error
    stream.close()


BREAKS = st.one_of(
    st.none(), st.integers(0, 5), st.sampled_from([BLOCK_BYTES, 2 * BLOCK_BYTES]), st.integers(0, len(DATA))
)
ANSWERS = st.builds(
    Given,
    data=st.sampled_from([DATA, DATA, DATA, DATA, OTHER, SAME_END, DATA[:-1], DATA + b"x"]),
    breaks_after=BREAKS,
    ranges=st.booleans(),
    honours_condition=st.booleans(),
    status=st.sampled_from([None, None, None, None, 200, 206, 404, 503]),
    headers=st.fixed_dictionaries(
        {}, optional={"etag": st.sampled_from(['"a"', '"b"', 'W/"a"']), "content-length": st.none()}
    ),
)


def upload(stream: GalleryStream, chunk: int, kept: Iterator[int]) -> tuple[bytes, int]:
    """Do what an upload does, for a cloud that keeps whole blocks of what it gets, and sometimes fewer.

    Returns:
        What the cloud holds when the last byte was given out, and how often something broke.
    """
    held, broke = b"", 0
    while True:
        start, got = len(held), []
        end = min(start + chunk, len(DATA))
        try:
            got.extend(bytes(block) for block in stream.blocks(start, end))
        except Transient:
            broke += 1
        except SessionLost:
            broke += 1
            held, got = b"", []
        held += b"".join(got)
        if len(held) == len(DATA):
            return held, broke
        held = held[: len(held) // BLOCK_BYTES * BLOCK_BYTES]
        held = held[: max(0, len(held) - next(kept) * BLOCK_BYTES)]


@settings(deadline=None, max_examples=250)
@given(
    answers=st.lists(ANSWERS, max_size=8),
    chunk=st.sampled_from([BLOCK_BYTES, 2 * BLOCK_BYTES, 8 * BLOCK_BYTES]),
    lost=st.lists(st.integers(0, 3), max_size=5),
)
def test_whatever_breaks_the_whole_is_the_photo(answers: list[Given], chunk: int, lost: list[int]) -> None:
    """However the gallery answers and whatever the cloud forgets: when all is given out, it is the listed photo."""
    stream, gallery = stream_of(*answers, Given(headers={"content-length": None}))
    held, broke = upload(stream, chunk, iter(lost + [0] * 100))
    assert held == DATA
    assert stream.digest == md5(DATA)
    # Every break costs one answer at most, and every answer breaks once at most: nothing runs in a circle.
    assert broke <= len(answers) + len(lost) + 1
    assert len(gallery.asked) <= 1 + broke + len(lost)
