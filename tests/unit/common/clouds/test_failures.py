"""What Drive's refusals mean for us: a test for every row of the table, and for answers no table foresees."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.clouds.google_drive.failures import ANY, TABLE, read_failure, read_reason
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

SORRY = b"<html><title>We're sorry...</title>... your computer may be sending automated queries</html>"

# Written down a second time on purpose, from the protocol's facts: what it damages, our word for it, and the statuses
# and reasons that mean it.
MEANINGS: list[tuple[type[ArchiveError], Reason, list[tuple[int, str]]]] = [
    (
        Throttled,
        Reason.CLOUD_UNAVAILABLE,
        [
            (403, "userRateLimitExceeded"),
            (403, "rateLimitExceeded"),
            (403, "sharingRateLimitExceeded"),
            (403, "RATE_LIMIT_EXCEEDED"),
            (403, "userRateLimitExceededUnreg"),
            (403, "rateLimitExceededUnreg"),
            (403, "concurrentLimitExceeded"),
            (403, "servingLimitExceeded"),
            (403, "variableTermLimitExceeded"),
            (403, "RESOURCE_EXHAUSTED"),
            (429, "rateLimitExceeded"),
            (429, "quotaExceeded"),
            (429, "somethingNobodyKnows"),
        ],
    ),
    (
        Postponed,
        Reason.DAILY_LIMIT,
        [
            (403, "dailyLimitExceeded"),
            (429, "dailyLimitExceeded"),
            (403, "dailyLimitExceededUnreg"),
            (402, "dailyLimitExceeded402"),
            (403, "variableTermExpiredDailyExceeded"),
            (403, "uploadLimitExceeded"),
        ],
    ),
    (StorageFull, Reason.STORAGE_FULL, [(403, "storageQuotaExceeded"), (403, "quotaExceeded")]),
    (
        Refused,
        Reason.ACCOUNT_REFUSED,
        [
            (403, "accountDisabled"),
            (403, "accountDeleted"),
            (403, "accountUnverified"),
            (403, "ACCOUNT_STATE_INVALID"),
            (403, "domainPolicy"),
            (403, "lockedDomainForbidden"),
            (403, "lockedDomainExpired"),
            (403, "SECURITY_POLICY_VIOLATED"),
            (403, "LOCATION_POLICY_VIOLATED"),
            (403, "LOCATION_TAX_POLICY_VIOLATED"),
            (403, "appNotAuthorizedToFile"),
            (403, "insufficientFilePermissions"),
            (403, "insufficientParentPermissions"),
            (403, "teamDriveMembershipRequired"),
            (403, "activeItemCreationLimitExceeded"),
            (403, "teamDriveFileLimitExceeded"),
            (403, "numChildrenInNonRootLimitExceeded"),
        ],
    ),
    (
        Refused,
        Reason.APP_REFUSED,
        [
            (403, "accessNotConfigured"),
            (403, "SERVICE_DISABLED"),
            (403, "serviceDisabled"),
            (403, "SERVICE_NOT_VISIBLE"),
            (403, "BILLING_DISABLED"),
            (403, "CONSUMER_SUSPENDED"),
            (403, "consumerSuspended"),
            (400, "CONSUMER_INVALID"),
            (403, "GCP_SUSPENDED"),
            (403, "USER_PROJECT_DENIED"),
            (400, "API_KEY_INVALID"),
            (403, "API_KEY_SERVICE_BLOCKED"),
            (403, "API_KEY_HTTP_REFERRER_BLOCKED"),
            (403, "API_KEY_IP_ADDRESS_BLOCKED"),
            (403, "API_KEY_ANDROID_APP_BLOCKED"),
            (403, "API_KEY_IOS_APP_BLOCKED"),
            (400, "keyInvalid"),
            (400, "keyExpired"),
            (403, "ipRefererBlocked"),
            (403, "ORG_RESTRICTION_VIOLATION"),
            (400, "ORG_RESTRICTION_HEADER_INVALID"),
        ],
    ),
    (
        GrantRevoked,
        Reason.GRANT_REVOKED,
        [(403, "insufficientPermissions"), (403, "ACCESS_TOKEN_SCOPE_INSUFFICIENT")],
    ),
    (
        Refused,
        Reason.CLOUD_REFUSED,
        [
            (400, "badRequest"),
            (400, "failedPrecondition"),
            (400, "invalid"),
            (403, "forbidden"),
            (403, "myDriveHierarchyDepthLimitExceeded"),
            (403, "somethingNobodyKnows"),
            (409, "conflict"),
            (412, "conditionNotMet"),
            (413, "uploadTooLarge"),
            (451, "any"),
        ],
    ),
    (Transient, Reason.CLOUD_REFUSED, [(404, "notFound")]),
    (Transient, Reason.CLOUD_UNAVAILABLE, [(408, "any"), (500, "internalError"), (503, "backendError")]),
]
ROWS = [(*row, kind, word) for kind, word, rows in MEANINGS for row in rows]


def refusal(status: int, reason: str, **headers: str) -> Answer:
    """Return what Drive's API says."""
    error = {"code": status, "message": "…", "errors": [{"domain": "global", "reason": reason, "message": "…"}]}
    return Answer(status, headers, json.dumps({"error": error}).encode())


