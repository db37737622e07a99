"""Faults of the connections between processes and broker: cut, half-open, paused, slow."""

import contextlib
import random
from collections.abc import Callable, Iterator, Sequence

from sandbox.chaos.inject.process import ServiceProcess
from sandbox.chaos.inject.world_faults import Injections
from sandbox.chaos.observe.undisturbed_clock import UndisturbedClock
from sandbox.run.proxy import Proxy

_NOBODY = "nobody"  # without any name all processes would count as cut off


class ProxyFaults:
    """Faults of the proxies of a random subset of processes.

    Args:
        programs: the processes.
        undisturbed: told that connections to the broker are disturbed.
        wait: waits so many seconds, or until the run is over.
    """

    def __init__(
        self, programs: Sequence[ServiceProcess], undisturbed: UndisturbedClock, wait: Callable[[float], object]
    ) -> None:
        self._programs = programs
        self._undisturbed = undisturbed
        self._wait = wait

    def list_injections(self) -> Injections:
        """Return the faults, each under the name it is reported by."""
        return [
            ("lines cut", self._cut),
            ("lines dead for one side", self._make_half_open),
            ("lines held", self._pause),
            ("lines slow", self._delay),
        ]

    def _cut(self, chance: random.Random) -> None:
        with self._some_proxies(chance) as proxies:
            for proxy in proxies:
                proxy.cut()

    def _make_half_open(self, chance: random.Random) -> None:
        with self._some_proxies(chance) as proxies:
            for proxy in proxies:
                proxy.make_half_open()
            self._wait(chance.uniform(0.5, 4))
            for proxy in proxies:
                proxy.cut()

    def _pause(self, chance: random.Random) -> None:
        with self._some_proxies(chance) as proxies:
            for proxy in proxies:
                proxy.pause()
            self._wait(chance.uniform(0.2, 3))
            for proxy in proxies:
                proxy.resume()

    def _delay(self, chance: random.Random) -> None:
        seconds = chance.uniform(0.02, 0.15)
        with self._some_proxies(chance, are_cut=False) as proxies:
            for proxy in proxies:
                proxy.delay = seconds
            self._wait(chance.uniform(0.5, 3))
            for proxy in proxies:
                proxy.delay = 0.0

    @contextlib.contextmanager
    def _some_proxies(self, chance: random.Random, *, are_cut: bool = True) -> Iterator[list[Proxy]]:
        programs = chance.sample(self._programs, chance.randint(1, len(self._programs)))
        with self._undisturbed.disturbed(*(program.name for program in programs if are_cut), _NOBODY):
            yield [program.proxy for program in programs]
