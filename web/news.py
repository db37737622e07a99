"""What workers tell of their jobs, as this replica knows it. Owns a connection; knows no HTTP.

The stream of the last seven days is read from its beginning at start, so that a fresh replica knows what happened
before it; snapshots of running jobs come through a queue of its own. Nothing is ever asked of a worker.
"""

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pika
from pika.adapters.blocking_connection import BlockingChannel, BlockingConnection
from pika.exceptions import AMQPError

from common.errors import Transient
from common.progress import NotProgress, Progress
from common.publisher import Publisher, connection_parameters
from common.sealing import Secret
from common.topology import EVENT_KEY, EVENTS, EXCHANGE, NEWS_EXCHANGE, PROGRESS_KEYS, declare

logger = logging.getLogger(__name__)

# As long as the stream itself: what ended earlier is unknown to every replica alike.
KEPT_SECONDS = 7 * 24 * 3600.0
# 10,000 jobs a day for a week, some 2 kB each.
MOST_KEPT = 100_000
# Of the stream at a time; many, since reading it is a matter of round trips.
PREFETCH = 1000
# What a replica that has fallen behind may keep; older snapshots are worth nothing.
LONGEST_QUEUE = 10_000
TICK_SECONDS = 0.2
# The stream has been read when nothing more came of it for so long.
QUIET_SECONDS = 1.0
RECONNECT_SECONDS = 2.0
HEARTBEAT_SECONDS = 30


class News:
    """The newest snapshot of every job. Thread-safe.

    Args:
        now: Unix time in seconds.
    """

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._known: OrderedDict[str, Progress] = OrderedDict()
        self._lock = threading.Lock()

    def learn(self, progress: Progress) -> None:
        """Take a snapshot; an older one than what is known changes nothing."""
        with self._lock:
            before = self._known.get(progress.job_id)
            self._known[progress.job_id] = progress.after(before)
            self._known.move_to_end(progress.job_id)
            self._forget_old()

    def find(self, job_id: str) -> Progress | None:
        """Return the newest snapshot of a job, if any is known."""
        with self._lock:
            return self._known.get(job_id)

    def _forget_old(self) -> None:
        oldest = next(iter(self._known.values()))
        if len(self._known) > MOST_KEPT or self._now() - oldest.updated_at > KEPT_SECONDS:
            self._known.popitem(last=False)


class Teller:
    """Tells every replica of a change that happened here. Thread-safe.

    Args:
        publisher: takes it to the others.
        news: of this replica, which knows at once.
    """

    def __init__(self, publisher: Publisher, news: News) -> None:
        self._publisher = publisher
        self._news = news
        # On a thread of its own: no guest waits for it.
        self._threads = ThreadPoolExecutor(1, thread_name_prefix="teller")

    def tell(self, progress: Progress) -> None:
        """Tell of a change; never raises, never waits."""
        self._news.learn(progress)
        self._threads.submit(self._publish, progress)

    def _publish(self, progress: Progress) -> None:
        try:
            self._publisher.publish(EXCHANGE, EVENT_KEY, progress.encode(), message_id=progress.job_id)
        except Transient as error:
            logger.warning("a change could not be told: %s", error, extra={"job_id": progress.job_id})


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
        self._event_at = 0.0
        self._thread = threading.Thread(target=self._run, name="news", daemon=True)

    @property
    def is_caught_up(self) -> bool:
        """Whether the past has been read."""
        return self._caught_up.is_set()

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def close(self) -> None:
        """Read no more."""
        self._stopped.set()

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                self._read()
            except (AMQPError, OSError) as error:
                logger.warning("no news", extra={"error": type(error).__name__})
                self._stopped.wait(RECONNECT_SECONDS)

    def _read(self) -> None:
        with BlockingConnection(self._parameters) as connection:
            declare(connection.channel())
            self._subscribe_to_snapshots(connection.channel())
            self._subscribe_to_events(connection.channel())
            self._event_at = time.monotonic()
            while not self._stopped.is_set():
                connection.process_data_events(TICK_SECONDS)
                if time.monotonic() - self._event_at > QUIET_SECONDS:
                    self._caught_up.set()

    def _subscribe_to_snapshots(self, channel: BlockingChannel) -> None:
        arguments = {"x-max-length": LONGEST_QUEUE, "x-overflow": "drop-head"}
        queue = channel.queue_declare("", exclusive=True, auto_delete=True, arguments=arguments).method.queue
        channel.queue_bind(queue, NEWS_EXCHANGE, PROGRESS_KEYS)
        channel.basic_consume(queue, self._take_snapshot, auto_ack=True)

    def _subscribe_to_events(self, channel: BlockingChannel) -> None:
        # A stream wants a prefetch and acknowledgements; they move the reader on and remove nothing.
        channel.basic_qos(prefetch_count=PREFETCH)
        channel.basic_consume(EVENTS, self._take_event, arguments={"x-stream-offset": "first"})

    def _take_snapshot(
        self,
        _channel: BlockingChannel,
        _method: pika.spec.Basic.Deliver,
        _properties: pika.BasicProperties,
        body: bytes,
    ) -> None:
        try:
            self._news.learn(Progress.decode(body))
        except NotProgress as error:
            logger.warning("news that are none: %s", error)

    def _take_event(
        self,
        channel: BlockingChannel,
        method: pika.spec.Basic.Deliver,
        properties: pika.BasicProperties,
        body: bytes,
    ) -> None:
        self._event_at = time.monotonic()
        self._take_snapshot(channel, method, properties, body)
        channel.basic_ack(method.delivery_tag)
