"""Renew a job's grant so that no crash loses it: a new one is written to the ledger before it is used.

Where refresh tokens rotate, each is good for one use. So whoever is about to spend one writes that down first: of all
who have the job only the last to claim it may, and whoever claims it later waits for what comes of it. What remains is
a process that is killed between the cloud's answer and the ledger's.
"""

import logging
import time
from collections.abc import Callable

from common.clouds.grant import RENEW_EARLY_SECONDS, Grant
from common.errors import GrantRevoked
from common.messages.archive_job import NotOurMessage
from worker.jobs.claim import Claim, Overtaken
from worker.transfer.stop import Cause, Interrupted, Signals

logger = logging.getLogger(__name__)


class Renewal:
    """Renews the grant of one slice. Thread-safe as long as one thread at a time does: see `SharedGrant`.

    Args:
        refresh: asks the cloud; raises GrantRevoked or Transient.
        claim: where grants are written down.
        seal: seals one for its job.
        open_sealed: opens a sealed one; raises NotOurMessage when it does not open.
        signals: the slice's.
        now: Unix time in seconds.
    """

    def __init__(
        self,
        refresh: Callable[[Grant], Grant],
        claim: Claim,
        seal: Callable[[Grant], str],
        open_sealed: Callable[[str], Grant],
        signals: Signals,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._refresh = refresh
        self._claim = claim
        self._seal = seal
        self._open = open_sealed
        self._signals = signals
        self._now = now

    def refresh(self, grant: Grant) -> Grant:
        """Return a fresh grant, which is written down.

        Args:
            grant: the one in hand, whose access token ends or was refused.

        Raises:
            GrantRevoked, Transient: as the cloud says.
            Interrupted: the job is another worker's: this one would spend what that one needs.
        """
        if (newest := self._find_newest(grant)) is not grant and self._is_fresh(newest):
            return newest
        try:
            if not self._claim.begin_renewing(lambda: self._find_newest(newest) is not newest, self._check):
                return self.refresh(newest)
        except Overtaken:
            raise Interrupted from None
        with self._claim.pending_write:
            fresh = self._ask(newest)
            self._claim.replace_grant(self._seal(fresh))
        logger.info("the grant was renewed, and the new one is written down")
        return fresh

    def _ask(self, grant: Grant) -> Grant:
        try:
            return self._refresh(grant)
        except GrantRevoked:
            # Who had the job before was slower than anybody waits, or is of the version before and gave no warning.
            if (newer := self._find_newest(grant)) is grant:
                raise
            return self._refresh(newer)

    def _find_newest(self, grant: Grant) -> Grant:
        """Return the grant in the ledger; the one in hand when that is the same, or there is none that opens."""
        sealed = self._claim.find_grant()
        if not sealed:
            return grant
        try:
            newest = self._open(sealed)
        except NotOurMessage:
            return grant
        return grant if newest == grant else newest

    def _is_fresh(self, grant: Grant) -> bool:
        return bool(grant.access_token) and grant.expires_at - self._now() > RENEW_EARLY_SECONDS

    def _check(self) -> None:
        if self._signals.cause is Cause.TAKEN_OVER:
            raise Interrupted
        self._signals.check()
