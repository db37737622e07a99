"""Consume jobs from RabbitMQ, each on a thread of its own, and settle their messages.

The connection belongs to one thread: it takes messages, serves heartbeats and sends acknowledgements while the jobs run
on threads of their own. A lost connection does not stop a job: when the broker hands the same message out again, this
process goes on with the job it already runs. When it does not, another worker has it, and the job here ends.
"""

import logging
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from typing import Any

import pika
from pika.adapters.blocking_connection import BlockingChannel, BlockingConnection

from common.crypto.sealing import Secret
from common.errors import Transient
from common.loops import MAX_DELAY, MIN_DELAY, Loop, guard
from common.messages.archive_job import ArchiveJob
from common.messages.publisher import broker_errors, connection_parameters
from common.messages.topology import (
    CANCEL_KEYS,
    JOBS,
    PROGRESS_EXCHANGE,
    declare,
    delivery_count,
    read_text,
)
from common.telemetry import logs
from common.telemetry.trace_context import read_trace, set_current_trace
from worker.queue.failures import DeadLetter, Failures
from worker.queue.in_flight import Deliveries, InFlight, Settle, acknowledge, nack
from worker.transfer.stop import Cause, Interrupted, Signals

logger = logging.getLogger(__name__)

# How late a signal may be noticed, in seconds; heartbeats need far less.
TICK_SECONDS = 0.5
# A connection that is silently dead is noticed after this time here, and after three times as long by the broker.
HEARTBEAT_SECONDS = 10
FIRST_RECONNECT_DELAY, MAX_RECONNECT_DELAY = MIN_DELAY, MAX_DELAY
# A message that does not come back so long after a new connection, in seconds, has gone to another worker.
TAKEN_OVER_AFTER = 10.0
# Messages of a connection that is away for longer, in seconds, are lost to us: the broker hands them to others.
MAX_ABSENCE = 30.0
# The share of the grace in which uploads may come to their end; the rest is for returning what is left.
WIND_DOWN_SHARE = 0.6

RunJob = Callable[[ArchiveJob, int, Signals], None]


