"""Whatever breaks on the way, a photo arrives once and whole, or not at all, in whichever cloud.

The real loop, stream, session and storage copy one photo from a pretend gallery into a pretend cloud, without sockets,
while hypothesis draws what goes wrong. What is drawn stands in the failing example; `@reproduce_failure` repeats it.
"""

import hashlib
import random
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from common.clouds.google_drive import storage
from common.clouds.photos import Photo, StoredPhoto
from common.errors import ArchiveError, InventoryStale, JobStopped, PhotoRejected, Postponed, Reason
from common.http.network_policy import PUBLIC_ONLY
from sandbox.gallery.photos import PhotoServer, PhotoStore
from tests.fakes.clock import Clock
from tests.fakes.copy_photo import copy_photo
from tests.fakes.in_process import InProcessHttp
from tests.unit.worker.transfer.broken_clouds import (
    BROKEN_SOURCE,
    GOOGLE_DRIVE,
    YANDEX_DISK,
    BrokenCloud,
    Drawn,
    Faults,
    Guests,
)
from worker.gallery.client import Gallery
from worker.transfer.buffers import BLOCK_BYTES, BufferPool
from worker.transfer.photo_stream import GalleryStream
from worker.transfer.retry import RetryPolicy
from worker.transfer.throttle import Throttle

PHOTOS, GALLERY = "https://photos.example", "https://gallery.example"
BLOB = random.Random(1).randbytes(3 * 1024 * 1024)
# Most are small, so that thousands of runs take seconds; the edges are those of Drive's unit and of our blocks.
SIZES = st.one_of(
    st.integers(0, 2000),
    st.integers(0, 2000),
    st.sampled_from([1, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1, 2 * BLOCK_BYTES, 2 * BLOCK_BYTES + 7]),
    st.integers(BLOCK_BYTES, 600_000),
)
CIRCUMSTANCES = {"size": SIZES, "has_crc": st.sampled_from([True, True, False]), "fallback": st.booleans()}


@dataclass(frozen=True)
class Ending:
    """How a copy ended, and what it left.

    Attributes:
        result: what the loop returned or raised.
        photo: what should arrive.
        data: its bytes.
        guests: the cloud.
        slept: every wait, in seconds.
        excused: how objections begin that are the cloud's own doing.
    """

    result: StoredPhoto | ArchiveError
    photo: Photo
    data: bytes
    guests: Guests
    slept: list[float]
    excused: tuple[str, ...]


@pytest.fixture(scope="module", autouse=True)
def few_ids() -> Iterator[None]:
    """A thousand ids would be made for each photo."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(storage, "IDS_AT_ONCE", 10)
        yield


def run(
    cloud: BrokenCloud,
    script: Faults,
    *,
    size: int,
    tries: int = 5,
    has_crc: bool = True,
    fallback: bool = False,
    held: bytes | None = None,
    **how: Any,
) -> Ending:
    """Copy one photo of so many bytes through everything the script breaks; the gallery may hold other ones."""
    data = BLOB[:size]
    # Without a CRC nobody can tell a photo from one of the same size.
    has_crc = has_crc or any((each["on"], each["does"]) == ("photo", "corrupt") for each in script)
    photo = Photo("49851973", (), "Test_011.jpg", f"{PHOTOS}/p.jpg", size, zlib.crc32(data) if has_crc else None)
    guests = cloud.open(**how)
    photo_store = PhotoStore()
    photo_store.put("/p.jpg", data if held is None else held)
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
    excuses = [cloud.excuses.get((each["on"], each["does"])) for each in script]
    return Ending(result, photo, data, guests, clock.slept, tuple(each for each in excuses if each))


def check_arrived(ending: Ending) -> None:
    """Exactly one file, with exactly the photo's bytes, is what the loop says there is."""
    assert isinstance(ending.result, StoredPhoto), ending.result
    assert ending.guests.files() == {ending.result.id: ending.data}
    assert (ending.photo.key, ending.photo.size) == (ending.result.key, ending.result.size)


def check_manners(ending: Ending) -> None:
    """Nothing the real services forbid, and never a body whose length is not announced or not what it is."""
    assert [each for each in ending.guests.violations if not each.startswith(ending.excused)] == []
    for method, _, headers in ending.guests.http.sent:
        assert "Transfer-Encoding" not in headers
        assert method != "PUT" or headers["Content-Length"].isdigit()
    assert all(0 <= seconds <= 600 for seconds in ending.slept)


def check_reasonable(ending: Ending) -> None:
    """It has not arrived for a reason that the rest of the worker knows."""
    assert isinstance(ending.result, PhotoRejected | InventoryStale | JobStopped | Postponed), ending.result


def check_never_wrong(cloud: BrokenCloud, script: Faults, how: dict[str, Any]) -> None:
    """Not even for a moment does anything but the photo stand in the cloud."""
    ending = run(cloud, script, **how)
    if isinstance(ending.result, StoredPhoto):
        check_arrived(ending)
    else:
        check_reasonable(ending)
        assert ending.guests.contents() in ([], [ending.data])
    check_manners(ending)
    assert set(ending.guests.ever) <= {hashlib.md5(ending.data).hexdigest()}


def check_outlasts(cloud: BrokenCloud, script: Faults, how: dict[str, Any]) -> None:
    """With a try for each thing that breaks the photo arrives."""
    for each in script:
        each.pop("retry_after", None)
    ending = run(cloud, script, tries=1 + sum(cloud.tries.get((each["on"], each["does"]), 1) for each in script), **how)
    check_arrived(ending)
    check_manners(ending)