@pytest.mark.parametrize(("status", "reason", "kind", "word"), ROWS)
def test_a_refusal_is_named_by_its_damage(status: int, reason: str, kind: type[ArchiveError], word: Reason) -> None:
    """Exactly this kind, under this word; status and reason stand in the detail."""
    failure = read_failure(refusal(status, reason))
    assert kind is type(failure)
    assert word == failure.reason
    assert f"{status} {reason}" in failure.detail


def test_every_row_is_tested() -> None:
    """Who adds a row to the table adds one here."""
    tested = {(status, reason) for status, reason, *_ in ROWS}
    tested |= {(ANY, reason) for _, reason in tested} | {(status, "*") for status, _ in tested}
    # Which word is spelled in which way is no matter.
    tested.add((ANY, "*"))
    assert {(403, "")} == TABLE.keys() - tested


@pytest.mark.parametrize("status", [500, 501, 502, 503, 504, 599, 200, 204, 301, 302, 308])
@pytest.mark.parametrize("body", [b"", SORRY, b'{"error": {}}'])
def test_what_is_not_drives_answer_passes_by(status: int, body: bytes) -> None:
    """A server that stumbles, or something in between that answers for it: the same call may succeed later."""
    assert Transient is type(read_failure(Answer(status, {}, body)))


@pytest.mark.parametrize("status", [403, 429])
@pytest.mark.parametrize("body", [SORRY, b"", b"Forbidden", b"\xff\xfe\x00", b'{"error": {"cod'])
def test_a_page_instead_of_a_reason_slows_the_account_down(status: int, body: bytes) -> None:
    """Google holds off an address with a page of HTML; no parser trips over it."""
    assert Throttled is type(read_failure(Answer(status, {}, body)))


@pytest.mark.parametrize(
    "content",
    [
        {},
        [],
        None,
        7,
        "text",
        {"error": None},
        {"error": "invalid_grant"},
        {"error": {"code": 403, "message": "…"}},
        {"error": {"errors": None}},
        {"error": {"errors": {}}},
        {"error": {"errors": []}},
        {"error": {"errors": [None, 7, "x", {}, {"reason": None}, {"reason": 7}, {"reason": ["x"]}]}},
        {"error": {"errors": [{"reason": ""}], "details": "none"}},
        {"error": {"errors": [{"reason": "with\nline break"}, {"reason": "x" * 500}]}},
    ],
    ids=str,
)
def test_a_403_without_a_reason_is_tried_again(content: Any) -> None:
    """Nobody knows whom it concerns, or for how long."""
    answer = Answer(403, {}, json.dumps(content).encode())
    assert read_reason(answer) == "*"
    assert (Refused, Reason.CLOUD_REFUSED) == (type(failure := read_failure(answer)), failure.reason)


