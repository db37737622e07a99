"""Yandex's refusals, translated into our errors by one table: no code of Yandex's passes this module.

Facts: https://yandex.com/dev/disk-api/doc/en/reference/response-objects#error and the reference of each method; the
names of errors as https://github.com/ivknv/yadisk collected them.
"""

import re

from common.clouds.failures import (
    ACCOUNT_REFUSED,
    APP_REFUSED,
    CALL_REFUSED,
    DAILY_LIMIT,
    GRANT_REVOKED,
    STORAGE_FULL,
    THROTTLED,
    UNAVAILABLE,
    FailureKind,
    is_code,
)
from common.errors import ArchiveError, InventoryStale, Postponed, Reason, Refused, StorageFull
from common.http.client import Answer

# Refusals whose name tells whom they are meant for, though the table has not got it.
_OF_ACCOUNT = re.compile(r"User|Account|Passport")
_OF_APP = re.compile(r"Client|Application")
_REFUSAL_STATUSES = frozenset({402, 403, 451})

_NAME = "Yandex Disk"
_READ_ONLY = FailureKind(Postponed, Reason.CLOUD_UNAVAILABLE)
_STALE = FailureKind(InventoryStale, Reason.CLOUD_REFUSED)
_CLAIMS_FULL = FailureKind(Refused, Reason.STORAGE_FULL)

# By the error's name where it says more than its status, whatever that is; else by status. What stands in neither is
# refused, even by name: `ForbiddenError` is said of a resource, of a grant's rights and of an app alike.
TABLE: dict[str | int, FailureKind] = {
    "DiskUnsupportedUserAccountTypeError": ACCOUNT_REFUSED,  # an account without a disk
    "DiskUploadTrafficLimitExceeded": DAILY_LIMIT,
    "DiskUploadTrafficLimitExceededError": DAILY_LIMIT,
    "DiskStorageQuotaExhaustedError": STORAGE_FULL,
    "DiskPathDoesntExistsError": _STALE,
    # Technical works: nothing can be written for a while, and that is no photo's own failure.
    "DiskReadOnlyError": _READ_ONLY,
    # Another request holds this very resource.
    "DiskResourceLockedError": UNAVAILABLE,
    "DiskOperationNotFoundError": UNAVAILABLE,
    401: GRANT_REVOKED,
    404: _STALE,
    408: UNAVAILABLE,
    # Two requests met at one path: https://yandex.com/dev/disk-api/doc/en/reference/upload
    409: UNAVAILABLE,
    410: UNAVAILABLE,
    412: UNAVAILABLE,
    # Locked, or the technical works without their name; where these stay, nothing arrives and the job waits.
    423: UNAVAILABLE,
    425: UNAVAILABLE,
    429: THROTTLED,
    507: STORAGE_FULL,
    # Not in the documentation, but met and waited out by others: https://github.com/rclone/rclone/tree/master/backend/yandex
    509: THROTTLED,
}


def read_failure(answer: Answer) -> ArchiveError:
    """Return the error that a refusal means.

    Args:
        answer: of any status but success; its body may be JSON, plain text, a page or empty.
    """
    name = read_name(answer)
    kind = TABLE.get(name) or TABLE.get(answer.status) or _guess_kind(answer.status, name)
    return kind.to_error(_NAME, answer, name)


def read_refusal(answer: Answer) -> ArchiveError:
    """Return the error that a refusal means where no folder is written into.

    Nothing that was seen before is stale there, and nothing needs room: "full" is believed only when it stays.
    """
    failure = read_failure(answer)
    if isinstance(failure, StorageFull):
        return _CLAIMS_FULL.to_error(_NAME, answer, read_name(answer))
    if not isinstance(failure, InventoryStale):
        return failure
    kind = UNAVAILABLE if answer.status == 409 else CALL_REFUSED
    return kind.to_error(_NAME, answer, read_name(answer))


def read_name(answer: Answer) -> str:
    """Return the name of the error in a body; empty when there is none."""
    try:
        name = answer.json()["error"]
    except (ValueError, KeyError, TypeError):
        return ""
    return name if isinstance(name, str) and is_code(name) else ""


def is_missing(answer: Answer) -> bool:
    """Tell whether Yandex itself says that nothing is at a path: a bare 404 may be anybody's."""
    return answer.status == 404 and bool(read_name(answer))


def _guess_kind(status: int, name: str) -> FailureKind:
    """Return the kind of a refusal that is not in the table."""
    if not 400 <= status < 500:
        # Success or a redirect where Yandex gives neither: something between us answered.
        return UNAVAILABLE
    if status in _REFUSAL_STATUSES and _OF_ACCOUNT.search(name):
        return ACCOUNT_REFUSED
    if status in _REFUSAL_STATUSES and _OF_APP.search(name):
        return APP_REFUSED
    return CALL_REFUSED
