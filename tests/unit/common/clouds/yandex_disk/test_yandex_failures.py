"""What Yandex's refusals mean for us: a test for every row of the table, and for answers no table foresees."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.clouds.yandex_disk.failures import TABLE, is_missing, read_failure, read_name, read_refusal
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

# Written down a second time on purpose, from the protocol's facts: status, error, what it damages, our word for it.
ROWS: list[tuple[int, str, type[ArchiveError], Reason]] = [
    (400, "FieldValidationError", Refused, Reason.CLOUD_REFUSED),
    (402, "", Refused, Reason.CLOUD_REFUSED),
    (401, "UnauthorizedError", GrantRevoked, Reason.GRANT_REVOKED),
    (403, "", Refused, Reason.CLOUD_REFUSED),
    (403, "ForbiddenError", Refused, Reason.CLOUD_REFUSED),
    (403, "UserIsBlockedError", Refused, Reason.ACCOUNT_REFUSED),
    (403, "SomethingAboutThisUserError", Refused, Reason.ACCOUNT_REFUSED),
    (402, "AccountUnpaidError", Refused, Reason.ACCOUNT_REFUSED),
    (403, "ApplicationBlockedError", Refused, Reason.APP_REFUSED),
    (406, "UserAgentError", Refused, Reason.CLOUD_REFUSED),
    (403, "DiskUnsupportedUserAccountTypeError", Refused, Reason.ACCOUNT_REFUSED),
    (404, "DiskNotFoundError", InventoryStale, Reason.CLOUD_REFUSED),
    (404, "DiskOperationNotFoundError", Transient, Reason.CLOUD_UNAVAILABLE),
    (406, "NotAcceptableError", Refused, Reason.CLOUD_REFUSED),
    (408, "", Transient, Reason.CLOUD_UNAVAILABLE),
    (409, "DiskPathDoesntExistsError", InventoryStale, Reason.CLOUD_REFUSED),
    (409, "MD5DifferError", Transient, Reason.CLOUD_UNAVAILABLE),
    (410, "GoneError", Transient, Reason.CLOUD_UNAVAILABLE),
    (412, "PreconditionFailedError", Transient, Reason.CLOUD_UNAVAILABLE),
    (413, "DiskFileTooLargeError", Refused, Reason.CLOUD_REFUSED),
    (414, "", Refused, Reason.CLOUD_REFUSED),
    (423, "DiskResourceLockedError", Transient, Reason.CLOUD_UNAVAILABLE),
    (423, "", Transient, Reason.CLOUD_UNAVAILABLE),
    (423, "DiskReadOnlyError", Postponed, Reason.CLOUD_UNAVAILABLE),
    (423, "DiskUploadTrafficLimitExceeded", Postponed, Reason.DAILY_LIMIT),
    (429, "DiskUploadTrafficLimitExceededError", Postponed, Reason.DAILY_LIMIT),
    (425, "", Transient, Reason.CLOUD_UNAVAILABLE),
    (429, "TooManyRequestsError", Throttled, Reason.CLOUD_UNAVAILABLE),
    (500, "InternalServerError", Transient, Reason.CLOUD_UNAVAILABLE),
    (502, "", Transient, Reason.CLOUD_UNAVAILABLE),
    (503, "ServiceUnavailableError", Transient, Reason.CLOUD_UNAVAILABLE),
    (504, "", Transient, Reason.CLOUD_UNAVAILABLE),
    (507, "", StorageFull, Reason.STORAGE_FULL),
    (403, "DiskStorageQuotaExhaustedError", StorageFull, Reason.STORAGE_FULL),
    (507, "NobodyKnowsError", StorageFull, Reason.STORAGE_FULL),
    (509, "", Throttled, Reason.CLOUD_UNAVAILABLE),
    (302, "", Transient, Reason.CLOUD_UNAVAILABLE),
    (418, "", Refused, Reason.CLOUD_REFUSED),
    (451, "", Refused, Reason.CLOUD_REFUSED),
    (499, "", Refused, Reason.CLOUD_REFUSED),
]


def answer(status: int, name: str = "", **headers: str) -> Answer:
    """Return an answer with an error of the API."""
    body = {"message": "Ошибка", "description": "secret.example/x?token=1", "error": name} if name else {}
    return Answer(status, headers, json.dumps(body).encode())


@pytest.mark.parametrize(("status", "name", "kind", "reason"), ROWS)
def test_every_refusal_has_its_damage(status: int, name: str, kind: type[ArchiveError], reason: Reason) -> None:
    """Exactly this class; its text holds status and name, never what Yandex wrote."""
    failure = read_failure(answer(status, name))
    assert (kind, reason) == (type(failure), failure.reason)
    assert str(status) in failure.detail
    assert "token" not in failure.detail


def test_every_row_is_tested() -> None:
    """The table has no row that the tests do not know."""
    known = {status for status, *_ in ROWS} | {name for _, name, *_ in ROWS}
    assert set(TABLE) - known == set()


def test_what_yandex_asks_to_wait_is_kept() -> None:
    """With throttling and with trouble."""
    for status in (429, 503):
        failure = read_failure(answer(status, **{"retry-after": "17"}))
        assert isinstance(failure, Transient)
        assert failure.wait == 17


@given(st.integers(300, 599).filter(lambda status: status != 304), st.binary(max_size=200))
def test_no_body_breaks_the_reading(status: int, body: bytes) -> None:
    """Pages, garbage, nothing."""
    assert isinstance(read_failure(Answer(status, {}, body)), ArchiveError)


@pytest.mark.parametrize(
    "body", [b"[]", b"{}", b'{"error": 1}', b'{"error": "a b"}', b'{"error": "x\\n"}', b"null", b"<h"]
)
def test_what_is_no_name_is_no_name(body: bytes) -> None:
    """Nothing strange gets into logs."""
    assert read_name(Answer(400, {}, body)) == ""


@pytest.mark.parametrize(
    ("status", "name", "kind"),
    [(404, "DiskNotFoundError", Refused), (404, "", Refused), (409, "DiskPathDoesntExistsError", Transient)],
)
def test_where_no_folder_is_written_into_nothing_is_stale(status: int, name: str, kind: type[ArchiveError]) -> None:
    """Room, a listing, an operation: a job must not end since its look at the cloud is said to be old."""
    assert type(read_failure(answer(status, name))) is InventoryStale
    assert type(read_refusal(answer(status, name))) is kind


def test_only_yandex_says_that_nothing_is_there() -> None:
    """A page by something between us does not empty a folder."""
    assert is_missing(answer(404, "DiskNotFoundError"))
    assert not is_missing(answer(404))
    assert not is_missing(Answer(404, {}, b"<html>404 Not Found</html>"))
    assert not is_missing(answer(410, "DiskNotFoundError"))


def test_a_full_disk_is_believed_at_once_only_of_what_is_written() -> None:
    """Nothing that is read or marked needs room: it is asked again, and keeps its reason if it stays."""
    full = answer(507, "DiskStorageQuotaExhaustedError")
    assert isinstance(read_failure(full), StorageFull)
    failure = read_refusal(full)
    assert isinstance(failure, Refused)
    assert failure.reason is Reason.STORAGE_FULL
