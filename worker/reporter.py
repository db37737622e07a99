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

from common.loops import Loop
from common.progress import Progress, State
from common.publisher import Publisher, broker_errors, connection_parameters
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
        self._publisher = Publisher(url, "cloud_archive worker tells")
        self._watched: dict[int, TakeSnapshot] = {}
        self._changes: list[Progress] = []
        self._last: dict[str, tuple[Progress, float]] = {}
        self._lock = threading.Lock()
        self._wake = threading.Event()
        # What could not be read or written, by the watch it came from: told once, not every second.
        self._broken: set[int] = set()
        self._stopped = threading.Event()
        self._loop = Loop("the reporter", self._report, is_over=self._stopped.is_set, wait=self._stopped.wait)
        self._thread = self._loop.start()

    @property
    def is_alive(self) -> bool:
        """Whether its thread moves; also when there is no broker."""
        return self._loop.is_alive

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
                self._broken.discard(id(take_snapshot))

    def tell(self, progress: Progress) -> None:
        """Publish a change of state; it is kept until the broker can be reached."""
        with self._lock:
            self._changes.append(progress)
        self._wake.set()

    def close(self, seconds: float) -> None:
        """Publish what is left, for at most so many seconds."""
        self._stopped.set()
        self._wake.set()
        self._thread.join(seconds)
        self._publisher.close()

    def _report(self) -> None:
        with broker_errors(), BlockingConnection(self._parameters) as connection:
            channel = connection.channel()
            declare(channel)
            self._publish_until_stopped(connection, channel)

    def _publish_until_stopped(self, connection: BlockingConnection, channel: BlockingChannel) -> None:
        while True:
            stopped = self._stopped.is_set()
            self._publish_changes(channel)
            self._publish_snapshots(channel)
            connection.process_data_events(0)
            self._loop.beat()
            if stopped:
                return
            self._wake.wait(INTERVAL_SECONDS)
            self._wake.clear()

    def _publish_changes(self, channel: BlockingChannel) -> None:
        while self._changes:
            change = self._changes[0]
            if written := self._write(change):
                # What was only written to a line that breaks, or that an alarm holds up, is nowhere.
                self._publisher.publish(EXCHANGE, EVENT_KEY, written[1], message_id=change.job_id)
                self._publish_news(channel, change, *written)
            with self._lock:
                self._changes.pop(0)
            if change.state is not State.RUNNING:
                self._last.pop(change.job_id, None)
            self._loop.beat()

    def _write(self, change: Progress) -> tuple[str, bytes] | None:
        """Return a change's key and wire form, unless it cannot be told: what stays first would hold up the rest."""
        try:
            return progress_key(change.job_id), change.encode()
        except Exception:
            logger.exception("a change of state cannot be told", extra={"job_id": str(change.job_id)})
            return None

    def _publish_snapshots(self, channel: BlockingChannel) -> None:
        with self._lock:
            watched = list(self._watched.items())
        for key, take_snapshot in watched:
            if taken := self._take(key, take_snapshot):
                self._publish_news(channel, *taken)

    def _take(self, key: int, take_snapshot: TakeSnapshot) -> tuple[Progress, str, bytes] | None:
        """Return a job's snapshot, key and wire form, unless nothing is to be told: one that fails stops no other."""
        try:
            progress = take_snapshot()
            if not self._is_news(progress):
                return None
            return progress, progress_key(progress.job_id), progress.encode()
        except Exception:
            with self._lock:
                is_first = key in self._watched and key not in self._broken
                self._broken |= self._watched.keys() & {key}
            if is_first:
                logger.exception("a job's progress cannot be told; the others' goes on")
            return None

    def _is_news(self, progress: Progress) -> bool:
        last, at = self._last.get(progress.job_id, (None, 0.0))
        same = last is not None and replace(progress, updated_at=last.updated_at) == last
        return not same or time.monotonic() - at > REPEAT_SECONDS

    def _publish_news(self, channel: BlockingChannel, progress: Progress, key: str, body: bytes) -> None:
        properties = pika.BasicProperties(  # type: ignore[no-untyped-call]
            content_type="application/json",
            delivery_mode=pika.DeliveryMode.Transient.value,
            type="cloud_archive.progress.v1",
        )
        channel.basic_publish(NEWS_EXCHANGE, key, body, properties)
        self._last[progress.job_id] = progress, time.monotonic()
