"""RabbitMQ topology: exchanges, queues, routing keys, and their declaration.

A queue whose arguments change gets a new name, and so does its routing key: RabbitMQ refuses to declare a queue again
with other arguments, and while versions change both run side by side. What lies in the old queue still finds its way;
when it is empty an operator deletes it. `tests/unit/common/messages/test_topology.py` holds every name with its
arguments.

Arguments are those that every RabbitMQ from 3.10 to 4.3 takes alike. What an operator may want to tune, like the age
of dead messages, belongs in a policy.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pika.adapters.blocking_connection import BlockingChannel

from common.errors import Reason, Transient

EXCHANGE = "cloud_archive"
DEAD_EXCHANGE = "cloud_archive.dlx"
PROGRESS_EXCHANGE = "cloud_archive.progress"
JOBS = "cloud_archive.jobs"
DEAD = "cloud_archive.dead"
EVENTS = "cloud_archive.events"
LEDGER = "cloud_archive.ledger"
LIVE = "cloud_archive.live"

JOB_KEY = "job"
EVENT_KEY = "event"
LEDGER_KEY = "ledger"
CANCEL_KEYS = "job.*.cancel"
PROGRESS_KEYS = "job.*.progress"
# Published by a replica of `web` when it starts: every worker answers with a snapshot of each job that runs.
HELLO_KEY = "hello"
WATCHED_KEYS = "job.*.watched"

# How long a job waits before it returns, in seconds, level by level: one queue each, since a queue gives back its
# messages in order and one with mixed times would hold the short ones up behind the long.
WAITING_SECONDS = (10, 45, 300, 1800)

# RabbitMQ 4 deletes a message after 20 returns by default, and before 4.3 a graceful return counts too: restarts
# must not eat a job. https://www.rabbitmq.com/docs/quorum-queues#poison-message-handling
DELIVERY_LIMIT = 50
# Messages. So many waiting archives mean that no worker works; refusing more tells `web` so at once.
MAX_QUEUE_LENGTH = 100_000

REASON_HEADER = "reason"
_MAX_KEY_BYTES = 255


def waiting_key(level: int) -> str:
    """Return the routing key of a waiting queue; level 0 is the shortest wait."""
    return f"waiting.{min(level, len(WAITING_SECONDS) - 1) + 1}"


def cancel_key(job_id: str) -> str:
    """Return the routing key that says a guest cancelled a job; raises ValueError as `progress_key`."""
    return _check_key(f"job.{job_id}.cancel")


def progress_key(job_id: str) -> str:
    """Return the routing key of a job's snapshots; raises ValueError for an id that is too long for one."""
    return _check_key(f"job.{job_id}.progress")


def _check_key(key: str) -> str:
    """Return the key; it is a short string: https://www.rabbitmq.com/amqp-0-9-1-reference.html#domain.shortstr."""
    if len(key.encode()) > _MAX_KEY_BYTES:
        raise ValueError("too long for a routing key")
    return key


def watched_key(job_id: str) -> str:
    """Return the routing key that says somebody looks at a job."""
    return f"job.{job_id}.watched"


@dataclass(frozen=True)
class Queue:
    """A durable queue.

    Args:
        name: of it; another one for other arguments.
        arguments: as RabbitMQ takes them.
        exchange, key: where its messages come from.
    """

    name: str
    arguments: Mapping[str, Any]
    exchange: str
    key: str


class OtherTopology(Transient):
    """The broker's queues or exchanges are not those of this version: nothing but an operator will change that.

    Args:
        difference: which one, and what differs.
    """

    needs_operator = 0.0

    def __init__(self, difference: str) -> None:
        super().__init__(Reason.TRY_LATER, f"{difference}; see docs/operations.md, A queue was declared otherwise")


def declare(channel: BlockingChannel) -> None:
    """Declare everything that both processes use; repeating it changes nothing."""
    channel.exchange_declare(EXCHANGE, "direct", durable=True)
    # Fanout, so that no routing key can lead a dead message past its queue.
    channel.exchange_declare(DEAD_EXCHANGE, "fanout", durable=True)
    channel.exchange_declare(PROGRESS_EXCHANGE, "topic", durable=True)
    for queue in list_queues():
        channel.queue_declare(queue.name, durable=True, arguments=dict(queue.arguments))
        channel.queue_bind(queue.name, queue.exchange, queue.key)


