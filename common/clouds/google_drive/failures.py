"""Drive's refusals, told in our words. One table; the wall that no vendor's code passes.

Facts: https://developers.google.com/workspace/drive/api/guides/handle-errors
"""

import re
from collections.abc import Callable
from typing import Any

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

# The day's 750 GB are used up; without the full stop it is the usual objection to the pace, under the same reason.
# https://github.com/rclone/rclone/issues/3857
DAILY_MESSAGE = b'"User rate limit exceeded."'

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


def _stale(detail: str, _wait: float | None) -> ArchiveError:
    return InventoryStale(Reason.CLOUD_REFUSED, detail)


def _rejected(detail: str, _wait: float | None) -> ArchiveError:
    return PhotoRejected(Reason.CLOUD_REFUSED, detail)


# By status and, where it matters, by the first error's reason; "*" stands for any other reason.
TABLE: dict[tuple[int, str], Failure] = {
    (403, "userRateLimitExceeded"): _throttled,
    (403, "rateLimitExceeded"): _throttled,
    (403, "sharingRateLimitExceeded"): _throttled,
    (403, "dailyLimitExceeded"): _postponed,
    (403, "storageQuotaExceeded"): _full,
    (403, "activeItemCreationLimitExceeded"): _refused,
    (403, "numChildrenInNonRootLimitExceeded"): _refused,
    (403, "teamDriveFileLimitExceeded"): _refused,
    (403, "myDriveHierarchyDepthLimitExceeded"): _rejected,
    (403, "insufficientFilePermissions"): _refused,
    (403, "appNotAuthorizedToFile"): _refused,
    (403, "domainPolicy"): _refused,
    (403, "accessNotConfigured"): _refused,
    (403, "insufficientPermissions"): _revoked,
    # What newer answers say in `details`, where they have no `errors`: https://google.aip.dev/193
    (403, "ACCESS_TOKEN_SCOPE_INSUFFICIENT"): _revoked,
    (403, "SERVICE_DISABLED"): _refused,
    (403, "RATE_LIMIT_EXCEEDED"): _throttled,
    # "We're sorry … automated queries": an address or the project is held off for a while; a page, no JSON.
    (403, ""): _throttled,
    # A 403 we do not know is final: repeating it would only annoy.
    (403, "*"): _rejected,
    # What Drive does not understand about one photo says nothing about the others.
    (400, "*"): _rejected,
    (404, "*"): _stale,
    (408, "*"): _transient,
    (413, "*"): _rejected,
    (429, "*"): _throttled,
}


def read_failure(answer: Answer) -> ArchiveError:
    """Return what a refusal means for us.

    Args:
        answer: of any status but success; its body may be JSON, plain text, a page or empty.
    """
    reason = read_reason(answer)
    detail = f"Drive answered {answer.status} {reason}".rstrip()
    # Success or a redirect where Drive gives neither: something between us answered.
    if answer.status >= 500 or answer.status < 400:
        return _transient(detail, answer.wait())
    if reason == "userRateLimitExceeded" and DAILY_MESSAGE in answer.body:
        return _postponed(detail, None)
    failure = TABLE.get((answer.status, reason)) or TABLE.get((answer.status, "*")) or _refused
    return failure(detail, answer.wait())


def read_reason(answer: Answer) -> str:
    """Return the reason word of the first error in a body; "*" for JSON without one, "" when it is not JSON."""
    try:
        error = answer.json()["error"]
    except ValueError:
        return ""
    except (KeyError, TypeError):
        return "*"
    # Newer answers carry `details` with an ErrorInfo, older ones only `errors`.
    for entry in [*_entries(error, "errors"), *_entries(error, "details")]:
        reason = entry.get("reason")
        if isinstance(reason, str) and _WORD.fullmatch(reason):
            return reason
    return "*"


def _entries(error: Any, name: str) -> list[dict[str, Any]]:
    entries = error.get(name) if isinstance(error, dict) else None
    return [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
