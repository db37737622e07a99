"""What goes wrong in a chaos run: sorts of trouble, each on a thread of its own, all decided by one seed."""

import contextlib
import random
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

from sandbox.chaos.inject.process import Workman
from sandbox.chaos.inject.proxy_faults import LineTroubles
from sandbox.chaos.inject.replay import Copies
from sandbox.chaos.inject.trigger import draw_aim
from sandbox.chaos.inject.world_faults import Deck, Skies
from sandbox.chaos.observe.undisturbed_clock import Calm
from sandbox.run.broker import Broker
from sandbox.world import World

# Seconds between two blows of one sort.
_PAUSES = {
    "worker": (1.5, 5.0),
    "web": (4.0, 12.0),
    "broker": (2.0, 9.0),
    "line": (1.0, 5.0),
    "message": (0.3, 2.0),
    "tokens": (0.7, 3.0),
    "world": (0.1, 0.8),
}
# For how long the broker is away at most, in seconds; no longer than this part of a run, so that short ones see more.
_LONGEST_AWAY, _AWAY_SHARE = 30.0, 0.2
# For how long a trap waits for its moment: a program that has just been started needs some time to say anything.
_TRAP_SECONDS = 8.0


@dataclass(frozen=True)
class Ship:
    """All that the storm may strike, and who sees it.

    Args:
        world, broker: are what they are called.
        workers, webs: the programs.
        clouds: those that guests use.
        copies: of messages.
        calm: is told of what disturbs the way to the broker.
        note: writes into the run's diary.
    """

    world: World
    broker: Broker
    workers: list[Workman]
    webs: list[Workman]
    clouds: Sequence[str]
    copies: Copies
    calm: Calm
    note: Callable[[str], None]


