"""Publishing with a promise: confirmed by the broker, routed to a queue, within a bounded wait. Knows no jobs.

Each message has a connection of its own: a handful of milliseconds at our rates, and no idle connection that dies
unseen. pika's wait for a confirm has no time limit of its own (a broker without its majority never answers), so it
happens on threads of our own: a hung broker costs one bounded wait and at most `AT_ONCE` threads.
"""

import logging
import struct
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NoAnswer
from contextlib import contextmanager
from typing import Any

import pika
from pika.adapters.utils.connection_workflow import AMQPConnectorException
from pika.exceptions import (
    AMQPError,
    ChannelClosedByBroker,
    ChannelError,
    ConnectionClosedByBroker,
    NackError,
    ProbableAccessDeniedError,
    ProbableAuthenticationError,
    ReentrancyError,
    UnroutableError,
)

from common.errors import Reason, Transient
from common.sealing import Secret
from common.topology import OtherTopology, declare, find_difference

logger = logging.getLogger(__name__)

AT_ONCE = 4
WAIT_SECONDS = 10.0
# From the first packet to a connection that can be used, in seconds.
STACK_SECONDS = 10.0
APP_ID = "cloud_archive"

# Every way in which pika says that the broker cannot be had. A connection that comes about too slowly, or breaks
# before it is one, is no AMQPError; and what talks nonsense is read by code that expects none: struct, assertions,
# tables and texts that cannot be decoded. https://pika.readthedocs.io/en/stable/modules/exceptions.html
BROKER_ERRORS: tuple[type[Exception], ...] = (
    AMQPError,
    AMQPConnectorException,
    ChannelError,
    ReentrancyError,
    OSError,
    EOFError,
    struct.error,
    AssertionError,
    UnicodeError,
)


class BrokerRefuses(Transient):
    """The broker is there and refuses us: nothing but an operator will change that."""

    needs_operator = True


@contextmanager
def broker_errors() -> Iterator[None]:
    """Translate what pika raises within the block.

    Raises:
        OtherTopology: a queue or an exchange was declared otherwise before; says which, and the difference.
        BrokerRefuses: the broker does not let us in, or not do what we must.
        Transient: the broker cannot be reached, or has no room.
    """
    try:
        yield
    except BROKER_ERRORS as error:
        raise _translate(error) from None


def _translate(error: Exception) -> Transient:
    match error:
        case UnroutableError() | NackError():
            return Transient(Reason.TRY_LATER, "the broker has no room for the message")
        case ChannelClosedByBroker() if difference := find_difference(error.reply_text):
            return OtherTopology(difference)
        case ChannelClosedByBroker(reply_code=403):
            return BrokerRefuses(Reason.TRY_LATER, "the broker's user lacks a permission on our queues and exchanges")
        case ProbableAuthenticationError():
            return BrokerRefuses(Reason.TRY_LATER, "the broker refuses RABBITMQ_URL's user or password")
        case ConnectionClosedByBroker(reply_code=403):
            return BrokerRefuses(Reason.TRY_LATER, "the broker refuses RABBITMQ_URL's user or password")
        case ProbableAccessDeniedError() | ConnectionClosedByBroker(reply_code=530):
            return BrokerRefuses(
                Reason.TRY_LATER, "the broker has no such virtual host, or not for RABBITMQ_URL's user"
            )
    return Transient(Reason.TRY_LATER, f"the broker cannot be reached ({type(error).__name__})")


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
    parameters.stack_timeout = STACK_SECONDS
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
        with broker_errors(), pika.BlockingConnection(self._parameters) as connection:
            channel = connection.channel()
            declare(channel)
            channel.confirm_delivery()
            channel.basic_publish(exchange, routing_key, body, properties, mandatory=True)

    def _connect_and_leave(self) -> None:
        with broker_errors(), pika.BlockingConnection(self._parameters) as connection:
            declare(connection.channel())

    def _wait(self, publishing: "Future[None]") -> None:
        try:
            publishing.result(WAIT_SECONDS)
        except NoAnswer:
            publishing.cancel()
            raise Transient(Reason.TRY_LATER, "the broker does not answer") from None
        except Transient:
            raise
        except Exception as bug:
            # Whatever it was: the message is in no queue, or nobody knows.
            logger.exception("publishing met a bug")
            raise Transient(Reason.TRY_LATER, f"the message was not published ({type(bug).__name__})") from None
