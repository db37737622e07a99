"""What the broker knows of jobs, read once: both streams to their end, the queues' lengths, the workers' answers.

Nothing is taken away: a stream keeps what is read. Each reading appends one mark, an entry of no job, and ends where
that comes back; when the broker takes no message now, it ends when nothing more comes.
"""

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Generic, NamedTuple, TypeVar

import pika
from pika.adapters.blocking_connection import BlockingChannel, BlockingConnection

from common.crypto.sealing import Secret
from common.errors import Transient
from common.messages.archive_job import MAX_TIME
from common.messages.ledger import NOBODY, Entry, Kind, NotAnEntry
from common.messages.progress import MARK_PREFIX, NotProgress, Progress
from common.messages.publisher import BROKER_ERRORS, Publisher, broker_errors, connection_parameters
from common.messages.topology import (
    EVENT_KEY,
    EVENTS,
    EXCHANGE,
    HELLO_KEY,
    LEDGER,
    LEDGER_KEY,
    PROGRESS_EXCHANGE,
    PROGRESS_KEYS,
    declare,
    list_queues,
)

Message = TypeVar("Message")

# As followers read a stream: many at a time, since reading is a matter of round trips.
PREFETCH, ACKNOWLEDGED_AT_ONCE = 1000, 250
# Without a mark a stream counts as read after so many seconds without a message.
QUIET_SECONDS = 5.0
# How long workers have to answer; `web` gives them half a second, and a busy one a little more.
ANSWER_SECONDS = 1.5
NAME = "cloud_archive tools"


class Noted(NamedTuple, Generic[Message]):
    """A message of a stream.

    Attributes:
        offset: its place, which orders it.
        at: when it was published, by its publisher's clock, Unix seconds; 0 when it does not tell. For people only.
        message: what it says.
    """

    offset: int
    at: float
    message: Message


class QueueLength(NamedTuple):
    """How full a queue is.

    Attributes:
        messages: that are ready.
        consumers: processes that take them.
    """

    messages: int
    consumers: int


def read_ledger(url: Secret, note: Callable[[Noted[Entry]], None]) -> None:
    """Read every entry of the ledger that can be read; there may be a hundred thousand. Raises Transient.

    Args:
        url: of the broker.
        note: told of each, in the ledger's order.
    """
    mark = Entry(job_id=NOBODY, kind=Kind.STOPPED).encode(secrets.token_urlsafe(12))

    def decode(offset: int, at: float, body: bytes) -> None:
        with suppress(NotAnEntry):
            entry = Entry.decode(body)[1]
            if entry.job_id != NOBODY:
                note(Noted(offset, at, entry))

    _read_stream(url, LEDGER, "first", (LEDGER_KEY, mark), decode)


def read_events(url: Secret, since: float, note: Callable[[Noted[Progress]], None]) -> None:
    """Read the snapshots that are kept; of a busy week there may be a million. Raises Transient.

    Args:
        url: of the broker.
        since: Unix time in seconds; some that are older may come as well.
        note: told of each, in their order.
    """
    mark = Progress(job_id=f"{MARK_PREFIX}{secrets.token_hex(8)}").encode()

    def decode(offset: int, at: float, body: bytes) -> None:
        with suppress(NotProgress):
            progress = Progress.decode(body)
            if not progress.job_id.startswith(MARK_PREFIX):
                note(Noted(offset, at, progress))

    _read_stream(url, EVENTS, datetime.fromtimestamp(max(since, 0.0), UTC), (EVENT_KEY, mark), decode)


def measure_queues(url: Secret) -> dict[str, QueueLength]:
    """Return the length of every queue, streams too, by its name. Raises Transient.

    Args:
        url: of the broker.
    """
    with broker_errors(), BlockingConnection(_parameters(url)) as connection:
        channel = connection.channel()
        declare(channel)
        found = {queue.name: channel.queue_declare(queue.name, passive=True).method for queue in list_queues()}
    return {name: QueueLength(method.message_count, method.consumer_count) for name, method in found.items()}


def ask_workers(url: Secret, seconds: float = ANSWER_SECONDS) -> dict[str, Progress]:
    """Ask every worker how its jobs get on; return the newest answer for each job, by its id. Raises Transient.

    Args:
        url: of the broker.
        seconds: how long to wait for answers.
    """
    answers: dict[str, Progress] = {}
    until = time.monotonic() + seconds
    with broker_errors(), BlockingConnection(_parameters(url)) as connection:
        channel = connection.channel()
        declare(channel)
        queue = channel.queue_declare("", exclusive=True, auto_delete=True).method.queue
        channel.queue_bind(queue, PROGRESS_EXCHANGE, PROGRESS_KEYS)
        channel.basic_publish(PROGRESS_EXCHANGE, HELLO_KEY, b"{}")
        for _, _, body in channel.consume(queue, auto_ack=True, inactivity_timeout=seconds / 5):
            with suppress(NotProgress):
                progress = Progress.decode(body or b"")
                answers[progress.job_id] = progress
            if time.monotonic() > until:
                break
    return answers


def _parameters(url: Secret) -> pika.URLParameters:
    return connection_parameters(url, NAME, heartbeat=30)


def _read_stream(
    url: Secret, stream: str, since: str | datetime, mark: tuple[str, bytes], note: Callable[[int, float, bytes], None]
) -> None:
    _try_to_publish(url, mark)
    with _open_channel(url) as channel:
        channel.basic_qos(prefetch_count=PREFETCH)
        found = channel.consume(stream, arguments={"x-stream-offset": since}, inactivity_timeout=QUIET_SECONDS)
        for method, properties, body in found:
            if method is None or properties is None or body is None or body == mark[1]:
                return
            note(int((properties.headers or {}).get("x-stream-offset", -1)), _read_time(properties), body)
            if method.delivery_tag % ACKNOWLEDGED_AT_ONCE == 0:
                channel.basic_ack(method.delivery_tag, multiple=True)


def _try_to_publish(url: Secret, mark: tuple[str, bytes]) -> None:
    publisher = Publisher(url, NAME)
    try:
        publisher.publish(EXCHANGE, mark[0], mark[1], message_id="")
    except Transient:
        # A broker that takes nothing may be read all the same; one that is away says so in a moment.
        return
    finally:
        publisher.close()


@contextmanager
def _open_channel(url: Secret) -> Iterator[BlockingChannel]:
    with broker_errors():
        connection = BlockingConnection(_parameters(url))
        try:
            yield connection.channel()
        finally:
            # A stream takes nothing back: some brokers end the connection for what was handed out and not looked at.
            with suppress(*BROKER_ERRORS):
                connection.close()


def _read_time(properties: pika.BasicProperties) -> float:
    told = properties.timestamp
    return float(told) if isinstance(told, int) and 0 <= told <= MAX_TIME else 0.0
