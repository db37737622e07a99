"""Take jobs from the queue and give back what became of them. Owns the connection; does not know what a job does.

The connection belongs to one thread: it takes messages, serves heartbeats and sends acknowledgements while the jobs run
on threads of their own. A lost connection does not stop a job: when the broker hands the same message out again, this
process goes on with the job it already runs.
"""

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import pika
from pika.adapters.blocking_connection import BlockingChannel, BlockingConnection
from pika.exceptions import AMQPError, ConnectionWrongStateError

from common.archive_job import ArchiveJob, NotOurMessage
from common.errors import Transient
from common.publisher import connection_parameters
from common.sealing import Secret
from common.topology import JOBS, declare
from worker.stopping import Interrupted, Stop

logger = logging.getLogger(__name__)

# How late a signal may be noticed, in seconds; heartbeats need far less.
TICK_SECONDS = 0.5
HEARTBEAT_SECONDS = 20
FIRST_RECONNECT_DELAY, LONGEST_RECONNECT_DELAY = 0.5, 30.0

Work = Callable[[ArchiveJob], None]
Bury = Callable[[bytes, str], None]
Settle = Callable[[BlockingChannel, int], None]


@dataclass(frozen=True)
class Delivery:
    """Where a message came from: it can be settled there, and nowhere else."""

    connection: BlockingConnection
    channel: BlockingChannel
    tag: int


class Consumer:
    """Hands each job to a thread and settles its message when the thread is done.

    Args:
        url: of the broker.
        work: keeps one job. Returns when its message has served; raises Interrupted or Transient when the message
            must come back, and anything else when the job is beyond us.
        bury: puts a message that is beyond us among the dead, with the reason; raises Transient when it cannot.
        jobs: how many at a time.
        stop: ends the taking of messages.
        grace: seconds the running jobs then have for their end.
    """

    def __init__(self, url: Secret, work: Work, bury: Bury, *, jobs: int, stop: Stop, grace: float) -> None:
        self._parameters = connection_parameters(url, "cloud_archive worker", heartbeat=HEARTBEAT_SECONDS)
        self._work = work
        self._bury = bury
        self._jobs = jobs
        self._stop = stop
        self._grace = grace
        self._threads = ThreadPoolExecutor(jobs, thread_name_prefix="job")
        # By the message's body: the same message may come again over another connection.
        self._held: dict[bytes, Delivery] = {}
        self._done: dict[bytes, Settle] = {}
        self._lock = threading.Lock()
        self._consuming = False
        self._ticked_at = time.monotonic()

    @property
    def is_ready(self) -> bool:
        """Whether messages are being taken."""
        return self._consuming

    @property
    def idle_seconds(self) -> float:
        """How long ago the connection's thread was last seen alive, in seconds."""
        return time.monotonic() - self._ticked_at

    def run(self) -> None:
        """Take messages until told to stop, then wait for the jobs' end as long as the grace allows."""
        delay = FIRST_RECONNECT_DELAY
        while not self._stop.is_set():
            try:
                self._consume()
                delay = FIRST_RECONNECT_DELAY
            except (AMQPError, OSError) as error:
                logger.warning("the broker is out of reach", extra={"error": type(error).__name__, "retry_in": delay})
                self._ticked_at = time.monotonic()
                with suppress(Interrupted):
                    self._stop.sleep(delay)
                delay = min(delay * 2, LONGEST_RECONNECT_DELAY)
            finally:
                self._consuming = False
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _consume(self) -> None:
        with BlockingConnection(self._parameters) as connection:
            channel = connection.channel()
            declare(channel)
            channel.basic_qos(prefetch_count=self._jobs)
            cancelled: list[Any] = []
            # RabbitMQ 4.3 takes an overdue delivery away by ending the consumer, and leaves the channel open.
            channel.add_on_cancel_callback(cancelled.append)
            consumer_tag = channel.basic_consume(JOBS, partial(self._take, connection))
            self._consuming = True
            while not self._stop.is_set() and not cancelled:
                self._tick(connection)
            if not cancelled:
                channel.basic_cancel(consumer_tag)
                self._drain(connection)

    def _drain(self, connection: BlockingConnection) -> None:
        """Keep the connection alive until the last job has let go: without that its acknowledgement never leaves."""
        self._consuming = False
        deadline = time.monotonic() + self._grace
        while self._held and time.monotonic() < deadline:
            self._tick(connection)
        connection.process_data_events(0)

    def _tick(self, connection: BlockingConnection) -> None:
        connection.process_data_events(TICK_SECONDS)
        self._ticked_at = time.monotonic()
        self._settle_done(connection)

    def _take(
        self,
        connection: BlockingConnection,
        channel: BlockingChannel,
        method: pika.spec.Basic.Deliver,
        _properties: pika.BasicProperties,
        body: bytes,
    ) -> None:
        with self._lock:
            again = body in self._held
            self._held[body] = Delivery(connection, channel, method.delivery_tag)
        if again:
            logger.info("a message came again; its job goes on")
        else:
            self._threads.submit(self._run, body)

    def _run(self, body: bytes) -> None:
        settle = self._try_to_work(body)
        with self._lock:
            self._done[body] = settle
            connection = self._held[body].connection
        # Only wakes the connection's thread; a lost connection is woken by nobody, its message comes again.
        with suppress(ConnectionWrongStateError):
            connection.add_callback_threadsafe(lambda: None)

    def _try_to_work(self, body: bytes) -> Settle:
        try:
            self._work(ArchiveJob.decode(body))
        except Interrupted:
            return _give_back
        except Transient as error:
            logger.warning("the job goes back to the queue: %s", error)
            return _give_back
        except NotOurMessage as refused:
            logger.error("a message is not ours: %s", refused)  # noqa: TRY400 - nothing in its trace helps
            return self._try_to_bury(body, str(refused))
        except Exception as bug:
            logger.exception("a job is beyond us")
            return self._try_to_bury(body, f"bug: {type(bug).__name__}")
        return _acknowledge

    def _try_to_bury(self, body: bytes, reason: str) -> Settle:
        try:
            self._bury(body, reason)
        except Transient:
            return _give_back
        return _acknowledge

    def _settle_done(self, connection: BlockingConnection) -> None:
        with self._lock:
            done = [(body, settle) for body, settle in self._done.items() if self._held[body].connection is connection]
        for body, settle in done:
            delivery = self._held[body]
            settle(delivery.channel, delivery.tag)
            with self._lock:
                del self._held[body], self._done[body]


def _acknowledge(channel: BlockingChannel, tag: int) -> None:
    channel.basic_ack(tag)


def _give_back(channel: BlockingChannel, tag: int) -> None:
    channel.basic_nack(tag, requeue=True)
