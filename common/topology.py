"""The exchanges and queues of RabbitMQ, and how they are declared. Knows nothing of what jobs hold.

Arguments are those that every RabbitMQ from 3.10 to 4.3 takes alike: they can never be changed later without a new
queue name (a second declaration with others is refused), so what an operator may want to tune belongs in a policy.
"""

from pika.adapters.blocking_connection import BlockingChannel

EXCHANGE = "cloud_archive"
DEAD_EXCHANGE = "cloud_archive.dlx"
JOBS = "cloud_archive.jobs"
DEAD = "cloud_archive.dead"

JOB_KEY = "job"

# RabbitMQ 4 deletes a message after 20 returns by default, and before 4.3 a graceful return counts too: restarts
# must not eat a job. https://www.rabbitmq.com/docs/quorum-queues#poison-message-handling
DELIVERY_LIMIT = 50
# So many waiting archives mean that nobody works; refusing more tells `web` so at once.
LONGEST_QUEUE = 100_000

REASON_HEADER = "reason"


def declare(channel: BlockingChannel) -> None:
    """Declare everything that both processes use; repeating it changes nothing."""
    channel.exchange_declare(EXCHANGE, "direct", durable=True)
    # Fanout, so that no routing key can lead a dead message past its queue.
    channel.exchange_declare(DEAD_EXCHANGE, "fanout", durable=True)
    channel.queue_declare(DEAD, durable=True, arguments={"x-queue-type": "quorum"})
    channel.queue_bind(DEAD, DEAD_EXCHANGE, "")
    channel.queue_declare(
        JOBS,
        durable=True,
        arguments={
            "x-queue-type": "quorum",
            "x-delivery-limit": DELIVERY_LIMIT,
            "x-max-length": LONGEST_QUEUE,
            "x-overflow": "reject-publish",
            "x-dead-letter-exchange": DEAD_EXCHANGE,
            "x-dead-letter-strategy": "at-least-once",
        },
    )
    channel.queue_bind(JOBS, EXCHANGE, JOB_KEY)
