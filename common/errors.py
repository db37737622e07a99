"""Exceptions, named by how much of the work they end.

ArchiveError
├── Transient            this call: the same call may succeed later
│   ├── Throttled        this account: everyone waits
│   ├── Refused          this call was answered with a no that may pass; final only when it stays
│   └── AddressRefused   this call: its host is not on the public internet, so it was never sent
├── SessionLost          this upload: the photo may begin a new one
├── PhotoRejected        this photo: the job goes on and says so
├── InventoryStale       this look at the cloud: it changed under us, look again
├── Postponed            this job, for now: it waits in a queue and goes on by itself
└── JobStopped           this job: only its owner can help
    ├── GrantRevoked
    └── StorageFull

Everything else (KeyError, TypeError …) is a bug: never retried, logged with its trace, its message dead-lettered.
"""

from enum import StrEnum


class Reason(StrEnum):
    """Why something failed: stable codes that other programs may rely on."""

    DENIED = "denied"
    SCOPE_MISSING = "scope_missing"
    NO_REFRESH_TOKEN = "no_refresh_token"  # noqa: S105 - a reason, not a password
    TRY_LATER = "try_later"
    STORAGE_FULL = "storage_full"
    GRANT_REVOKED = "grant_revoked"
    GALLERY_EMPTY = "gallery_empty"
    GALLERY_UNAVAILABLE = "gallery_unavailable"
    PHOTO_UNAVAILABLE = "photo_unavailable"
    WRONG_BYTES = "wrong_bytes"
    URL_NOT_ALLOWED = "url_not_allowed"
    DAILY_LIMIT = "daily_limit"
    CANCELLED = "cancelled"
    INTERNAL = "internal"
    CLOUD_UNAVAILABLE = "cloud_unavailable"
    CLOUD_REFUSED = "cloud_refused"
    ACCOUNT_REFUSED = "account_refused"
    APP_REFUSED = "app_refused"
    UNREADABLE_ENTRY = "unreadable_entry"


class ArchiveError(Exception):
    """Base of every expected failure.

    Args:
        reason: its stable code.
        detail: one line for people; never holds a secret.
    """

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else str(reason))
        self.reason = reason
        self.detail = detail


class Transient(ArchiveError):
    """This call failed; the same call may succeed later.

    Args:
        reason: its stable code.
        detail: one line for people.
        wait: seconds the other side asked us to wait, if it did.
    """

    def __init__(self, reason: Reason, detail: str = "", *, wait: float | None = None) -> None:
        super().__init__(reason, detail)
        self.wait = wait


class Throttled(Transient):
    """This account is written to faster than its cloud likes; everyone who writes to it waits."""


class Refused(Transient):
    """The other side refused: tried again like any outage, and final only when it stays.

    Its reason says whom it concerns: CLOUD_REFUSED this one call, as far as anybody knows; ACCOUNT_REFUSED whatever
    is asked for this guest; APP_REFUSED whatever this service asks for anybody.
    """

    @property
    def concerns_all(self) -> bool:
        """Whether every other call of the same job would be refused as well."""
        return self.reason in (Reason.ACCOUNT_REFUSED, Reason.APP_REFUSED)


class AddressRefused(Transient):
    """The host's name has a private or reserved address: nothing was sent. What a name means may change."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason, "the host's address is not a public one")


class SessionLost(ArchiveError):
    """This upload is over without a photo; the photo may begin a new one."""


class PhotoRejected(ArchiveError):
    """This photo cannot be copied; the job goes on and says so."""


class InventoryStale(ArchiveError):
    """What was seen of the cloud is no longer so: a folder went away; the job looks again."""


class Postponed(ArchiveError):
    """This job cannot go on now: it waits in a queue and goes on by itself."""


class JobStopped(ArchiveError):
    """This job cannot go on; only its owner can help."""


class GrantRevoked(JobStopped):
    """The guest, or their cloud, took the permission back."""

    def __init__(self, detail: str = "") -> None:
        super().__init__(Reason.GRANT_REVOKED, detail)


class StorageFull(JobStopped):
    """The guest's cloud has no room.

    Args:
        needed: bytes still to be copied, if known.
        free: bytes free in the cloud, if known.
    """

    def __init__(self, detail: str = "", *, needed: int | None = None, free: int | None = None) -> None:
        super().__init__(Reason.STORAGE_FULL, detail)
        self.needed = needed
        self.free = free
