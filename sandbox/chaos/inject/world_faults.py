"""What goes wrong in the pretend world while a chaos run storms: its decks of blows. Knows no program of ours."""

import random
from collections.abc import Callable, Sequence

from sandbox.chaos.inject.fault_catalog import draw_call, make_fault
from sandbox.world import World

# Younger tokens, in seconds, do not end: a cloud that refuses what it has just given, twice, has had its permission
# taken back by its guest. Real ones live for an hour at least.
_YOUNG_SECONDS = 3.0

Blow = Callable[[random.Random], object]
Deck = list[tuple[str, Blow]]  # a blow without a name tells by itself, or by the fault that strikes


class Skies:
    """The world's decks. What outlasts a blow, `clear` heals.

    Args:
        world: whose services fail.
        clouds: those of its clouds that guests use.
        wait: waits so many seconds, or until all is over.
    """

    def __init__(self, world: World, clouds: Sequence[str], wait: Callable[[float], object]) -> None:
        self._world = world
        self._clouds = clouds
        self._wait = wait

    def clear(self) -> None:
        """Let everything work again."""
        self._world.drive.writes_per_second = None
        self._world.yandex.writes_per_second = None
        self._world.yandex.read_only = False

    def list_troubles(self) -> Deck:
        """Return the deck of everything but tokens."""
        decks = {"google_drive": self._google_deck, "yadisk": self._yandex_deck}
        return [
            *(blow for cloud in self._clouds for blow in decks[cloud]()),
            ("gallery's list down", self._take_list_down),
            ("done call refused", self._refuse_done),
            *[("", self._fail_call)] * 8,
        ]

    def list_token_ends(self) -> Deck:
        """Return the deck of tokens that end: often, since with each new one an old one is spent."""
        accounts = {
            "google_drive": ("tokens expired", self._world.accounts.expire_tokens),
            "yadisk": ("disk's tokens expired", self._world.yandex_accounts.expire_tokens),
        }
        ends = [accounts[cloud] for cloud in self._clouds]
        return [(name, lambda _chance, expire=expire: expire(older_than=_YOUNG_SECONDS)) for name, expire in ends]

    def _fail_call(self, chance: random.Random) -> None:
        self._world.faults.add(draw_call(self._clouds, chance))

    def _take_list_down(self, chance: random.Random) -> None:
        self._world.faults.add(make_fault(("list", "status", {"status": 503, "times": chance.randint(2, 6)})))

    def _refuse_done(self, chance: random.Random) -> None:
        self._world.faults.add(make_fault(("done", "status", {"status": 503, "times": chance.randint(1, 2)})))

    def _google_deck(self) -> Deck:
        drive = self._world.drive

        def slow_down(chance: random.Random) -> None:
            drive.refuses_writes_with = chance.choice(
                [(403, "userRateLimitExceeded"), (403, "rateLimitExceeded"), (429, "rateLimitExceeded")]
            )
            drive.writes_per_second = chance.uniform(5, 15)
            self._wait(chance.uniform(0.5, 2))
            drive.writes_per_second = None

        return [("writes limited", slow_down)]

    def _yandex_deck(self) -> Deck:
        disk = self._world.yandex

        def slow_down(chance: random.Random) -> None:
            disk.writes_per_second = chance.uniform(8, 20)
            self._wait(chance.uniform(0.5, 2))
            disk.writes_per_second = None

        def lock(chance: random.Random) -> None:
            disk.read_only = True
            self._wait(chance.uniform(0.2, 2))
            disk.read_only = False

        return [("disk's writes limited", slow_down), ("disk read-only", lock)]