class Consumer:
    """Hands each job to a thread and settles its message when that is done.

    Args:
        url: of the broker.
        run_job: runs one job, given how often its message came back. Returns when its message is done with; raises
            StaleMessage when it need not be worked on, Interrupted or Transient when it must come back, anything else
            when the job cannot be worked on.
        dead_letter: publishes a message among the dead letters: its body, its id and the reason; raises Transient.
        jobs: how many at a time.
        signals: end the taking of messages and the jobs.
        grace: seconds that the running jobs then have to end.
        stop_job: writes down that a guest cancelled a job, given its id; raises Transient.
        may_begin: says whether messages may be taken by now.
        observe_wait: told how long a message that is new here lay ready in the queue, in seconds.
    """

    def __init__(
        self,
        url: Secret,
        run_job: RunJob,
        dead_letter: DeadLetter,
        *,
        jobs: int,
        signals: Signals,
        grace: float,
        stop_job: Callable[[str], None] = lambda _job_id: None,
        may_begin: Callable[[], bool] = lambda: True,
        observe_wait: Callable[[float], None] = lambda _seconds: None,
    ) -> None:
        self._parameters = connection_parameters(url, "cloud_archive worker", heartbeat=HEARTBEAT_SECONDS)
        self._run_job = run_job
        self._failures = Failures(dead_letter, self._sleep_while_connected)
        self._stop_job = stop_job
        self._may_begin = may_begin
        self._jobs = jobs
        self._signals = signals
        self._grace = grace
        self._observe_wait = observe_wait
        self._threads = ThreadPoolExecutor(jobs, thread_name_prefix="job")
        self._deliveries = Deliveries()
        # Replicas of `web` of the version before publish cancels here, and write nothing down.
        self._cancels = ThreadPoolExecutor(1, thread_name_prefix="cancels")
        self._connection_changed_at = time.monotonic()
        self._consuming = False
        self._trouble = ""
        self._loop = Loop(
            "the consumer",
            self._consume_and_note_trouble,
            is_over=signals.wind_down.is_set,
            wait=self._wait,
            delays=(FIRST_RECONNECT_DELAY, MAX_RECONNECT_DELAY),
        )

    @property
    def is_ready(self) -> bool:
        """Whether messages are being taken."""
        return self._consuming

    @property
    def is_alive(self) -> bool:
        """Whether the connection's thread moves; also when there is no broker."""
        return self._loop.is_alive

    @property
    def trouble(self) -> str:
        """Why no messages are being taken, in one line; empty when they are, or when that is not known."""
        return self._trouble

    def run(self) -> None:
        """Take messages until told to stop, then wait for the jobs' end as long as the grace allows."""
        self._loop.run()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _consume_and_note_trouble(self) -> None:
        try:
            with broker_errors():
                self._consume()
        except Transient as error:
            self._trouble = error.detail
            raise
        finally:
            if self._consuming:
                self._connection_changed_at = time.monotonic()
            self._consuming = False
            if not self._signals.wind_down.is_set():
                self._stop_lost_jobs(None)

    def _wait(self, seconds: float) -> None:
        with suppress(Interrupted):
            self._signals.wind_down.sleep(seconds)

    def _consume(self) -> None:
        with BlockingConnection(self._parameters) as connection:
            channel = connection.channel()
            declare(channel)
            channel.basic_qos(prefetch_count=self._jobs)
            self._subscribe_to_cancels(channel)
            while not self._may_begin() and not self._signals.wind_down.is_set():
                self._tick(connection)
            ended: list[Any] = []
            # RabbitMQ 4.3 takes an overdue delivery away by ending the consumer, and leaves the channel open.
            channel.add_on_cancel_callback(ended.append)
            consumer_tag = channel.basic_consume(JOBS, partial(self._on_message, connection))
            self._connection_changed_at = time.monotonic()
            self._consuming = True
            self._trouble = ""
            while not self._signals.wind_down.is_set() and not ended:
                self._tick(connection)
            if not ended:
                channel.basic_cancel(consumer_tag)
                self._drain(connection)

    def _subscribe_to_cancels(self, channel: BlockingChannel) -> None:
        queue = channel.queue_declare("", exclusive=True, auto_delete=True).method.queue
        channel.queue_bind(queue, PROGRESS_EXCHANGE, CANCEL_KEYS)
        channel.basic_consume(queue, self._on_cancel, auto_ack=True)

    def _drain(self, connection: BlockingConnection) -> None:
        """Keep the connection alive until the last job has ended: without that its acknowledgement never leaves."""
        self._consuming = False
        began = time.monotonic()
        while self._deliveries and (passed := time.monotonic() - began) < self._grace:
            if passed > self._grace * WIND_DOWN_SHARE:
                self._signals.abort.set(Cause.SHUTDOWN)
            self._tick(connection)
        connection.process_data_events(0)

    def _tick(self, connection: BlockingConnection) -> None:
        connection.process_data_events(TICK_SECONDS)
        self._loop.beat()
        self._deliveries.settle(connection)
        self._stop_lost_jobs(connection)

    def _on_message(
        self,
        connection: BlockingConnection,
        channel: BlockingChannel,
        method: pika.spec.Basic.Deliver,
        properties: pika.BasicProperties,
        body: bytes,
    ) -> None:
        returns = delivery_count(properties.headers, redelivered=method.redelivered)
        tags = [(method.delivery_tag, returns)]
        job_id, signals = read_text(properties.message_id), Signals(self._signals)
        message = InFlight(connection, channel, job_id, returns, signals, tags)
        if not self._deliveries.add(body, message):
            logger.info("a message came again; its job goes on", extra={"job_id": message.message_id})
            return
        # What came back, or out of a waiting queue, bears the time of another beginning.
        if properties.timestamp and not message.returns and "x-death" not in (properties.headers or {}):
            waited = max(0.0, time.time() - properties.timestamp)
            guard("counting a wait", lambda: self._observe_wait(waited))
        # In a context of its own: the thread's next job is on another way. When no thread can be started, another one
        # takes it up as soon as it is free.
        guard("starting a job's thread", lambda: self._start(body, message))

    def _on_cancel(
        self,
        _channel: BlockingChannel,
        method: pika.spec.Basic.Deliver,
        _properties: pika.BasicProperties,
        _body: bytes,
    ) -> None:
        job_id = read_text(method.routing_key).split(".")[1]
        self._cancels.submit(guard, "stopping a job", lambda: self._stop_job(job_id))

    def _start(self, body: bytes, message: InFlight) -> None:
        self._threads.submit(copy_context().run, self._run, body, message).add_done_callback(log_bug)

    def _run(self, body: bytes, message: InFlight) -> None:
        """Run one job and settle its message."""
        with logs.bound_fields(job_id=message.message_id):
            # Whatever happens here, the message must not stay in flight for ever.
            settle: Settle = nack
            try:
                job = ArchiveJob.decode(body)
                logs.bind_fields(archive=job.archive)
                if trace := read_trace(job.traceparent):
                    set_current_trace(trace)
                    logs.bind_fields(trace_id=trace.trace_id)
                self._run_job(job, message.returns, message.signals)
                settle = acknowledge
            except Exception as error:  # noqa: BLE001 - each kind is logged there
                settle = self._failures.settle(body, message, error)
            finally:
                self._deliveries.finish(body, settle)

    def _sleep_while_connected(self, seconds: float) -> None:
        """Sleep, at most until the connection changes: over another one the message comes again by itself."""
        until, changed_at = time.monotonic() + seconds, self._connection_changed_at
        while (
            time.monotonic() < until
            and self._connection_changed_at == changed_at
            and not self._signals.wind_down.is_set()
        ):
            self._wait(TICK_SECONDS)

    def _stop_lost_jobs(self, connection: BlockingConnection | None) -> None:
        """End the jobs whose messages did not come back over this connection, or for which there is none in time."""
        since = time.monotonic() - self._connection_changed_at
        if since > (TAKEN_OVER_AFTER if connection else MAX_ABSENCE):
            for lost in self._deliveries.find_lost(connection):
                lost.signals.stop(Cause.TAKEN_OVER)


def log_bug(run: "Future[None]") -> None:
    """Log what a job's thread ended with, if it ended with an error: nobody else reads its future."""
    if not run.cancelled() and (bug := run.exception()):
        logger.error("settling a message met a bug", exc_info=bug)
