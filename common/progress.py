"""Progress: a snapshot of one archive, and its wire form. Does not know who takes it or who shows it.

A snapshot is complete in itself: whoever has the newest one knows all, and the older ones are worth nothing.
"""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from enum import StrEnum
from typing import Any, Self

from common.errors import Reason
from common.foreign import read_json

VERSION = 1
# Failures that a snapshot names; the count tells of the rest.
MOST_FAILURES = 100
# Photos that it names as just arrived: as many as a guest reads in passing.
MOST_LATEST = 3


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


_COUNTS = ("photos_total", "photos_copied", "photos_skipped", "bytes_total", "bytes_copied")
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


@dataclass(frozen=True, slots=True)
class FailedPhoto:
    """A listed photo that is not in the cloud: its name, the stable word for why, and one line for people."""

    name: str
    reason: str
    detail: str


@dataclass(frozen=True, kw_only=True)
class Progress:
    """One archive at one moment. Times are Unix seconds; 0 means not yet.

    Args:
        job_id, cloud_type, archive_type, gallery_name: which one.
        state: where it stands.
        photos_total: listed; 0 until the list was read.
        photos_copied: brought by this job.
        photos_skipped: in the cloud before it.
        photos_failed: will not arrive.
        bytes_total: of all listed photos.
        bytes_copied: of those that are in the cloud, whoever brought them.
        bytes_per_second: lately; 0 when nothing moves.
        eta_seconds: until the end, if it can be told.
        folder_url: where the guest finds the folder, once there is one.
        failures: the first of those that failed.
        latest: names of the photos that arrived last, the newest first.
        reason: the stable word for why it waits, failed or was cancelled, or empty.
        detail: one line for people.
        needed_bytes, free_bytes: when the cloud is full: what is still to be copied, and the room there is, if known.
        created_at, started_at, updated_at, finished_at: when.
    """

    job_id: str
    cloud_type: str = ""
    archive_type: str = ""
    gallery_name: str = ""
    state: State = State.QUEUED
    photos_total: int = 0
    photos_copied: int = 0
    photos_skipped: int = 0
    photos_failed: int = 0
    bytes_total: int = 0
    bytes_copied: int = 0
    bytes_per_second: float = 0.0
    eta_seconds: float | None = None
    folder_url: str = ""
    failures: tuple[FailedPhoto, ...] = ()
    latest: tuple[str, ...] = ()
    reason: str = ""
    detail: str = ""
    needed_bytes: int | None = None
    free_bytes: int | None = None
    created_at: float = 0.0
    started_at: float = 0.0
    updated_at: float = 0.0
    finished_at: float = 0.0

    def encode(self) -> bytes:
        """Return the wire form: what is as it is by default is left out, for a week of them is kept."""
        every = ((name, getattr(self, name), usual) for name, usual in _DEFAULTS.items())
        told = {"version": VERSION, **{name: value for name, value, usual in every if value != usual}}
        return json.dumps(told, ensure_ascii=False, separators=(",", ":"), default=asdict).encode()

    @classmethod
    def decode(cls, body: bytes) -> Self:
        """Read the wire form; what it does not tell is as it is by default.

        Raises:
            NotProgress: it is none.
        """
        try:
            told = read_json(body)
            version = told["version"]
            snapshot = cls(**{name: read(told[name]) for name, read in _READERS.items() if name in told})
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
            raise NotProgress(type(error).__name__) from None
        if version != VERSION:
            raise NotProgress("another version")
        return snapshot

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

    def after(self, before: "Progress | None") -> "Progress":
        """Return this snapshot as it is shown after another: numbers never go backwards, an end stays the end.

        Two workers may report one job for a moment, and messages may overtake each other. An end may even be older
        than a beginning: a job that ends at once has ended before `web` says that it is in the queue.
        """
        if before is None:
            return self
        if before.is_the_end or (self.updated_at < before.updated_at and not self.is_the_end):
            return before
        # An end that counted is the last word: a gallery may list fewer photos by then.
        numbers = () if self.is_the_end and self.photos_total else _COUNTS
        return replace(
            self,
            **{name: max(getattr(self, name), getattr(before, name)) for name in numbers},
            created_at=before.created_at or self.created_at,
            started_at=before.started_at or self.started_at,
            folder_url=self.folder_url or before.folder_url,
            # Who reports an end without having seen the beginning knows the id only.
            cloud_type=self.cloud_type or before.cloud_type,
            archive_type=self.archive_type or before.archive_type,
            gallery_name=self.gallery_name or before.gallery_name,
        )


def _read_failures(value: Sequence[dict[str, Any]]) -> tuple[FailedPhoto, ...]:
    return tuple(FailedPhoto(str(each["name"]), str(each["reason"]), str(each["detail"])) for each in value)


def _read_count(value: Any) -> int:
    return min(max(0, int(value)), 2**63 - 1)


def _read_seconds(value: Any) -> float:
    """Return a time, a duration or a speed, within what a date and a page can show."""
    number = float(value)
    if math.isnan(number):
        raise ValueError("not a number")
    return min(max(0.0, number), 1e11)


def _read_optional(read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value is None else read(value)


def _read_names(value: Sequence[Any]) -> tuple[str, ...]:
    return tuple(str(each) for each in value)


_READ: dict[str, Callable[[Any], Any]] = {
    str(str): str,
    str(int): _read_count,
    str(float): _read_seconds,
    str(State): State,
    str(int | None): _read_optional(_read_count),
    str(float | None): _read_optional(_read_seconds),
    str(tuple[str, ...]): _read_names,
    str(tuple[FailedPhoto, ...]): _read_failures,
}
_READERS = {field.name: _READ[str(field.type)] for field in fields(Progress)}
_DEFAULTS = {field.name: field.default for field in fields(Progress)}
