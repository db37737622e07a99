"""Drive's refusals, translated into our errors by one table: no code of Drive's passes this module.

Reasons of Drive: https://developers.google.com/workspace/drive/api/guides/handle-errors
Reasons of every Google API, older: https://developers.google.com/youtube/v3/docs/core_errors
Reasons of every Google API, newer: https://github.com/googleapis/googleapis/blob/master/google/api/error_reason.proto
"""

from collections.abc import Iterator
from typing import Any

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
from common.errors import ArchiveError, Reason, Transient
from common.http.client import Answer

# The day's 750 GB are used up; without the full stop it is the usual objection to the pace, under the same reason.
# https://github.com/rclone/rclone/issues/3857
DAILY_MESSAGE = b'"User rate limit exceeded."'

ANY = 0
"""Incomplete for every status that a reason may come with."""

# By status and reason; of several reasons in one answer the one that stands first here is the most telling. A reason
# is the same in either spelling: SERVICE_DISABLED and serviceDisabled.
TABLE: dict[tuple[int, str], FailureKind] = {
    **dict.fromkeys(
        (
            # Our project: whoever the guest is, the same is answered until its owner mends it.
            (ANY, "accessNotConfigured"),
            (ANY, "SERVICE_DISABLED"),
            (ANY, "SERVICE_NOT_VISIBLE"),
            (ANY, "BILLING_DISABLED"),
            (ANY, "CONSUMER_SUSPENDED"),
            (ANY, "CONSUMER_INVALID"),
            (ANY, "GCP_SUSPENDED"),
            (ANY, "USER_PROJECT_DENIED"),
            (ANY, "API_KEY_INVALID"),
            (ANY, "API_KEY_SERVICE_BLOCKED"),
            (ANY, "API_KEY_HTTP_REFERRER_BLOCKED"),
            (ANY, "API_KEY_IP_ADDRESS_BLOCKED"),
            (ANY, "API_KEY_ANDROID_APP_BLOCKED"),
            (ANY, "API_KEY_IOS_APP_BLOCKED"),
            (ANY, "keyInvalid"),
            (ANY, "keyExpired"),
            (ANY, "ipRefererBlocked"),
            (ANY, "ORG_RESTRICTION_VIOLATION"),
            (ANY, "ORG_RESTRICTION_HEADER_INVALID"),
        ),
        APP_REFUSED,
    ),
    (ANY, "ACCESS_TOKEN_SCOPE_INSUFFICIENT"): GRANT_REVOKED,
    (ANY, "insufficientPermissions"): GRANT_REVOKED,
    **dict.fromkeys(
        (
            # The guest's account, or the place in it that was given to us: only the guest can help.
            (ANY, "accountDisabled"),
            (ANY, "accountDeleted"),
            (ANY, "accountUnverified"),
            (ANY, "ACCOUNT_STATE_INVALID"),
            (ANY, "domainPolicy"),
            (ANY, "lockedDomainForbidden"),
            (ANY, "lockedDomainExpired"),
            (ANY, "SECURITY_POLICY_VIOLATED"),
            (ANY, "LOCATION_POLICY_VIOLATED"),
            (ANY, "LOCATION_TAX_POLICY_VIOLATED"),
            (ANY, "appNotAuthorizedToFile"),
            (ANY, "insufficientFilePermissions"),
            (ANY, "insufficientParentPermissions"),
            (ANY, "teamDriveMembershipRequired"),
            (ANY, "activeItemCreationLimitExceeded"),
            (ANY, "teamDriveFileLimitExceeded"),
            (ANY, "numChildrenInNonRootLimitExceeded"),
        ),
        ACCOUNT_REFUSED,
    ),
    (ANY, "dailyLimitExceeded"): DAILY_LIMIT,
    (ANY, "dailyLimitExceededUnreg"): DAILY_LIMIT,
    (ANY, "dailyLimitExceeded402"): DAILY_LIMIT,
    (ANY, "variableTermExpiredDailyExceeded"): DAILY_LIMIT,
    (ANY, "uploadLimitExceeded"): DAILY_LIMIT,
    (ANY, "storageQuotaExceeded"): STORAGE_FULL,
    # Its older name. With 429 it is about requests, not about bytes.
    (403, "quotaExceeded"): STORAGE_FULL,
    (ANY, "userRateLimitExceeded"): THROTTLED,
    (ANY, "userRateLimitExceededUnreg"): THROTTLED,
    (ANY, "RATE_LIMIT_EXCEEDED"): THROTTLED,
    (ANY, "rateLimitExceededUnreg"): THROTTLED,
    (ANY, "sharingRateLimitExceeded"): THROTTLED,
    (ANY, "concurrentLimitExceeded"): THROTTLED,
    (ANY, "servingLimitExceeded"): THROTTLED,
    (ANY, "variableTermLimitExceeded"): THROTTLED,
    (ANY, "RESOURCE_EXHAUSTED"): THROTTLED,
    # "We're sorry … automated queries": an address or the project is held off for a while; a page, no JSON.
    (403, ""): THROTTLED,
    # To a request that names no file, or from somebody between us: Drive itself is not to be found, for now.
    (404, "*"): FailureKind(Transient, Reason.CLOUD_REFUSED),
    (408, "*"): UNAVAILABLE,
    (429, "*"): THROTTLED,
    # Whatever nobody knows, of any status, may be over the next time: it is final only when it stays. Not one of the
    # documented reasons says for sure that another photo would fare better.
    (ANY, "*"): CALL_REFUSED,
}


