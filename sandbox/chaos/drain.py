"""Wait after the injection until all jobs have ended, or none moves any more."""

import time

from sandbox.chaos.inject.replay import DEAD
from sandbox.chaos.judge.verdicts import VERDICT_QUEUES, Leftover, count_messages, find_leftovers
from sandbox.chaos.load.guests import Guests
from sandbox.chaos.system import SystemUnderTest
from sandbox.demo import guest

# So long nothing may move: how fast the rest is worked off is a matter of the machine, and of what else runs there.
_SECONDS = 180.0
# Delayed messages are requeued as often, as an operator may at any time: the longest delays are half an hour.
_SHOVEL_SECONDS = 25.0
# The same once the gallery has been told of every job.
_LEFTOVER_SECONDS = 4.0
# When queues are empty and the gallery has been told nothing for so long, the remaining jobs may be lost.
_STUCK_SECONDS = 20.0
# Time for the last progress messages to reach the pages.
_PROPAGATION_SECONDS = 3.0
# Extra time for messages found in the end: a worker may have held them before.
_EXTRA_SECONDS = 60.0


class Drain:
    """Waits for the end of all jobs. Used by one thread.

    Args:
        system: the processes, the broker and the stand-ins.
        guests: know which jobs were accepted.

    Attributes:
        leftovers: messages in the queues at the end.
    """

    def __init__(self, system: SystemUnderTest, guests: Guests) -> None:
        self._system = system
        self._guests = guests
        self._queues = system.broker.list_queues()
        self._deadline = time.monotonic() + _SECONDS
        self._untold = -1
        self._shoveled_at = time.monotonic()
        self.leftovers: list[Leftover] = []

    def wait_for_jobs(self) -> None:
        """Wait until all jobs have ended, or nothing moves any more."""
        while self._wait_for_queues():
            # Unacknowledged messages show only once workers are gone; what is in no queue then is lost.
            self._stop_workers()
            if not self._count():
                self._start_workers()
                break
            self._start_workers()
        time.sleep(_PROPAGATION_SECONDS)

    def finish(self) -> None:
        """Stop the workers and collect leftover messages.

        A job that has told the gallery may look for doubles once more, and a failed callback may have published a job
        all the same. Both get extra time; what is in the queues after that is left over.
        """
        self._stop_workers()
        if self._find_leftovers():
            self._start_workers()
            self._wait_for_messages()
            self._stop_workers()
            self._find_leftovers()

    def _find_leftovers(self) -> bool:
        self._queues = self._system.broker.list_queues()
        counts = count_messages(self._system.broker.url, self._queues)
        self.leftovers = find_leftovers(self._system.broker.url, counts)
        return bool(self.leftovers)

    def _wait_for_messages(self) -> None:
        """Wait until no message is ready or unacknowledged, or the extra time is over."""
        until = time.monotonic() + _EXTRA_SECONDS
        while self._count_all() and time.monotonic() < until:
            self._shovel(time.monotonic(), _LEFTOVER_SECONDS)

    def _count_all(self) -> int:
        counts = self._system.broker.count_messages()
        return sum(count for queue, count in counts.items() if queue != DEAD and not queue.startswith(VERDICT_QUEUES))

    def _wait_for_queues(self) -> bool:
        """Wait until the gallery knows of every job and queues are empty; return whether it got stuck before that."""
        moved_at, before, printed_at = time.monotonic(), (-1, -1), time.monotonic()
        while time.monotonic() < self._deadline:
            waiting, untold = self._count(), self._count_untold()
            if not waiting and not untold:
                return False
            now = time.monotonic()
            if untold != self._untold:
                self._untold, self._deadline = untold, now + _SECONDS
            if waiting or (waiting, untold) != before:
                before, moved_at = (waiting, untold), now
            if now - moved_at > _STUCK_SECONDS:
                return True
            if now - printed_at > 10:
                printed_at = now
                print(f"   {untold} untold; {waiting} messages wait", flush=True)
            self._shovel(now, _SHOVEL_SECONDS if untold else _LEFTOVER_SECONDS)
            time.sleep(0.5)
        return False

    def _shovel(self, now: float, pause: float) -> None:
        if now - self._shoveled_at < pause:
            return
        self._shoveled_at = now
        for queue in self._queues:
            if ".waiting" in queue and (moved := self._system.replay.shovel(queue)):
                self._system.note(f"{moved} messages of {queue} are put back to work")

    def _count(self) -> int:
        """Return the number of ready messages, dead letters excluded."""
        counts = count_messages(self._system.broker.url, self._queues)
        return sum(count for queue, count in counts.items() if queue != DEAD)

    def _count_untold(self) -> int:
        told = {done.headers["X-Cloud-Archive-Job"] for done in guest.accepted_dones(self._system.world)}
        return len(set(self._guests.list_jobs()) - told)

    def _stop_workers(self) -> None:
        for worker in self._system.workers:
            worker.terminate()
        time.sleep(0.5)

    def _start_workers(self) -> None:
        for worker in self._system.workers:
            worker.start()
