"""Ask all workers for progress snapshots, and tell them which jobs are watched.

Nothing is confirmed and nobody waits: what is lost is asked again. The connection only publishes: a broker that is
short of memory or disk blocks connections that publish, and those that consume must go on.
"""

import logging
import threading
import time
from collections.abc import Callable

import pika
from pika.adapters.blocking_connection import BlockingChannel, BlockingConnection

from common.crypto.sealing import Secret
from common.loops import Loop
from common.messages.progress import Progress
from common.messages.publisher import broker_errors, connection_parameters
from common.messages.topology import (
    EVENT_KEY,
    EXCHANGE,
    HELLO_KEY,
    PROGRESS_EXCHANGE,
    declare,
    progress_key,
    watched_key,
)

logger = logging.getLogger(__name__)

# How often workers are told that a job is still watched; they take it as watched for somewhat longer.
REPEAT_SECONDS = 10.0
# Watched jobs that workers are told of at a time; further ones are left out.
MAX_WATCHED = 10_000
TICK_SECONDS = 0.2
HEARTBEAT_SECONDS = 30


class WatchedJobs:
    """Jobs that somebody looks at, each reported once every `REPEAT_SECONDS`. Thread-safe.

    Args:
        now: monotonic time in seconds.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._noted_at: dict[str, float] = {}
        self._new: dict[str, None] = {}
        self._lock = threading.Lock()

    def note(self, job_id: str) -> None:
        """Note that somebody looks at a job just now."""
        now = self._now()
        if now - self._noted_at.get(job_id, float("-inf")) < REPEAT_SECONDS:
            return
        with self._lock:
            if len(self._noted_at) >= MAX_WATCHED:
                self._noted_at = {known: at for known, at in self._noted_at.items() if now - at < REPEAT_SECONDS}
            if len(self._noted_at) < MAX_WATCHED and len(self._new) < MAX_WATCHED:
                self._noted_at[job_id] = now
                self._new[job_id] = None

    def take_new(self) -> list[str]:
        """Return, once, the jobs that workers are to be told of now."""
        with self._lock:
            new, self._new = self._new, {}
        return list(new)


class SnapshotRequester:
    """Publish requests to workers, from a thread with a connection of its own. Thread-safe.

    Args:
        url: of the broker.
    """

    def __init__(self, url: Secret) -> None:
        self._parameters = connection_parameters(url, "cloud_archive web asks", heartbeat=HEARTBEAT_SECONDS)
        self._watched = WatchedJobs()
        self._mark = ""
        self._stopped = threading.Event()
        self._loop = Loop("the snapshot requester", self._run, is_over=self._stopped.is_set, wait=self._stopped.wait)

    @property
    def is_alive(self) -> bool:
        """Whether the thread moves; true also while the broker cannot be reached."""
        return self._loop.is_alive

    def start(self) -> None:
        """Start the thread."""
        self._loop.start()

    def close(self) -> None:
        """Let the thread end."""
        self._stopped.set()

    def request_snapshots(self, mark: str) -> None:
        """Ask all workers for a snapshot of each running job, then append a mark to both streams.

        Whoever reads a stream up to the mark has read everything that was published before, whatever the clocks say.

        Args:
            mark: begins with `common.messages.progress.MARK_PREFIX`.
        """
        self._mark = mark

    def note_watched(self, job_id: str) -> None:
        """Ask for frequent snapshots of a job for a while; cheap to repeat."""
        self._watched.note(job_id)

    def _run(self) -> None:
        with broker_errors(), BlockingConnection(self._parameters) as connection:
            channel = connection.channel()
            declare(channel)
            while not self._stopped.is_set():
                self._publish_requests(channel)
                connection.process_data_events(TICK_SECONDS)
                self._loop.beat()

    def _publish_requests(self, channel: BlockingChannel) -> None:
        mark, self._mark = self._mark, ""
        if mark:
            _publish(channel, PROGRESS_EXCHANGE, HELLO_KEY, b"{}")
            for exchange, key in ((EXCHANGE, EVENT_KEY), (PROGRESS_EXCHANGE, progress_key("mark"))):
                _publish(channel, exchange, key, Progress(job_id=mark).encode())
        for job_id in self._watched.take_new():
            _publish(channel, PROGRESS_EXCHANGE, watched_key(job_id), b"{}")


def _publish(channel: BlockingChannel, exchange: str, key: str, body: bytes) -> None:
    properties = pika.BasicProperties(  # type: ignore[no-untyped-call]
        content_type="application/json", delivery_mode=pika.DeliveryMode.Transient.value
    )
    channel.basic_publish(exchange, key, body, properties)
