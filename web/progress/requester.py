"""What this replica asks of all workers: to say how their jobs get on. Owns a connection; knows no job.

Nothing is confirmed and nobody waits: what is lost is asked again. The connection is one that publishes only, since a
broker that is short of memory or disk holds those up, and reading must go on.
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
from common.messages.topology import EVENT_KEY, EXCHANGE, HELLO_KEY, NEWS_EXCHANGE, declare, progress_key, watched_key

logger = logging.getLogger(__name__)

# How often workers are told that somebody still looks at a job; with them it counts for somewhat longer.
AGAIN_SECONDS = 10.0
# Jobs that are looked at, of which workers are told; of more they are not.
MOST_WATCHED = 10_000
TICK_SECONDS = 0.2
HEARTBEAT_SECONDS = 30
# What a job's id never begins with: in the stream of what happened to jobs, a mark is read as news of one that nobody
# asks for by replicas of the version before.
MARK = "hello."


class Watchers:
    """Which jobs somebody looks at. Thread-safe.

    Args:
        now: seconds of a clock that only goes forward.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._told: dict[str, float] = {}
        self._untold: dict[str, None] = {}
        self._lock = threading.Lock()

    def note(self, job_id: str) -> None:
        """Note that somebody looks at a job just now."""
        now = self._now()
        if now - self._told.get(job_id, float("-inf")) < AGAIN_SECONDS:
            return
        with self._lock:
            if len(self._told) >= MOST_WATCHED:
                self._told = {known: at for known, at in self._told.items() if now - at < AGAIN_SECONDS}
            if len(self._told) < MOST_WATCHED and len(self._untold) < MOST_WATCHED:
                self._told[job_id] = now
                self._untold[job_id] = None

    def take_untold(self) -> list[str]:
        """Return the jobs that workers are to be told of now."""
        with self._lock:
            untold, self._untold = self._untold, {}
        return list(untold)


class Asker:
    """Asks workers, from a thread of its own. Thread-safe.

    Args:
        url: of the broker.
    """

    def __init__(self, url: Secret) -> None:
        self._parameters = connection_parameters(url, "cloud_archive web asks", heartbeat=HEARTBEAT_SECONDS)
        self._watchers = Watchers()
        self._mark = ""
        self._stopped = threading.Event()
        self._loop = Loop("what asks workers", self._ask, is_over=self._stopped.is_set, wait=self._stopped.wait)

    @property
    def is_alive(self) -> bool:
        """Whether its thread moves; also when there is no broker."""
        return self._loop.is_alive

    def start(self) -> None:
        """Begin to ask."""
        self._loop.start()

    def close(self) -> None:
        """Ask no more."""
        self._stopped.set()

    def say_hello(self, mark: str) -> None:
        """Ask all workers for a snapshot of each job that runs, and then put a mark into both streams.

        Who reads a stream up to the mark has read everything that happened before, whatever the clocks say.

        Args:
            mark: begins with `MARK`.
        """
        self._mark = mark

    def note_watcher(self, job_id: str) -> None:
        """Let workers tell of a job as often as somebody could notice, for a while; costs nothing to repeat."""
        self._watchers.note(job_id)

    def _ask(self) -> None:
        with broker_errors(), BlockingConnection(self._parameters) as connection:
            channel = connection.channel()
            declare(channel)
            while not self._stopped.is_set():
                self._publish(channel)
                connection.process_data_events(TICK_SECONDS)
                self._loop.beat()

    def _publish(self, channel: BlockingChannel) -> None:
        mark, self._mark = self._mark, ""
        if mark:
            _send(channel, NEWS_EXCHANGE, HELLO_KEY, b"{}")
            for exchange, key in ((EXCHANGE, EVENT_KEY), (NEWS_EXCHANGE, progress_key("mark"))):
                _send(channel, exchange, key, Progress(job_id=mark).encode())
        for job_id in self._watchers.take_untold():
            _send(channel, NEWS_EXCHANGE, watched_key(job_id), b"{}")


def _send(channel: BlockingChannel, exchange: str, key: str, body: bytes) -> None:
    properties = pika.BasicProperties(  # type: ignore[no-untyped-call]
        content_type="application/json", delivery_mode=pika.DeliveryMode.Transient.value
    )
    channel.basic_publish(exchange, key, body, properties)
