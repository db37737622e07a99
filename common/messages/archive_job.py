"""ArchiveJob: one archive as one message, promised by `web` and kept by `worker`. Knows no broker and no cloud.

What one delivery leaves to the next travels in it; which of a job's messages counts stands in the ledger.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Self

from common.untrusted_json import read_json

VERSION = 1
ARCHIVE_TYPES = ("webs", "originals")
LONGEST_NAME = 255
# Ours have some 50 letters, and a broker takes 255 with what stands before and behind them in a routing key.
_LONGEST_ID = 200
# As `common.messages.verdict` makes them; it names a queue.
_TICKET = re.compile(r"[A-Za-z0-9_-]{0,64}")
# Ten times what the longest list that is read can hold (50 MiB, some 60 bytes for each photo).
MOST_OF_ANYTHING = 10_000_000
# Unix time in seconds, some three thousand years ahead: what a date can show.
LATEST_MOMENT = 1e11


class StaleMessage(Exception):
    """The message serves nobody: another one of its job counts, or that has ended."""


class NotOurMessage(ValueError):
    """The message is none we can work on; says why without repeating it."""


@dataclass(frozen=True, kw_only=True)
class Course:
    """How far a job has come.

    Args:
        slices: how many deliveries have worked on it.
        copied: photos that earlier slices copied.
        arrived: what the last slice copied, photo key to the cloud's id: a listing may not show it yet.
        rejected: photos that cannot be copied, photo key to reason and detail.
        tries: of photos that have not arrived, photo key to how often they failed so far.
        telling: whether all that is left is to tell the gallery.
        failed_photos: what it is to be told.
        waits: how often in a row the job had to wait.
        waiting_since: when it first had to, Unix time in seconds; 0 when it does not wait.
        reason: why it waits or ended, a word of `common.errors.Reason`, or empty.
        stored: photos that were in the cloud when its message was last renewed.
        crowded: whether two workers may have copied at the same time.
        skipped: photos that were in the cloud before the first slice; -1 before it.
        started_at: when the first slice began, Unix time in seconds; 0 before it.
        told: whether the gallery was told, and all that is left is to look for what the other one left.
    """

    slices: int = 0
    copied: int = 0
    arrived: Mapping[str, str] = field(default_factory=dict)
    rejected: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    tries: Mapping[str, int] = field(default_factory=dict)
    telling: bool = False
    failed_photos: int = 0
    waits: int = 0
    waiting_since: float = 0
    reason: str = ""
    stored: int = -1
    crowded: bool = False
    skipped: int = -1
    started_at: float = 0
    told: bool = False


@dataclass(frozen=True, kw_only=True)
class ArchiveJob:
    """Everything that is needed to copy one gallery into one guest's cloud.

    Args:
        id: names the archive everywhere; also the message's id, so that a repeated promise is one job.
        cloud_type: the cloud's name, as in `common.clouds`.
        archive_type: `webs` or `originals`, given back to the gallery.
        archive_url: the gallery's link, as given.
        gallery_name: the name of the folder in the cloud.
        grant: the guest's permission, sealed for this job's id.
        created_at: when the guest asked, RFC 3339 in UTC.
        course: how far it has come.
        traceparent: the promise's step of its trace, see `common.telemetry.trace_context`; empty in messages of an
            earlier version.
        edition: of this message among those of its job, see `common.messages.ledger`; empty in the first.
        ticket: of the message that `web` published, see `common.messages.verdict`; empty in messages of an earlier
            version.
    """

    id: str
    cloud_type: str
    archive_type: str
    archive_url: str
    gallery_name: str
    grant: str
    created_at: str
    course: Course = Course()
    traceparent: str = ""
    edition: str = ""
    ticket: str = ""

    @property
    def is_fresh(self) -> bool:
        """Whether no worker has begun with it."""
        return self.course == Course()

    @property
    def headers(self) -> dict[str, str]:
        """What the broker's message says besides: those who look at messages find the trace."""
        return {"traceparent": self.traceparent} if self.traceparent else {}

    def encode(self) -> bytes:
        """Return the message's body."""
        return json.dumps({"version": VERSION, **asdict(self)}, ensure_ascii=False).encode()

    @classmethod
    def decode(cls, body: bytes) -> Self:
        """Read a message's body.

        Raises:
            NotOurMessage: not JSON, another version, or a field is missing or of another type.
        """
        message = _read_object(body)
        if message.get("version") != VERSION:
            raise NotOurMessage("unknown version")
        needed = [field.name for field in fields(cls) if field.name not in ("course", *_MAY_BE_MISSING)]
        texts = {name: _read_text(message, name) for name in needed}
        if len(texts["id"].encode()) > _LONGEST_ID:
            raise NotOurMessage("id is too long")
        more = {name: message.get(name, "") for name in _MAY_BE_MISSING}
        for name in ("ticket", "edition"):
            if not isinstance(more[name], str) or not _TICKET.fullmatch(more[name]):
                raise NotOurMessage(f"{name} is not what it should be")
        # Whatever stands there: a job is no worse for it.
        more["traceparent"] = str(more["traceparent"])
        return cls(**texts, **more, course=_read_course(message.get("course", {})))


