"""What goes wrong with the lines between programs and broker: a deck of blows. Knows nothing of what passes."""

import contextlib
import random
from collections.abc import Callable, Iterator, Sequence

from sandbox.chaos.inject.process import Workman
from sandbox.chaos.inject.world_faults import Deck
from sandbox.chaos.observe.undisturbed_clock import Calm
from sandbox.run.proxy import Proxy

_NOBODY = "nobody"  # without any name everybody would be cut off


class LineTroubles:
    """Troubles of some programs' lines at a time, or of all.

    Args:
        programs: whose.
        calm: is told that the way to the broker is disturbed.
        wait: waits so many seconds, or until all is over.
    """

    def __init__(self, programs: Sequence[Workman], calm: Calm, wait: Callable[[float], object]) -> None:
        self._programs = programs
        self._calm = calm
        self._wait = wait

    def list_troubles(self) -> Deck:
        """Return the deck."""
        return [
            ("lines cut", self._cut),
            ("lines dead for one side", self._strand),
            ("lines held", self._hold),
            ("lines slow", self._delay),
        ]

    def _cut(self, chance: random.Random) -> None:
        with self._some_lines(chance) as lines:
            for line in lines:
                line.cut()

    def _strand(self, chance: random.Random) -> None:
        with self._some_lines(chance) as lines:
            for line in lines:
                line.strand()
            self._wait(chance.uniform(0.5, 4))
            for line in lines:
                line.cut()

    def _hold(self, chance: random.Random) -> None:
        with self._some_lines(chance) as lines:
            for line in lines:
                line.hold()
            self._wait(chance.uniform(0.2, 3))
            for line in lines:
                line.release()

    def _delay(self, chance: random.Random) -> None:
        seconds = chance.uniform(0.02, 0.15)
        with self._some_lines(chance, are_cut=False) as lines:
            for line in lines:
                line.delay = seconds
            self._wait(chance.uniform(0.5, 3))
            for line in lines:
                line.delay = 0.0

    @contextlib.contextmanager
    def _some_lines(self, chance: random.Random, *, are_cut: bool = True) -> Iterator[list[Proxy]]:
        programs = chance.sample(self._programs, chance.randint(1, len(self._programs)))
        with self._calm.disturbed(*(program.name for program in programs if are_cut), _NOBODY):
            yield [program.line for program in programs]
