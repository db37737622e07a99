"""Fault injector of a chaos run: categories of faults, each on a thread of its own, all drawn from one seed."""

import contextlib
import random
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait

from sandbox.chaos.inject.process import ServiceProcess
from sandbox.chaos.inject.proxy_faults import ProxyFaults
from sandbox.chaos.inject.trigger import draw_point
from sandbox.chaos.inject.world_faults import Injections, WorldFaults
from sandbox.chaos.system import SystemUnderTest

# Seconds between two injections of one category.
_PAUSES = {
    "worker": (1.5, 5.0),
    "web": (4.0, 12.0),
    "broker": (2.0, 9.0),
    "line": (1.0, 5.0),
    "message": (0.3, 2.0),
    "tokens": (0.7, 3.0),
    "world": (0.1, 0.8),
}
# Longest outage of the broker in seconds; at most this share of the run, so that short runs see other faults too.
_MAX_OUTAGE_SECONDS, _OUTAGE_SHARE = 30.0, 0.2
# How long a trigger waits for its AMQP event: a process that has just been started needs time to send any.
_TRIGGER_SECONDS = 8.0


class FaultInjector:
    """Injects faults for a given time. Used by one thread.

    Args:
        system: what faults are injected into.
        seed: decides which faults; their exact timing also depends on the machine.
        seconds: how long it will run.
    """

    def __init__(self, system: SystemUnderTest, seed: int, seconds: float) -> None:
        self._system = system
        self._max_outage_seconds = min(_MAX_OUTAGE_SECONDS, seconds * _OUTAGE_SHARE)
        self._programs = [*system.workers, *system.webs]
        self._stopped = threading.Event()
        self._counts: Counter[str] = Counter()
        self._guard = threading.Lock()
        self._world_faults = WorldFaults(system.world, system.clouds, self._stopped.wait)
        categories = [
            ("broker", self._broker_injections()),
            ("line", ProxyFaults(self._programs, system.undisturbed, self._stopped.wait).list_injections()),
            ("message", self._message_injections()),
            ("tokens", self._world_faults.list_token_expirations()),
            ("world", self._world_faults.list_injections()),
            *((worker.name, self._worker_injections(worker)) for worker in system.workers),
            *((web.name, self._web_injections(web)) for web in system.webs),
        ]
        self._threads = ThreadPoolExecutor(len(categories), thread_name_prefix="inject")
        self._running: list[Future[None]] = []
        self._categories = [(name, injections, random.Random(f"{seed} {name}")) for name, injections in categories]

    def run(self, seconds: float) -> Counter[str]:
        """Inject faults for so many seconds, undo them, and return how often each was injected.

        Raises:
            Exception: an injection failed.
        """
        self._running = [self._threads.submit(self._run_category, *category) for category in self._categories]
        try:
            wait(self._running, seconds, FIRST_EXCEPTION)
        finally:
            self.stop()
        for each in self._running:
            each.result()
        return self._counts

    def stop(self) -> None:
        """Wait for running injections to end, and undo what outlasts them."""
        self._stopped.set()
        self._threads.shutdown()
        self._world_faults.clear()
        for program in self._programs:
            program.proxy.delay = 0.0
            program.proxy.resume()

    def _run_category(self, category: str, injections: Injections, chance: random.Random) -> None:
        remaining: Injections = []
        while not self._stopped.wait(chance.uniform(*_PAUSES[category.split()[0]])):
            # Each once before any comes twice, so that even a short run has them all.
            if not remaining:
                remaining = chance.sample(injections, len(injections))
            name, inject = remaining.pop()
            if name:
                self._count(category, name)
            inject(chance)
            if name:
                self._system.note(f"{category}: over")

    def _count(self, category: str, name: str) -> None:
        self._system.note(f"{category}: {name}")
        with self._guard:
            self._counts[name] += 1

    def _worker_injections(self, worker: ServiceProcess) -> Injections:
        def freeze(chance: random.Random) -> None:
            with worker.guard:
                worker.freeze()
                self._stopped.wait(chance.uniform(0.5, 3))
                worker.unfreeze()

        ends = self._termination_injections(worker, "worker")
        return [*ends, ("worker frozen", freeze), *[("", self._kill_at_trigger(worker, "worker"))] * 4]

    def _web_injections(self, web: ServiceProcess) -> Injections:
        return [*self._termination_injections(web, "web"), ("", self._kill_at_trigger(web, "web"))]

    def _termination_injections(self, program: ServiceProcess, what: str) -> Injections:
        def kill(chance: random.Random) -> None:
            with program.guard:
                program.kill()
                self._stopped.wait(chance.uniform(0, 1.5))
                program.start()

        def terminate(chance: random.Random) -> None:
            with program.guard:
                program.terminate()
                self._stopped.wait(chance.uniform(0, 0.5))
                program.start()

        return [(f"{what} killed", kill), (f"{what} asked to end", terminate)]

    def _kill_at_trigger(self, program: ServiceProcess, what: str) -> Callable[[random.Random], None]:
        def trigger(chance: random.Random) -> None:
            point = draw_point(chance)
            with program.guard:
                if program.trigger.arm_and_wait(point, program.send_kill, self._stopped.wait, _TRIGGER_SECONDS):
                    self._count(program.name, f"{what} killed {point}")
                    program.ensure_killed()
                    self._stopped.wait(chance.uniform(0, 1.5))
                    program.start()

        return trigger

    def _broker_injections(self) -> Injections:
        broker, undisturbed = self._system.broker, self._system.undisturbed

        def kill(chance: random.Random) -> None:
            with undisturbed.disturbed():
                broker.kill()
                self._stopped.wait(chance.uniform(0, 2))
                broker.start()

        def restart(_chance: random.Random) -> None:
            with undisturbed.disturbed():
                broker.restart()

        def outage(chance: random.Random) -> None:
            with undisturbed.disturbed():
                broker.kill()
                self._stopped.wait(chance.uniform(0.5, 1) * self._max_outage_seconds)
                broker.start()

        return [
            ("broker killed", kill),
            ("broker restarted", restart),
            ("broker away", outage),
            ("", self._kill_broker_at_trigger),
            ("everything killed", self._kill_everything),
        ]

    def _kill_broker_at_trigger(self, chance: random.Random) -> None:
        program, point = chance.choice(self._system.workers), draw_point(chance)
        # `guard` keeps other triggers off that process; only this category touches the broker.
        with program.guard, contextlib.ExitStack() as disturbed:

            def send_kill() -> None:
                disturbed.enter_context(self._system.undisturbed.disturbed())
                self._system.broker.kill()

            if program.trigger.arm_and_wait(point, send_kill, self._stopped.wait, _TRIGGER_SECONDS):
                self._count("broker", f"broker killed {point} by a worker")
                self._stopped.wait(chance.uniform(0, self._max_outage_seconds))
                self._system.broker.start()

    def _kill_everything(self, chance: random.Random) -> None:
        with contextlib.ExitStack() as held:
            for program in self._programs:
                held.enter_context(program.guard)
            held.enter_context(self._system.undisturbed.disturbed())
            for program in self._programs:
                program.kill()
            self._system.broker.kill_all()
            self._stopped.wait(chance.uniform(0, 3))
            starts = [self._system.broker.start, *(program.start for program in self._programs)]
            for start in chance.sample(starts, len(starts)):
                start()

    def _message_injections(self) -> Injections:
        def send(chance: random.Random) -> None:
            if self._system.replay.send(chance):
                self._count("message", "a message sent again")

        def replay_dead_letter(_chance: random.Random) -> None:
            if self._system.replay.replay_dead_letter():
                self._count("message", "a dead letter sent again")

        return [*[("", send)] * 4, ("", replay_dead_letter)]
