"""A real RabbitMQ of our own, of one node: own port, own folder, own epmd; the system's service is never touched."""

import json
import secrets
from pathlib import Path
from types import TracebackType
from typing import Self

from sandbox.run.node import Node, Site
from sandbox.run.rabbitmq import BrokerError

__all__ = ["Broker", "BrokerError"]


class Broker:
    """A RabbitMQ node that lives as long as the `with` block. Not for use by several threads at once.

    Every one has its own name, ports and temporary folder, so any number may run side by side, as any user.

    Raises:
        BrokerError: if it can't be installed, or does not take connections within two minutes.
    """

    def __init__(self) -> None:
        self._site = Site()
        self._nodes: list[Node] = []

    def __enter__(self) -> Self:
        try:
            self._site.open()
            self._nodes = self._make_nodes(f"sandbox-{secrets.token_hex(6)}")
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """Where it listens; the same after a restart. The account is RabbitMQ's own, good from loopback only."""
        return f"amqp://guest:guest@127.0.0.1:{self._port}/%2F"

    @property
    def folder(self) -> Path:
        """Where it keeps all it writes."""
        return self._site.folder

    def start(self) -> None:
        """Start what does not run on the data that is there, and wait until it takes connections."""
        down = [node for node in self._nodes if not node.is_up]
        # All at once: nodes that were killed together wait for each other.
        for node in down:
            node.launch()
        for node in down:
            node.wait()

    def restart(self) -> None:
        """Stop a node in good order and start it on the same port and data."""
        self._choose().stop()
        self.start()

    def kill(self) -> None:
        """End a node as a power cut would; `start` brings it back on what it had written."""
        self._choose().kill()

    def kill_all(self) -> None:
        """End all that runs as a power cut would; `start` brings it back on what it had written."""
        for node in self._nodes:
            node.kill()

    def raise_alarm(self) -> None:
        """Let it have no memory left: publishers are held up until the alarm is cleared, nobody else is."""
        self._control("set_vm_memory_high_watermark", "absolute", "1")

    def clear_alarm(self) -> None:
        """Let it have memory again: what publishers sent meanwhile lands."""
        self._control("set_vm_memory_high_watermark", "absolute", "1GB")

    def list_queues(self) -> list[str]:
        """Name the queues whose messages go when they are consumed, and that outlive who declared them; some seconds.

        Not streams, that is, and not what one connection has for itself.
        """
        return list(self.count_messages())

    def count_messages(self) -> dict[str, int]:
        """Return how many messages each of these queues has, those in somebody's hands as well; some seconds."""
        told = self._control("--silent", "list_queues", "name", "type", "exclusive", "messages", "--formatter", "json")
        kept = [each for each in json.loads(told[told.index("[") :]) if "stream" not in str(each["type"])]
        return {each["name"]: int(each["messages"]) for each in kept if not each["exclusive"]}

    def stop(self) -> None:
        """End everything and remove its folder. May be called again."""
        self.kill_all()
        self._site.close()

    @property
    def _port(self) -> int:
        """Where clients come to."""
        return self._nodes[0].port

    def _make_nodes(self, name: str) -> list[Node]:
        """Return what it consists of, not started; the names begin with the given one."""
        return [Node(self._site, f"{name}@localhost")]

    def _choose(self) -> Node:
        """Return the node that is struck next."""
        return self._nodes[0]

    def _control(self, *command: str) -> str:
        """Run a command of `rabbitmqctl` at a node that runs, and return what it says; some seconds."""
        return next(node for node in self._nodes if node.is_up).control(*command)
