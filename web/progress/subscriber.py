"""What workers tell of their jobs, as this replica knows it. Owns a connection; knows no HTTP.

The stream of the last seven days is read at start, so that a fresh replica knows what happened before it; snapshots
of running jobs come through a queue of its own, and workers are asked for them at once. What it costs: `bench/news.py`.
"""

import logging
import secrets
import threading
import time
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pika
from pika.adapters.blocking_connection import BlockingChannel, BlockingConnection

from common.crypto.sealing import Secret
from common.errors import Reason, Transient
from common.loops import Loop
from common.messages.progress import NotProgress, Progress
from common.messages.publisher import broker_errors, connection_parameters
from common.messages.topology import EVENTS, LIVE, NEWS_EXCHANGE, PROGRESS_KEYS, declare
from web.progress.requester import MARK, Asker
from web.progress.store import KEPT_SECONDS, News

logger = logging.getLogger(__name__)

# Of the stream at a time; many, since reading it is a matter of round trips, and so is saying that it was read.
PREFETCH, ACKNOWLEDGED_AT_ONCE = 1000, 250
# What a replica that has fallen behind may keep; older snapshots are worth nothing.
LONGEST_QUEUE = 10_000
TICK_SECONDS = 0.2
# After the past was read: how long workers that run have to say how far they are.
ANSWER_SECONDS = 0.5
# A mark that does not come back was lost with its connection: after so long without any event, another one is made.
LOST_SECONDS = 2.0
# A broker that is short of memory or disk takes none: after so long without any event, in seconds, there are no more.
QUIET_SECONDS = 10.0
# Messages in a row that nobody can read, of which one is told: a sender that is broken sends one every second.
TOLD_OF = 1000
HEARTBEAT_SECONDS = 30


class Reader:
    """Reads the news on a thread of its own.

    Args:
        url: of the broker.
        news: where they go.
    """

    def __init__(self, url: Secret, news: News) -> None:
        self._parameters = connection_parameters(url, "cloud_archive web reads", heartbeat=HEARTBEAT_SECONDS)
        self._news = news
        self._stopped = threading.Event()
        self._caught_up = threading.Event()
        self._asker = Asker(url)
        self._mark = ""
        self._said_at = 0.0
        self._read_at: float | None = None
        self._unread: set[str] = set()
        self._event_at = 0.0
        self._unreadable = 0
        self._loop = Loop("the reader of news", self._read, is_over=self._stopped.is_set, wait=self._stopped.wait)

    @property
    def is_alive(self) -> bool:
        """Whether its thread moves; also when there is no broker."""
        return self._loop.is_alive and self._asker.is_alive

    @property
    def is_caught_up(self) -> bool:
        """Whether the past has been read."""
        return self._caught_up.is_set()

    def start(self) -> None:
        """Begin to read."""
        self._asker.start()
        self._thread = self._loop.start()

    def close(self) -> None:
        """Read no more."""
        self._stopped.set()
        self._asker.close()

    def note_watcher(self, job_id: str) -> None:
        """Let workers know that somebody looks at a job just now; never waits."""
        self._asker.note_watcher(job_id)

    def _read(self) -> None:
        with broker_errors(), BlockingConnection(self._parameters) as connection:
            declare(connection.channel())
            snapshots, events = connection.channel(), connection.channel()
            ended: list[Any] = []
            # Of a queue that is deleted, or moved to another node, the broker says this and no more.
            for channel in (snapshots, events):
                channel.add_on_cancel_callback(ended.append)
            self._subscribe_to_snapshots(snapshots)
            self._subscribe_to_events(events)
            # Only now: what is answered finds somebody who listens.
            self._say_hello()
            while not self._stopped.is_set():
                connection.process_data_events(TICK_SECONDS)
                if ended:
                    raise Transient(Reason.TRY_LATER, "the broker ended the reading of a queue")
                self._loop.beat()
                self._look_whether_past_is_read()

    def _say_hello(self) -> None:
        self._mark, self._read_at = f"{MARK}{secrets.token_hex(8)}", None
        self._unread = {EVENTS, LIVE}
        self._said_at = self._event_at = time.monotonic()
        self._asker.say_hello(self._mark)

    def _look_whether_past_is_read(self) -> None:
        now = time.monotonic()
        if self._read_at is not None:
            if now - self._read_at >= ANSWER_SECONDS:
                self._caught_up.set()
            return
        quiet = now - self._event_at
        if quiet > QUIET_SECONDS:
            self._caught_up.set()
        if min(quiet, now - self._said_at) > LOST_SECONDS:
            # The same mark: whichever comes back first will do.
            self._said_at = now
            self._asker.say_hello(self._mark)

    def _subscribe_to_snapshots(self, channel: BlockingChannel) -> None:
        arguments = {"x-max-length": LONGEST_QUEUE, "x-overflow": "drop-head"}
        queue = channel.queue_declare("", exclusive=True, auto_delete=True, arguments=arguments).method.queue
        channel.queue_bind(queue, NEWS_EXCHANGE, PROGRESS_KEYS)
        channel.basic_consume(queue, self._take_snapshot, auto_ack=True)

    def _subscribe_to_events(self, channel: BlockingChannel) -> None:
        # A stream wants a prefetch and acknowledgements; they move the reader on and remove nothing.
        channel.basic_qos(prefetch_count=PREFETCH)
        # It drops whole segments only, so it may hold more than a week.
        since = datetime.fromtimestamp(time.time() - KEPT_SECONDS, UTC)
        for stream, first in ((EVENTS, since), (LIVE, "first")):
            take = partial(self._take_event, stream)
            channel.basic_consume(stream, take, arguments={"x-stream-offset": first})

    def _take_snapshot(
        self,
        _channel: BlockingChannel,
        _method: pika.spec.Basic.Deliver,
        _properties: pika.BasicProperties,
        body: bytes,
    ) -> None:
        self._learn(body)

    def _take_event(
        self,
        stream: str,
        channel: BlockingChannel,
        method: pika.spec.Basic.Deliver,
        _properties: pika.BasicProperties,
        body: bytes,
    ) -> None:
        self._event_at = time.monotonic()
        if self._learn(body) == self._mark:
            self._unread.discard(stream)
            if not self._unread and self._read_at is None:
                self._read_at = self._event_at
        tag = method.delivery_tag
        if tag % ACKNOWLEDGED_AT_ONCE == 0:
            channel.basic_ack(tag, multiple=True)

    def _learn(self, body: bytes) -> str:
        """Take a snapshot, unless it is a mark; return of which job, nothing if it is none."""
        try:
            progress = Progress.decode(body)
            if not progress.job_id.startswith(MARK):
                self._news.learn(progress)
        except NotProgress as error:
            self._count_unreadable(f"they are none: {error}")
            return ""
        except Exception as bug:  # noqa: BLE001 - its trace would hold what a stranger wrote
            self._count_unreadable(f"a bug: {type(bug).__name__}")
            return ""
        return progress.job_id

    def _count_unreadable(self, why: str) -> None:
        """Tell of a message that nobody can read; it ends nothing, and the others are read."""
        if self._unreadable % TOLD_OF == 0:
            logger.error("news cannot be read: %s", why, extra={"unreadable": self._unreadable + 1})
        self._unreadable += 1
