"""The ledger at RabbitMQ: a stream that every process follows from its beginning, and appends to.

Who appends waits until the entry comes back by the stream: then it is known what stood before it, and whether it
counts. That costs a publish and a few milliseconds, and needs no question to anybody.
"""

import logging
import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NoAnswer
from contextlib import suppress
from typing import Any, Protocol

import pika
from pika.adapters.blocking_connection import BlockingChannel, BlockingConnection

from common.crypto.sealing import Secret
from common.errors import Reason, Transient
from common.loops import Loop, guard
from common.messages.ledger import NOBODY, Entry, Kind, NotAnEntry, Record
from common.messages.publisher import BROKER_ERRORS, broker_errors, connection_parameters
from common.messages.topology import EXCHANGE, LEDGER, LEDGER_KEY, declare

logger = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 30
TICK_SECONDS = 0.2
# Of the stream at a time; many, since reading it is a matter of round trips, and so is saying that it was read.
PREFETCH, ACKNOWLEDGED_AT_ONCE = 1000, 250
# Seconds that an entry which the broker has may take to come back, and one that was not confirmed.
READ_SECONDS, DOUBT_SECONDS = 10.0, 2.0
# Jobs that are remembered, the oldest that ended forgotten first: twice what two days of 10,000 jobs each are.
MAX_REMEMBERED = 40_000
# The entry that tells a follower that it has read everything that was there when it began.
_HERE = Kind.STOPPED
_ENDED = Record(has_ended=True)

Written = tuple[bool, Record]
"""Whether an entry counts, and what is known of its job with it."""


class Publishes(Protocol):
    """What puts a message into a queue, like `common.messages.publisher.Publisher`."""

    def publish(
        self, exchange: str, routing_key: str, body: bytes, *, message_id: str, headers: Mapping[str, Any] | None = None
    ) -> None:
        """Return when the message is in a queue; raises Transient when it may not be."""
        ...


