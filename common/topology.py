"""The exchanges and queues of RabbitMQ, and how they are declared. Knows nothing of what jobs hold.

Arguments are those that every RabbitMQ from 3.10 to 4.3 takes alike: they can never be changed later without a new
queue name (a second declaration with others is refused), so what an operator may want to tune belongs in a policy.
"""

from collections.abc import Mapping
from typing import Any

from pika.adapters.blocking_connection import BlockingChannel

EXCHANGE = "cloud_archive"
DEAD_EXCHANGE = "cloud_archive.dlx"
NEWS_EXCHANGE = "cloud_archive.progress"
JOBS = "cloud_archive.jobs"
DEAD = "cloud_archive.dead"
EVENTS = "cloud_archive.events"

JOB_KEY = "job"
EVENT_KEY = "event"
CANCEL_KEYS = "job.*.cancel"
PROGRESS_KEYS = "job.*.progress"

# How long a job waits before it returns, in seconds, level by level: one queue each, since a queue gives back its
# messages in order and one with mixed times would hold the short ones up behind the long.
WAITING_SECONDS = (10, 45, 300, 1800)

# RabbitMQ 4 deletes a message after 20 returns by default, and before 4.3 a graceful return counts too: restarts
# must not eat a job. https://www.rabbitmq.com/docs/quorum-queues#poison-message-handling
DELIVERY_LIMIT = 50
# So many waiting archives mean that nobody works; refusing more tells `web` so at once.
LONGEST_QUEUE = 100_000

REASON_HEADER = "reason"


def waiting_key(level: int) -> str:
    """Return the routing key of a waiting queue; level 0 is the shortest wait."""
    return f"waiting.{min(level, len(WAITING_SECONDS) - 1) + 1}"


def cancel_key(job_id: str) -> str:
    """Return the routing key of the news that a guest wants no more of a job."""
    return f"job.{job_id}.cancel"


def progress_key(job_id: str) -> str:
    """Return the routing key of a job's snapshots."""
    return f"job.{job_id}.progress"


def declare(channel: BlockingChannel) -> None:
    """Declare everything that both processes use; repeating it changes nothing."""
    channel.exchange_declare(EXCHANGE, "direct", durable=True)
    # Fanout, so that no routing key can lead a dead message past its queue.
    channel.exchange_declare(DEAD_EXCHANGE, "fanout", durable=True)
    channel.exchange_declare(NEWS_EXCHANGE, "topic", durable=True)
    channel.queue_declare(DEAD, durable=True, arguments={"x-queue-type": "quorum"})
    channel.queue_bind(DEAD, DEAD_EXCHANGE, "")
    _declare_work_queue(
        channel, JOBS, JOB_KEY, dead_letters_to=DEAD_EXCHANGE, more={"x-delivery-limit": DELIVERY_LIMIT}
    )
    _declare_events(channel)
    for level, seconds in enumerate(WAITING_SECONDS):
        # A wait ends by the message's death here, which leads it back to the jobs.
        more = {"x-message-ttl": seconds * 1000, "x-dead-letter-routing-key": JOB_KEY}
        key = waiting_key(level)
        _declare_work_queue(channel, f"{EXCHANGE}.{key}", key, dead_letters_to=EXCHANGE, more=more)


def _declare_events(channel: BlockingChannel) -> None:
    """Declare the stream of everything that happened to jobs lately: what a starting replica reads."""
    arguments = {
        "x-queue-type": "stream",
        "x-max-age": "7D",
        "x-max-length-bytes": 1_000_000_000,
        # Only whole segments are ever dropped: with the default of 500 MB the age would never count.
        "x-stream-max-segment-size-bytes": 20_000_000,
    }
    channel.queue_declare(EVENTS, durable=True, arguments=arguments)
    channel.queue_bind(EVENTS, EXCHANGE, EVENT_KEY)


def _declare_work_queue(
    channel: BlockingChannel, name: str, key: str, *, dead_letters_to: str, more: dict[str, Any]
) -> None:
    arguments = {
        "x-queue-type": "quorum",
        "x-max-length": LONGEST_QUEUE,
        "x-overflow": "reject-publish",
        "x-dead-letter-exchange": dead_letters_to,
        # A dead message stays where it is until the other queue has it.
        "x-dead-letter-strategy": "at-least-once",
    }
    channel.queue_declare(name, durable=True, arguments={**arguments, **more})
    channel.queue_bind(name, EXCHANGE, key)


def delivery_count(headers: Mapping[str, Any] | None) -> int:
    """Return how often a message came back before: quorum queues count it."""
    count = (headers or {}).get("x-delivery-count", 0)
    return count if isinstance(count, int) else 0
