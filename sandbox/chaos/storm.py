"""What goes wrong in a chaos run: four sorts of trouble, each on a thread of its own, all decided by one seed."""

import random
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait

from sandbox.broker import Broker
from sandbox.chaos.crew import Workman
from sandbox.chaos.faults import draw_call, make_fault
from sandbox.proxy import Proxy
from sandbox.world import World

Blow = Callable[[random.Random], object]
Deck = list[tuple[str, Blow]]  # a blow without a name is told by the fault that strikes

# Seconds between two blows of one sort.
_WORKER_PAUSE = (1.5, 5.0)
_BROKER_PAUSE = (2.0, 14.0)
_LINE_PAUSE = (1.0, 5.0)
_WORLD_PAUSE = (0.1, 0.8)


class Storm:
    """Troubles, until told to be over. Used by one thread.

    Args:
        world: whose services fail.
        broker: is restarted and killed.
        line: between the programs and the broker.
        crew: are killed, stopped and frozen.
        clouds: those of its clouds that guests use.
        seed: decides what happens; when exactly, the machine has a say in as well.
        note: writes into the run's diary.
    """

    def __init__(
        self,
        world: World,
        broker: Broker,
        line: Proxy,
        crew: list[Workman],
        clouds: Sequence[str],
        seed: int,
        note: Callable[[str], None],
    ) -> None:
        self._note = note
        self._world = world
        self._broker = broker
        self._line = line
        self._clouds = clouds
        self._over = threading.Event()
        self._tally: Counter[str] = Counter()
        self._guard = threading.Lock()
        sorts = [
            ("broker", self._broker_deck(), _BROKER_PAUSE),
            ("line", self._line_deck(), _LINE_PAUSE),
            ("world", self._world_deck(), _WORLD_PAUSE),
        ]
        sorts += [(workman.name, self._worker_deck(workman), _WORKER_PAUSE) for workman in crew]
        self._threads = ThreadPoolExecutor(len(sorts), thread_name_prefix="storm")
        self._raging: list[Future[None]] = []
        self._sorts = [(name, deck, pause, random.Random(f"{seed} {name}")) for name, deck, pause in sorts]

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
        self._world.drive.writes_per_second = None
        self._world.yandex.writes_per_second = None
        self._world.yandex.read_only = False
        self._line.delay = 0.0
        self._line.release()

    def _deal(self, sort: str, deck: Deck, pause: tuple[float, float], chance: random.Random) -> None:
        hand: Deck = []
        while not self._over.wait(chance.uniform(*pause)):
            # Dealt like cards: a short run has them all as well.
            if not hand:
                hand = chance.sample(deck, len(deck))
            name, blow = hand.pop()
            if name:
                self._note(f"{sort}: {name}")
                with self._guard:
                    self._tally[name] += 1
            blow(chance)
            if name:
                self._note(f"{sort}: over")

    def _worker_deck(self, workman: Workman) -> Deck:
        def kill(chance: random.Random) -> None:
            workman.kill()
            self._over.wait(chance.uniform(0, 1.5))
            workman.start()

        def terminate(chance: random.Random) -> None:
            workman.terminate()
            self._over.wait(chance.uniform(0, 0.5))
            workman.start()

        def freeze(chance: random.Random) -> None:
            workman.freeze()
            self._over.wait(chance.uniform(0.5, 3))
            workman.thaw()

        return [("worker killed", kill), ("worker asked to end", terminate), ("worker frozen", freeze)]

    def _broker_deck(self) -> Deck:
        def kill(chance: random.Random) -> None:
            self._broker.kill()
            self._over.wait(chance.uniform(0, 2))
            self._broker.start()

        return [("broker killed", kill), ("broker restarted", lambda _chance: self._broker.restart())]

    def _line_deck(self) -> Deck:
        def strand(chance: random.Random) -> None:
            self._line.strand()
            self._over.wait(chance.uniform(0.5, 4))
            self._line.cut()

        def hold(chance: random.Random) -> None:
            self._line.hold()
            self._over.wait(chance.uniform(0.2, 3))
            self._line.release()

        def delay(chance: random.Random) -> None:
            self._line.delay = chance.uniform(0.02, 0.15)
            self._over.wait(chance.uniform(0.5, 3))
            self._line.delay = 0.0

        return [
            ("lines cut", lambda _chance: self._line.cut()),
            ("lines dead for one side", strand),
            ("lines held", hold),
            ("lines slow", delay),
        ]

    def _world_deck(self) -> Deck:
        def fail_call(chance: random.Random) -> None:
            self._world.faults.add(draw_call(self._clouds, chance))

        def take_list_down(chance: random.Random) -> None:
            self._world.faults.add(make_fault(("list", "status", {"status": 503, "times": chance.randint(2, 6)})))

        def refuse_done(chance: random.Random) -> None:
            self._world.faults.add(make_fault(("done", "status", {"status": 503, "times": chance.randint(1, 2)})))

        decks = {"google_drive": self._google_deck, "yadisk": self._yandex_deck}
        return [
            *(blow for cloud in self._clouds for blow in decks[cloud]()),
            ("gallery's list down", take_list_down),
            ("done call refused", refuse_done),
            *[("", fail_call)] * 8,
        ]

    def _google_deck(self) -> Deck:
        drive = self._world.drive

        def slow_down(chance: random.Random) -> None:
            drive.refuses_writes_with = chance.choice(
                [(403, "userRateLimitExceeded"), (403, "rateLimitExceeded"), (429, "rateLimitExceeded")]
            )
            drive.writes_per_second = chance.uniform(5, 15)
            self._over.wait(chance.uniform(0.5, 2))
            drive.writes_per_second = None

        return [("writes limited", slow_down), ("tokens expired", lambda _chance: self._world.accounts.expire_tokens())]

    def _yandex_deck(self) -> Deck:
        disk = self._world.yandex

        def slow_down(chance: random.Random) -> None:
            disk.writes_per_second = chance.uniform(8, 20)
            self._over.wait(chance.uniform(0.5, 2))
            disk.writes_per_second = None

        def lock(chance: random.Random) -> None:
            disk.read_only = True
            self._over.wait(chance.uniform(0.2, 2))
            disk.read_only = False

        return [
            ("disk's writes limited", slow_down),
            ("disk read-only", lock),
            ("disk's tokens expired", lambda _chance: self._world.yandex_accounts.expire_tokens()),
        ]
