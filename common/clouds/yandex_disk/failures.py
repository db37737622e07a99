"""Yandex's refusals, told in our words. One table; the wall that no vendor's code passes.

Facts: https://yandex.com/dev/disk-api/doc/en/reference/response-objects#error and the reference of each method; the
names of errors as https://github.com/ivknv/yadisk collected them.
"""

import re

from common.clouds.failures import Damage
from common.errors import (
    ArchiveError,
    GrantRevoked,
    InventoryStale,
    Postponed,
    Reason,
    Refused,
    StorageFull,
    Throttled,
    Transient,
)
from common.http.client import Answer

# Nothing longer or stranger gets into our logs.
_WORD = re.compile(r"[A-Za-z0-9_]{1,60}")
# A no whose name tells whom it is meant for, though the table has not got it.
_OF_ACCOUNT = re.compile(r"User|Account|Passport")
_OF_APP = re.compile(r"Client|Application")
_NOES = frozenset({402, 403, 451})

# Said of one request, for all anybody knows, and maybe by something between us: tried again, final when it stays.
_REFUSED = Damage(Refused, Reason.CLOUD_REFUSED)
_ACCOUNT_REFUSED = Damage(Refused, Reason.ACCOUNT_REFUSED)
_APP_REFUSED = Damage(Refused, Reason.APP_REFUSED)
_PASSING = Damage(Transient, Reason.CLOUD_UNAVAILABLE)
_TOO_FAST = Damage(Throttled, Reason.CLOUD_UNAVAILABLE)
_ANOTHER_DAY = Damage(Postponed, Reason.DAILY_LIMIT)
_READ_ONLY = Damage(Postponed, Reason.CLOUD_UNAVAILABLE)
_STALE = Damage(InventoryStale, Reason.CLOUD_REFUSED)
_FULL = Damage(StorageFull, Reason.STORAGE_FULL)
_SAYS_FULL = Damage(Refused, Reason.STORAGE_FULL)
_REVOKED = Damage(GrantRevoked, Reason.GRANT_REVOKED)

# By the error's name where it says more than its status, whatever that is; else by status. What stands in neither is
# refused, even by name: `ForbiddenError` is said of a resource, of a grant's rights and of an app alike.
TABLE: dict[str | int, Damage] = {
    "DiskUnsupportedUserAccountTypeError": _ACCOUNT_REFUSED,  # an account without a disk
    "DiskUploadTrafficLimitExceeded": _ANOTHER_DAY,
    "DiskUploadTrafficLimitExceededError": _ANOTHER_DAY,
    "DiskStorageQuotaExhaustedError": _FULL,
    "DiskPathDoesntExistsError": _STALE,
    # Technical works: nothing can be written for a while, and that is no photo's own failure.
    "DiskReadOnlyError": _READ_ONLY,
    # Another request holds this very resource.
    "DiskResourceLockedError": _PASSING,
    "DiskOperationNotFoundError": _PASSING,
    401: _REVOKED,
    404: _STALE,
    408: _PASSING,
    # Two requests met at one path: https://yandex.com/dev/disk-api/doc/en/reference/upload
    409: _PASSING,
    410: _PASSING,
    412: _PASSING,
    # Locked, or the technical works without their name; where these stay, nothing arrives and the job waits.
    423: _PASSING,
    425: _PASSING,
    429: _TOO_FAST,
    507: _FULL,
    # Not in the documentation, but met and waited out by others: https://github.com/rclone/rclone/tree/master/backend/yandex
    509: _TOO_FAST,
}


def read_failure(answer: Answer) -> ArchiveError:
    """Return what a refusal means for us.

    Args:
        answer: of any status but success; its body may be JSON, plain text, a page or empty.
    """
    name = read_name(answer)
    detail = f"Yandex Disk answered {answer.status} {name}".rstrip()
    damage = TABLE.get(name) or TABLE.get(answer.status) or _judge(answer.status, name)
    return damage.error(detail, answer.retry_after())


def read_refusal(answer: Answer) -> ArchiveError:
    """Return what a refusal means where no folder is written into.

    Nothing that was seen before is stale there, and nothing needs room: "full" is believed only when it stays.
    """
    failure = read_failure(answer)
    if isinstance(failure, StorageFull):
        return _SAYS_FULL.error(failure.detail, answer.retry_after())
    if not isinstance(failure, InventoryStale):
        return failure
    damage = _PASSING if answer.status == 409 else _REFUSED
    return damage.error(failure.detail, answer.retry_after())


def read_name(answer: Answer) -> str:
    """Return the name of the error in a body; empty when there is none."""
    try:
        name = answer.json()["error"]
    except (ValueError, KeyError, TypeError):
        return ""
    return name if isinstance(name, str) and _WORD.fullmatch(name) else ""


def is_missing(answer: Answer) -> bool:
    """Say whether Yandex itself says that nothing is at a path: a bare 404 may be anybody's."""
    return answer.status == 404 and bool(read_name(answer))


def _judge(status: int, name: str) -> Damage:
    """Return the damage of what the table has not got."""
    if not 400 <= status < 500:
        # Success or a redirect where Yandex gives neither: something between us answered.
        return _PASSING
    if status in _NOES and _OF_ACCOUNT.search(name):
        return _ACCOUNT_REFUSED
    if status in _NOES and _OF_APP.search(name):
        return _APP_REFUSED
    return _REFUSED
