"""Whatever breaks on the way to Yandex Disk, a photo arrives once and whole, or not at all.

The same three properties as for Drive (`test_transfer_faults`), with the ways in which Yandex breaks: links that end,
bytes that are accepted and stored later or never, files that show late, marks that get lost.
"""

import hashlib
import zlib
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, event, given, settings
from hypothesis import strategies as st

from common.clouds.photos import Photo, StoredPhoto
from common.errors import ArchiveError, InventoryStale, JobStopped, PhotoRejected, Postponed, Reason
from common.http.network_policy import PUBLIC_ONLY
from sandbox.gallery.photos import PhotoServer, PhotoStore
from tests.fakes.clock import Clock
from tests.fakes.copy_photo import copy_photo
from tests.fakes.guests_disk import GuestsDisk
from tests.fakes.in_process import InProcessHttp
from tests.unit.worker.transfer.test_transfer_faults import BLOB, BROKEN_SOURCE, OFFSETS, SIZES, draw, faults, scripts
from worker.gallery.client import Gallery
from worker.transfer.buffers import BufferPool
from worker.transfer.photo_stream import GalleryStream
from worker.transfer.retry import RetryPolicy
from worker.transfer.throttle import Throttle

PHOTOS = "https://photos.example"
CALLS = ("yandex_link", "yandex_patch", "yandex_operation", "yandex_resource", "yandex_disk")

# What passes, wherever it strikes.
PASSING = draw(
    *(
        faults(on, does)
        for on in (*CALLS, "yandex_upload")
        for does in ("drop_before", "drop_after", "html", "redirect")
    ),
    *(faults(on, "status", status=(408, 429, 500, 502, 503, 504, 509)) for on in (*CALLS, "yandex_upload")),
    *(faults(on, "throttle", status=(429,), retry_after=(None, 1, 10**6)) for on in (*CALLS, "yandex_upload")),
    *(faults(on, "expire_token") for on in CALLS),
    *(faults(on, "bad_json", bytes=(0, 1, 20)) for on in CALLS),
    faults("yandex_link", "drop_fields", fields=(["href"],)),
    faults("yandex_link", "set_fields", fields=({"href": "http://10.0.0.1/"}, {"href": None})),
    faults("yandex_link", "status", status=(409,), reason=("DiskResourceAlreadyExistsError",)),
    faults("yandex_link", "status", status=(423,), reason=("DiskResourceLockedError",)),
    # One no that nobody knows.
    *(faults(on, "status", status=(400, 402, 403, 406, 413, 418, 423, 451)) for on in (*CALLS, "yandex_upload")),
)
PUTS = draw(
    faults("yandex_upload", "drop_midway", bytes=OFFSETS),
    faults("yandex_upload", "status", status=(400, 401, 403, 404, 409, 410, 412, 423)),
    faults("yandex_upload", "status", status=(503,), early=(True,)),
    faults("yandex_upload", "expired_link"),
    faults("yandex_upload", "defer", polls=(0, 1, 3), ends=("success", "failed")),
    faults("yandex_upload", "late", looks=(1, 2, 3), status=(404, 409, 423, 500)),
)
MARKS = draw(
    faults("yandex_patch", "lose_properties"), faults("yandex_patch", "drop_fields", fields=(["md5"], ["size"]))
)
# What may end the photo, or the job.
FINAL = draw(
    # What is stored later holds its place until somebody asks, or half a minute has passed.
    faults("yandex_link", "drop_fields", fields=(["operation_id"],)),
    *(faults(on, "status", status=(401, 404, 409, 507)) for on in CALLS),
    faults("yandex_upload", "status", status=(507,)),
    faults("yandex_upload", "defer", polls=(40,), ends=("success", "failed")),
    faults("yandex_upload", "late", looks=(8, 30), status=(404, 500)),
)
# Yandex itself spoils the bytes or lies about them, or does not let go of a file.
TREACHERY = draw(
    faults("yandex_upload", "corrupt", at=OFFSETS),
    faults("yandex_upload", "partial", bytes=OFFSETS),
    faults("yandex_patch", "lie_md5"),
    faults("yandex_patch", "lie_size"),
    faults("yandex_resource", "lie_md5"),
    faults("yandex_delete", "drop_before"),
    faults("yandex_delete", "drop_after"),
    faults("yandex_delete", "status", status=(423, 429, 500, 503)),
    faults("yandex_delete", "defer", polls=(0, 1, 3), ends=("success", "failed")),
)


@dataclass(frozen=True)
class Cancellation:
    """How a copy ended, and what it left.

    Attributes:
        result: what the loop returned or raised.
        photo: what should arrive.
        data: its bytes.
        guests: the Disk.
    """

    result: StoredPhoto | ArchiveError
    photo: Photo
    data: bytes
    guests: GuestsDisk


