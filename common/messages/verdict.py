"""Decide once, at the broker, whether a message counts that was not confirmed in time: who comes first wins.

A publisher that waited in vain cannot take its message back: it may lie in the broker's socket, behind an alarm, and
land hours later. So each such message has a ticket, and before its job begins a worker says at the broker that it is
taken, or finds that its publisher has said that it is void. What is said is a queue named by the ticket: declaring one
is not held up by alarms, which stop publishing only, and a second declaration with other arguments is refused, in a
cluster as well (https://www.rabbitmq.com/docs/queues#property-equivalence). It goes by itself when it has expired.
"""

import secrets
from enum import IntEnum

import pika
from pika.exceptions import ChannelClosedByBroker

_PREFIX = "cloud_archive.verdict."
_PRECONDITION_FAILED = 406  # https://www.rabbitmq.com/amqp-0-9-1-reference.html#constants


class Verdict(IntEnum):
    """What was decided, and for how many seconds that stands."""

    # Longer than a publisher goes on trying to withdraw what it published.
    TAKEN = 600
    # Longer than any alarm or queue keeps a message back: after a week its job is forgotten everywhere.
    VOID = 7 * 24 * 3600


def make_ticket() -> str:
    """Return a fresh name for one publishing of one message."""
    return secrets.token_urlsafe(16)


def declare_verdict(parameters: pika.URLParameters, ticket: str, verdict: Verdict) -> bool:
    """Declare what becomes of a message, unless the opposite was declared before.

    Args:
        parameters: of the connection, which is opened for it.
        ticket: of the message.
        verdict: what is said; saying it again is no contradiction.

    Returns:
        whether it stands.

    Raises:
        AMQPError, OSError: the broker could not be asked.
    """
    # Of a quorum queue each would cost the broker an atom, which it never gets back.
    arguments = {"x-queue-type": "classic", "x-expires": verdict * 1000}
    with pika.BlockingConnection(parameters) as connection:
        try:
            connection.channel().queue_declare(f"{_PREFIX}{ticket}", durable=True, arguments=arguments)
        except ChannelClosedByBroker as refused:
            if refused.reply_code != _PRECONDITION_FAILED:
                raise
            return False
    return True
