"""Receive progress snapshots of all jobs from RabbitMQ into this replica's store.

They come by two streams: that of the last seven days, so that a fresh replica knows what happened before it, and that
of running jobs' numbers, for which workers are asked at once. Nothing else is listened to: what a page has shown stands
in a stream, so that no restart takes it back, not even one of everything at once. Its cost: `bench/progress.py`.
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
from common.messages.progress import MARK_PREFIX, NotProgress, Progress
from common.messages.publisher import broker_errors, connection_parameters
from common.messages.topology import EVENTS, LIVE, declare
from common.telemetry import metrics
from web.progress.requester import SnapshotRequester
from web.progress.store import RETENTION_SECONDS, ProgressStore

logger = logging.getLogger(__name__)

# Many, since reading a stream is a matter of round trips, and so are acknowledgements.
PREFETCH, ACK_EVERY = 1000, 250
TICK_SECONDS = 0.2
# After the streams were read: how long running workers have to answer with their snapshots.
SNAPSHOT_WAIT_SECONDS = 0.5
# A mark may be lost with the connection that published it: after so long without any event it is published again.
MARK_TIMEOUT_SECONDS = 2.0
# A broker that is short of memory or disk accepts no mark: after so long without any event the streams count as read.
QUIET_SECONDS = 10.0
# One of so many unreadable messages in a row is logged: a broken sender sends one every second.
LOG_EVERY = 1000
HEARTBEAT_SECONDS = 30


class ProgressSubscriber:
    """Consume progress messages on a thread with a connection of its own.

    Args:
        url: of the broker.
        store: receives the snapshots.
    """

    def __init__(self, url: Secret, store: ProgressStore) -> None:
        self._parameters = connection_parameters(url, "cloud_archive web reads", heartbeat=HEARTBEAT_SECONDS)
        self._store = store
        self._stopped = threading.Event()
        self._caught_up = threading.Event()
        self._requester = SnapshotRequester(url)
        self._mark = ""
        self._mark_sent_at = 0.0
        self._streams_read_at: float | None = None
        self._unread_streams: set[str] = set()
        self._last_event_at = 0.0
        self._unreadable = 0
        self._loop = Loop("the progress subscriber", self._run, is_over=self._stopped.is_set, wait=self._stopped.wait)

    @property
    def is_alive(self) -> bool:
        """Whether its threads move; true also while the broker cannot be reached."""
        return self._loop.is_alive and self._requester.is_alive

    @property
    def is_caught_up(self) -> bool:
        """Whether all earlier snapshots have been read."""
        return self._caught_up.is_set()

    def start(self) -> None:
        """Start the threads."""
        self._requester.start()
        self._thread = self._loop.start()

    def close(self) -> None:
        """Let the threads end."""
        self._stopped.set()
        self._requester.close()

    def note_watched(self, job_id: str) -> None:
        """Ask workers for frequent snapshots of a job that somebody looks at; never waits."""
        self._requester.note_watched(job_id)

    def _run(self) -> None:
        with broker_errors(), BlockingConnection(self._parameters) as connection:
            declare(connection.channel())
            channel = connection.channel()
            cancelled: list[Any] = []
            # All that the broker says when a queue is deleted or moved to another node.
            channel.add_on_cancel_callback(cancelled.append)
            self._consume_streams(channel)
            # Last, so that the answers find a consumer.
            self._request_snapshots()
            with metrics.web_connected.track_inprogress():
                while not self._stopped.is_set():
                    connection.process_data_events(TICK_SECONDS)
                    if cancelled:
                        raise Transient(Reason.TRY_LATER, "the broker ended the reading of a queue")
                    self._loop.beat()
                    self._check_caught_up()

    def _request_snapshots(self) -> None:
        self._mark, self._streams_read_at = f"{MARK_PREFIX}{secrets.token_hex(8)}", None
        self._unread_streams = {EVENTS, LIVE}
        self._mark_sent_at = self._last_event_at = time.monotonic()
        self._requester.request_snapshots(self._mark)

    def _check_caught_up(self) -> None:
        now = time.monotonic()
        if self._streams_read_at is not None:
            if now - self._streams_read_at >= SNAPSHOT_WAIT_SECONDS:
                self._caught_up.set()
            return
        quiet = now - self._last_event_at
        if quiet > QUIET_SECONDS:
            self._caught_up.set()
        if min(quiet, now - self._mark_sent_at) > MARK_TIMEOUT_SECONDS:
            # The same mark again: whichever copy comes back first will do.
            self._mark_sent_at = now
            self._requester.request_snapshots(self._mark)

    def _consume_streams(self, channel: BlockingChannel) -> None:
        # Streams require a prefetch and acknowledgements, which grant credit and remove nothing:
        # https://www.rabbitmq.com/docs/streams#consuming
        channel.basic_qos(prefetch_count=PREFETCH)
        # A stream drops whole segments only, so it may hold more than seven days.
        since = datetime.fromtimestamp(time.time() - RETENTION_SECONDS, UTC)
        for stream, offset in ((EVENTS, since), (LIVE, "first")):
            on_event = partial(self._on_event, stream)
            channel.basic_consume(stream, on_event, arguments={"x-stream-offset": offset})

    def _on_event(
        self,
        stream: str,
        channel: BlockingChannel,
        method: pika.spec.Basic.Deliver,
        _properties: pika.BasicProperties,
        body: bytes,
    ) -> None:
        self._last_event_at = time.monotonic()
        if self._store_snapshot(body) == self._mark:
            self._unread_streams.discard(stream)
            if not self._unread_streams and self._streams_read_at is None:
                self._streams_read_at = self._last_event_at
        tag = method.delivery_tag
        if tag % ACK_EVERY == 0:
            channel.basic_ack(tag, multiple=True)

    def _store_snapshot(self, body: bytes) -> str:
        """Store a snapshot unless it is a mark; return its job id, empty if it cannot be read."""
        try:
            progress = Progress.decode(body)
            if not progress.job_id.startswith(MARK_PREFIX):
                self._store.update(progress)
        except NotProgress as error:
            self._log_unreadable(f"not a snapshot: {error}")
            return ""
        except Exception as bug:  # noqa: BLE001 - its traceback would hold what a stranger wrote
            self._log_unreadable(f"a bug: {type(bug).__name__}")
            return ""
        return progress.job_id

    def _log_unreadable(self, why: str) -> None:
        if self._unreadable % LOG_EVERY == 0:
            logger.error("progress cannot be read: %s", why, extra={"unreadable": self._unreadable + 1})
        self._unreadable += 1