def test_the_reason_of_a_newer_answer_stands_in_its_details() -> None:
    """`errors` is optional; then ErrorInfo tells."""
    details = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "ACCESS_TOKEN_SCOPE_INSUFFICIENT"}]
    body = json.dumps({"error": {"code": 403, "status": "PERMISSION_DENIED", "details": details}})
    assert GrantRevoked is type(read_failure(Answer(403, {}, body.encode())))


@pytest.mark.parametrize(
    ("errors", "details", "status", "told"),
    [
        (["forbidden"], ["CONSUMER_SUSPENDED"], "PERMISSION_DENIED", "CONSUMER_SUSPENDED"),
        (["forbidden", "accountDisabled"], [], "", "accountDisabled"),
        (["forbidden"], ["noIdea", "BILLING_DISABLED"], "", "BILLING_DISABLED"),
        (["accountDisabled"], ["SERVICE_DISABLED"], "", "SERVICE_DISABLED"),
        (["forbidden"], [], "SERVICE_DISABLED", "SERVICE_DISABLED"),
        (["rateLimitExceeded"], ["RATE_LIMIT_EXCEEDED"], "RESOURCE_EXHAUSTED", "rateLimitExceeded"),
        (["noIdea"], ["MORE_OF_IT"], "PERMISSION_DENIED", "noIdea"),
        ([], [], "PERMISSION_DENIED", "PERMISSION_DENIED"),
    ],
)
def test_the_most_telling_reason_counts(errors: list[str], details: list[str], status: str, told: str) -> None:
    """Wherever it stands: Drive says "forbidden" first, and what is the matter only after that."""
    error: dict[str, Any] = {"errors": [{"reason": reason} for reason in errors], "status": status}
    error["details"] = [{"@type": "…", "links": []}, *({"reason": reason} for reason in details)]
    assert read_reason(Answer(403, {}, json.dumps({"error": error}).encode())) == told


@pytest.mark.parametrize(("status", "reason"), [(403, "userRateLimitExceeded"), (429, "rateLimitExceeded"), (503, "")])
def test_a_wait_that_is_asked_for_is_kept(status: int, reason: str) -> None:
    """Retry-After is not promised by Drive, and honoured where it comes."""
    failure = read_failure(refusal(status, reason, **{"retry-after": "17"}))
    assert isinstance(failure, Transient)
    assert failure.wait == 17.0


def test_a_reason_never_brings_foreign_text_into_the_log() -> None:
    """Only short plain words are quoted."""
    failure = read_failure(refusal(403, "evil\r\nINFO all is well"))
    assert "\n" not in str(failure)
    assert "evil" not in str(failure)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=5)
    | st.sampled_from(["userRateLimitExceeded", "*", ""]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["error", "errors", "details", "reason", "code"]), inner, max_size=4)
    ),
    max_leaves=8,
)


@settings(deadline=None)
@given(
    status=st.integers(100, 599),
    body=st.one_of(st.binary(max_size=80), JSON.map(lambda content: json.dumps(content).encode())),
    wait=st.one_of(st.none(), st.text(max_size=20)),
)
def test_any_answer_has_a_meaning(status: int, body: bytes, wait: str | None) -> None:
    """No body and no header makes the reader stumble."""
    failure = read_failure(Answer(status, {} if wait is None else {"retry-after": wait}, body))
    assert isinstance(failure, ArchiveError)
    assert str(status) in failure.detail


@pytest.mark.parametrize(
    ("message", "kind"), [("User rate limit exceeded.", Postponed), ("User Rate Limit Exceeded", Throttled)]
)
def test_full_stop_is_what_tells_a_day_from_a_moment(message: str, kind: type[ArchiveError]) -> None:
    """One reason for two things: the day's 750 GB, and the usual objection to the pace."""
    error = {"errors": [{"reason": "userRateLimitExceeded", "message": message}], "code": 403, "message": message}
    answer = Answer(403, {}, json.dumps({"error": error}).encode())
    assert type(read_failure(answer)) is kind
