"""Drive's refusals, told in our words. One table; the wall that no vendor's code passes.

Reasons of Drive: https://developers.google.com/workspace/drive/api/guides/handle-errors
Reasons of every Google API, older: https://developers.google.com/youtube/v3/docs/core_errors
Reasons of every Google API, newer: https://github.com/googleapis/googleapis/blob/master/google/api/error_reason.proto
"""

import re
from collections.abc import Iterator
from typing import Any

from common.clouds.failures import Damage
from common.errors import (
    ArchiveError,
    GrantRevoked,
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

# The day's 750 GB are used up; without the full stop it is the usual objection to the pace, under the same reason.
# https://github.com/rclone/rclone/issues/3857
DAILY_MESSAGE = b'"User rate limit exceeded."'

APP = Damage(Refused, Reason.APP_REFUSED)
ACCOUNT = Damage(Refused, Reason.ACCOUNT_REFUSED)
CALL = Damage(Refused, Reason.CLOUD_REFUSED)
REVOKED = Damage(GrantRevoked, Reason.GRANT_REVOKED)
DAILY = Damage(Postponed, Reason.DAILY_LIMIT)
FULL = Damage(StorageFull, Reason.STORAGE_FULL)
THROTTLED = Damage(Throttled, Reason.CLOUD_UNAVAILABLE)
TRANSIENT = Damage(Transient, Reason.CLOUD_UNAVAILABLE)

ANY = 0
"""Stands for every status that a reason may come with."""

# By status and reason; of several reasons in one answer the one that stands first here is the most telling. A reason
# is the same in either spelling: SERVICE_DISABLED and serviceDisabled.
TABLE: dict[tuple[int, str], Damage] = {
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
        APP,
    ),
    (ANY, "ACCESS_TOKEN_SCOPE_INSUFFICIENT"): REVOKED,
    (ANY, "insufficientPermissions"): REVOKED,
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
        ACCOUNT,
    ),
    (ANY, "dailyLimitExceeded"): DAILY,
    (ANY, "dailyLimitExceededUnreg"): DAILY,
    (ANY, "dailyLimitExceeded402"): DAILY,
    (ANY, "variableTermExpiredDailyExceeded"): DAILY,
    (ANY, "uploadLimitExceeded"): DAILY,
    (ANY, "storageQuotaExceeded"): FULL,
    # Its older name. With 429 it is about requests, not about bytes.
    (403, "quotaExceeded"): FULL,
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
    (404, "*"): Damage(Transient, Reason.CLOUD_REFUSED),
    (408, "*"): TRANSIENT,
    (429, "*"): THROTTLED,
    # Whatever nobody knows, of any status, may be over the next time: it is final only when it stays. Not one of the
    # documented reasons says for sure that another photo would fare better.
    (ANY, "*"): CALL,
}


def _spell(word: str) -> str:
    return word.replace("_", "").casefold()


_RANKED = {(status, _spell(word)): (rank, damage) for rank, ((status, word), damage) in enumerate(TABLE.items())}


def read_failure(answer: Answer) -> ArchiveError:
    """Return what a refusal means for us; that a file is not found only its caller can tell.

    Args:
        answer: of any status but success; its body may be JSON, plain text, a page or empty.
    """
    word, damage = _find_damage(answer)
    detail = f"Drive answered {answer.status} {word}".rstrip()
    # Success or a redirect where Drive gives neither: something between us answered.
    if answer.status >= 500 or answer.status < 400:
        damage = TRANSIENT
    if _spell(word) == "userratelimitexceeded" and DAILY_MESSAGE in answer.body:
        damage = DAILY
    return damage.error(detail, answer.retry_after())


def read_reason(answer: Answer) -> str:
    """Return the most telling reason of a refusal; "*" for JSON without one, "" when it is not JSON."""
    return _find_damage(answer)[0]


def _find_damage(answer: Answer) -> tuple[str, Damage]:
    words = _read_words(answer)
    ranked = [(*_rank(answer.status, word), word) for word in words]
    # Of words that nobody knows the first: Drive's own stand before those of all Google.
    _, damage, word = min(ranked, key=lambda each: each[0])
    return word, damage


def _rank(status: int, word: str) -> tuple[int, Damage]:
    spelled = _spell(word)
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
    words = [word for word in _tell_words(error) if isinstance(word, str) and _WORD.fullmatch(word)]
    return words or ["*"]


def _tell_words(error: Any) -> Iterator[object]:
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
