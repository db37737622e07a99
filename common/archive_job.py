"""ArchiveJob: one archive as one message, promised by `web` and kept by `worker`. Knows no broker and no cloud."""

import json
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

VERSION = 1


class NotOurMessage(ValueError):
    """The bytes are not an ArchiveJob we understand; says why without repeating them."""


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
    """

    id: str
    cloud_type: str
    archive_type: str
    archive_url: str
    gallery_name: str
    grant: str
    created_at: str

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
        return cls(**{field.name: _read_text(message, field.name) for field in fields(cls)})


def _read_object(body: bytes) -> dict[str, Any]:
    try:
        message = json.loads(body)
    except (ValueError, RecursionError):
        raise NotOurMessage("not JSON") from None
    if not isinstance(message, dict):
        raise NotOurMessage("not a JSON object")
    return message


def _read_text(message: dict[str, Any], name: str) -> str:
    value = message.get(name)
    if not isinstance(value, str) or not value:
        raise NotOurMessage(f"{name} is missing or not a text")
    return value


def grant_context(job_id: str) -> str:
    """Return the context a grant is sealed for: it opens for its own job only."""
    return f"grant:{job_id}"
