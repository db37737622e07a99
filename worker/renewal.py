"""Renewing a job's grant so that no crash loses it: a replaced one travels on before it is used. Knows no vendor.

Where refresh tokens rotate, the one in the message is worth nothing once it was used, and the message is all that is
left of a worker that dies. So the slice ends at once, and the next message has the new one before it is needed. What
remains is the moment between the cloud's answer and the broker's confirmation.
"""

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable

from common.clouds.grant import Grant
from common.sealing import Secret
from worker.stopping import Cause, Interrupted, Signals

logger = logging.getLogger(__name__)

# Messages with an old grant come back within minutes, if at all; each entry is a few hundred bytes.
MOST_REMEMBERED = 1000


class ReplacedGrants:
    """What this process knows of refresh tokens that were used: the message may come back with one. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._next: OrderedDict[Secret, Grant] = OrderedDict()

    def note(self, old: Grant, new: Grant) -> None:
        """Remember what replaced a grant."""
        with self._lock:
            self._next[old.refresh_token] = new
            if len(self._next) > MOST_REMEMBERED:
                self._next.popitem(last=False)

    def newest(self, grant: Grant) -> Grant:
        """Return what a grant was replaced by in the end, as far as is known here; itself, if by nothing."""
        with self._lock:
            while following := self._next.get(grant.refresh_token):
                grant = following
            return grant


class Renewal:
    """Renews the grant of one slice, and ends the slice when it has to be passed on. Thread-safe.

    Args:
        refresh: asks the cloud; raises GrantRevoked or Transient.
        came_with: the grant in the message.
        replaced: remembers what was replaced.
        signals: the slice's.
        may_hand_over: whether the slice may end for it; never twice in a row, so that there is progress.

    Attributes:
        handed_over: whether it ended for it.
    """

    def __init__(
        self,
        refresh: Callable[[Grant], Grant],
        came_with: Grant,
        replaced: ReplacedGrants,
        signals: Signals,
        *,
        may_hand_over: bool,
    ) -> None:
        self.handed_over = False
        self._refresh = refresh
        self._came_with = came_with
        self._replaced = replaced
        self._signals = signals
        self._may_hand_over = may_hand_over

    def refresh(self, grant: Grant) -> Grant:
        """Return a fresh grant; raises Interrupted when the job is another worker's: it would spend what that needs."""
        if self._signals.cause is Cause.TAKEN_OVER:
            raise Interrupted
        fresh = self._refresh(grant)
        if fresh.refresh_token != grant.refresh_token:
            self._replaced.note(grant, fresh)
        return fresh

    def check(self, grant: Grant) -> None:
        """Raise Interrupted, and let everything go, when a grant must be passed on before it is used."""
        if grant.refresh_token == self._came_with.refresh_token or not self._may_hand_over:
            return
        if not self.handed_over:
            logger.info("the grant was replaced; the job goes on with the new one")
        self.handed_over = True
        self._signals.stop(Cause.SLICE_OVER)
        raise Interrupted
