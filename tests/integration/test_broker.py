"""Our own RabbitMQ node: real, alone, and gone afterwards."""

import signal
import socket
import subprocess
import time

import pika
import pytest

from sandbox.run.broker import Broker, BrokerError
from tests.integration.processes import processes_of


def publish(url: str, body: bytes) -> None:
    """Put a persistent message into a durable queue, and wait for the confirm."""
    connection = pika.BlockingConnection(pika.URLParameters(url))
    channel = connection.channel()
    channel.confirm_delivery()
    channel.queue_declare("kept", durable=True, arguments={"x-queue-type": "quorum"})
    channel.basic_publish("", "kept", body, pika.BasicProperties(delivery_mode=2), mandatory=True)
    connection.close()


def look(url: str) -> bytes | None:
    """Look at the first message, and put it back; a broker that was killed gives it out when it has recovered."""
    connection = pika.BlockingConnection(pika.URLParameters(url))
    channel = connection.channel()
    until = time.monotonic() + 10
    method, _, body = channel.basic_get("kept")
    while not method and time.monotonic() < until:
        time.sleep(0.05)
        method, _, body = channel.basic_get("kept")
    if method:
        channel.basic_nack(method.delivery_tag, requeue=True)
    connection.close()
    return body


def test_messages_outlive_restart_and_crash_but_nothing_outlives_the_node():
    """A persistent message survives stop and start and kill; afterwards no process, port or folder is left."""
    with Broker() as broker:
        folder = broker.folder
        assert processes_of(folder)
        url = broker.url
        publish(url, b"promise")
        broker.restart()
        assert broker.url == url
        assert look(url) == b"promise"
        broker.kill()
        with pytest.raises(pika.exceptions.AMQPConnectionError):
            look(url)
        broker.start()
        assert look(url) == b"promise"
        port = pika.URLParameters(url).port
    assert processes_of(folder) == {}
    assert not folder.exists()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)


def test_what_a_node_has_just_begun_ends_with_it():
    """Erlang's children have sessions of their own: one that stays when its node is killed is ended with it."""
    with Broker() as broker:
        stray = subprocess.Popen(["sleep", "600"], env=broker._nodes[0].environment, start_new_session=True)
        broker.kill()
        assert stray.wait(timeout=30) == -signal.SIGKILL


def test_a_node_that_can_not_start_tells_why(monkeypatch):
    """A wrong configuration ends in an error with the node's own words, and leaves nothing behind."""
    monkeypatch.setattr("sandbox.run.node._CONFIGURATION", "consumer_timeout = soon\n")
    broker = Broker()
    with pytest.raises(BrokerError, match="consumer_timeout"):
        broker.__enter__()
    assert processes_of(broker.folder) == {}
    assert not broker.folder.exists()
