"""Whatever breaks on the way, a photo arrives once and whole, or not at all.

The real loop, stream, session and storage copy one photo from a pretend gallery into a pretend Drive, without sockets,
while hypothesis draws what goes wrong. What is drawn stands in the failing example; `@reproduce_failure` repeats it.
"""

import hashlib
import itertools
import random
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, event, example, given, settings
from hypothesis import strategies as st

from common.clouds.google_drive import storage
from common.clouds.photos import Photo, StoredPhoto
from common.errors import ArchiveError, InventoryStale, JobStopped, PhotoRejected, Postponed, Reason
from common.http.network_policy import PUBLIC_ONLY
from sandbox.gallery.photos import PhotoServer, PhotoStore
from tests.fakes.clock import Clock
from tests.fakes.copy_photo import copy_photo
from tests.fakes.guests_drive import GuestsDrive
from tests.fakes.in_process import InProcessHttp
from worker.gallery.client import Gallery
from worker.transfer.buffers import BLOCK_BYTES, BufferPool
from worker.transfer.photo_stream import GalleryStream
from worker.transfer.retry import RetryPolicy
from worker.transfer.throttle import Throttle

PHOTOS, GALLERY = "https://photos.example", "https://gallery.example"
LARGEST = 3 * 1024 * 1024
BLOB = random.Random(1).randbytes(LARGEST)

# Most are small, so that thousands of runs take seconds; the edges are those of Drive's unit and of our blocks.
SIZES = st.one_of(
    st.integers(0, 2000),
    st.integers(0, 2000),
    st.sampled_from([1, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1, 2 * BLOCK_BYTES, 2 * BLOCK_BYTES + 7]),
    st.integers(BLOCK_BYTES, 600_000),
)
OFFSETS = [0, 1, 700, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1, 300_000, 2 * BLOCK_BYTES, 550_000]


def faults(on: str, does: str, **choices: Sequence[Any]) -> list[dict[str, Any]]:
    """Return a fault in all its shapes: each is what `sandbox.faults.plan.Fault` takes."""
    shapes = itertools.product(*choices.values())
    return [{"on": on, "does": does, **dict(zip(choices, shape, strict=True))} for shape in shapes]


def put_faults(on: str) -> st.SearchStrategy[dict[str, Any]]:
    """Draw what may happen to bytes and to questions alike."""
    codes = (400, 401, 404, 408, 409, 410, 429, 499, 500, 502, 503, 504)
    return draw(
        faults(on, "status", status=codes, html=(False, True)),
        faults(on, "throttle", status=(403, 429), retry_after=(None, 1, 10**6)),
        faults(on, "drop_before"),
        faults(on, "drop_after"),
        faults(on, "no_range", lose=(False, True)),
        faults(on, "forget_session"),
        faults(on, "gone_session"),
        faults(on, "cancelled_session"),
        faults(on, "expire_token"),
        faults(on, "html"),
        faults(on, "redirect"),
        faults(on, "bad_json", bytes=(0, 1, 20)),
        faults(on, "drop_fields", fields=(["md5Checksum"], ["size"], ["id"])),
        faults(on, "set_fields", fields=({"id": "another"},)),
        faults(on, "lie_md5"),
        faults(on, "lie_size"),
    )