def check_not_believed(cloud: BrokenCloud, script: Faults, how: dict[str, Any]) -> None:
    """Only the photo is told to be there."""
    ending = run(cloud, script, **how)
    check_manners(ending)
    if not isinstance(ending.result, StoredPhoto):
        check_reasonable(ending)
    elif cloud.hides & {each["does"] for each in script}:
        assert ending.guests.files()[ending.result.id] == ending.data
    else:
        check_arrived(ending)


def draw_case(
    data: st.DataObject, cloud: BrokenCloud, *kinds: Drawn, longest: int = 12
) -> tuple[BrokenCloud, Faults, dict[str, Any]]:
    """Draw what goes wrong, each thing at the first, second or third request it fits, and the circumstances."""
    late = st.tuples(st.one_of(*kinds), st.integers(0, 2)).map(lambda drawn: {**drawn[0], "after": drawn[1]})
    script = data.draw(st.lists(late, max_size=longest), label="script")
    return cloud, script, data.draw(st.fixed_dictionaries({**CIRCUMSTANCES, **cloud.circumstances}), label="how")


EVERY_CLOUD = pytest.mark.parametrize("cloud", [GOOGLE_DRIVE, YANDEX_DISK], ids=["google_drive", "yadisk"])
MANY = settings(max_examples=500, deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow])


@EVERY_CLOUD
@MANY
@given(data=st.data())
def test_wrong_bytes_never_become_a_photo(cloud: BrokenCloud, data: st.DataObject) -> None:
    """Not even for a moment does anything but the photo stand in the cloud, however much breaks."""
    check_never_wrong(*draw_case(data, cloud, BROKEN_SOURCE, *cloud.passing, *cloud.final))


@EVERY_CLOUD
@MANY
@given(data=st.data())
def test_fewer_faults_than_tries_never_stop_a_photo(cloud: BrokenCloud, data: st.DataObject) -> None:
    """Whatever breaks, once it has broken often enough the photo arrives."""
    case = draw_case(data, cloud, BROKEN_SOURCE, *cloud.passing, longest=6)
    # Three fresh tokens refused in a row are a grant that is void.
    assume(sum(each["does"] == "expire_token" for each in case[1]) < 3)
    check_outlasts(*case)


@EVERY_CLOUD
@MANY
@given(data=st.data())
def test_a_treacherous_cloud_is_never_believed(cloud: BrokenCloud, data: st.DataObject) -> None:
    """Even where it spoils bytes, only the photo is told to be there; what it did not let us remove is no photo."""
    check_not_believed(*draw_case(data, cloud, *[cloud.treachery] * 2, BROKEN_SOURCE, *cloud.passing))


PLAIN_DRIVE = {"chunk": BLOCK_BYTES, "conflict_at": "initiate", "bury_ids": False}


def test_a_file_that_was_denied_is_found() -> None:
    """It is made, but nobody hears of it, and the next session is refused as if its id led nowhere."""
    script = [
        {"on": "upload", "does": "drop_after"},
        {"on": "query", "does": "forget_session"},
        {"on": "initiate", "does": "unusable_id", "after": 1},
    ]
    check_never_wrong(GOOGLE_DRIVE, script, {**PLAIN_DRIVE, "size": 0})


def test_what_was_lost_and_claimed_is_sent_again() -> None:
    """Drive loses what it has, and says later that it has it."""
    script = [
        {"on": "upload", "does": "no_range", "lose": True, "after": 1},
        {"on": "upload", "does": "lie_range", "after": 1},
    ]
    check_outlasts(GOOGLE_DRIVE, script, {**PLAIN_DRIVE, "size": 4 * BLOCK_BYTES + 7})


def test_what_is_spoilt_when_it_is_sent_again_is_not_believed() -> None:
    """What Drive has is sent once more, and spoilt by it."""
    script = [
        {"on": "upload", "does": "partial", "bytes": BLOCK_BYTES - 1},
        {"on": "upload", "does": "drop_before"},
        {"on": "query", "does": "redirect"},
        {"on": "upload", "does": "corrupt", "at": 0, "after": 2},
    ]
    check_not_believed(GOOGLE_DRIVE, script, {**PLAIN_DRIVE, "size": BLOCK_BYTES - 1})


@pytest.mark.parametrize("has_crc", [True, False])
@pytest.mark.parametrize("on", [None, "yandex_link", "yandex_upload", "yandex_patch", "photo"])
def test_a_photo_that_is_only_listed_as_empty_leaves_nothing(on: str | None, *, has_crc: bool) -> None:
    """30 kB, listed with 0 bytes: a request without bytes would make a file, so none is sent; whatever breaks first."""
    script = [{"on": on, "does": "drop_after"}] if on else []
    ending = run(YANDEX_DISK, script, size=0, has_crc=has_crc, held=BLOB[:30_000])
    assert isinstance(ending.result, PhotoRejected)
    assert ending.guests.ever == []
    assert not any("/upload-target/" in url for _, url, _ in ending.guests.http.sent)


@pytest.mark.parametrize("fault", [{"does": "status", "status": 404}, {"does": "drop_before"}, {"does": "html"}])
def test_an_empty_photo_that_is_not_there_leaves_nothing(fault: dict[str, Any]) -> None:
    """Its address answers 404, or with a page, or not at all."""
    ending = run(YANDEX_DISK, [{"on": "photo", "times": None, **fault}], size=0)
    assert isinstance(ending.result, PhotoRejected)
    assert ending.guests.ever == []


@pytest.mark.parametrize("does", ["drop_before", "drop_after"])
def test_an_empty_photo_arrives_once_whatever_breaks(does: str) -> None:
    """In doubt after an empty PUT: it is looked for first."""
    for on in ("yandex_upload", "yandex_patch"):
        check_arrived(run(YANDEX_DISK, [{"on": on, "does": does}], size=0))
