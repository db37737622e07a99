"""Dead letters: listed, put back to work, thrown away.

A queue counts how often each message came back, and some versions of RabbitMQ drop one that did so twenty times
(`x-delivery-limit`): looking must not wear a letter out, so what was looked at often is replaced by a fresh copy.
"""

import hashlib
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC
from typing import Any

import pika
from pika.adapters.blocking_connection import BlockingChannel

from common.crypto.sealing import Secret
from common.messages.archive_job import ArchiveJob, NotOurMessage
from common.messages.ledger import Entry, Kind
from common.messages.publisher import broker_errors, connection_parameters
from common.messages.topology import (
    DEAD,
    DEAD_EXCHANGE,
    EXCHANGE,
    JOB_KEY,
    LEDGER_KEY,
    REASON_HEADER,
    declare,
    delivery_count,
    read_text,
)
from common.telemetry import logs

logger = logging.getLogger(__name__)

# Looks after which a letter is replaced by a copy: half of what RabbitMQ 4 lets a message come back by default.
MAX_LOOKS = 10
# Seconds: dead letters are kept for two weeks, by a policy of ours at the broker. A copy is no younger than its letter.
KEPT_SECONDS = 14 * 24 * 3600
_COUNTERS = ("x-delivery-count", "x-acquired-count")
_ID_DIGITS = 12


@dataclass(frozen=True)
class DeadLetter:
    """A message that could not be worked on.

    Args:
        id: its job's; a digest of its body when it names none.
        reason: why it is here, as whoever put it here said.
        at: since when, Unix time in seconds; 0 when it does not tell.
        job: what it holds; None when that is no job.
        fault: why it is no job.
    """

    id: str
    reason: str
    at: float
    job: ArchiveJob | None = field(repr=False)
    fault: str = ""


Wanted = Callable[[DeadLetter], bool]


@dataclass(frozen=True)
class _Taken:
    """A letter in hand: it comes back when it is not settled."""

    tag: int
    letter: DeadLetter
    properties: Any
    body: bytes


def list_dead(url: Secret) -> list[DeadLetter]:
    """Return every dead letter, the oldest first; they stay where they are. Raises Transient.

    Args:
        url: of the broker.
    """
    with _take_all(url, "looks at dead letters") as (channel, taken):
        for each in taken:
            _leave(channel, each)
        return [each.letter for each in taken]


def replay_dead(url: Secret, wanted: Wanted = lambda _letter: True) -> tuple[int, int]:
    """Requeue dead letters that are jobs, each with its waits and its returns counted from nought.

    A message leaves the dead letters only when the broker has confirmed its copy.

    Args:
        url: of the broker.
        wanted: which of them.

    Returns:
        how many were requeued, and how many are no jobs and stay.

    Raises:
        Transient: the broker cannot be had, or has no room.
    """
    replayed = left = 0
    with _take_all(url, "replays dead letters") as (channel, taken):
        for each in taken:
            if wanted(each.letter) and each.letter.job:
                _replay(channel, each, each.letter.job)
                replayed += 1
                continue
            if wanted(each.letter):
                logger.warning("a dead message is no job: %s", each.letter.fault)
                left += 1
            _leave(channel, each)
    return replayed, left


def drop_dead(url: Secret, wanted: Wanted) -> int:
    """Throw dead letters away for good, with what they hold; return how many. Raises Transient.

    Args:
        url: of the broker.
        wanted: which of them.
    """
    dropped = 0
    with _take_all(url, "drops dead letters") as (channel, taken):
        for each in taken:
            if wanted(each.letter):
                channel.basic_ack(each.tag)
                dropped += 1
                logger.info("a dead letter is thrown away", extra={"job_id": each.letter.id})
            else:
                _leave(channel, each)
    return dropped


@contextmanager
def _take_all(url: Secret, purpose: str) -> Iterator[tuple[BlockingChannel, list[_Taken]]]:
    """Hold every dead letter in hand for the time of the block; others see none of them meanwhile."""
    parameters = connection_parameters(url, f"cloud_archive {purpose}", heartbeat=30)
    with broker_errors(), pika.BlockingConnection(parameters) as connection:
        channel = connection.channel()
        declare(channel)
        channel.confirm_delivery()
        dead = channel.queue_declare(DEAD, passive=True).method.message_count
        taken = [each for _ in range(dead) if (each := _take(channel))]
        yield channel, taken


def _take(channel: BlockingChannel) -> _Taken | None:
    method, properties, body = channel.basic_get(DEAD)
    if method is None or properties is None or body is None:
        return None
    return _Taken(method.delivery_tag, _read(properties, body), properties, body)


def _read(properties: pika.BasicProperties, body: bytes) -> DeadLetter:
    headers = properties.headers or {}
    job, fault = None, ""
    try:
        job = ArchiveJob.decode(body)
    except NotOurMessage as refused:
        fault = str(refused)
    named = job.id if job else read_text(properties.message_id)
    return DeadLetter(
        id=named or hashlib.sha256(body).hexdigest()[:_ID_DIGITS],
        reason=str(headers.get(REASON_HEADER) or headers.get("x-first-death-reason") or ""),
        at=_read_time(properties),
        job=job,
        fault=fault,
    )


def _read_time(properties: pika.BasicProperties) -> float:
    """Return when a letter died: whoever puts one here publishes it anew, and the broker notes it in a header."""
    deaths: Any = (properties.headers or {}).get("x-death")
    with suppress(AttributeError, IndexError, KeyError, TypeError, ValueError):
        return float(deaths[0]["time"].replace(tzinfo=UTC).timestamp())
    return float(properties.timestamp or 0)


def _leave(channel: BlockingChannel, taken: _Taken) -> None:
    if delivery_count(taken.properties.headers) < MAX_LOOKS:
        channel.basic_nack(taken.tag, requeue=True)
        return
    properties = taken.properties
    properties.headers = {name: value for name, value in properties.headers.items() if name not in _COUNTERS}
    if taken.letter.at:
        left = max(0.0, taken.letter.at + KEPT_SECONDS - time.time())
        properties.expiration = str(int(left * 1000))
    channel.basic_publish(DEAD_EXCHANGE, "", taken.body, properties, mandatory=True)
    channel.basic_ack(taken.tag)


def _replay(channel: BlockingChannel, taken: _Taken, job: ArchiveJob) -> None:
    properties = taken.properties
    properties.headers, properties.expiration, properties.timestamp = None, None, int(time.time())
    # The copy has never come back: whoever claims it must not be taken for a worker that died.
    entry = Entry(job_id=job.id, kind=Kind.PUT_DOWN)
    noted = pika.BasicProperties(timestamp=properties.timestamp)  # type: ignore[no-untyped-call]
    channel.basic_publish(EXCHANGE, LEDGER_KEY, entry.encode(), noted, mandatory=True)
    state = replace(job.state, waits=0, waiting_since=0)
    channel.basic_publish(EXCHANGE, JOB_KEY, replace(job, state=state).encode(), properties, mandatory=True)
    channel.basic_ack(taken.tag)
    with logs.bound_fields(archive=job.archive):
        logger.info("a dead job goes back to work", extra={"job_id": job.id})
