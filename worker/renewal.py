"""Renewing a job's grant so that no crash loses it: a replaced one is written down before it is used. Knows no vendor.

Where refresh tokens rotate, each is good for one use. So of all who work on a job, now or later, everybody must find
the one that came last: in the ledger. What remains is the moment between the cloud's answer and the ledger's.
"""

import logging
from collections.abc import Callable

from common.clouds.grant import Grant
from common.errors import GrantRevoked
from worker.claims import Claim
from worker.stopping import Cause, Interrupted, Signals

logger = logging.getLogger(__name__)

# Who had the job before may have spent the token a moment ago, and be about to write down what came of it: so long it
# is waited for, in seconds, look by look.
LOOKS = (0.5, 1.0, 2.0)


class Renewal:
    """Renews the grant of one slice. Thread-safe as long as one thread at a time does: see `GrantInUse`.

    Args:
        refresh: asks the cloud; raises GrantRevoked or Transient.
        claim: where grants are written down.
        seal: seals one for its job.
        open_sealed: opens a sealed one.
        signals: the slice's.
    """

    def __init__(
        self,
        refresh: Callable[[Grant], Grant],
        claim: Claim,
        seal: Callable[[Grant], str],
        open_sealed: Callable[[str], Grant],
        signals: Signals,
    ) -> None:
        self._refresh = refresh
        self._claim = claim
        self._seal = seal
        self._open = open_sealed
        self._signals = signals

    def refresh(self, grant: Grant) -> Grant:
        """Return a fresh grant, which is written down where it replaced the one before.

        Raises:
            GrantRevoked, Transient: as the cloud says.
            Interrupted: the job is another worker's: this one would spend what that one needs.
        """
        if self._signals.cause is Cause.TAKEN_OVER:
            raise Interrupted
        try:
            fresh = self._refresh(grant)
        except GrantRevoked:
            grant = self._find_newer(grant)
            fresh = self._refresh(grant)
        if fresh.refresh_token != grant.refresh_token:
            self._claim.replace_grant(self._seal(fresh))
            logger.info("the grant was replaced, and the new one is written down")
        return fresh

    def _find_newer(self, refused: Grant) -> Grant:
        """Return what replaced a grant that was spent; raises GrantRevoked when nothing did."""
        for seconds in (0.0, *LOOKS):
            if seconds:
                self._signals.wind_down.sleep(seconds)
            sealed = self._claim.find_grant()
            if sealed and (newer := self._open(sealed)).refresh_token != refused.refresh_token:
                return newer
        raise GrantRevoked("the cloud refuses the refresh token")
