"""Kinds of failure that the clouds' tables of refusals share, and how a refused answer becomes an error."""

import re
from typing import NamedTuple

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
_CODE = re.compile(r"[A-Za-z0-9_]{1,60}")


class FailureKind(NamedTuple):
    """What a refusal means: the class of our own error, and its reason."""

    error: type[ArchiveError]
    reason: Reason

    def to_error(self, cloud: str, answer: Answer, code: str) -> ArchiveError:
        """Return the error to raise.

        Args:
            cloud: its name for people.
            answer: the refusal; what it asks us to wait goes into the error.
            code: the cloud's own word for the refusal, one that `is_code`, or empty.
        """
        detail = f"{cloud} answered {answer.status} {code}".rstrip()
        if issubclass(self.error, GrantRevoked | StorageFull):
            return self.error(detail)
        if issubclass(self.error, Transient):
            return self.error(self.reason, detail, wait=answer.retry_after())
        return self.error(self.reason, detail)


# Of this service's registration, whoever the guest is; of the guest's account, whatever is asked for; of one call, as
# far as anybody knows. All of them are tried again, and final only when they stay.
APP_REFUSED = FailureKind(Refused, Reason.APP_REFUSED)
ACCOUNT_REFUSED = FailureKind(Refused, Reason.ACCOUNT_REFUSED)
CALL_REFUSED = FailureKind(Refused, Reason.CLOUD_REFUSED)
GRANT_REVOKED = FailureKind(GrantRevoked, Reason.GRANT_REVOKED)
DAILY_LIMIT = FailureKind(Postponed, Reason.DAILY_LIMIT)
STORAGE_FULL = FailureKind(StorageFull, Reason.STORAGE_FULL)
THROTTLED = FailureKind(Throttled, Reason.CLOUD_UNAVAILABLE)
UNAVAILABLE = FailureKind(Transient, Reason.CLOUD_UNAVAILABLE)


def is_code(value: object) -> bool:
    """Tell whether this may be a cloud's own word for a refusal, fit for a log."""
    return isinstance(value, str) and _CODE.fullmatch(value) is not None
