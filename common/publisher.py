"""Publishing with a promise: confirmed by the broker, routed to a queue, within a bounded wait. Knows no jobs.

Each message has a connection of its own: a handful of milliseconds at our rates, and no idle connection that dies
unseen. pika's wait for a confirm has no time limit of its own (a broker without its majority never answers), so it
happens on threads of our own: a hung broker costs one bounded wait and at most `AT_ONCE` threads.
"""

import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NoAnswer
from typing import Any

import pika
from pika.exceptions import AMQPError, NackError, UnroutableError

from common.errors import Reason, Transient
from common.sealing import Secret
from common.topology import declare

AT_ONCE = 4
WAIT_SECONDS = 10.0
APP_ID = "cloud_archive"


def connection_parameters(url: Secret, name: str, *, heartbeat: int) -> pika.URLParameters:
    """Return how to connect: one attempt, bounded waits, and a name that operators see at the broker.

    Args:
        url: of the broker.
        name: of the connection.
        heartbeat: seconds; a frozen peer is noticed after about three of them.
    """
    parameters = pika.URLParameters(url.reveal())
    parameters.heartbeat = heartbeat
    parameters.blocked_connection_timeout = 30
    parameters.socket_timeout = 5
    parameters.stack_timeout = 10
    parameters.client_properties = {"connection_name": name}
    return parameters


class Publisher:
    """Publishes messages that are in a queue when the call returns. Thread-safe.

    Args:
        url: of the broker.
        name: of this process, as operators see it at the broker.
    """

    def __init__(self, url: Secret, name: str) -> None:
        self._parameters = connection_parameters(url, name, heartbeat=30)
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="publisher")

    def publish(
        self, exchange: str, routing_key: str, body: bytes, *, message_id: str, headers: Mapping[str, Any] | None = None
    ) -> None:
        """Publish a persistent message and return when the broker has it.

        Args:
            exchange: where to.
            routing_key: its way from there.
            body: JSON.
            message_id: the same for every repetition of the same message.
            headers: more about it.

        Raises:
            Transient: it is not in a queue, or nobody knows; the same message may be published again.
        """
        properties = pika.BasicProperties(  # type: ignore[no-untyped-call]
            content_type="application/json",
            delivery_mode=pika.DeliveryMode.Persistent.value,
            message_id=message_id,
            type="cloud_archive.job.v1",
            app_id=APP_ID,
            timestamp=int(time.time()),
            headers=dict(headers or {}),
        )
        self._wait(self._threads.submit(self._publish, exchange, routing_key, body, properties))

    def check(self) -> None:
        """Connect and declare the topology; raises Transient when the broker cannot be reached."""
        self._wait(self._threads.submit(self._connect_and_leave))

    def close(self) -> None:
        """Let what is under way end; nothing can be published any more."""
        self._threads.shutdown(wait=False)

    def _publish(self, exchange: str, routing_key: str, body: bytes, properties: pika.BasicProperties) -> None:
        with pika.BlockingConnection(self._parameters) as connection:
            channel = connection.channel()
            declare(channel)
            channel.confirm_delivery()
            channel.basic_publish(exchange, routing_key, body, properties, mandatory=True)

    def _connect_and_leave(self) -> None:
        with pika.BlockingConnection(self._parameters) as connection:
            declare(connection.channel())

    def _wait(self, publishing: "Future[None]") -> None:
        try:
            publishing.result(WAIT_SECONDS)
        except NoAnswer:
            publishing.cancel()
            raise Transient(Reason.TRY_LATER, "the broker does not answer") from None
        except (UnroutableError, NackError):
            raise Transient(Reason.TRY_LATER, "the broker has no room for the message") from None
        except (AMQPError, OSError) as error:
            raise Transient(Reason.TRY_LATER, f"the broker cannot be reached ({type(error).__name__})") from None
