"""The system under test of a chaos run."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sandbox.chaos.inject.process import ServiceProcess
from sandbox.chaos.inject.replay import MessageReplay
from sandbox.chaos.observe.undisturbed_clock import UndisturbedClock
from sandbox.run.broker import Broker
from sandbox.world import World


@dataclass(frozen=True)
class SystemUnderTest:
    """Everything that faults are injected into, and what records the injections.

    Args:
        world: the stand-ins of gallery and clouds.
        broker: RabbitMQ.
        workers, webs: the service's processes.
        clouds: `cloud_type`s that guests save into.
        replay: sends recorded messages again.
        undisturbed: told of everything that disturbs the broker or a connection to it.
        note: appends a line to the event log.
    """

    world: World
    broker: Broker
    workers: list[ServiceProcess]
    webs: list[ServiceProcess]
    clouds: Sequence[str]
    replay: MessageReplay
    undisturbed: UndisturbedClock
    note: Callable[[str], None]