# What messages of earlier versions do not have.
_MAY_BE_MISSING = ("traceparent", "edition", "ticket")


def _read_object(body: bytes) -> dict[str, Any]:
    try:
        message = read_json(body)
    except ValueError:
        raise NotOurMessage("not JSON") from None
    if not isinstance(message, dict):
        raise NotOurMessage("not a JSON object")
    return message


def _read_text(message: dict[str, Any], name: str) -> str:
    value = message.get(name)
    if not isinstance(value, str) or not value:
        raise NotOurMessage(f"{name} is missing or not a text")
    return value


def _read_course(course: Any) -> Course:
    """Read what earlier slices left; what is not there is as at the beginning."""
    if not isinstance(course, dict):
        raise NotOurMessage("course is not an object")
    known = {}
    for name, read in _COURSE_FIELDS.items():
        try:
            known[name] = read(course[name])
        except KeyError:
            continue
        except (TypeError, ValueError, AttributeError, OverflowError):
            raise NotOurMessage(f"course: {name} is not what it should be") from None
    return Course(**known)


def _read_ids(value: Any) -> dict[str, str]:
    return {str(key): str(file_id) for key, file_id in value.items()}


def _read_rejected(value: Any) -> dict[str, tuple[str, str]]:
    return {str(key): (str(reason), str(detail)) for key, (reason, detail) in value.items()}


def _read_count(value: Any) -> int:
    """Read how many there are of something: nobody is told of less than none."""
    return _read_whole(value, least=0)


def _read_count_if_known(value: Any) -> int:
    return _read_whole(value, least=-1)


def _read_whole(value: Any, *, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= MOST_OF_ANYTHING:
        raise ValueError("no count")
    return value


def _read_moment(value: Any) -> float:
    moment = float(value)
    if not 0 <= moment <= LATEST_MOMENT:
        raise ValueError("no moment")
    return moment


def _read_tries(value: Any) -> dict[str, int]:
    return {str(key): _read_count(tries) for key, tries in value.items()}


_COURSE_FIELDS: dict[str, Callable[[Any], Any]] = {
    "slices": _read_count,
    "copied": _read_count,
    "arrived": _read_ids,
    "rejected": _read_rejected,
    "tries": _read_tries,
    "telling": bool,
    "failed_photos": _read_count,
    "waits": _read_count,
    "waiting_since": _read_moment,
    "reason": str,
    "stored": _read_count_if_known,
    "crowded": bool,
    "skipped": _read_count_if_known,
    "started_at": _read_moment,
    "told": bool,
}


def grant_context(job_id: str) -> str:
    """Return the context a grant is sealed for: it opens for its own job only."""
    return f"grant:{job_id}"
