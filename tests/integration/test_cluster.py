"""Three nodes of our own: what the topology promises is on all of them, and outlives the one that leads."""

import itertools
import json
import random
import time
from collections.abc import Callable

import pika
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import AMQPError

from common.messages.topology import EVENT_KEY, EVENTS, EXCHANGE, JOB_KEY, JOBS, declare
from sandbox.run.cluster import Cluster
from tests.integration.processes import processes_of

COUNT = 5
NODES = 3


def insist(url: str, act: Callable[[BlockingChannel], list[int]]) -> list[int]:
    """Do something until it succeeds, on a connection of its own each time.

    A queue has no leader for a moment when its node ends; and a channel whose first message met that moment refuses
    every one that follows, until the node is back.
    """
    until = time.monotonic() + 30
    while True:
        try:
            with pika.BlockingConnection(pika.URLParameters(url)) as connection:
                return act(connection.channel())
        except AMQPError:
            assert time.monotonic() < until
            time.sleep(0.2)


def publish(url: str, numbers: range) -> None:
    """Put numbers into the queue of jobs and the stream of events, each until it is confirmed."""

    def send(channel: BlockingChannel, number: int, key: str) -> list[int]:
        channel.confirm_delivery()
        channel.basic_publish(EXCHANGE, key, str(number).encode(), pika.BasicProperties(delivery_mode=2))
        return [number]

    for number, key in itertools.product(numbers, (JOB_KEY, EVENT_KEY)):
        insist(url, lambda channel, number=number, key=key: send(channel, number, key))


def read(url: str, queue: str, count: int) -> list[int]:
    """Return so many of the numbers in a queue, or from a stream's start, and leave them there."""

    def look(channel: BlockingChannel) -> list[int]:
        channel.basic_qos(prefetch_count=count)
        arguments = {"x-stream-offset": "first"} if queue == EVENTS else {}
        coming = channel.consume(queue, arguments=arguments, inactivity_timeout=30)
        found = [int(body) for _, _, body in itertools.islice(coming, count) if body]
        channel.connection.close()
        return found

    return insist(url, look)


def list_queues(cluster: Cluster) -> dict[str, dict[str, str]]:
    """Ask the broker which node leads each queue, and which have it."""
    told = cluster.control("--silent", "list_queues", "name", "leader", "members", "--formatter", "json")
    return {each["name"]: each for each in json.loads(told[told.index("[") :])}


def test_what_was_confirmed_outlives_the_node_that_leads():
    """Every queue and stream is on three nodes; without the leader all is read and written, and nobody else ends."""
    with Cluster(random.Random(1)) as cluster:
        folder, url = cluster.folder, cluster.url
        with pika.BlockingConnection(pika.URLParameters(url)) as connection:
            declare(connection.channel())
        queues = list_queues(cluster)
        assert {name: len(set(each["members"])) for name, each in queues.items()} == dict.fromkeys(queues, NODES)
        publish(url, range(COUNT))
        next(node for node in cluster._nodes if node.name == queues[JOBS]["leader"]).kill()
        cluster.kill()  # strikes nobody: it would leave no majority
        assert [node.is_up for node in cluster._nodes].count(True) == NODES - 1
        publish(url, range(COUNT, 2 * COUNT))
        for queue in (JOBS, EVENTS):
            assert sorted(set(read(url, queue, 2 * COUNT))) == list(range(2 * COUNT))
    assert processes_of(folder) == {}
    assert not folder.exists()