def _normalize(word: str) -> str:
    return word.replace("_", "").casefold()


_RANKED = {(status, _normalize(word)): (rank, kind) for rank, ((status, word), kind) in enumerate(TABLE.items())}


def read_failure(answer: Answer) -> ArchiveError:
    """Return the error that a refusal means; that a file is not found only its caller can tell.

    Args:
        answer: of any status but success; its body may be JSON, plain text, a page or empty.
    """
    word, kind = _find_kind(answer)
    # Success or a redirect where Drive gives neither: something between us answered.
    if answer.status >= 500 or answer.status < 400:
        kind = UNAVAILABLE
    if _normalize(word) == "userratelimitexceeded" and DAILY_MESSAGE in answer.body:
        kind = DAILY_LIMIT
    return kind.to_error("Drive", answer, word)


def read_reason(answer: Answer) -> str:
    """Return the most telling reason of a refusal; "*" for JSON without one, "" when it is not JSON."""
    return _find_kind(answer)[0]


def _find_kind(answer: Answer) -> tuple[str, FailureKind]:
    words = _read_words(answer)
    ranked = [(*_rank(answer.status, word), word) for word in words]
    # Of words that nobody knows the first: Drive's own stand before those of all Google.
    _, kind, word = min(ranked, key=lambda each: each[0])
    return word, kind


def _rank(status: int, word: str) -> tuple[int, FailureKind]:
    spelled = _normalize(word)
    for key in ((status, spelled), (ANY, spelled), (status, "*")):
        if found := _RANKED.get(key):
            return found
    return _RANKED[ANY, "*"]


def _read_words(answer: Answer) -> list[str]:
    try:
        content = answer.json()
    except ValueError:
        return [""]
    error = content.get("error") if isinstance(content, dict) else None
    words = [word for word in _find_words(error) if isinstance(word, str) and is_code(word)]
    return words or ["*"]


def _find_words(error: Any) -> Iterator[object]:
    """Yield all that may be a reason: older answers have `errors`, newer ones an ErrorInfo in `details`, or a status.

    https://google.aip.dev/193
    """
    if not isinstance(error, dict):
        return
    for entries in (error.get("errors"), error.get("details")):
        for entry in entries if isinstance(entries, list) else ():
            if isinstance(entry, dict):
                yield entry.get("reason")
    yield error.get("status")
