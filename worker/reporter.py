"""Tell the world how jobs get on, at most once a second for each. Owns a connection; knows nothing of photos.

Snapshots of what runs go to the topic exchange, unconfirmed: the next one makes up for a lost one. Changes of state go
to the stream as well, which keeps them for those who come later. Nothing here ever holds up or breaks a job.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pika
from pika.adapters.blocking_connection import BlockingChannel, BlockingConnection
from pika.exceptions import AMQPError

from common.progress import Progress, State
from common.publisher import connection_parameters
from common.sealing import Secret
from common.topology import EVENT_KEY, EXCHANGE, NEWS_EXCHANGE, declare, progress_key

logger = logging.getLogger(__name__)

INTERVAL_SECONDS = 1.0
# A replica that starts learns of a running job within this time, even if nothing moves there.
REPEAT_SECONDS = 5.0
HEARTBEAT_SECONDS = 30

TakeSnapshot = Callable[[], Progress]


class Reporter:
    """Publishes snapshots from a thread of its own. Thread-safe.

    Args:
        url: of the broker.
    """

    def __init__(self, url: Secret) -> None:
        self._parameters = connection_parameters(url, "cloud_archive worker reports", heartbeat=HEARTBEAT_SECONDS)
        self._watched: dict[int, TakeSnapshot] = {}
        self._changes: list[Progress] = []
        self._last: dict[str, tuple[Progress, float]] = {}
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="reporter", daemon=True)
        self._thread.start()

    @contextmanager
    def watch(self, take_snapshot: TakeSnapshot) -> Iterator[None]:
        """Publish a job's snapshots while it runs; they are taken on the reporter's thread."""
        with self._lock:
            self._watched[id(take_snapshot)] = take_snapshot
        try:
            yield
        finally:
            with self._lock:
                del self._watched[id(take_snapshot)]

    def tell(self, progress: Progress) -> None:
        """Publish a change of state; it is kept until the broker can be reached."""
        with self._lock:
            self._changes.append(progress)
        self._wake.set()

    def close(self, seconds: float) -> None:
        """Publish what is left, for at most so many seconds."""
        self._stopped = True
        self._wake.set()
        self._thread.join(seconds)

    def _run(self) -> None:
        while not self._stopped:
            try:
                with BlockingConnection(self._parameters) as connection:
                    channel = connection.channel()
                    declare(channel)
                    self._publish_until_stopped(connection, channel)
            except (AMQPError, OSError) as error:
                logger.warning("progress cannot be told", extra={"error": type(error).__name__})
                self._wake.wait(INTERVAL_SECONDS)

    def _publish_until_stopped(self, connection: BlockingConnection, channel: BlockingChannel) -> None:
        while True:
            stopped = self._stopped
            self._publish_changes(channel)
            self._publish_snapshots(channel)
            connection.process_data_events(0)
            if stopped:
                return
            self._wake.wait(INTERVAL_SECONDS)
            self._wake.clear()

    def _publish_changes(self, channel: BlockingChannel) -> None:
        while self._changes:
            change = self._changes[0]
            _publish(channel, EXCHANGE, EVENT_KEY, change, persistent=True)
            self._publish_news(channel, change)
            with self._lock:
                self._changes.pop(0)
            if change.state is not State.RUNNING:
                self._last.pop(change.job_id, None)

    def _publish_snapshots(self, channel: BlockingChannel) -> None:
        with self._lock:
            watched = list(self._watched.values())
        for take_snapshot in watched:
            progress = take_snapshot()
            last, at = self._last.get(progress.job_id, (None, 0.0))
            same = last is not None and replace(progress, updated_at=last.updated_at) == last
            if not same or time.monotonic() - at > REPEAT_SECONDS:
                self._publish_news(channel, progress)

    def _publish_news(self, channel: BlockingChannel, progress: Progress) -> None:
        _publish(channel, NEWS_EXCHANGE, progress_key(progress.job_id), progress, persistent=False)
        self._last[progress.job_id] = progress, time.monotonic()


def _publish(channel: BlockingChannel, exchange: str, key: str, progress: Progress, *, persistent: bool) -> None:
    mode = pika.DeliveryMode.Persistent if persistent else pika.DeliveryMode.Transient
    properties = pika.BasicProperties(  # type: ignore[no-untyped-call]
        content_type="application/json", delivery_mode=mode.value, type="cloud_archive.progress.v1"
    )
    channel.basic_publish(exchange, key, progress.encode(), properties)
