"""Private RabbitMQ cluster of three nodes behind one address."""

import random
import time
from contextlib import ExitStack
from typing import Self

from sandbox.run.broker import Broker
from sandbox.run.node import Node
from sandbox.run.proxy import Proxy
from sandbox.run.rabbitmq import BrokerError

_NODES = 3
_JOIN_SECONDS = 60.0

# A node in a minority pauses, as the cluster operator for Kubernetes configures it:
# https://github.com/rabbitmq/cluster-operator/blob/0036ba08/internal/resource/configmap.go
_CONFIGURATION = """\
cluster_partition_handling = pause_minority
cluster_formation.peer_discovery_backend = classic_config
"""


class Cluster(Broker):
    """Three nodes that run as long as the `with` block. Not thread-safe.

    A proxy forwards each connection to a random node that accepts it, as a Kubernetes service does; when that node
    ends, so does the connection. `kill` and `restart` touch one node, and only while all run: a majority stays.

    Args:
        chance: decides which node is killed or restarted.

    Raises:
        BrokerError: as `Broker`, or if the nodes do not form a cluster within a minute.
    """

    def __init__(self, chance: random.Random) -> None:
        super().__init__()
        self._chance = chance
        self._load_balancer: Proxy | None = None
        self._open = ExitStack()

    def __enter__(self) -> Self:
        super().__enter__()
        try:
            self._join()
            self._load_balancer = self._open.enter_context(Proxy([node.port for node in self._nodes]))
        except BaseException:
            self.stop()
            raise
        return self

    def kill(self) -> None:
        """Kill one node, as a power cut would, if all run; `start` brings it back on its data."""
        if self._all_up():
            super().kill()

    def restart(self) -> None:
        """Shut one node down, if all run, and start all that do not run."""
        if self._all_up():
            super().restart()
        self.start()

    def stop(self) -> None:
        """Kill all nodes and the proxy, and remove the folder. May be called again."""
        self._open.close()
        super().stop()

    @property
    def _port(self) -> int:
        assert self._load_balancer
        return self._load_balancer.port

    def _make_nodes(self, name: str) -> list[Node]:
        names = [f"{name}-{number}@localhost" for number in range(1, _NODES + 1)]
        peers = [f"cluster_formation.classic_config.nodes.{number} = {each}\n" for number, each in enumerate(names, 1)]
        return [Node(self._runtime, each, _CONFIGURATION + "".join(peers)) for each in names]

    def _choose_node(self) -> Node:
        return self._chance.choice(self._nodes)

    def _all_up(self) -> bool:
        return all(node.is_up for node in self._nodes)

    def _join(self) -> None:
        """Wait until the nodes form a cluster: a queue is replicated only to nodes that exist when it is declared."""
        deadline = time.monotonic() + _JOIN_SECONDS
        while (output := self.control("eval", "length(rabbit_nodes:all_running()).").strip()) != str(_NODES):
            if time.monotonic() > deadline:
                raise BrokerError(f"RabbitMQ's nodes did not find each other: {output} of {_NODES}")
