"""What Drive's refusals mean for us: a test for every row of the table, and for answers no table foresees."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.clouds.google_drive.failures import TABLE, read_failure, read_reason
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

SORRY = b"<html><title>We're sorry...</title>... your computer may be sending automated queries</html>"

# Written down a second time on purpose, from the protocol's facts: status, reason, what it damages, our word for it.
ROWS: list[tuple[int, str, type[ArchiveError], Reason]] = [
    (403, "userRateLimitExceeded", Throttled, Reason.CLOUD_UNAVAILABLE),
    (403, "rateLimitExceeded", Throttled, Reason.CLOUD_UNAVAILABLE),
    (403, "sharingRateLimitExceeded", Throttled, Reason.CLOUD_UNAVAILABLE),
    (403, "dailyLimitExceeded", Postponed, Reason.DAILY_LIMIT),
    (403, "RATE_LIMIT_EXCEEDED", Throttled, Reason.CLOUD_UNAVAILABLE),
    (403, "storageQuotaExceeded", StorageFull, Reason.STORAGE_FULL),
    (403, "activeItemCreationLimitExceeded", JobStopped, Reason.CLOUD_REFUSED),
    (403, "numChildrenInNonRootLimitExceeded", JobStopped, Reason.CLOUD_REFUSED),
    (403, "teamDriveFileLimitExceeded", JobStopped, Reason.CLOUD_REFUSED),
    (403, "myDriveHierarchyDepthLimitExceeded", PhotoRejected, Reason.CLOUD_REFUSED),
    (403, "insufficientFilePermissions", JobStopped, Reason.CLOUD_REFUSED),
    (403, "appNotAuthorizedToFile", JobStopped, Reason.CLOUD_REFUSED),
    (403, "domainPolicy", JobStopped, Reason.CLOUD_REFUSED),
    (403, "accessNotConfigured", JobStopped, Reason.CLOUD_REFUSED),
    (403, "SERVICE_DISABLED", JobStopped, Reason.CLOUD_REFUSED),
    (403, "insufficientPermissions", GrantRevoked, Reason.GRANT_REVOKED),
    (403, "ACCESS_TOKEN_SCOPE_INSUFFICIENT", GrantRevoked, Reason.GRANT_REVOKED),
    (403, "somethingNobodyKnows", PhotoRejected, Reason.CLOUD_REFUSED),
    (400, "invalid", PhotoRejected, Reason.CLOUD_REFUSED),
    (404, "notFound", InventoryStale, Reason.CLOUD_REFUSED),
    (408, "any", Transient, Reason.CLOUD_UNAVAILABLE),
    (413, "uploadTooLarge", PhotoRejected, Reason.CLOUD_REFUSED),
    (429, "rateLimitExceeded", Throttled, Reason.CLOUD_UNAVAILABLE),
    (500, "internalError", Transient, Reason.CLOUD_UNAVAILABLE),
    (503, "backendError", Transient, Reason.CLOUD_UNAVAILABLE),
    (451, "any", JobStopped, Reason.CLOUD_REFUSED),
]


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
    named = {(status, reason) for status, reason in TABLE if reason not in ("*", "")}
    assert set() == named - {(status, reason) for status, reason, *_ in ROWS}
    statuses = {status for status, reason in TABLE if reason == "*"}
    assert set() == statuses - {status for status, *_ in ROWS}


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
def test_a_403_without_a_reason_is_final_for_its_photo(content: Any) -> None:
    """Repeating what is refused for no reason we know would only annoy."""
    answer = Answer(403, {}, json.dumps(content).encode())
    assert read_reason(answer) == "*"
    assert PhotoRejected is type(read_failure(answer))


def test_the_reason_of_a_newer_answer_stands_in_its_details() -> None:
    """`errors` is optional; then ErrorInfo tells."""
    details = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "ACCESS_TOKEN_SCOPE_INSUFFICIENT"}]
    body = json.dumps({"error": {"code": 403, "status": "PERMISSION_DENIED", "details": details}})
    assert GrantRevoked is type(read_failure(Answer(403, {}, body.encode())))


def test_the_older_place_of_a_reason_counts_first() -> None:
    """Both are given for a missing scope, and mean the same."""
    details = [{"reason": "ACCESS_TOKEN_SCOPE_INSUFFICIENT"}]
    error = {"errors": [{"reason": "insufficientPermissions"}], "details": details}
    assert read_reason(Answer(403, {}, json.dumps({"error": error}).encode())) == "insufficientPermissions"


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
