"""Triggers: run an action right before or after a chosen AMQP event of one process."""

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass

from sandbox.run.frames import AmqpEvent, EventKind

# Most AMQP traffic concerns no job; most triggers wait for what moves one.
_MOVES = ("job", "waiting", "ledger")
_ANYTHING_SHARE = 0.2
# Up to so many matching events are skipped: the first ones after a start are only a process's first steps.
_MAX_SKIPPED = 4


@dataclass(frozen=True)
class TriggerPoint:
    """The AMQP event that a trigger waits for.

    Args:
        kind: of the event.
        after: fire once the event has been forwarded, else right before.
        skip: how many matching events are let pass first.
        moves_jobs: match only messages of jobs and entries of the ledger.
    """

    kind: EventKind
    after: bool
    skip: int
    moves_jobs: bool

    def __str__(self) -> str:
        return f"right {'after' if self.after else 'before'} a {self.kind}"

    def matches(self, event: AmqpEvent, passed: bool) -> bool:
        """Tell whether an event, forwarded or about to be, is one of those meant."""
        if (event.kind, passed) != (self.kind, self.after):
            return False
        # Keys of progress and stops have three words: `job.<id>.progress`.
        return not self.moves_jobs or (event.key.startswith(_MOVES) and event.key.count(".") < 2)


def draw_point(chance: random.Random) -> TriggerPoint:
    """Draw a trigger point."""
    kinds: list[EventKind] = ["publish", "confirm", "deliver", "ack"]
    return TriggerPoint(
        chance.choice(kinds),
        after=chance.random() < 0.5,
        skip=chance.randrange(_MAX_SKIPPED),
        moves_jobs=chance.random() > _ANYTHING_SHARE,
    )


class Trigger:
    """Waits for one AMQP event at a time on the connections of one process. Thread-safe."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._armed: tuple[TriggerPoint, Callable[[], None]] | None = None
        self._to_skip = 0
        self._fired = threading.Event()

    def watch(self, event: AmqpEvent, passed: bool) -> bool:
        """Handle an event of the proxy; return whether its connection is to end."""
        with self._guard:
            if not self._armed or not self._armed[0].matches(event, passed):
                return False
            self._to_skip -= 1
            if self._to_skip >= 0:
                return False
            _, action = self._armed
            self._armed = None
        action()
        self._fired.set()
        return True

    def arm_and_wait(
        self, point: TriggerPoint, action: Callable[[], None], wait: Callable[[float], object], seconds: float
    ) -> bool:
        """Arm the trigger, wait until it has fired, and return whether it has.

        Args:
            point: the event to wait for.
            action: what to do then; called on the connection's thread.
            wait: waits so many seconds; returns true when the run is over.
            seconds: how long to wait for the event.
        """
        with self._guard:
            self._fired.clear()
            self._armed, self._to_skip = (point, action), point.skip
        for _ in range(round(seconds / 0.05)):
            if self._fired.is_set() or wait(0.05):
                break
        with self._guard:
            has_fired = self._armed is None
            self._armed = None
        if has_fired:
            self._fired.wait()
        return has_fired
