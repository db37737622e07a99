"""Publish how jobs get on, as often as somebody could notice, over a connection of its own.

Snapshots of what runs go to the topic exchange, unconfirmed: the next one makes up for a lost one. Changes of state go
to the stream as well, which keeps them for those who come later, and so do the numbers now and then. A replica of `web`
that starts says hello, and hears at once of every job that runs here. Nothing here ever holds up or breaks a job.
"""

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

import pika
from pika.adapters.blocking_connection import BlockingChannel, BlockingConnection

from common.crypto.sealing import Secret
from common.errors import Reason
from common.loops import Loop, guard
from common.messages.progress import Progress, State
from common.messages.publisher import BROKER_ERRORS, Publisher, broker_errors, connection_parameters
from common.messages.topology import (
    EVENT_KEY,
    EXCHANGE,
    HELLO_KEY,
    PROGRESS_EXCHANGE,
    WATCHED_KEYS,
    declare,
    progress_key,
    read_text,
)
from common.telemetry import metrics
from worker.jobs.sampling import JobSampler, Sample, TakeSnapshot, WatchedJobs

logger = logging.getLogger(__name__)

# Seconds between two ticks of the thread; what is to be published wakes it earlier.
TICK_SECONDS = 1.0
HEARTTICK_SECONDS = 30
# Questions of `web` that wait here while the broker blocks us; older ones are dropped.
MAX_QUEUE = 10_000
# Jobs whose last published numbers are remembered: what is reported without a claim is numbered after them.
MAX_REMEMBERED = 1000