def draw(*kinds: list[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """Draw one of several kinds, each as often as any other."""
    return st.one_of(*(st.sampled_from(kind) for kind in kinds))


BROKEN_SOURCE = draw(
    faults("photo", "drop_before"),
    faults("photo", "status", status=(403, 404, 416, 429, 500, 503)),
    faults("photo", "drop_midway", bytes=OFFSETS),
    faults("photo", "truncate", bytes=OFFSETS, how=("cut", "smaller", "unsized")),
    faults("photo", "corrupt", at=OFFSETS),
    faults("photo", "longer"),
    faults("photo", "no_range_support"),
    faults("photo", "wrong_range", how=("start", "total", "multipart")),
    faults("photo", "change_etag"),
    faults("photo", "gzip"),
    faults("photo", "html"),
)
UPLOADS = draw(
    faults("upload", "drop_midway", bytes=OFFSETS),
    faults("upload", "partial", bytes=OFFSETS),
    faults("upload", "lie_range"),
    faults("upload", "status", status=(503,), early=(True,)),
)
INITIATIONS = draw(
    faults("initiate", "status", status=(408, 429, 500, 503), html=(False, True)),
    faults("initiate", "throttle"),
    faults("initiate", "drop_before"),
    faults("initiate", "drop_after"),
    faults("initiate", "no_location"),
    faults("initiate", "expire_token"),
    faults("initiate", "id_in_use"),
    faults("initiate", "unusable_id"),
    faults("initiate", "html"),
    faults("initiate", "redirect"),
)
METADATA = draw(
    *(
        faults(on, does)
        for on in ("generate_ids", "files_get", "cancel")
        for does in ("drop_before", "drop_after", "html", "expire_token")
    ),
    *(faults(on, "status", status=(429, 500, 503)) for on in ("generate_ids", "files_get", "cancel")),
)
BROKEN_DRIVE = st.one_of(
    put_faults("upload"), put_faults("upload"), put_faults("query"), UPLOADS, INITIATIONS, METADATA
)
# Drive itself spoils the bytes, or does not let go of a file: what it would take for wrong bytes to stay.
TREACHERY = draw(
    faults("upload", "corrupt", at=OFFSETS),
    faults("files_delete", "drop_before"),
    faults("files_delete", "drop_after"),
    faults("files_delete", "status", status=(429, 500, 503)),
    faults("files_get", "lie_md5"),
    faults("files_get", "drop_fields", fields=(["md5Checksum"], ["id"])),
    faults("initiate", "status", status=(400, 404)),
)


def scripts(*kinds: st.SearchStrategy[dict[str, Any]], longest: int = 12) -> st.SearchStrategy[list[dict[str, Any]]]:
    """Draw what goes wrong, each thing at the first, second or third request it fits."""
    late = st.tuples(st.one_of(*kinds), st.integers(0, 2)).map(lambda drawn: {**drawn[0], "after": drawn[1]})
    return st.lists(late, max_size=longest)


# Faults that cost more than one try.
TRIES = {
    # One without any token, and one with the token that has ended.
    ("upload", "expire_token"): 2,
    ("query", "expire_token"): 2,
}


# What Drive objects to although it is its own doing: who believes that it has what it lost goes on behind a gap; what
# it spoils on the way in is not what it has already.
EXCUSES = {"lie_range": "gap after", "corrupt": "bytes sent again differ"}


@dataclass(frozen=True)
class Cancellation:
    """How a copy ended, and what it left.

    Attributes:
        result: what the loop returned or raised.
        photo: what should arrive.
        data: its bytes.
        guests: the Drive.
        slept: every wait, in seconds.
        excused: how objections begin that are Drive's own doing.
    """

    result: StoredPhoto | ArchiveError
    photo: Photo
    data: bytes
    guests: GuestsDrive
    slept: list[float]
    excused: tuple[str, ...]


@pytest.fixture(scope="module", autouse=True)
def few_ids() -> Iterator[None]:
    """A thousand ids would be made for each photo."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(storage, "IDS_AT_ONCE", 10)
        yield


def run(
    script: list[dict[str, Any]],
    *,
    size: int,
    tries: int = 5,
    chunk: int = BLOCK_BYTES,
    has_crc: bool = True,
    fallback: bool = False,
    conflict_at: str = "initiate",
    bury_ids: bool = True,
) -> Cancellation:
    """Copy one photo of so many bytes through everything the script breaks."""
    data = BLOB[:size]
    # Without a CRC nobody can tell a photo from one of the same size.
    has_crc = has_crc or any((each["on"], each["does"]) == ("photo", "corrupt") for each in script)
    photo = Photo("49851973", (), "Test_011.jpg", f"{PHOTOS}/p.jpg", size, zlib.crc32(data) if has_crc else None)
    guests = GuestsDrive(chunk=chunk)
    guests.drive.conflict_at, guests.drive.bury_ids = conflict_at, bury_ids
    photo_store = PhotoStore()
    photo_store.put("/p.jpg", data)
    hosts = [PHOTOS, GALLERY] if fallback else [PHOTOS]
    sources = InProcessHttp(
        {host: PhotoServer(photo_store, guests.faults, guests.violations).answer for host in hosts},
        Reason.PHOTO_UNAVAILABLE,
    )
    gallery = Gallery(
        sources,  # type: ignore[arg-type]
        base_url=GALLERY,
        photo_hosts=("photos.example",),
        done_url="",
        signing_secrets=(),
        policy=PUBLIC_ONLY,
    )
    stream = GalleryStream(photo, partial(gallery.open_photo, photo), lambda: None, BufferPool())
    clock = Clock()
    throttle = Throttle(clock.sleep, clock.now, lambda: 0.5)
    policy = RetryPolicy(
        tries=tries, first_delay=1.0, max_delay=60.0, sleep=clock.sleep, throttle=throttle, jitter=lambda: 0.5
    )
    for each in script:
        guests.break_it(**each)
    result: StoredPhoto | ArchiveError
    try:
        result = copy_photo(stream, lambda: guests.begin(photo), policy)
    except ArchiveError as error:
        result = error
    stream.close()
    excused = tuple(EXCUSES[each["does"]] for each in script if each["does"] in EXCUSES and each["on"] == "upload")
    return Cancellation(result, photo, data, guests, clock.slept, excused)


def check_arrived(ending: Cancellation) -> None:
    """Exactly one file, with exactly the photo's bytes, is what the loop says there is."""
    assert isinstance(ending.result, StoredPhoto), ending.result
    assert ending.guests.contents() == [ending.data]
    assert [item.id for item in ending.guests.account.files()] == [ending.result.id]
    assert (ending.photo.key, ending.photo.size) == (ending.result.key, ending.result.size)


def check_manners(ending: Cancellation) -> None:
    """Nothing the real services forbid, and never a body whose length is not announced or not what it is."""
    assert [each for each in ending.guests.violations if not each.startswith(ending.excused)] == []
    for method, _, headers in ending.guests.http.sent:
        assert "Transfer-Encoding" not in headers
        assert method != "PUT" or headers["Content-Length"].isdigit()
    assert all(0 <= seconds <= 600 for seconds in ending.slept)


def check_honest(ending: Cancellation) -> None:
    """It arrived, or there is a reason that the rest of the worker knows, and nothing wrong is left."""
    if isinstance(ending.result, StoredPhoto):
        check_arrived(ending)
    else:
        assert isinstance(ending.result, PhotoRejected | InventoryStale | JobStopped | Postponed), ending.result
        assert ending.guests.contents() in ([], [ending.data])


CIRCUMSTANCES = {
    "size": SIZES,
    "chunk": st.sampled_from([BLOCK_BYTES, 2 * BLOCK_BYTES, 16 * BLOCK_BYTES]),
    "has_crc": st.sampled_from([True, True, False]),
    "fallback": st.booleans(),
    "conflict_at": st.sampled_from(["initiate", "final"]),
    "bury_ids": st.booleans(),
}
PLAIN = {
    "size": 0,
    "chunk": BLOCK_BYTES,
    "has_crc": True,
    "fallback": False,
    "conflict_at": "initiate",
    "bury_ids": False,
}
# The file is made, but nobody hears of it, and the next session is refused as if its id led nowhere.
DENIED_FILE = [
    {"on": "upload", "does": "drop_after"},
    {"on": "query", "does": "forget_session"},
    {"on": "initiate", "does": "unusable_id", "after": 1},
]
# Drive loses what it has, and says later that it has it.
LOST_AND_CLAIMED = [
    {"on": "upload", "does": "no_range", "lose": True, "after": 1},
    {"on": "upload", "does": "lie_range", "after": 1},
]
# What Drive has is sent once more, and spoilt by it.
SPOILT_AGAIN = [
    {"on": "upload", "does": "partial", "bytes": BLOCK_BYTES - 1},
    {"on": "upload", "does": "drop_before"},
    {"on": "query", "does": "redirect"},
    {"on": "upload", "does": "corrupt", "at": 0, "after": 2},
]
MANY = settings(max_examples=700, deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow])


@MANY
@example(script=DENIED_FILE, how=PLAIN)
@given(script=scripts(BROKEN_SOURCE, BROKEN_DRIVE), how=st.fixed_dictionaries(CIRCUMSTANCES))
def test_wrong_bytes_never_become_a_photo(script: list[dict[str, Any]], how: dict[str, Any]) -> None:
    """Not even for a moment does anything but the photo stand in Drive, however much breaks."""
    ending = run(script, **how)
    event(type(ending.result).__name__)
    check_honest(ending)
    check_manners(ending)
    assert set(ending.guests.ever) <= {hashlib.md5(ending.data).hexdigest()}


@MANY
@example(script=LOST_AND_CLAIMED, how={**PLAIN, "size": 4 * BLOCK_BYTES + 7})
@given(script=scripts(BROKEN_SOURCE, BROKEN_DRIVE, longest=6), how=st.fixed_dictionaries(CIRCUMSTANCES))
def test_fewer_faults_than_tries_never_stop_a_photo(script: list[dict[str, Any]], how: dict[str, Any]) -> None:
    """Whatever breaks, once it has broken often enough the photo arrives."""
    for each in script:
        each.pop("retry_after", None)
    # Three fresh tokens refused in a row are a grant that is void.
    assume(sum(each["does"] == "expire_token" for each in script) < 3)
    ending = run(script, tries=1 + sum(TRIES.get((each["on"], each["does"]), 1) for each in script), **how)
    check_arrived(ending)
    check_manners(ending)


@MANY
@example(script=SPOILT_AGAIN, how={**PLAIN, "size": BLOCK_BYTES - 1})
@given(
    script=scripts(TREACHERY, TREACHERY, BROKEN_SOURCE, BROKEN_DRIVE),
    how=st.fixed_dictionaries(CIRCUMSTANCES),
)
def test_a_treacherous_drive_is_never_believed(script: list[dict[str, Any]], how: dict[str, Any]) -> None:
    """Even where Drive spoils bytes, only the photo is told to be there; what it did not let us remove is no photo."""
    ending = run(script, **how)
    check_manners(ending)
    if isinstance(ending.result, StoredPhoto):
        check_arrived(ending)
    else:
        assert isinstance(ending.result, PhotoRejected | InventoryStale | JobStopped | Postponed), ending.result
