"""Replay dead letters: `python -m worker replay`."""

import logging
from dataclasses import replace

import pika
from pika.adapters.blocking_connection import BlockingChannel

from common.crypto.sealing import Secret
from common.messages.archive_job import ArchiveJob, NotOurMessage
from common.messages.ledger import Entry, Kind
from common.messages.publisher import connection_parameters
from common.messages.topology import DEAD, EXCHANGE, JOB_KEY, LEDGER_KEY, declare

logger = logging.getLogger(__name__)


def replay_dead(url: Secret) -> tuple[int, int]:
    """Requeue every dead letter that is a job, with its waits and its returns counted from nought.

    A message leaves the dead letters only when the broker has confirmed its copy.

    Args:
        url: of the broker.

    Returns:
        how many were requeued, and how many are no jobs and stay.
    """
    with pika.BlockingConnection(connection_parameters(url, "cloud_archive replay", heartbeat=30)) as connection:
        channel = connection.channel()
        declare(channel)
        channel.confirm_delivery()
        dead = channel.queue_declare(DEAD, passive=True).method.message_count
        replayed = [_replay_one(channel) for _ in range(dead)]
        # What was taken and not acknowledged stays: it returns when the channel closes.
    return replayed.count(True), replayed.count(False)


def _replay_one(channel: BlockingChannel) -> bool | None:
    method, properties, body = channel.basic_get(DEAD)
    if method is None or properties is None or body is None:
        return None
    try:
        job = ArchiveJob.decode(body)
    except NotOurMessage as refused:
        logger.warning("a dead message is no job: %s", refused)
        return False
    state = replace(job.state, waits=0, waiting_since=0)
    properties.headers = None
    # The copy has never come back: whoever claims it must not be taken for a worker that died.
    entry = Entry(job_id=job.id, kind=Kind.PUT_DOWN)
    channel.basic_publish(EXCHANGE, LEDGER_KEY, entry.encode(), mandatory=True)
    channel.basic_publish(EXCHANGE, JOB_KEY, replace(job, state=state).encode(), properties, mandatory=True)
    channel.basic_ack(method.delivery_tag)
    logger.info("a dead job goes back to work", extra={"job_id": job.id})
    return True