class Ledger:
    """What is known of every job of the last two days. Thread-safe.

    Args:
        url: of the broker.
        name: of the process, as operators see it at the broker.
        publisher: appends.
        note: told of each entry that counts and came while this process follows, and of what is known with it; on the
            follower's thread.
        note_caught_up: told once, when all that was there at the start has been read.
    """

    def __init__(
        self,
        url: Secret,
        name: str,
        publisher: Publishes,
        note: Callable[[Entry, Record], None] = lambda _entry, _record: None,
        note_caught_up: Callable[[], None] = lambda: None,
    ) -> None:
        self._parameters = connection_parameters(url, f"{name} follows the ledger", heartbeat=HEARTBEAT_SECONDS)
        self._publisher = publisher
        self._note = note
        self._note_caught_up = note_caught_up
        self._lock = threading.Lock()
        self._records: OrderedDict[str, Record] = OrderedDict()
        self._awaited: dict[str, Future[Written]] = {}
        self._next_offset = -1
        self._read_tag = 0
        self._caught_up = threading.Event()
        self._stopped = threading.Event()
        self._loop = Loop(
            "the ledger's follower",
            self._follow,
            is_over=self._stopped.is_set,
            wait=self._stopped.wait,
        )

    @property
    def is_alive(self) -> bool:
        """Whether its thread moves; also when there is no broker."""
        return self._loop.is_alive

    @property
    def is_caught_up(self) -> bool:
        """Whether all that was there at the start has been read."""
        return self._caught_up.is_set()

    def start(self) -> None:
        """Begin to follow."""
        self._loop.start()

    def close(self) -> None:
        """Follow no more."""
        self._stopped.set()

    def append(self, entry: Entry) -> Written:
        """Write an entry, and return whether it counts, once it has come back by the stream.

        Raises:
            Transient: it may or may not stand; the same entry may be written again.
        """
        key = secrets.token_urlsafe(12)
        coming: Future[Written] = Future()
        with self._lock:
            self._awaited[key] = coming
        try:
            counts, record = self._write(entry.encode(key), entry.job_id, coming)
        finally:
            with self._lock:
                del self._awaited[key]
        about = {"by": entry.by, "edition": entry.edition, "counts": counts}
        logger.debug("the ledger says: %s", entry.kind, extra=about)
        return counts, record

    def find(self, job_id: str) -> Record:
        """Return what is known of a job."""
        with self._lock:
            return self._records.get(job_id, Record()).copy()

    def find_stopped(self) -> list[str]:
        """Return the jobs that were stopped, and may be taken up without their message."""
        with self._lock:
            return [job for job, record in self._records.items() if record.is_stopped and record.may_be_taken_up]

    def read(self, offset: int) -> Entry:
        """Return the entry at a place in the log.

        Raises:
            Transient: it cannot be read now, or is not there any more.
        """
        with broker_errors():
            connection = BlockingConnection(self._parameters)
            try:
                entry = _read_at(connection.channel(), offset)
            finally:
                # What was handed out and not looked at ends the connection by an error that is none: a stream takes
                # nothing back.
                with suppress(*BROKER_ERRORS):
                    connection.close()
        if entry is None:
            raise Transient(Reason.TRY_LATER, "the ledger has lost an entry")
        return entry

    def _write(self, body: bytes, job_id: str, coming: "Future[Written]") -> Written:
        seconds = READ_SECONDS
        try:
            self._publisher.publish(EXCHANGE, LEDGER_KEY, body, message_id=job_id)
        except Transient as error:
            # It may have landed all the same, and then it counts.
            seconds, trouble = DOUBT_SECONDS, error.detail
        else:
            trouble = "the ledger cannot be read"
        try:
            return coming.result(seconds)
        except NoAnswer:
            raise Transient(Reason.TRY_LATER, trouble) from None

    def _follow(self) -> None:
        with broker_errors(), BlockingConnection(self._parameters) as connection:
            channel = connection.channel()
            declare(channel)
            channel.basic_qos(prefetch_count=PREFETCH)
            since = self._next_offset if self._next_offset >= 0 else "first"
            channel.basic_consume(LEDGER, self._take, arguments={"x-stream-offset": since})
            here = "" if self._caught_up.is_set() else self._leave_mark(channel)
            self._read_tag = 0
            while not self._stopped.is_set():
                connection.process_data_events(TICK_SECONDS)
                self._loop.beat()
                self._acknowledge(channel)
                if here and here not in self._awaited:
                    here = ""
                    self._caught_up.set()
                    guard("beginning to follow", self._note_caught_up)

    def _leave_mark(self, channel: BlockingChannel) -> str:
        """Append an entry of no job: when it comes back, everything before it has been read."""
        key = secrets.token_urlsafe(12)
        with self._lock:
            self._awaited[key] = Future()
        entry = Entry(job_id=NOBODY, kind=_HERE)
        channel.basic_publish(EXCHANGE, LEDGER_KEY, entry.encode(key))
        return key

    def _acknowledge(self, channel: BlockingChannel) -> None:
        """Let more of the stream come; nothing is removed from it by that."""
        if self._read_tag:
            channel.basic_ack(self._read_tag, multiple=True)
            self._read_tag = 0

    def _take(
        self, channel: BlockingChannel, method: pika.spec.Basic.Deliver, properties: pika.BasicProperties, body: bytes
    ) -> None:
        offset = _read_offset(properties)
        # The broker hands out whole chunks: some of it may have been read over an earlier connection.
        if offset >= self._next_offset:
            self._next_offset = offset + 1
            self._learn(offset, body)
        self._read_tag = method.delivery_tag
        if self._read_tag % ACKNOWLEDGED_AT_ONCE == 0:
            self._acknowledge(channel)

    def _learn(self, offset: int, body: bytes) -> None:
        try:
            key, entry = Entry.decode(body)
        except NotAnEntry as error:
            logger.warning("an entry of the ledger says nothing to us: %s", error)
            return
        with self._lock:
            coming = self._awaited.get(key)
            if entry.job_id == NOBODY:
                self._awaited.pop(key, None)
                return
            record = self._records.setdefault(entry.job_id, Record())
            self._records.move_to_end(entry.job_id)
            counts = record.apply(entry, offset)
            known = record.copy()
            if record.has_ended:
                # Nothing more is asked of it; a day has ten thousand of them.
                self._records[entry.job_id] = _ENDED
            while len(self._records) > MAX_REMEMBERED:
                self._records.popitem(last=False)
        if coming and not coming.done():
            coming.set_result((counts, known))
        if counts and self._caught_up.is_set():
            guard("telling of an entry", lambda: self._note(entry, known))


def _read_at(channel: BlockingChannel, offset: int) -> Entry | None:
    channel.basic_qos(prefetch_count=1)
    found = channel.consume(LEDGER, arguments={"x-stream-offset": offset}, inactivity_timeout=READ_SECONDS)
    for method, properties, body in found:
        # The broker hands out whole chunks, which may begin earlier.
        if method is None or properties is None or body is None or _read_offset(properties) > offset:
            return None
        if _read_offset(properties) == offset:
            return Entry.decode(body)[1]
        channel.basic_ack(method.delivery_tag)
    return None


def _read_offset(properties: pika.BasicProperties) -> int:
    return int((properties.headers or {}).get("x-stream-offset", -1))
