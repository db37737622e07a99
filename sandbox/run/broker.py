"""Private RabbitMQ broker of one node, apart from the system's service."""

import json
import secrets
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from sandbox.run.node import BrokerRuntime, Node
from sandbox.run.rabbitmq import BrokerError

__all__ = ["Broker", "BrokerError"]


class Broker:
    """A broker that runs as long as the `with` block. Not thread-safe.

    Each has its own name, ports, epmd and temporary folder, so any number may run side by side, as any user.

    Args:
        settings: additional lines of its configuration.
        plugins: of RabbitMQ that it runs with.

    Raises:
        BrokerError: if it can't be installed, or does not take connections within two minutes.
    """

    def __init__(self, settings: str = "", plugins: Sequence[str] = ()) -> None:
        self._settings = settings
        self._plugins = plugins
        self._runtime = BrokerRuntime()
        self._nodes: list[Node] = []

    def __enter__(self) -> Self:
        try:
            self._runtime.open()
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
        """AMQP URL, the same after a restart; RabbitMQ's default account, valid from loopback only."""
        return f"amqp://guest:guest@127.0.0.1:{self._port}/%2F"

    @property
    def folder(self) -> Path:
        """Folder of all its files."""
        return self._runtime.folder

    def start(self) -> None:
        """Start the nodes that do not run, on their existing data, and wait until they accept connections."""
        down = [node for node in self._nodes if not node.is_up]
        # All at once: nodes that were killed together wait for each other.
        for node in down:
            node.launch()
        for node in down:
            node.wait()

    def restart(self) -> None:
        """Shut a node down and start it on the same port and data."""
        self._choose_node().stop()
        self.start()

    def kill(self) -> None:
        """Kill a node, as a power cut would; `start` brings it back on its data."""
        self._choose_node().kill()

    def kill_all(self) -> None:
        """Kill all nodes, as a power cut would; `start` brings them back on their data."""
        for node in self._nodes:
            node.kill()

    def raise_alarm(self) -> None:
        """Raise the memory alarm: publishers are blocked until it is cleared."""
        self.control("set_vm_memory_high_watermark", "absolute", "1")

    def clear_alarm(self) -> None:
        """Clear the memory alarm: blocked messages are accepted."""
        self.control("set_vm_memory_high_watermark", "absolute", "1GB")

    def list_queues(self) -> list[str]:
        """Return the names of all queues except streams and exclusive ones; takes some seconds."""
        return list(self.count_messages())

    def count_messages(self) -> dict[str, int]:
        """Return the number of messages of each such queue, unacknowledged ones included; takes some seconds."""
        output = self.control("--silent", "list_queues", "name", "type", "exclusive", "messages", "--formatter", "json")
        kept = [each for each in json.loads(output[output.index("[") :]) if "stream" not in str(each["type"])]
        return {each["name"]: int(each["messages"]) for each in kept if not each["exclusive"]}

    def control(self, *command: str) -> str:
        """Run a `rabbitmqctl` command on a running node and return its output; takes some seconds."""
        return next(node for node in self._nodes if node.is_up).control(*command)

    def stop(self) -> None:
        """Kill all nodes and remove the folder. May be called again."""
        self.kill_all()
        self._runtime.close()

    @property
    def _port(self) -> int:
        """The port that clients connect to."""
        return self._nodes[0].port

    def _make_nodes(self, name: str) -> list[Node]:
        """Create its nodes, not started; their names begin with the given one."""
        return [Node(self._runtime, f"{name}@localhost", self._settings, self._plugins)]

    def _choose_node(self) -> Node:
        """Return the node to kill or restart next."""
        return self._nodes[0]
