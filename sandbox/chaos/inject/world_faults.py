"""Faults of the stand-ins during a chaos run: failing calls, rate limits, locks and expiring tokens."""

import random
from collections.abc import Callable, Sequence

from sandbox.chaos.inject.fault_catalog import draw_call_fault, make_fault
from sandbox.world import World

# Tokens younger than this, in seconds, do not expire: a cloud that twice refuses a token it has just issued looks like
# a guest who revoked access. Real tokens live for an hour at least.
_MIN_AGE_SECONDS = 3.0

Injection = Callable[[random.Random], object]
Injections = list[tuple[str, Injection]]  # without a name: it is counted elsewhere, or as the fault that fires


class WorldFaults:
    """Faults of the stand-ins; `clear` undoes what outlasts an injection.

    Args:
        world: the stand-ins.
        clouds: the `cloud_type`s that guests use.
        wait: waits so many seconds, or until the run is over.
    """

    def __init__(self, world: World, clouds: Sequence[str], wait: Callable[[float], object]) -> None:
        self._world = world
        self._clouds = clouds
        self._wait = wait

    def clear(self) -> None:
        """Undo all faults that are still in force."""
        self._world.drive.writes_per_second = None
        self._world.yandex.writes_per_second = None
        self._world.yandex.read_only = False

    def list_injections(self) -> Injections:
        """Return all faults except expiring tokens."""
        injections = {"google_drive": self._google_injections, "yadisk": self._yandex_injections}
        return [
            *(inject for cloud in self._clouds for inject in injections[cloud]()),
            ("gallery's list down", self._take_list_down),
            ("done call refused", self._refuse_done),
            *[("", self._fail_call)] * 8,
        ]

    def list_token_expirations(self) -> Injections:
        """Return the expirations of tokens; injected often, since each refresh spends a refresh token."""
        accounts = {
            "google_drive": ("tokens expired", self._world.accounts.expire_tokens),
            "yadisk": ("disk's tokens expired", self._world.yandex_accounts.expire_tokens),
        }
        ends = [accounts[cloud] for cloud in self._clouds]
        return [(name, lambda _chance, expire=expire: expire(older_than=_MIN_AGE_SECONDS)) for name, expire in ends]

    def _fail_call(self, chance: random.Random) -> None:
        self._world.faults.add(draw_call_fault(self._clouds, chance))

    def _take_list_down(self, chance: random.Random) -> None:
        self._world.faults.add(make_fault(("list", "status", {"status": 503, "times": chance.randint(2, 6)})))

    def _refuse_done(self, chance: random.Random) -> None:
        self._world.faults.add(make_fault(("done", "status", {"status": 503, "times": chance.randint(1, 2)})))

    def _google_injections(self) -> Injections:
        drive = self._world.drive

        def slow_down(chance: random.Random) -> None:
            drive.refuses_writes_with = chance.choice(
                [(403, "userRateLimitExceeded"), (403, "rateLimitExceeded"), (429, "rateLimitExceeded")]
            )
            drive.writes_per_second = chance.uniform(5, 15)
            self._wait(chance.uniform(0.5, 2))
            drive.writes_per_second = None

        return [("writes limited", slow_down)]

    def _yandex_injections(self) -> Injections:
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
