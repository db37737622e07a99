"""Take jobs from the queue and give back what became of them. Owns the connection; does not know what a job does.

The connection belongs to one thread: it takes messages, serves heartbeats and sends acknowledgements while the jobs run
on threads of their own. A lost connection does not stop a job: when the broker hands the same message out again, this
process goes on with the job it already runs. When it does not, another worker has it, and the job here ends.
"""

import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from typing import Any

import pika
from pika.adapters.blocking_connection import BlockingChannel, BlockingConnection

from common.crypto.sealing import Secret
from common.errors import Transient
from common.loops import Loop, error_level, guard
from common.messages.archive_job import ArchiveJob, Leftover, NotOurMessage
from common.messages.publisher import broker_errors, connection_parameters
from common.messages.topology import (
    CANCEL_KEYS,
    DELIVERY_LIMIT,
    JOBS,
    NEWS_EXCHANGE,
    declare,
    delivery_count,
    read_text,
)
from common.telemetry import logs
from common.telemetry.trace_context import enter, read_trace
from worker.queue.in_flight import Deliveries, Held, Settle, acknowledge, drop, give_back
from worker.transfer.stop import Cause, Interrupted, Signals

logger = logging.getLogger(__name__)

# How late a signal may be noticed, in seconds; heartbeats need far less.
TICK_SECONDS = 0.5
# A line that is dead without a word is noticed after this time here, and after three times as long by the broker.
HEARTBEAT_SECONDS = 10
FIRST_RECONNECT_DELAY, LONGEST_RECONNECT_DELAY = 0.5, 30.0
# A message that does not come back so long after a new connection, in seconds, has gone to another worker.
TAKEN_OVER_AFTER = 10.0
# A line that is away for longer, in seconds, has lost us our messages: the broker, if it lives, hands them to others.
LONGEST_ABSENCE = 30.0
# Of the grace at the end: how much of it what moves may take to come to its end; the rest is for giving back.
WINDING_DOWN = 0.6
# Before a message is given back because the queue itself is in trouble: without it the two would race in a circle. It
# doubles with each return, so that the returns a queue allows (`DELIVERY_LIMIT`) last three quarters of an hour, not
# two minutes.
REST_SECONDS, LONGEST_REST_SECONDS = 3.0, 60.0

Work = Callable[[ArchiveJob, int, Signals], None]
Bury = Callable[[bytes, str, str], None]


