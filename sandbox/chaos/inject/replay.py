"""Messages seen on their way to the broker, to be sent once more: what doubts, shovels and operators do."""

import random
import threading
from collections.abc import Callable

import pika
from pika.exceptions import AMQPError

from sandbox.chaos.inject.process import Workman
from sandbox.run.frames import Moment

_MOST = 2000
_JOB_KEYS = ("job", "waiting")
_PATIENCE_SECONDS = 5
DEAD = "cloud_archive.dead"


class Copies:
    """What was published for jobs, and can be published again. Thread-safe.

    Args:
        broker_url: where copies go, past everything that is cut.
    """

    def __init__(self, broker_url: str) -> None:
        self._parameters = pika.URLParameters(broker_url)
        self._parameters.socket_timeout = self._parameters.stack_timeout = _PATIENCE_SECONDS
        self._guard = threading.Lock()
        self._seen: list[Moment] = []
        self._back_key = ""
        self._exchange = ""

    @property
    def known(self) -> int:
        """How many messages there are to choose from."""
        return len(self._seen)

    def see(self, moment: Moment, passed: bool) -> None:
        """Keep a message that has passed, if it is a job's."""
        if passed and moment.what == "publish" and moment.key.startswith(_JOB_KEYS) and not moment.key.count(".") > 1:
            with self._guard:
                self._seen = [*self._seen[-_MOST:], moment]
                if moment.key.startswith("job"):
                    self._exchange, self._back_key = moment.exchange, moment.key

    def watch(self, workman: Workman) -> Callable[[Moment, bool], bool]:
        """Return a watch for a program's line that keeps what passes and lets its trap see it too."""

        def watch(moment: Moment, passed: bool) -> bool:
            self.see(moment, passed)
            return workman.trap.watch(moment, passed)

        return watch

    def send(self, chance: random.Random) -> bool:
        """Publish one of them again, the same in every byte; says whether that went.

        It goes where it went before, or straight to the jobs, as a wait that is cut short.
        """
        with self._guard:
            if not self._seen:
                return False
            young = self._seen[-10:]
            moment = chance.choice(young if chance.random() < 0.5 else self._seen)
            key = moment.key if chance.random() < 0.5 or not self._back_key else self._back_key
        properties = pika.BasicProperties()
        properties.decode(moment.properties)
        return self._publish(moment.exchange, key, moment.body, properties)

    def revive(self) -> bool:
        """Publish the oldest dead message again, and leave it among the dead; says whether there was one."""
        if not self._back_key:
            return False
        try:
            with pika.BlockingConnection(self._parameters) as connection:
                channel = connection.channel()
                method, properties, body = channel.basic_get(DEAD)
                if method is None:
                    return False
                properties.headers = None
                channel.basic_publish(self._exchange, self._back_key, body, properties)
                channel.basic_nack(method.delivery_tag)
        except (AMQPError, OSError):
            return False
        return True

    def shovel(self, queue: str) -> int:
        """Move what lies in a queue to the jobs, as an operator may; returns how many messages.

        Raises:
            AMQPError: the broker is not there.
        """
        moved = 0
        with pika.BlockingConnection(self._parameters) as connection:
            channel = connection.channel()
            channel.confirm_delivery()
            while self._back_key:
                method, properties, body = channel.basic_get(queue)
                if method is None:
                    break
                channel.basic_publish(self._exchange, self._back_key, body, properties)
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
