"""Confirmed publishing: the broker has the message in a queue, or the caller knows otherwise within seconds.

Each message has a connection of its own: a handful of milliseconds at our rates, and no idle connection that dies
unseen. pika's wait for a confirm has no time limit of its own (a broker without its majority never answers), so it
happens on threads of our own: a hung broker costs one bounded wait and at most `AT_ONCE` threads.
"""

import logging
import struct
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NoAnswer
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

import pika
from pika.adapters.blocking_connection import BlockingChannel
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

from common.crypto.sealing import Secret
from common.errors import Reason, Transient
from common.messages.topology import EXCHANGE, JOBS, MAX_QUEUE_LENGTH, OtherTopology, declare, find_difference
from common.messages.verdict import Verdict, declare_verdict

logger = logging.getLogger(__name__)

AT_ONCE = 4
WAIT_SECONDS = 10.0
# From the first packet to a connection that can be used, in seconds.
STACK_SECONDS = 10.0
# After a wait in vain: how long its caller waits for the message to be withdrawn, and how long that is tried, which is
# less than a worker's word stands (`Verdict.TAKEN`).
WITHDRAW_SECONDS, WITHDRAW_FOR_SECONDS, WITHDRAW_AGAIN_SECONDS = 5.0, 300.0, 5.0
# How long a guest's request waits to hear whether the broker has room; most answer within 50 ms.
ROOM_SECONDS = 5.0
APP_ID = "cloud_archive"

Value = TypeVar("Value")

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


class InDoubt(Transient):
    """The message may be in a queue, or still get there."""


class Unrouted(Transient):
    """The message is in no queue: the broker had none for it, and gave it back."""


class BrokerRefuses(Transient):
    """The broker is there and refuses us: nothing but an operator will change that."""

    needs_operator = 0.0


class NotLetIn(BrokerRefuses):
    """The broker refuses our user or virtual host: when that stays, nothing but an operator will change it."""

    # Seconds: one that is starting takes connections before it knows its users and virtual hosts.
    needs_operator = 60.0


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
            return NotLetIn(Reason.TRY_LATER, "the broker refuses RABBITMQ_URL's user or password")
        case ConnectionClosedByBroker(reply_code=403):
            return NotLetIn(Reason.TRY_LATER, "the broker refuses RABBITMQ_URL's user or password")
        case ProbableAccessDeniedError() | ConnectionClosedByBroker(reply_code=530):
            return NotLetIn(Reason.TRY_LATER, "the broker has no such virtual host, or not for RABBITMQ_URL's user")
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
        # Others: those may all be held up by the very trouble that verdicts are about.
        self._verdicts = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="verdicts")
        # One, since an alarm holds up each for half a minute.
        self._knocks = ThreadPoolExecutor(1, thread_name_prefix="room")
        self._closed = threading.Event()

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
            InDoubt: it may be in a queue, or still get there.
            Transient: it is in none. After both the same message may be published again.
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
        sending = _Sending()

        def send() -> None:
            with broker_errors(), pika.BlockingConnection(self._parameters) as connection:
                channel = connection.channel()
                declare(channel)
                channel.confirm_delivery()
                _wait_while_blocked(channel)
                sending.begin()
                try:
                    channel.basic_publish(exchange, routing_key, body, properties, mandatory=True)
                except UnroutableError:
                    raise Unrouted(Reason.TRY_LATER, "the broker has no queue for the message") from None

        try:
            _wait(self._threads.submit(send), WAIT_SECONDS)
        except Unrouted:
            raise
        except Transient as error:
            if sending.give_up():
                raise InDoubt(error.reason, error.detail) from None
            raise

    def withdraw(self, ticket: str) -> bool:
        """Withdraw a message whose publishing is in doubt: no worker will begin with it, whenever it lands.

        Args:
            ticket: of the message.

        Returns:
            whether it is withdrawn; else a worker has begun with it.

        Raises:
            Transient: the broker cannot be asked yet; it goes on being tried for minutes.
        """
        until = time.monotonic() + WITHDRAW_FOR_SECONDS
        return _wait(self._verdicts.submit(self._withdraw, ticket, until), WITHDRAW_SECONDS)

    def take_ticket(self, ticket: str) -> bool:
        """Mark a message as begun; return false when its publisher has withdrawn it. Raises Transient.

        Args:
            ticket: of the message.
        """
        return _wait(self._verdicts.submit(declare_verdict, self._parameters, ticket, Verdict.TAKEN), WAIT_SECONDS)

    def check(self) -> None:
        """Connect and declare the topology; raises Transient when the broker cannot be reached."""
        _wait(self._threads.submit(self._connect_and_leave), WAIT_SECONDS)

    def check_room(self) -> None:
        """Return when a job could be published now; raises Transient when the broker is away, refuses or has no room.

        Nothing stays of it: what is sent has no queue and comes back, unless an alarm holds up those who publish.
        """
        _wait(self._knocks.submit(self._knock), ROOM_SECONDS)

    def close(self) -> None:
        """Let what is under way end; nothing can be published any more."""
        self._closed.set()
        self._threads.shutdown(wait=False)
        self._verdicts.shutdown(wait=False)
        self._knocks.shutdown(wait=False)

    def _connect_and_leave(self) -> None:
        with pika.BlockingConnection(self._parameters) as connection:
            declare(connection.channel())

    def _knock(self) -> None:
        with pika.BlockingConnection(self._parameters) as connection:
            channel = connection.channel()
            declare(channel)
            if channel.queue_declare(JOBS, passive=True).method.message_count >= MAX_QUEUE_LENGTH:
                raise Transient(Reason.TRY_LATER, "the broker has no room for another job")
            channel.confirm_delivery()
            _wait_while_blocked(channel)

    def _withdraw(self, ticket: str, until: float) -> bool:
        while True:
            try:
                return declare_verdict(self._parameters, ticket, Verdict.VOID)
            except BROKER_ERRORS:
                if time.monotonic() + WITHDRAW_AGAIN_SECONDS > until or self._closed.wait(WITHDRAW_AGAIN_SECONDS):
                    raise


class _Sending:
    """One message: whether any of it may have been sent, and whether it still may be. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._begun = self._given_up = False

    def begin(self) -> None:
        """Note that it is sent now; raises Transient if its caller has given up."""
        with self._lock:
            if self._given_up:
                raise Transient(Reason.TRY_LATER, "nobody waits for it any more")
            self._begun = True

    def give_up(self) -> bool:
        """Keep it from being sent, and say whether it may have been."""
        with self._lock:
            self._given_up = True
            return self._begun


def _wait_while_blocked(channel: BlockingChannel) -> None:
    """Return when the broker takes messages: one that holds up publishers does not even send this one back.

    So an alarm that is already there costs nothing but time: what matters was never sent. It must have a body: what has
    none is whole before RabbitMQ stops to read.
    """
    with suppress(UnroutableError):
        channel.basic_publish(EXCHANGE, "nowhere", b"{}", mandatory=True)


def _wait(doing: "Future[Value]", seconds: float) -> Value:
    """Return a future's result; raises Transient if there is none in time. What was not begun by then never is."""
    try:
        return doing.result(seconds)
    except NoAnswer:
        doing.cancel()
        raise Transient(Reason.TRY_LATER, "the broker does not answer") from None
    except BROKER_ERRORS as error:
        raise _translate(error) from None