class Consumer:
    """Hands each job to a thread and settles its message when the thread is done.

    Args:
        url: of the broker.
        work: keeps one job, given how often its message came back. Returns when the message has served; raises
            Leftover when it serves nobody, Interrupted or Transient when it must come back, anything else when the job
            is beyond us.
        bury: puts a message among the dead: its body, its id and the reason; raises Transient when it cannot.
        jobs: how many at a time.
        signals: end the taking of messages and the jobs.
        grace: seconds that the running jobs then have for their end.
        stop_job: writes down that a guest wants no more of a job, given its id; raises Transient.
        may_begin: says whether messages may be taken by now.
        note_wait: told how long a message that is new here lay ready in the queue, in seconds.
    """

    def __init__(
        self,
        url: Secret,
        work: Work,
        bury: Bury,
        *,
        jobs: int,
        signals: Signals,
        grace: float,
        stop_job: Callable[[str], None] = lambda _job_id: None,
        may_begin: Callable[[], bool] = lambda: True,
        note_wait: Callable[[float], None] = lambda _seconds: None,
    ) -> None:
        self._parameters = connection_parameters(url, "cloud_archive worker", heartbeat=HEARTBEAT_SECONDS)
        self._work = work
        self._bury = bury
        self._stop_job = stop_job
        self._may_begin = may_begin
        self._jobs = jobs
        self._signals = signals
        self._grace = grace
        self._note_wait = note_wait
        self._threads = ThreadPoolExecutor(jobs, thread_name_prefix="job")
        self._deliveries = Deliveries()
        # Replicas of `web` of the version before tell of cancels here, and write nothing down.
        self._cancels = ThreadPoolExecutor(1, thread_name_prefix="cancels")
        self._line_changed_at = time.monotonic()
        self._consuming = False
        self._trouble = ""
        self._loop = Loop(
            "the consumer",
            self._consume_or_tell,
            is_over=signals.wind_down.is_set,
            wait=self._wait,
            delays=(FIRST_RECONNECT_DELAY, LONGEST_RECONNECT_DELAY),
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
        """Why no messages are being taken, in one line; empty when they are, or nobody knows."""
        return self._trouble

    def run(self) -> None:
        """Take messages until told to stop, then wait for the jobs' end as long as the grace allows."""
        self._loop.run()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _consume_or_tell(self) -> None:
        try:
            with broker_errors():
                self._consume()
        except Transient as error:
            self._trouble = error.detail
            raise
        finally:
            if self._consuming:
                self._line_changed_at = time.monotonic()
            self._consuming = False
            if not self._signals.wind_down.is_set():
                self._leave_to_others(None)

    def _wait(self, seconds: float) -> None:
        with suppress(Interrupted):
            self._signals.wind_down.sleep(seconds)

    def _consume(self) -> None:
        with BlockingConnection(self._parameters) as connection:
            channel = connection.channel()
            declare(channel)
            channel.basic_qos(prefetch_count=self._jobs)
            self._listen_for_cancels(channel)
            while not self._may_begin() and not self._signals.wind_down.is_set():
                self._tick(connection)
            ended: list[Any] = []
            # RabbitMQ 4.3 takes an overdue delivery away by ending the consumer, and leaves the channel open.
            channel.add_on_cancel_callback(ended.append)
            consumer_tag = channel.basic_consume(JOBS, partial(self._take, connection))
            self._line_changed_at = time.monotonic()
            self._consuming = True
            self._trouble = ""
            while not self._signals.wind_down.is_set() and not ended:
                self._tick(connection)
            if not ended:
                channel.basic_cancel(consumer_tag)
                self._drain(connection)

    def _listen_for_cancels(self, channel: BlockingChannel) -> None:
        queue = channel.queue_declare("", exclusive=True, auto_delete=True).method.queue
        channel.queue_bind(queue, NEWS_EXCHANGE, CANCEL_KEYS)
        channel.basic_consume(queue, self._hear_cancel, auto_ack=True)

    def _drain(self, connection: BlockingConnection) -> None:
        """Keep the connection alive until the last job has let go: without that its acknowledgement never leaves."""
        self._consuming = False
        began = time.monotonic()
        while self._deliveries and (passed := time.monotonic() - began) < self._grace:
            if passed > self._grace * WINDING_DOWN:
                self._signals.abort.set(Cause.SHUTDOWN)
            self._tick(connection)
        connection.process_data_events(0)

    def _tick(self, connection: BlockingConnection) -> None:
        connection.process_data_events(TICK_SECONDS)
        self._loop.beat()
        self._deliveries.settle(connection)
        self._leave_to_others(connection)

    def _take(
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
        held = Held(connection, channel, job_id, returns, signals, tags)
        if not self._deliveries.take(body, held):
            logger.info("a message came again; its job goes on", extra={"job_id": held.message_id})
            return
        # What came back, or out of a waiting queue, bears the time of another beginning.
        if properties.timestamp and not held.returns and "x-death" not in (properties.headers or {}):
            waited = max(0.0, time.time() - properties.timestamp)
            guard("counting a wait", lambda: self._note_wait(waited))
        # In a context of its own: the thread's next job is on another way. When no thread can be started, another one
        # takes it up as soon as it is free.
        guard("starting a job's thread", lambda: self._threads.submit(copy_context().run, self._run, body, held))

    def _hear_cancel(
        self,
        _channel: BlockingChannel,
        method: pika.spec.Basic.Deliver,
        _properties: pika.BasicProperties,
        _body: bytes,
    ) -> None:
        job_id = read_text(method.routing_key).split(".")[1]
        self._cancels.submit(guard, "stopping a job", lambda: self._stop_job(job_id))

    def _run(self, body: bytes, held: Held) -> None:
        with logs.bound(job_id=held.message_id):
            settle: Settle = give_back
            try:
                settle = self._try_to_work(body, held)
            except Exception:
                # Its message must not stay in our hands for ever.
                logger.exception("a job's end met a bug; its message goes back to the queue")
            self._deliveries.finish(body, settle)

    def _try_to_work(self, body: bytes, held: Held) -> Settle:
        try:
            job = ArchiveJob.decode(body)
            if trace := read_trace(job.traceparent):
                enter(trace)
                logs.note(trace_id=trace.trace_id)
            self._work(job, held.returns, held.signals)
        except Leftover:
            logger.info("a leftover of a job that went on or has ended", extra={"returns": held.returns})
            return drop
        except Interrupted:
            return give_back
        except Transient as error:
            logger.log(error_level(error), "the job goes back to the queue: %s", error)
            return self._give_back_later(held)
        except NotOurMessage as refused:
            logger.error("a message is beyond us: %s", refused)  # noqa: TRY400
            return self._try_to_bury(body, held, str(refused))
        except Exception as bug:
            logger.exception("a job met a bug")
            return self._try_to_bury(body, held, f"bug: {type(bug).__name__}")
        return acknowledge

    def _try_to_bury(self, body: bytes, held: Held, reason: str) -> Settle:
        try:
            self._bury(body, held.message_id, reason)
        except Transient:
            return self._give_back_later(held)
        except Exception:
            logger.exception("burying a message met a bug")
            return self._give_back_later(held)
        return acknowledge

    def _give_back_later(self, held: Held) -> Settle:
        doublings = max(0, min(held.returns, DELIVERY_LIMIT))
        self._rest(min(REST_SECONDS * 2**doublings, LONGEST_REST_SECONDS))
        return give_back

    def _rest(self, seconds: float) -> None:
        """Wait, no longer than the line lasts: with another one the message comes again by itself."""
        until, line = time.monotonic() + seconds, self._line_changed_at
        while time.monotonic() < until and self._line_changed_at == line and not self._signals.wind_down.is_set():
            self._wait(TICK_SECONDS)

    def _leave_to_others(self, connection: BlockingConnection | None) -> None:
        """End the jobs whose messages did not come back over this connection, or for which there is none in time."""
        since = time.monotonic() - self._line_changed_at
        if since > (TAKEN_OVER_AFTER if connection else LONGEST_ABSENCE):
            for lost in self._deliveries.find_lost(connection):
                lost.signals.stop(Cause.TAKEN_OVER)
