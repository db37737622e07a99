"""Traps: something that happens in the very moment in which a program says or hears a certain thing at the broker."""

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass

from sandbox.run.frames import Moment, What

# Most of what passes concerns no job directly; a trap is for what moves one, mostly.
_MOVES = ("job", "waiting", "ledger")
_ANYTHING_SHARE = 0.2
# So many moments of the kind pass first: the first ones of a life are its first steps only.
_MOST_PASSING = 4


@dataclass(frozen=True)
class Aim:
    """What a trap waits for.

    Args:
        what: is said.
        after: it passes, then the trap springs; else before it passes.
        passing: so many of them pass first.
        moves_jobs: only what concerns the messages of jobs, and the log of who has them.
    """

    what: What
    after: bool
    passing: int
    moves_jobs: bool

    def __str__(self) -> str:
        return f"right {'after' if self.after else 'before'} a {self.what}"

    def fits(self, moment: Moment, passed: bool) -> bool:
        """Tell whether this is such a moment."""
        if (moment.what, passed) != (self.what, self.after):
            return False
        # The news of a job have three words: `job.<id>.progress`.
        return not self.moves_jobs or (moment.key.startswith(_MOVES) and moment.key.count(".") < 2)


def draw_aim(chance: random.Random) -> Aim:
    """Choose a moment."""
    whats: list[What] = ["publish", "confirm", "deliver", "ack"]
    return Aim(
        chance.choice(whats),
        after=chance.random() < 0.5,
        passing=chance.randrange(_MOST_PASSING),
        moves_jobs=chance.random() > _ANYTHING_SHARE,
    )


class Trap:
    """Waits on one program's lines for one moment at a time. Thread-safe."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._aim: Aim | None = None
        self._passing = 0
        self._strike: Callable[[], None] = _do_nothing
        self._sprung = threading.Event()

    def watch(self, moment: Moment, passed: bool) -> bool:
        """See a moment; returns whether the line it passes on ends there."""
        with self._guard:
            if not self._aim or not self._aim.fits(moment, passed):
                return False
            self._passing -= 1
            if self._passing >= 0:
                return False
            self._aim = None
            strike = self._strike
        strike()
        self._sprung.set()
        return True

    def spring(self, aim: Aim, strike: Callable[[], None], wait: Callable[[float], object], seconds: float) -> bool:
        """Set the trap and wait until it has sprung; returns whether it has.

        Args:
            aim: for what it waits.
            strike: what happens then, on the line's thread.
            wait: waits so many seconds, and returns true when all is over.
            seconds: for which it waits.
        """
        with self._guard:
            self._sprung.clear()
            self._aim, self._passing, self._strike = aim, aim.passing, strike
        for _ in range(round(seconds / 0.05)):
            if self._sprung.is_set() or wait(0.05):
                break
        with self._guard:
            is_sprung = self._aim is None
            self._aim = None
        if is_sprung:
            self._sprung.wait()
        return is_sprung


def _do_nothing() -> None:
    """Nothing was ever aimed at."""
