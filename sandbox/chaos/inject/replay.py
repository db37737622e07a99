"""Record job messages on their way to the broker and publish them again, as retries, shovels and operators do."""

import random
import threading
from collections.abc import Callable

import pika
from pika.exceptions import AMQPError

from sandbox.chaos.inject.process import ServiceProcess
from sandbox.run.frames import AmqpEvent

_MAX_MESSAGES = 2000
_JOB_KEYS = ("job", "waiting")
_TIMEOUT_SECONDS = 5
DEAD = "cloud_archive.dead"


class MessageReplay:
    """Published messages of jobs, to be published again. Thread-safe.

    Args:
        broker_url: of the broker itself, so that cut proxies do not matter.
    """

    def __init__(self, broker_url: str) -> None:
        self._parameters = pika.URLParameters(broker_url)
        self._parameters.socket_timeout = self._parameters.stack_timeout = _TIMEOUT_SECONDS
        self._guard = threading.Lock()
        self._messages: list[AmqpEvent] = []
        self._job_key = ""
        self._exchange = ""

    @property
    def message_count(self) -> int:
        """How many messages have been recorded."""
        return len(self._messages)

    def record(self, event: AmqpEvent, passed: bool) -> None:
        """Keep a message that has been forwarded, if it is a job's."""
        if passed and event.kind == "publish" and event.key.startswith(_JOB_KEYS) and not event.key.count(".") > 1:
            with self._guard:
                self._messages = [*self._messages[-_MAX_MESSAGES:], event]
                if event.key.startswith("job"):
                    self._exchange, self._job_key = event.exchange, event.key

    def watch(self, program: ServiceProcess) -> Callable[[AmqpEvent, bool], bool]:
        """Return a callback for a process's proxy that records messages and feeds the process's trigger."""

        def watch(event: AmqpEvent, passed: bool) -> bool:
            self.record(event, passed)
            return program.trigger.watch(event, passed)

        return watch

    def send(self, chance: random.Random) -> bool:
        """Publish one message again, unchanged; return whether the broker took it.

        It goes to the queue it went to before, or straight to the jobs, as a wait that is cut short.
        """
        with self._guard:
            if not self._messages:
                return False
            recent = self._messages[-10:]
            event = chance.choice(recent if chance.random() < 0.5 else self._messages)
            key = event.key if chance.random() < 0.5 or not self._job_key else self._job_key
        properties = pika.BasicProperties()
        properties.decode(event.properties)
        return self._publish(event.exchange, key, event.body, properties)

    def replay_dead_letter(self) -> bool:
        """Publish the oldest dead letter again and leave it in its queue; return whether there was one."""
        if not self._job_key:
            return False
        try:
            with pika.BlockingConnection(self._parameters) as connection:
                channel = connection.channel()
                method, properties, body = channel.basic_get(DEAD)
                if method is None:
                    return False
                properties.headers = None
                channel.basic_publish(self._exchange, self._job_key, body, properties)
                channel.basic_nack(method.delivery_tag)
        except (AMQPError, OSError):
            return False
        return True

    def shovel(self, queue: str) -> int:
        """Move all messages of a queue to the job queue, as an operator may; return how many.

        Raises:
            AMQPError: the broker is down.
        """
        moved = 0
        with pika.BlockingConnection(self._parameters) as connection:
            channel = connection.channel()
            channel.confirm_delivery()
            while self._job_key:
                method, properties, body = channel.basic_get(queue)
                if method is None:
                    break
                channel.basic_publish(self._exchange, self._job_key, body, properties)
                channel.basic_ack(method.delivery_tag)
                moved += 1
        return moved

    def _publish(self, exchange: str, key: str, body: bytes, properties: pika.BasicProperties) -> bool:
        try:
            with pika.BlockingConnection(self._parameters) as connection:
                connection.channel().basic_publish(exchange, key, body, properties)
        except (AMQPError, OSError):
            return False
        return True
