"""The time after the storm: all jobs come to their end, or are seen to come to none."""

import time

from sandbox.chaos.inject.injector import Ship
from sandbox.chaos.inject.replay import DEAD
from sandbox.chaos.judge.verdicts import NOTES, Leftover, count_messages, find_leftovers
from sandbox.chaos.load.guests import Crowd
from sandbox.demo import guest

_SECONDS = 180.0
# Then whatever waits is put back to work, as an operator may at any time: the longest waits are half an hour.
_SHOVEL_SECONDS = 25.0
# What still waits when everybody has been told is not worth waiting for.
_LEFTOVER_SECONDS = 4.0
# When no queue has held anything for so long, and nobody has been told anything, the rest may be in no queue at all.
_STUCK_SECONDS = 20.0
# What is told of an end may be on its way to the pages.
_LAST_WORDS_SECONDS = 3.0
# For so long what is found in the queues in the end may go on: it may have been in a worker's hands before.
_AFTERCARE_SECONDS = 60.0


class Settling:
    """Waits for the end. Used by one thread.

    Args:
        ship: the parts.
        crowd: knows what was promised.
        stormed: for how many seconds.

    Attributes:
        leftovers: what is in the queues when all is over.
    """

    def __init__(self, ship: Ship, crowd: Crowd, stormed: float) -> None:
        self._ship = ship
        self._crowd = crowd
        self._queues = ship.broker.list_queues()
        self._began = time.monotonic()
        self._deadline = self._began + _SECONDS + stormed / 2
        self._shoveled_at = self._began
        self.leftovers: list[Leftover] = []

    def settle(self) -> None:
        """Wait until all is done, or nothing moves any more."""
        while self._wait_for_queues():
            # What workers have in their hands shows only when they let go; what is in no hands and no queue is lost.
            self._stop_workers()
            if not self._count():
                self._start_workers()
                break
            self._start_workers()
        time.sleep(_LAST_WORDS_SECONDS)

    def let_go(self) -> None:
        """End the workers and see what is left.

        A job that was told may still look for what two workers left, and a guest whose callback failed may have a job
        all the same: nobody waited for either. What is still there after some time has no end.
        """
        self._stop_workers()
        if self._find_leftovers():
            self._start_workers()
            self._wait_for_hands()
            self._stop_workers()
            self._find_leftovers()

    def _find_leftovers(self) -> bool:
        self._queues = self._ship.broker.list_queues()
        counts = count_messages(self._ship.broker.url, self._queues)
        self.leftovers = find_leftovers(self._ship.broker.url, counts)
        return bool(self.leftovers)

    def _wait_for_hands(self) -> None:
        """Wait until nothing is in a queue or in a worker's hands, as long as that may take."""
        until = time.monotonic() + _AFTERCARE_SECONDS
        while self._count_all() and time.monotonic() < until:
            self._shovel(time.monotonic(), _LEFTOVER_SECONDS)

    def _count_all(self) -> int:
        counts = self._ship.broker.count_messages()
        return sum(count for queue, count in counts.items() if queue != DEAD and not queue.startswith(NOTES))

    def _wait_for_queues(self) -> bool:
        """Wait until all is told and gone; return whether nothing moves though not all is."""
        moved_at, before, told_at = time.monotonic(), (-1, -1), time.monotonic()
        while time.monotonic() < self._deadline:
            waiting, untold = self._count(), self._count_untold()
            if not waiting and not untold:
                return False
            now = time.monotonic()
            if waiting or (waiting, untold) != before:
                before, moved_at = (waiting, untold), now
            if now - moved_at > _STUCK_SECONDS:
                return True
            if now - told_at > 10:
                told_at = now
                print(f"   {untold} untold; {waiting} messages wait", flush=True)
            self._shovel(now, _SHOVEL_SECONDS if untold else _LEFTOVER_SECONDS)
            time.sleep(0.5)
        return False

    def _shovel(self, now: float, pause: float) -> None:
        if now - self._shoveled_at < pause:
            return
        self._shoveled_at = now
        for queue in self._queues:
            if ".waiting" in queue and (moved := self._ship.copies.shovel(queue)):
                self._ship.note(f"{moved} messages of {queue} are put back to work")

    def _count(self) -> int:
        """Return how many messages still have a way to go: not those of the dead."""
        counts = count_messages(self._ship.broker.url, self._queues)
        return sum(count for queue, count in counts.items() if queue != DEAD)

    def _count_untold(self) -> int:
        told = {done.headers["X-Cloud-Archive-Job"] for done in guest.accepted_dones(self._ship.world)}
        return len(set(self._crowd.list_jobs()) - told)

    def _stop_workers(self) -> None:
        for worker in self._ship.workers:
            worker.terminate()
        time.sleep(0.5)

    def _start_workers(self) -> None:
        for worker in self._ship.workers:
            worker.start()
