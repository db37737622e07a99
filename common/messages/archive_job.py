"""ArchiveJob: one archive as one message, published by `web` and worked on by `worker`.

What one delivery leaves to the next travels in it; which of a job's messages counts stands in the ledger.
"""

import json
import re
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Annotated, Any, Self
from urllib.parse import urlsplit

from common.messages.codec import DecodeError, decode_object, dict_of, integer, read_fields, text, write_fields

VERSION = 1
ARCHIVE_TYPES = ("webs", "originals")
MAX_NAME = 255
# Bytes. Ours have some 50, and a broker takes 255 with what stands before and behind them in a routing key.
_MAX_ID = 200
# As `common.messages.verdict` makes them; it names a queue.
_TICKET = re.compile(r"[A-Za-z0-9_-]{0,64}")
# Ten times what the longest list that is read can hold (50 MiB, some 60 bytes for each photo).
MAX_COUNT = 10_000_000
# Unix time in seconds, some three thousand years ahead: what a date can show.
MAX_TIME = 1e11


class StaleMessage(Exception):
    """The message need not be worked on: another one of its job counts, or the job has ended."""


class NotOurMessage(ValueError):
    """The message is none we can work on; says why without repeating it."""


class Phase(Enum):
    """What is left to do for a job."""

    COPYING = "copying"
    TELLING = "telling"  # nothing but to tell the gallery
    TOLD = "told"  # the gallery knows; nothing but to remove what two workers copied twice


def _read_id(value: Any) -> str:
    if len(text(value).encode()) > _MAX_ID:
        raise ValueError("too long")
    return text(value)


def _read_ticket(value: Any) -> str:
    if not _TICKET.fullmatch(value):
        raise ValueError("no ticket")
    return str(value)


def _read_time(value: Any) -> float:
    seconds = float(value)
    if not 0 <= seconds <= MAX_TIME:
        raise ValueError("no time")
    return seconds


def _read_rejection(value: Any) -> tuple[str, str]:
    reason, detail = value
    return str(reason), str(detail)


_read_count = integer(0, MAX_COUNT)
_Text = Annotated[str, text]
_Ticket = Annotated[str, _read_ticket]
_Count = Annotated[int, _read_count]
_CountIfKnown = Annotated[int, integer(-1, MAX_COUNT)]
_Time = Annotated[float, _read_time]


@dataclass(frozen=True, kw_only=True)
class JobState:
    """How far a job has come.

    Args:
        slices: how many deliveries have worked on it.
        copied: photos that earlier slices copied.
        arrived: what the last slice copied, photo key to the cloud's id: a listing may not show it yet.
        rejected: photos that cannot be copied, photo key to reason and detail.
        tries: of photos that have not arrived, photo key to how often they failed so far.
        phase: what is left to do; on the wire the two keys `telling` and `told`, which earlier versions read.
        failed_photos: what the gallery is to be told.
        waits: how often in a row the job had to wait.
        waiting_since: when it first had to, Unix time in seconds; 0 when it does not wait.
        reason: why it waits or ended, a word of `common.errors.Reason`, or empty.
        may_have_duplicates: whether two workers may have copied at the same time.
        skipped: photos that were in the cloud before the first slice; -1 before it.
        started_at: when the first slice began, Unix time in seconds; 0 before it.
    """

    slices: _Count = 0
    copied: _Count = 0
    arrived: Annotated[dict[str, str], dict_of(str)] = field(default_factory=dict)
    rejected: Annotated[dict[str, tuple[str, str]], dict_of(_read_rejection)] = field(default_factory=dict)
    tries: Annotated[dict[str, int], dict_of(_read_count)] = field(default_factory=dict)
    phase: Annotated[Phase, lambda telling: Phase.TELLING if telling else Phase.COPYING, "telling"] = Phase.COPYING
    failed_photos: _Count = 0
    waits: _Count = 0
    waiting_since: _Time = 0
    reason: Annotated[str, str] = ""
    may_have_duplicates: Annotated[bool, bool, "crowded"] = False
    skipped: _CountIfKnown = -1
    started_at: _Time = 0

    def write(self) -> dict[str, Any]:
        """Return the JSON object."""
        flags = {"telling": self.phase is Phase.TELLING, "told": self.phase is Phase.TOLD}
        return write_fields(self) | flags

    @classmethod
    def read(cls, values: Any) -> Self:
        """Read the JSON object; what is not there is as at the beginning. Raises DecodeError."""
        state = read_fields(cls, values)
        return replace(state, phase=Phase.TOLD) if values.get("told") else state


@dataclass(frozen=True, kw_only=True)
class ArchiveJob:
    """Everything that is needed to copy one gallery into one guest's cloud.

    Args:
        id: names the archive everywhere; also the message's id, so that the same job published again is one job.
        cloud_type: the cloud's name, as in `common.clouds`.
        archive_type: `webs` or `originals`, given back to the gallery.
        archive_url: the gallery's link, as given.
        gallery_name: the name of the folder in the cloud.
        grant: the guest's permission, sealed for this job's id.
        created_at: when the guest asked, RFC 3339 in UTC.
        state: how far it has come; `course` on the wire.
        traceparent: the step of its trace in which it was published, see `common.telemetry.trace_context`; empty in
            messages of an earlier version.
        edition: of this message among those of its job, see `common.messages.ledger`; empty in the first.
        ticket: of the message that `web` published, see `common.messages.verdict`; empty in messages of an earlier
            version.
    """

    id: Annotated[str, _read_id]
    cloud_type: _Text
    archive_type: _Text
    archive_url: _Text
    gallery_name: _Text
    grant: _Text
    created_at: _Text
    state: Annotated[JobState, JobState.read, "course"] = JobState()
    # Whatever stands there: a job is no worse for it.
    traceparent: Annotated[str, str] = ""
    edition: _Ticket = ""
    ticket: _Ticket = ""

    @property
    def is_fresh(self) -> bool:
        """Whether no worker has begun with it."""
        return self.state == JobState()

    @property
    def archive(self) -> str:
        """The path of the gallery's link: how logs and commands name the archive."""
        return archive_path(self.archive_url)

    @property
    def headers(self) -> dict[str, str]:
        """Headers of its RabbitMQ message: those who look at messages find the trace."""
        return {"traceparent": self.traceparent} if self.traceparent else {}

    def encode(self) -> bytes:
        """Return the message's body."""
        values = {"version": VERSION, **write_fields(self)}
        return json.dumps(values, ensure_ascii=False, default=JobState.write).encode()

    @classmethod
    def decode(cls, body: bytes) -> Self:
        """Read a message's body.

        Raises:
            NotOurMessage: not JSON, another version, or a field is missing or of another type.
        """
        try:
            return read_fields(cls, decode_object(body, VERSION))
        except DecodeError as error:
            raise NotOurMessage(str(error)) from None


def archive_path(archive_url: str) -> str:
    """Return the path of a gallery's link, by which people name an archive; never its query."""
    try:
        return urlsplit(archive_url).path
    except ValueError:
        return ""


def grant_context(job_id: str) -> str:
    """Return the context a grant is sealed for: it opens for its own job only."""
    return f"grant:{job_id}"
