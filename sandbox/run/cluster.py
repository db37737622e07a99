"""A real RabbitMQ of our own, of three nodes behind one address: what is replicated outlives any one of them."""

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

# A node that is alone stops, as those do that the cluster operator for Kubernetes keeps:
# https://github.com/rabbitmq/cluster-operator/blob/0036ba08/internal/resource/configmap.go
_CONFIGURATION = """\
cluster_partition_handling = pause_minority
cluster_formation.peer_discovery_backend = classic_config
"""


class Cluster(Broker):
    """Three nodes that live as long as the `with` block. Not for use by several threads at once.

    A front passes each connection on to some node that takes it, as a service of Kubernetes does; when that node ends,
    so does the connection. A strike takes one node, and only while all run: a majority stays.

    Args:
        chance: decides which node is struck.

    Raises:
        BrokerError: as of one node, or if they do not find each other within a minute.
    """

    def __init__(self, chance: random.Random) -> None:
        super().__init__()
        self._chance = chance
        self._front: Proxy | None = None
        self._open = ExitStack()

    def __enter__(self) -> Self:
        super().__enter__()
        try:
            self._join()
            self._front = self._open.enter_context(Proxy([node.port for node in self._nodes]))
        except BaseException:
            self.stop()
            raise
        return self

    def kill(self) -> None:
        """End one node as a power cut would, if all run; `start` brings it back on what it had written."""
        if self._are_all_up():
            super().kill()

    def restart(self) -> None:
        """Stop one node in good order, if all run, and start what does not run."""
        if self._are_all_up():
            super().restart()
        self.start()

    def stop(self) -> None:
        """End everything, the front too, and remove its folder. May be called again."""
        self._open.close()
        super().stop()

    @property
    def _port(self) -> int:
        assert self._front
        return self._front.port

    def _make_nodes(self, name: str) -> list[Node]:
        names = [f"{name}-{number}@localhost" for number in range(1, _NODES + 1)]
        peers = [f"cluster_formation.classic_config.nodes.{number} = {each}\n" for number, each in enumerate(names, 1)]
        return [Node(self._site, each, _CONFIGURATION + "".join(peers)) for each in names]

    def _choose(self) -> Node:
        return self._chance.choice(self._nodes)

    def _are_all_up(self) -> bool:
        return all(node.is_up for node in self._nodes)

    def _join(self) -> None:
        """Wait until all are in one cluster: queues are replicated to the nodes that are there when they are made."""
        deadline = time.monotonic() + _JOIN_SECONDS
        while (told := self._control("eval", "length(rabbit_nodes:all_running()).").strip()) != str(_NODES):
            if time.monotonic() > deadline:
                raise BrokerError(f"RabbitMQ's nodes did not find each other: {told} of {_NODES}")