def run(
    script: list[dict[str, Any]], *, size: int, tries: int = 5, has_crc: bool = True, held: bytes | None = None
) -> Cancellation:
    """Copy one photo of so many bytes through everything the script breaks; the gallery may hold other ones."""
    data = BLOB[:size]
    # Without a CRC nobody can tell a photo from one of the same size.
    has_crc = has_crc or any((each["on"], each["does"]) == ("photo", "corrupt") for each in script)
    photo = Photo("49851973", (), "Test_011.jpg", f"{PHOTOS}/p.jpg", size, zlib.crc32(data) if has_crc else None)
    guests = GuestsDisk()
    photo_store = PhotoStore()
    photo_store.put("/p.jpg", data if held is None else held)
    server = PhotoServer(photo_store, guests.faults, guests.violations)
    gallery = Gallery(
        InProcessHttp({PHOTOS: server.answer}, Reason.PHOTO_UNAVAILABLE),  # type: ignore[arg-type]
        base_url=PHOTOS,
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
    return Cancellation(result, photo, data, guests)


def check_arrived(ending: Cancellation) -> None:
    """Exactly one file, with exactly the photo's bytes, is what the loop says there is."""
    assert isinstance(ending.result, StoredPhoto), ending.result
    assert ending.guests.contents() == [ending.data]
    account = ending.guests.account
    assert [f"disk:/{account.path(item)}" for item in account.files()] == [ending.result.id]
    assert (ending.photo.key, ending.photo.size) == (ending.result.key, ending.result.size)


def check_manners(ending: Cancellation) -> None:
    """Nothing the real service forbids, and never a body whose length is not announced."""
    assert ending.guests.violations == []
    for method, _, headers in ending.guests.http.sent:
        assert "Transfer-Encoding" not in headers
        assert method != "PUT" or headers["Content-Length"].isdigit()


def check_reasonable(ending: Cancellation) -> None:
    """It has not arrived for a reason that the rest of the worker knows."""
    assert isinstance(ending.result, PhotoRejected | InventoryStale | JobStopped | Postponed), ending.result


CIRCUMSTANCES = {"size": SIZES, "has_crc": st.sampled_from([True, True, False])}
MANY = settings(max_examples=350, deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow])


@MANY
@given(script=scripts(BROKEN_SOURCE, PASSING, PUTS, MARKS, FINAL), how=st.fixed_dictionaries(CIRCUMSTANCES))
def test_wrong_bytes_never_become_a_photo(script: list[dict[str, Any]], how: dict[str, Any]) -> None:
    """Not even for a moment does anything but the photo stand in the Disk, however much breaks."""
    ending = run(script, **how)
    event(type(ending.result).__name__)
    if isinstance(ending.result, StoredPhoto):
        check_arrived(ending)
    else:
        check_reasonable(ending)
        assert ending.guests.contents() in ([], [ending.data])
    check_manners(ending)
    assert set(ending.guests.ever) <= {hashlib.md5(ending.data).hexdigest()}


@MANY
@given(script=scripts(BROKEN_SOURCE, PASSING, PUTS, MARKS, longest=6), how=st.fixed_dictionaries(CIRCUMSTANCES))
def test_fewer_faults_than_tries_never_stop_a_photo(script: list[dict[str, Any]], how: dict[str, Any]) -> None:
    """Whatever breaks, once it has broken often enough the photo arrives."""
    for each in script:
        each.pop("retry_after", None)
    # Three fresh tokens refused in a row are a grant that is void.
    assume(sum(each["does"] == "expire_token" for each in script) < 3)
    ending = run(script, tries=1 + len(script), **how)
    check_arrived(ending)
    check_manners(ending)


@MANY
@given(
    script=scripts(TREACHERY, TREACHERY, BROKEN_SOURCE, PASSING, PUTS, MARKS),
    how=st.fixed_dictionaries(CIRCUMSTANCES),
)
def test_a_treacherous_disk_is_never_believed(script: list[dict[str, Any]], how: dict[str, Any]) -> None:
    """Even where Yandex spoils bytes, only the photo is told to be there; what could not be removed is no photo.

    Where it lies about what is there, nobody knows that a file is ours: then it is left alone, and the photo arrives
    beside it.
    """
    ending = run(script, **how)
    check_manners(ending)
    if isinstance(ending.result, StoredPhoto) and any(each["does"].startswith("lie") for each in script):
        told = ending.guests.account.find(tuple(ending.result.id.split("/")[1:]))
        assert told
        assert told.content
        assert told.content.data == ending.data
    elif isinstance(ending.result, StoredPhoto):
        check_arrived(ending)
    else:
        check_reasonable(ending)


@pytest.mark.parametrize("has_crc", [True, False])
@pytest.mark.parametrize("on", [None, "yandex_link", "yandex_upload", "yandex_patch", "photo"])
def test_a_photo_that_is_only_listed_as_empty_leaves_nothing(on: str | None, *, has_crc: bool) -> None:
    """30 kB, listed with 0 bytes: a request without bytes would make a file, so none is sent; whatever breaks first."""
    script = [{"on": on, "does": "drop_after"}] if on else []
    ending = run(script, size=0, has_crc=has_crc, held=BLOB[:30_000])
    assert isinstance(ending.result, PhotoRejected)
    assert ending.guests.ever == []
    assert not any("/upload-target/" in url for _, url, _ in ending.guests.http.sent)


@pytest.mark.parametrize("fault", [{"does": "status", "status": 404}, {"does": "drop_before"}, {"does": "html"}])
def test_an_empty_photo_that_is_not_there_leaves_nothing(fault: dict[str, Any]) -> None:
    """Its address answers 404, or with a page, or not at all."""
    ending = run([{"on": "photo", "times": None, **fault}], size=0)
    assert isinstance(ending.result, PhotoRejected)
    assert ending.guests.ever == []


@pytest.mark.parametrize("does", ["drop_before", "drop_after"])
def test_an_empty_photo_arrives_once_whatever_breaks(does: str) -> None:
    """In doubt after an empty PUT: it is looked for first."""
    for on in ("yandex_upload", "yandex_patch"):
        check_arrived(run([{"on": on, "does": does}], size=0))
