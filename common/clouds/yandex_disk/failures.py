"""Yandex's refusals, told in our words. One table; the wall that no vendor's code passes.

Facts: https://yandex.com/dev/disk-api/doc/en/reference/response-objects#error and the reference of each method; the
names of errors as https://github.com/ivknv/yadisk collected them.
"""

import re
from collections.abc import Callable

from common.errors import (
    ArchiveError,
    GrantRevoked,
    InventoryStale,
    JobStopped,
    PhotoRejected,
    Postponed,
    Reason,
    StorageFull,
    Throttled,
    Transient,
)
from common.httpclient import Answer

# Nothing longer or stranger gets into our logs.
_WORD = re.compile(r"[A-Za-z0-9_]{1,60}")

Failure = Callable[[str, float | None], ArchiveError]


def _refused(detail: str, _wait: float | None) -> ArchiveError:
    return JobStopped(Reason.CLOUD_REFUSED, detail)


def _full(detail: str, _wait: float | None) -> ArchiveError:
    return StorageFull(detail)


def _revoked(detail: str, _wait: float | None) -> ArchiveError:
    return GrantRevoked(detail)


def _throttled(detail: str, wait: float | None) -> ArchiveError:
    return Throttled(Reason.CLOUD_UNAVAILABLE, detail, wait=wait)


def _transient(detail: str, wait: float | None) -> ArchiveError:
    return Transient(Reason.CLOUD_UNAVAILABLE, detail, wait=wait)


def _postponed(detail: str, _wait: float | None) -> ArchiveError:
    return Postponed(Reason.DAILY_LIMIT, detail)


def _read_only(detail: str, _wait: float | None) -> ArchiveError:
    return Postponed(Reason.CLOUD_UNAVAILABLE, detail)


def _stale(detail: str, _wait: float | None) -> ArchiveError:
    return InventoryStale(Reason.CLOUD_REFUSED, detail)


def _rejected(detail: str, _wait: float | None) -> ArchiveError:
    return PhotoRejected(Reason.CLOUD_REFUSED, detail)


# By the error's name where it says more than its status, whatever that is; else by status.
TABLE: dict[str | int, Failure] = {
    "DiskUnsupportedUserAccountTypeError": _refused,  # an account without a disk
    "DiskUploadTrafficLimitExceeded": _postponed,
    "DiskUploadTrafficLimitExceededError": _postponed,
    "DiskStorageQuotaExhaustedError": _full,
    "DiskPathDoesntExistsError": _stale,
    # Another request holds this very resource.
    "DiskResourceLockedError": _transient,
    "DiskOperationNotFoundError": _transient,
    # What Yandex does not understand about one photo says nothing about the others.
    400: _rejected,
    401: _revoked,
    403: _refused,
    404: _stale,
    408: _transient,
    # Two requests met at one path: https://yandex.com/dev/disk-api/doc/en/reference/upload
    409: _transient,
    410: _transient,
    412: _transient,
    413: _rejected,
    414: _rejected,
    # Technical works: nothing can be written for a while, and that is no photo's own failure.
    423: _read_only,
    425: _transient,
    429: _throttled,
    507: _full,
    # Not in the documentation, but met and waited out by others: https://github.com/rclone/rclone/tree/master/backend/yandex
    509: _throttled,
}


def read_failure(answer: Answer) -> ArchiveError:
    """Return what a refusal means for us.

    Args:
        answer: of any status but success; its body may be JSON, plain text, a page or empty.
    """
    name = read_name(answer)
    detail = f"Yandex Disk answered {answer.status} {name}".rstrip()
    failure = TABLE.get(name) or TABLE.get(answer.status)
    if failure is None:
        # Success or a redirect where Yandex gives neither: something between us answered.
        failure = _refused if 400 <= answer.status < 500 else _transient
    return failure(detail, answer.wait())


def read_name(answer: Answer) -> str:
    """Return the name of the error in a body; empty when there is none."""
    try:
        name = answer.json()["error"]
    except (ValueError, KeyError, TypeError):
        return ""
    return name if isinstance(name, str) and _WORD.fullmatch(name) else ""
