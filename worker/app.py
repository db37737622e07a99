"""Wire the worker together; the only place that does."""

import os
import socket
import time
from collections.abc import Callable
from functools import partial

from common.config.settings import WorkerSettings
from common.errors import Reason
from common.http.client import HttpClient
from common.messages.ledger import Entry, Kind, Record
from common.messages.ledger_log import Ledger
from common.messages.publisher import Publisher
from common.telemetry import metrics
from common.telemetry.upstreams import gallery_observer
from worker.archive.stages import STAGE_COUNT
from worker.gallery.client import Gallery
from worker.jobs.claims import Claims
from worker.jobs.cloud_access import CloudAccess
from worker.jobs.open_slice import open_slice
from worker.jobs.runner import JobRunner
from worker.jobs.stopped_jobs import StoppedJobs
from worker.queue.consumer import Consumer
from worker.queue.job_publisher import JobPublisher
from worker.queue.reporter import Reporter
from worker.transfer.stop import Signals

# How long the last reports may take at the least, and how long after the grace at the most.
MIN_CLOSE_SECONDS, LATE_SECONDS = 0.5, 2.0


def create_consumer(
    settings: WorkerSettings, signals: Signals
) -> tuple[Consumer, Callable[[], bool], Callable[[float], None]]:
    """Build the worker.

    Args:
        settings: of the worker.
        signals: end it.

    Returns:
        the consumer; whether every long-lived thread of the worker moves; and what is to be called after the consumer's
        end: it waits within the grace for what is not written to the ledger yet, and reports the last changes of state,
        for at most so many seconds.
    """
    gallery = Gallery(
        _make_client(settings, Reason.GALLERY_UNAVAILABLE).observed_by(gallery_observer()),
        base_url=settings.gallery_base_url,
        photo_hosts=settings.photo_hosts,
        done_url=settings.done_url,
        signing_secrets=settings.done_signing_secrets,
        policy=settings.network,
    )
    cloud_http = _make_client(settings, Reason.CLOUD_UNAVAILABLE)
    reporter = Reporter(settings.rabbitmq_url)
    publisher = Publisher(settings.rabbitmq_url, "cloud_archive worker publishes")
    job_publisher = JobPublisher(publisher, reporter.tell)
    clouds = CloudAccess(settings, cloud_http)

    def on_entry(entry: Entry, record: Record) -> None:
        claims.on_entry(entry, record)
        stopped_jobs.on_entry(entry, record)

    def note_caught_up() -> None:
        claims.note_caught_up()
        stopped_jobs.run_all(ledger.find_stopped())

    def stop_job(job_id: str) -> None:
        ledger.append(Entry(job_id=job_id, kind=Kind.STOPPED))

    ledger = Ledger(
        settings.rabbitmq_url,
        "cloud_archive worker",
        publisher,
        on_entry,
        note_caught_up,
    )
    claims = Claims(ledger, _name_process())
    job_runner = JobRunner(
        claims,
        clouds,
        partial(open_slice, settings=settings, gallery=gallery, clouds=clouds),
        gallery,
        job_publisher,
        reporter,
        publisher.take_ticket,
    )
    stopped_jobs = StoppedJobs(job_runner.run_stopped, signals)
    ledger.start()
    consumer = Consumer(
        settings.rabbitmq_url,
        job_runner.run,
        job_publisher.dead_letter,
        stop_job=stop_job,
        may_begin=lambda: ledger.is_caught_up,
        jobs=settings.jobs,
        signals=signals,
        grace=settings.shutdown_grace_seconds,
        observe_wait=metrics.queue_wait.observe,
    )
    metrics.worker_connected.set_function(lambda: float(consumer.is_ready))

    def finish(seconds: float) -> None:
        now = time.monotonic
        grace_ends = (signals.wind_down.since or now()) + settings.shutdown_grace_seconds
        claims.wait_for_writes(grace_ends - now())
        # Where all of the grace was needed there may be no broker to report to.
        reporter.close(max(MIN_CLOSE_SECONDS, min(seconds, grace_ends + LATE_SECONDS - now())))

    return consumer, lambda: consumer.is_alive and reporter.is_alive and ledger.is_alive, finish


def _name_process() -> str:
    """Return this worker's name: its pod's or container's, or with the process's number where a machine has several."""
    return f"{socket.gethostname()}/{os.getpid()}" if os.getpid() != 1 else socket.gethostname()


def _make_client(settings: WorkerSettings, reason: Reason) -> HttpClient:
    return HttpClient(
        connections=settings.jobs * settings.photos * STAGE_COUNT,
        reason=reason,
        policy=settings.network,
    )
