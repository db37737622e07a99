"""A guest's lasting permission, and the one access token that all threads of a job share."""

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from common.crypto.sealing import Secret
from common.errors import GrantRevoked
from common.http.client import Answer

# A token is renewed so long before its end: clocks differ a little, and a request takes its time.
RENEW_EARLY_SECONDS = 120.0
# A token that was just issued may be refused for a moment, or have ended while it was written down; those that are
# refused again and again are worth nothing.
RENEWALS = 4


@dataclass(frozen=True)
class Grant:
    """A guest's lasting permission for one cloud.

    Args:
        refresh_token: buys access tokens.
        access_token: opens the cloud for a while; may be empty.
        expires_at: when the access token ends, Unix time in seconds.
    """

    refresh_token: Secret
    access_token: Secret
    expires_at: float

    def to_text(self) -> str:
        """Return the grant as text; only to be sealed."""
        return json.dumps([self.refresh_token.reveal(), self.access_token.reveal(), self.expires_at])

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Return the grant that `to_text` wrote."""
        refresh_token, access_token, expires_at = json.loads(text)
        return cls(Secret(refresh_token), Secret(access_token), expires_at)


class SharedGrant:
    """A grant that threads share: renewed before it ends, and once for all when a token is refused. Thread-safe.

    Args:
        grant: the permission as it came with the job.
        refresh: asks the cloud for a fresh token; raises GrantRevoked or Transient.
        now: Unix time in seconds.
        renew_early: how long before its end the token that came along is renewed, in seconds.
    """

    def __init__(
        self,
        grant: Grant,
        refresh: Callable[[Grant], Grant],
        now: Callable[[], float] = time.time,
        *,
        renew_early: float = RENEW_EARLY_SECONDS,
    ) -> None:
        self._grant = grant
        self._refresh = refresh
        self._now = now
        self._lock = threading.Lock()
        self._renew_at = grant.expires_at - renew_early

    @property
    def grant(self) -> Grant:
        """The grant as it stands now; what a later run must be given, since refresh tokens may rotate."""
        return self._grant

    def token(self) -> str:
        """Return a token that is good for at least one more request; raises GrantRevoked or Transient."""
        with self._lock:
            if not self._grant.access_token or self._now() >= self._renew_at:
                self._renew()
            return self._grant.access_token.reveal()

    def renew(self, refused: str) -> str:
        """Return another token than the refused one; however many threads ask, one refresh is made."""
        with self._lock:
            if self._grant.access_token.reveal() == refused:
                self._renew()
            return self._grant.access_token.reveal()

    def send(self, send: Callable[[str], Answer], cloud: str) -> Answer:
        """Send a request with a valid token, and again with another one while it is answered 401.

        Args:
            send: sends it with a token; raises Transient.
            cloud: its name for people.

        Returns:
            the answer, whatever its status but 401.

        Raises:
            Transient: no answer.
            GrantRevoked: the grant is void, or its fresh tokens are refused as well.
        """
        token = self.token()
        for renewals_left in reversed(range(1 + RENEWALS)):
            answer = send(token)
            if answer.status != 401:
                return answer
            if renewals_left:
                token = self.renew(token)
        raise GrantRevoked(f"{cloud} refuses fresh tokens")

    def _renew(self) -> None:
        self._grant = self._refresh(self._grant)
        lifetime = self._grant.expires_at - self._now()
        # A token that lives for seconds only must not be renewed before each request.
        self._renew_at = self._grant.expires_at - min(RENEW_EARLY_SECONDS, lifetime / 2)