class Reporter:
    """Publishes snapshots from a thread of its own. Thread-safe.

    Args:
        url: of the broker.
    """

    def __init__(self, url: Secret) -> None:
        self._parameters = connection_parameters(url, "cloud_archive worker reports", heartbeat=HEARTTICK_SECONDS)
        self._publisher = Publisher(url, "cloud_archive worker tells")
        self._samplers: list[JobSampler] = []
        self._changes: list[Progress] = []
        self._watched_jobs = WatchedJobs()
        self._order: OrderedDict[str, tuple[int, int]] = OrderedDict()
        self._lock = threading.Lock()
        self._connection: BlockingConnection | None = None
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
        sampler = JobSampler(take_snapshot)
        with self._lock:
            self._samplers.append(sampler)
        self._wake()
        try:
            yield
        finally:
            with self._lock:
                self._samplers.remove(sampler)

    def tell(self, progress: Progress) -> None:
        """Publish a change of state, or how far a slice came; kept until the broker can be reached."""
        if progress.state.is_final:
            # Whatever becomes of the count, the end is told.
            guard("counting an end", lambda: metrics.count_end(progress))
        if progress.reason == Reason.APP_REFUSED:
            metrics.count_app_refusal(progress.cloud_type)
        with self._lock:
            self._changes.append(progress)
        self._wake()

    def close(self, seconds: float) -> None:
        """Publish what is left, for at most so many seconds."""
        self._stopped.set()
        self._wake()
        self._thread.join(seconds)
        self._publisher.close()

    def _wake(self) -> None:
        connection = self._connection
        # One that has just broken wakes its thread by that.
        with suppress(*BROKER_ERRORS):
            if connection:
                connection.add_callback_threadsafe(lambda: None)

    def _report(self) -> None:
        with broker_errors(), BlockingConnection(self._parameters) as connection:
            channel = connection.channel()
            declare(channel)
            self._subscribe(channel)
            self._connection = connection
            try:
                self._publish_until_stopped(connection, channel)
            finally:
                self._connection = None

    def _subscribe(self, channel: BlockingChannel) -> None:
        arguments = {"x-max-length": MAX_QUEUE, "x-overflow": "drop-head"}
        queue = channel.queue_declare("", exclusive=True, auto_delete=True, arguments=arguments).method.queue
        for key in (HELLO_KEY, WATCHED_KEYS):
            channel.queue_bind(queue, PROGRESS_EXCHANGE, key)
        channel.basic_consume(queue, self._on_question, auto_ack=True)

    def _on_question(
        self,
        _channel: BlockingChannel,
        method: pika.spec.Basic.Deliver,
        _properties: pika.BasicProperties,
        _body: bytes,
    ) -> None:
        text = read_text(method.routing_key)
        job_id = text.removeprefix("job.").removesuffix(".watched")
        if text != HELLO_KEY and not self._watched_jobs.note_viewer(job_id, time.monotonic()):
            return
        for sampler in self._list_samplers():
            if text == HELLO_KEY or sampler.job_id == job_id:
                sampler.force()

    def _publish_until_stopped(self, connection: BlockingConnection, channel: BlockingChannel) -> None:
        while True:
            stopped = self._stopped.is_set()
            self._publish_changes(channel)
            for sampler in self._list_samplers():
                self._publish_sample(channel, sampler)
            self._loop.beat()
            connection.process_data_events(0 if stopped else TICK_SECONDS)
            if stopped:
                return

    def _list_samplers(self) -> list[JobSampler]:
        with self._lock:
            return list(self._samplers)

    def _publish_changes(self, channel: BlockingChannel) -> None:
        while self._changes:
            change = self._number_after_last(self._changes[0])
            if written := self._write(change):
                key, news, kept = written
                # What was only written to a line that breaks, or that an alarm holds up, is nowhere.
                self._publisher.publish(EXCHANGE, EVENT_KEY, kept, message_id=change.job_id)
                _publish(channel, PROGRESS_EXCHANGE, key, news, persistent=False)
            with self._lock:
                self._changes.pop(0)
            self._loop.beat()

    def _write(self, change: Progress) -> tuple[str, bytes, bytes] | None:
        """Return a change's key, itself and what is kept of it, unless it cannot be told: it would hold up the rest."""
        try:
            return progress_key(change.job_id), change.encode(), _strip(change).encode()
        except Exception:
            logger.exception("a change of state cannot be told", extra={"job_id": str(change.job_id)})
            return None

    def _number_after_last(self, progress: Progress) -> Progress:
        """Return what is told of a job, after whatever was told of it before."""
        claim, number = self._order.get(progress.job_id, (-1, 0))
        if progress.claim < 0 <= claim:
            progress = replace(progress, claim=claim, number=number + 1)
        self._order[progress.job_id] = max((claim, number), (progress.claim, progress.number))
        self._order.move_to_end(progress.job_id)
        if len(self._order) > MAX_REMEMBERED:
            self._order.popitem(last=False)
        return progress

    def _publish_sample(self, channel: BlockingChannel, sampler: JobSampler) -> None:
        """Publish a job's sample if one is due: a job that fails here stops no other."""
        try:
            sample = sampler.sample(time.monotonic(), self._watched_jobs)
            bodies = _encode(sample) if sample else []
        except Exception:
            with self._lock:
                is_first = sampler in self._samplers and not sampler.is_broken
            sampler.is_broken = True
            if is_first:
                logger.exception("a job's progress cannot be told; the others' goes on")
            return
        if sample and bodies:
            self._number_after_last(sample.progress)
        for exchange, key, body in bodies:
            _publish(channel, exchange, key, body, persistent=exchange == EXCHANGE)


def _encode(sample: Sample) -> list[tuple[str, str, bytes]]:
    """Return what is to be published: where to, by what key, and the body."""
    bodies = []
    if sample.is_retained:
        bodies.append((EXCHANGE, EVENT_KEY, _strip(sample.progress).encode()))
    if sample.is_broadcast:
        bodies.append((PROGRESS_EXCHANGE, progress_key(sample.progress.job_id), sample.progress.encode()))
    return bodies


def _strip(progress: Progress) -> Progress:
    """Return what is kept for a week: of a job that runs only the numbers."""
    return replace(progress, latest=(), failures=()) if progress.state is State.RUNNING else progress


def _publish(channel: BlockingChannel, exchange: str, key: str, body: bytes, *, persistent: bool) -> None:
    mode = pika.DeliveryMode.Persistent if persistent else pika.DeliveryMode.Transient
    properties = pika.BasicProperties(  # type: ignore[no-untyped-call]
        content_type="application/json", delivery_mode=mode.value, type="cloud_archive.progress.v1"
    )
    channel.basic_publish(exchange, key, body, properties)