class Storm:
    """Troubles, until told to be over. Used by one thread.

    Args:
        ship: what it strikes.
        seed: decides what happens; when exactly, the machine has a say in as well.
        seconds: for which it will rage.
    """

    def __init__(self, ship: Ship, seed: int, seconds: float) -> None:
        self._ship = ship
        self._longest_away = min(_LONGEST_AWAY, seconds * _AWAY_SHARE)
        self._programs = [*ship.workers, *ship.webs]
        self._over = threading.Event()
        self._tally: Counter[str] = Counter()
        self._guard = threading.Lock()
        self._skies = Skies(ship.world, ship.clouds, self._over.wait)
        sorts = [
            ("broker", self._broker_deck()),
            ("line", LineTroubles(self._programs, ship.calm, self._over.wait).list_troubles()),
            ("message", self._message_deck()),
            ("tokens", self._skies.list_token_ends()),
            ("world", self._skies.list_troubles()),
            *((worker.name, self._worker_deck(worker)) for worker in ship.workers),
            *((web.name, self._web_deck(web)) for web in ship.webs),
        ]
        self._threads = ThreadPoolExecutor(len(sorts), thread_name_prefix="storm")
        self._raging: list[Future[None]] = []
        self._sorts = [(name, deck, random.Random(f"{seed} {name}")) for name, deck in sorts]

    def rage(self, seconds: float) -> Counter[str]:
        """Let everything go wrong for so long, then let it heal; return what happened how often.

        Raises:
            Exception: what one of the troubles could not cope with itself.
        """
        self._raging = [self._threads.submit(self._deal, *sort) for sort in self._sorts]
        try:
            wait(self._raging, seconds, FIRST_EXCEPTION)
        finally:
            self.end()
        for trouble in self._raging:
            trouble.result()
        return self._tally

    def end(self) -> None:
        """Let every trouble come to its end, and heal what outlasts it."""
        self._over.set()
        self._threads.shutdown()
        self._skies.clear()
        for program in self._programs:
            program.line.delay = 0.0
            program.line.release()

    def _deal(self, sort: str, deck: Deck, chance: random.Random) -> None:
        hand: Deck = []
        while not self._over.wait(chance.uniform(*_PAUSES[sort.split()[0]])):
            # Dealt like cards: a short run has them all as well.
            if not hand:
                hand = chance.sample(deck, len(deck))
            name, blow = hand.pop()
            if name:
                self._tell(sort, name)
            blow(chance)
            if name:
                self._ship.note(f"{sort}: over")

    def _tell(self, sort: str, name: str) -> None:
        self._ship.note(f"{sort}: {name}")
        with self._guard:
            self._tally[name] += 1

    def _worker_deck(self, worker: Workman) -> Deck:
        def freeze(chance: random.Random) -> None:
            with worker.guard:
                worker.freeze()
                self._over.wait(chance.uniform(0.5, 3))
                worker.thaw()

        ends = self._ends_of(worker, "worker")
        return [*ends, ("worker frozen", freeze), *[("", self._trap(worker, "worker"))] * 4]

    def _web_deck(self, web: Workman) -> Deck:
        return [*self._ends_of(web, "web"), ("", self._trap(web, "web"))]

    def _ends_of(self, program: Workman, what: str) -> Deck:
        def kill(chance: random.Random) -> None:
            with program.guard:
                program.kill()
                self._over.wait(chance.uniform(0, 1.5))
                program.start()

        def terminate(chance: random.Random) -> None:
            with program.guard:
                program.terminate()
                self._over.wait(chance.uniform(0, 0.5))
                program.start()

        return [(f"{what} killed", kill), (f"{what} asked to end", terminate)]

    def _trap(self, program: Workman, what: str) -> Callable[[random.Random], None]:
        def trap(chance: random.Random) -> None:
            aim = draw_aim(chance)
            with program.guard:
                if program.trap.spring(aim, program.strike, self._over.wait, _TRAP_SECONDS):
                    self._tell(program.name, f"{what} killed {aim}")
                    program.bury()
                    self._over.wait(chance.uniform(0, 1.5))
                    program.start()

        return trap

    def _broker_deck(self) -> Deck:
        broker, calm = self._ship.broker, self._ship.calm

        def kill(chance: random.Random) -> None:
            with calm.disturbed():
                broker.kill()
                self._over.wait(chance.uniform(0, 2))
                broker.start()

        def restart(_chance: random.Random) -> None:
            with calm.disturbed():
                broker.restart()

        def take_away(chance: random.Random) -> None:
            with calm.disturbed():
                broker.kill()
                self._over.wait(chance.uniform(0.5, 1) * self._longest_away)
                broker.start()

        return [
            ("broker killed", kill),
            ("broker restarted", restart),
            ("broker away", take_away),
            ("", self._trap_broker),
            ("everything killed", self._kill_everything),
        ]

    def _trap_broker(self, chance: random.Random) -> None:
        program, aim = chance.choice(self._ship.workers), draw_aim(chance)
        # Nothing else is aimed at that program meanwhile; the broker is struck by this sort of trouble only.
        with program.guard, contextlib.ExitStack() as disturbed:

            def strike() -> None:
                disturbed.enter_context(self._ship.calm.disturbed())
                self._ship.broker.kill()

            if program.trap.spring(aim, strike, self._over.wait, _TRAP_SECONDS):
                self._tell("broker", f"broker killed {aim} by a worker")
                self._over.wait(chance.uniform(0, self._longest_away))
                self._ship.broker.start()

    def _kill_everything(self, chance: random.Random) -> None:
        with contextlib.ExitStack() as held:
            for program in self._programs:
                held.enter_context(program.guard)
            held.enter_context(self._ship.calm.disturbed())
            for program in self._programs:
                program.kill()
            self._ship.broker.kill_all()
            self._over.wait(chance.uniform(0, 3))
            starts = [self._ship.broker.start, *(program.start for program in self._programs)]
            for start in chance.sample(starts, len(starts)):
                start()

    def _message_deck(self) -> Deck:
        def send(chance: random.Random) -> None:
            if self._ship.copies.send(chance):
                self._tell("message", "a message sent again")

        def revive(_chance: random.Random) -> None:
            if self._ship.copies.revive():
                self._tell("message", "a dead letter sent again")

        return [*[("", send)] * 4, ("", revive)]