def list_queues() -> Iterator[Queue]:
    """Return every queue that both processes use."""
    yield Queue(DEAD, {"x-queue-type": "quorum"}, DEAD_EXCHANGE, "")
    yield _work_queue(JOBS, JOB_KEY, {"x-dead-letter-exchange": DEAD_EXCHANGE, "x-delivery-limit": DELIVERY_LIMIT})
    yield Queue(EVENTS, _EVENTS_ARGUMENTS, EXCHANGE, EVENT_KEY)
    yield Queue(LEDGER, _LEDGER_ARGUMENTS, EXCHANGE, LEDGER_KEY)
    yield Queue(LIVE, _LIVE_ARGUMENTS, PROGRESS_EXCHANGE, PROGRESS_KEYS)
    for level, seconds in enumerate(WAITING_SECONDS):
        # A wait ends by the message's death here, which leads it back to the jobs.
        back = {"x-dead-letter-exchange": EXCHANGE, "x-dead-letter-routing-key": JOB_KEY}
        key = waiting_key(level)
        yield _work_queue(f"{EXCHANGE}.{key}", key, {**back, "x-message-ttl": seconds * 1000})


# The stream of everything that happened to jobs lately: what a starting replica reads.
_EVENTS_ARGUMENTS = {
    "x-queue-type": "stream",
    "x-max-age": "7D",
    "x-max-length-bytes": 1_000_000_000,
    # Only whole segments are ever dropped: with the default of 500 MB the age would never count.
    "x-stream-max-segment-size-bytes": 20_000_000,
}


# The log of who works on what (`common.messages.ledger`). It holds sealed grants and the bodies of messages, so it is
# kept no longer than it must be: a job waits for a day at most.
_LEDGER_ARGUMENTS = {**_EVENTS_ARGUMENTS, "x-max-age": "2D"}


# What was told of running jobs lately, and shown: a replica that starts shows no less, even if no worker is left
# to ask. Jobs that wait or have ended are in the other stream.
_LIVE_ARGUMENTS = {**_EVENTS_ARGUMENTS, "x-max-age": "1h", "x-stream-max-segment-size-bytes": 5_000_000}


def _work_queue(name: str, key: str, more: Mapping[str, Any]) -> Queue:
    arguments = {
        "x-queue-type": "quorum",
        "x-max-length": MAX_QUEUE_LENGTH,
        "x-overflow": "reject-publish",
        # A dead message stays where it is until the other queue has it.
        "x-dead-letter-strategy": "at-least-once",
    }
    return Queue(name, {**arguments, **more}, EXCHANGE, key)


# Of the broker's words only these are repeated: an argument, a queue or exchange of ours, and two short values.
# https://github.com/rabbitmq/rabbitmq-server/blob/v4.1.0/deps/rabbit_common/src/rabbit_misc.erl
_VALUE = r"(?:the value )?(none|'[\w.-]{1,60}')(?: of type '\w{1,20}')?"
_INEQUIVALENT = re.compile(
    r"PRECONDITION_FAILED - inequivalent arg '(?P<argument>[\w-]{1,60})' for (?P<kind>queue|exchange) "
    rf"'(?P<name>{EXCHANGE}[a-z0-9._]{{0,60}})' in vhost '[^']{{1,255}}': received {_VALUE} but current is {_VALUE}",
    re.ASCII,
)


def find_difference(reply_text: str) -> str:
    """Return what a broker found different when something was declared again, or nothing.

    Args:
        reply_text: with which it closed the channel.
    """
    told = _INEQUIVALENT.fullmatch(reply_text)
    if not told:
        return ""
    wanted, found = (value.strip("'") for value in told.groups()[-2:])
    return (
        f"the {told['kind']} {told['name']} was declared otherwise before: "
        f"its {told['argument']} is {found}, this version needs {wanted}"
    )


def delivery_count(headers: Mapping[str, Any] | None, *, redelivered: bool = False) -> int:
    """Return how often a message came back before: quorum queues count it, some versions not every time.

    Args:
        headers: of the message.
        redelivered: whether it was handed out before.
    """
    counts = [(headers or {}).get(name, 0) for name in ("x-delivery-count", "x-acquired-count")]
    return max([int(redelivered), *(count for count in counts if isinstance(count, int))])


def read_text(text: str | bytes | None) -> str:
    """Return a short text of a message: pika leaves one that is no UTF-8 as it came."""
    return text.decode(errors="replace") if isinstance(text, bytes) else text or ""
