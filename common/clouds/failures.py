"""What a cloud's refusal damages: one row of its table of failures. Knows no vendor."""

from dataclasses import dataclass

from common.errors import ArchiveError, GrantRevoked, Reason, StorageFull, Transient


@dataclass(frozen=True)
class Damage:
    """How much of the work a refusal ends, and why.

    Args:
        kind: the class of our own errors.
        reason: the stable word for it; errors that have one of their own pass over it.
    """

    kind: type[ArchiveError]
    reason: Reason

    def error(self, detail: str, wait: float | None = None) -> ArchiveError:
        """Return it as an error to be raised.

        Args:
            detail: one line for people; never holds a secret.
            wait: seconds the cloud asked us to wait, if it did.
        """
        if issubclass(self.kind, GrantRevoked | StorageFull):
            return self.kind(detail)
        if issubclass(self.kind, Transient):
            return self.kind(self.reason, detail, wait=wait)
        return self.kind(self.reason, detail)
