"""What breaks while a photo is copied, by cloud; each fault is what `sandbox.faults.plan.Fault` takes."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from tests.fakes.guests_disk import GuestsDisk
from tests.fakes.guests_drive import GuestsDrive
from worker.transfer.buffers import BLOCK_BYTES

Faults = list[dict[str, Any]]
Drawn = st.SearchStrategy[dict[str, Any]]
Guests = GuestsDrive | GuestsDisk

# Edges are those of our blocks.
OFFSETS = [0, 1, 700, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1, 300_000, 2 * BLOCK_BYTES, 550_000]


def faults(on: str, does: str, **choices: Sequence[Any]) -> Faults:
    """Return a fault in all its shapes."""
    shapes = itertools.product(*choices.values())
    return [{"on": on, "does": does, **dict(zip(choices, shape, strict=True))} for shape in shapes]


def draw(*kinds: Faults) -> Drawn:
    """Draw one of several kinds, each as often as any other."""
    return st.one_of(*(st.sampled_from(kind) for kind in kinds))


@dataclass(frozen=True, kw_only=True)
class BrokenCloud:
    """A cloud, and how it breaks.

    Attributes:
        open: opens a guest's cloud; takes what `circumstances` draws.
        passing: what passes, however often less than a photo is tried.
        final: what may end the photo, or the job.
        treachery: the cloud itself spoils the bytes, lies about them, or does not let go of a file.
        circumstances: of a copy there.
        tries: how many tries a fault costs, by operation and action, where it is not one.
        excuses: how an objection begins that is the cloud's own doing, by operation and action.
        hides: actions behind which nobody knows that a file is ours: it is left alone, and the photo arrives beside it.
    """

    open: Callable[..., Guests]
    passing: Sequence[Drawn]
    final: Sequence[Drawn] = ()
    treachery: Drawn
    circumstances: Mapping[str, st.SearchStrategy[Any]] = field(default_factory=dict)
    tries: Mapping[tuple[str, str], int] = field(default_factory=dict)
    excuses: Mapping[tuple[str, str], str] = field(default_factory=dict)
    hides: frozenset[str] = frozenset()


def open_drive(*, chunk: int, conflict_at: str, bury_ids: bool) -> GuestsDrive:
    """Open a guest's Drive, and let it be one of those that were seen."""
    guests = GuestsDrive(chunk=chunk)
    guests.drive.conflict_at, guests.drive.bury_ids = conflict_at, bury_ids
    return guests


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


def break_put(on: str) -> Drawn:
    """Draw what may happen at Drive to bytes and to questions alike."""
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


DRIVE_UPLOADS = draw(
    faults("upload", "drop_midway", bytes=OFFSETS),
    faults("upload", "partial", bytes=OFFSETS),
    faults("upload", "lie_range"),
    faults("upload", "status", status=(503,), early=(True,)),
)
DRIVE_INITIATIONS = draw(
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
DRIVE_METADATA = draw(
    *(
        faults(on, does)
        for on in ("generate_ids", "files_get", "cancel")
        for does in ("drop_before", "drop_after", "html", "expire_token")
    ),
    *(faults(on, "status", status=(429, 500, 503)) for on in ("generate_ids", "files_get", "cancel")),
)
# What it would take for wrong bytes to stay.
DRIVE_TREACHERY = draw(
    faults("upload", "corrupt", at=OFFSETS),
    faults("files_delete", "drop_before"),
    faults("files_delete", "drop_after"),
    faults("files_delete", "status", status=(429, 500, 503)),
    faults("files_get", "lie_md5"),
    faults("files_get", "drop_fields", fields=(["md5Checksum"], ["id"])),
    faults("initiate", "status", status=(400, 404)),
)
GOOGLE_DRIVE = BrokenCloud(
    open=open_drive,
    passing=(*[break_put("upload")] * 2, break_put("query"), DRIVE_UPLOADS, DRIVE_INITIATIONS, DRIVE_METADATA),
    treachery=DRIVE_TREACHERY,
    circumstances={
        "chunk": st.sampled_from([BLOCK_BYTES, 2 * BLOCK_BYTES, 16 * BLOCK_BYTES]),
        "conflict_at": st.sampled_from(["initiate", "final"]),
        "bury_ids": st.booleans(),
    },
    # One without any token, and one with the token that has ended.
    tries={("upload", "expire_token"): 2, ("query", "expire_token"): 2},
    # Who believes that it has what it lost goes on behind a gap; what it spoils on the way in is not what it has.
    excuses={("upload", "lie_range"): "gap after", ("upload", "corrupt"): "bytes sent again differ"},
)

DISK_CALLS = ("yandex_link", "yandex_patch", "yandex_operation", "yandex_resource", "yandex_disk")

# What passes, wherever it strikes.
DISK_PASSING = draw(
    *(
        faults(on, does)
        for on in (*DISK_CALLS, "yandex_upload")
        for does in ("drop_before", "drop_after", "html", "redirect")
    ),
    *(faults(on, "status", status=(408, 429, 500, 502, 503, 504, 509)) for on in (*DISK_CALLS, "yandex_upload")),
    *(faults(on, "throttle", status=(429,), retry_after=(None, 1, 10**6)) for on in (*DISK_CALLS, "yandex_upload")),
    *(faults(on, "expire_token") for on in DISK_CALLS),
    *(faults(on, "bad_json", bytes=(0, 1, 20)) for on in DISK_CALLS),
    faults("yandex_link", "drop_fields", fields=(["href"],)),
    faults("yandex_link", "set_fields", fields=({"href": "http://10.0.0.1/"}, {"href": None})),
    faults("yandex_link", "status", status=(409,), reason=("DiskResourceAlreadyExistsError",)),
    faults("yandex_link", "status", status=(423,), reason=("DiskResourceLockedError",)),
    # One no that nobody knows.
    *(faults(on, "status", status=(400, 402, 403, 406, 413, 418, 423, 451)) for on in (*DISK_CALLS, "yandex_upload")),
)
DISK_PUTS = draw(
    faults("yandex_upload", "drop_midway", bytes=OFFSETS),
    faults("yandex_upload", "status", status=(400, 401, 403, 404, 409, 410, 412, 423)),
    faults("yandex_upload", "status", status=(503,), early=(True,)),
    faults("yandex_upload", "expired_link"),
    faults("yandex_upload", "defer", polls=(0, 1, 3), ends=("success", "failed")),
    faults("yandex_upload", "late", looks=(1, 2, 3), status=(404, 409, 423, 500)),
)
DISK_MARKS = draw(
    faults("yandex_patch", "lose_properties"), faults("yandex_patch", "drop_fields", fields=(["md5"], ["size"]))
)
# What may end the photo, or the job.
DISK_FINAL = draw(
    # What is stored later holds its place until somebody asks, or half a minute has passed.
    faults("yandex_link", "drop_fields", fields=(["operation_id"],)),
    *(faults(on, "status", status=(401, 404, 409, 507)) for on in DISK_CALLS),
    faults("yandex_upload", "status", status=(507,)),
    faults("yandex_upload", "defer", polls=(40,), ends=("success", "failed")),
    faults("yandex_upload", "late", looks=(8, 30), status=(404, 500)),
)
DISK_TREACHERY = draw(
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
YANDEX_DISK = BrokenCloud(
    open=GuestsDisk,
    passing=(DISK_PASSING, DISK_PUTS, DISK_MARKS),
    final=(DISK_FINAL,),
    treachery=DISK_TREACHERY,
    hides=frozenset({"lie_md5", "lie_size"}),
)
