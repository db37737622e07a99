"""Progress: a snapshot of one archive, its wire form, and how one snapshot follows another.

A snapshot is complete in itself: whoever has the newest one knows all, and the older ones are worth nothing.
"""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Annotated, Any, Self

from common.errors import Reason
from common.messages.codec import (
    DecodeError,
    decode_object,
    encode_object,
    optional,
    read_fields,
    tuple_of,
    write_fields,
)

VERSION = 1
# Failures that a snapshot names; the count tells of the rest.
MAX_FAILURES = 100
# Photos that it names as just arrived: as many as a guest reads in passing.
MAX_LATEST = 3
# How the job id of a mark begins; no real id does. Replicas that know no marks store it as a job that nobody asks for.
MARK_PREFIX = "hello."
# What is too large is shown as the largest: a snapshot is not refused for a number.
_MAX_NUMBER = 2**63 - 1
_MAX_SECONDS = 1e11


class State(StrEnum):
    """Where an archive stands, in the order in which it gets there."""

    AWAITING_CONSENT = "awaiting_consent"
    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether nothing comes after it."""
        return self in (State.DONE, State.FAILED, State.CANCELLED)


_TOTALS = ("photos_total", "bytes_total", "bytes_copied")
_REVIVABLE = frozenset(
    {
        Reason.DENIED,
        Reason.SCOPE_MISSING,
        Reason.NO_REFRESH_TOKEN,
        Reason.TRY_LATER,
        Reason.INTERNAL,
        Reason.APP_REFUSED,
    }
)


class NotProgress(ValueError):
    """The bytes are no snapshot we understand."""


_Text = Annotated[str, str]


@dataclass(frozen=True, slots=True)
class FailedPhoto:
    """A listed photo that is not in the cloud.

    Args:
        name: its file name, or what the list has instead of one.
        reason: the stable word for why.
        detail: one line for people.
        album: where it belongs, `A/B`; empty at the top, and in snapshots of the version before.
    """

    name: _Text
    reason: _Text
    detail: _Text
    album: _Text = ""

    @property
    def path(self) -> str:
        """Album and name, as the gallery has them."""
        return f"{self.album}/{self.name}" if self.album else self.name


def _read_integer(minimum: int) -> Callable[[Any], int]:
    return lambda value: min(max(minimum, int(value)), _MAX_NUMBER)


def _read_float(value: Any) -> float:
    """Return a time, a duration or a speed, within what a date and a page can show."""
    number = float(value)
    if math.isnan(number):
        raise ValueError("not a number")
    return min(max(0.0, number), _MAX_SECONDS)


_Count = Annotated[int, _read_integer(0)]
_Float = Annotated[float, _read_float]
_Failures = Annotated[tuple[FailedPhoto, ...], tuple_of(lambda value: read_fields(FailedPhoto, value))]


@dataclass(frozen=True, kw_only=True)
class Progress:
    """One archive at one moment. Times are Unix seconds; 0 means not yet.

    Clocks differ and jump: which of two snapshots is the newer one is told by `claim` and `number`.

    Args:
        job_id, cloud_type, archive_type, gallery_name: which one.
        archive: the path of the gallery's link, for operators; told once, when the job begins.
        request: what the gallery asked for, sealed by `web` for itself; told once, when the job begins.
        state: where it stands.
        photos_total: listed; 0 until the list was read.
        photos_copied: brought by this job.
        photos_skipped: in the cloud before it.
        photos_failed: will not arrive.
        bytes_total: of all listed photos.
        bytes_copied: of those that are in the cloud, whoever brought them.
        bytes_per_second: lately; 0 when nothing moves.
        eta_seconds: until the end, if it can be told.
        next_attempt_at: while it waits, or its cloud asked for a pause: when it goes on.
        folder_url: where the guest finds the folder, once there is one.
        failures: the first of those that failed.
        latest: names of the photos that arrived last, the newest first.
        reason: the stable word for why it waits, failed or was cancelled, or empty.
        detail: one line for people.
        needed_bytes, free_bytes: when the cloud is full: what is still to be copied, and the room there is, if known.
        created_at, started_at, updated_at, finished_at: when.
        claim: where in the ledger the claim of the worker that speaks stands; -1 when `web` speaks, or a worker of the
            version before.
        number: counts up with the snapshots of one claim.
    """

    job_id: _Text
    cloud_type: _Text = ""
    archive_type: _Text = ""
    gallery_name: _Text = ""
    archive: _Text = ""
    request: _Text = ""
    state: Annotated[State, State] = State.QUEUED
    photos_total: _Count = 0
    photos_copied: _Count = 0
    photos_skipped: _Count = 0
    photos_failed: _Count = 0
    bytes_total: _Count = 0
    bytes_copied: _Count = 0
    bytes_per_second: _Float = 0.0
    eta_seconds: Annotated[float | None, optional(_read_float)] = None
    next_attempt_at: _Float = 0.0
    folder_url: _Text = ""
    failures: _Failures = ()
    latest: Annotated[tuple[str, ...], tuple_of(str)] = ()
    reason: _Text = ""
    detail: _Text = ""
    needed_bytes: Annotated[int | None, optional(_read_integer(0))] = None
    free_bytes: Annotated[int | None, optional(_read_integer(0))] = None
    created_at: _Float = 0.0
    started_at: _Float = 0.0
    updated_at: _Float = 0.0
    finished_at: _Float = 0.0
    claim: Annotated[int, _read_integer(-1)] = -1
    number: _Count = 0

    def encode(self) -> bytes:
        """Return the wire form: what is as it is by default is left out, for a week of them is kept."""
        return encode_object(VERSION, write_fields(self, omit_defaults=True), default=asdict)

    @classmethod
    def decode(cls, body: bytes) -> Self:
        """Read the wire form; what it does not tell is as it is by default.

        Raises:
            NotProgress: it is none.
        """
        try:
            return read_fields(cls, decode_object(body, VERSION))
        except DecodeError as error:
            raise NotProgress(str(error)) from None

    @property
    def may_begin_anew(self) -> bool:
        """Whether this end may be followed by a beginning.

        A guest who said no may go back and say yes, and so may one whose cloud refused this service until that was
        mended; what ended by a bug an operator may put back to work.
        """
        return self.state is State.FAILED and self.reason in _REVIVABLE

    @property
    def is_the_end(self) -> bool:
        """Whether nothing follows."""
        return self.state.is_final and not self.may_begin_anew

    @property
    def stored(self) -> int:
        """How many photos are in the cloud, whoever brought them."""
        return self.photos_copied + self.photos_skipped

    def after(self, before: "Progress | None") -> "Progress":
        """Return what is shown when this snapshot is heard of after another: numbers never go back, an end stays one.

        Snapshots overtake each other, come twice, and come once more to whoever reads the past: in whatever order
        they are heard, what is shown in the end is the same. An end may even be older than a beginning: a job that
        ends at once has ended before `web` says that it is in the queue.
        """
        if before is None:
            return _add_up(self)
        if self._is_older(before):
            # Without claims nobody can tell a late snapshot from a wrong clock: it counts for nothing.
            return _add_up(_join(before, self)) if max(self.claim, before.claim) >= 0 else before
        return _add_up(_join(self, before))

    def _is_older(self, before: "Progress") -> bool:
        if self.is_the_end != before.is_the_end:
            return before.is_the_end
        if max(self.claim, before.claim) < 0:
            return before.is_the_end or self.updated_at < before.updated_at
        return (self.claim, self.number) <= (before.claim, before.number)


def cancelled(job_id: str, at: float) -> Progress:
    """Return the end of a cancelled job that no worker has: its message may wait in a queue for half an hour.

    A worker that has the job tells its end itself, with its own numbers.

    Args:
        job_id: the job.
        at: when, Unix time in seconds.
    """
    return Progress(job_id=job_id, state=State.CANCELLED, reason=Reason.CANCELLED, updated_at=at, finished_at=at)


def _join(newer: Progress, older: Progress) -> Progress:
    # An end that counted is the last word: a gallery may list fewer photos by then. Where somebody with a claim spoke,
    # whoever speaks without one did not count, nor did whoever was stopped and could not look into the cloud again.
    has_counted = newer.is_the_end and newer.photos_total > 0 and newer.claim >= older.claim
    has_counted = has_counted and (newer.state is not State.CANCELLED or newer.stored > 0)
    # Nor could whoever had no permission left.
    has_counted = has_counted and newer.reason != Reason.GRANT_REVOKED
    stored = newer.stored if has_counted else max(newer.stored, older.stored)
    # Whoever looks later, after a crash, takes what this very job copied for something that was there before.
    skipped = min((each.photos_skipped for each in (newer, older) if each.stored), default=0)
    totals = () if has_counted else _TOTALS
    return replace(
        newer,
        **{name: max(getattr(newer, name), getattr(older, name)) for name in totals},
        photos_copied=stored - min(skipped, stored),
        photos_skipped=min(skipped, stored),
        failures=newer.failures or (older.failures if newer.photos_failed else ()),
        created_at=older.created_at or newer.created_at,
        started_at=older.started_at or newer.started_at,
        folder_url=newer.folder_url or older.folder_url,
        # Who reports an end without having seen the beginning knows the id only.
        cloud_type=newer.cloud_type or older.cloud_type,
        archive_type=newer.archive_type or older.archive_type,
        gallery_name=newer.gallery_name or older.gallery_name,
        archive=newer.archive or older.archive,
        request=newer.request or older.request,
    )


def _add_up(shown: Progress) -> Progress:
    """Return an end whose photos are all accounted for: what did not arrive has failed."""
    if not (shown.state.is_final and shown.photos_total):
        return shown
    copied = min(shown.photos_copied, shown.photos_total)
    skipped = min(shown.photos_skipped, shown.photos_total - copied)
    failed = shown.photos_total - copied - skipped
    return replace(shown, photos_copied=copied, photos_skipped=skipped, photos_failed=failed)
