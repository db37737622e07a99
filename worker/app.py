"""The wiring of the worker, and the only place that wires."""

import time
from collections.abc import Callable

from common.config.settings import WorkerSettings
from common.errors import Reason
from common.http.client import HttpClient
from common.messages.ledger import Entry, Kind, Record
from common.messages.ledger_log import Ledger
from common.messages.publisher import Publisher
from common.telemetry import metrics
from common.telemetry.upstreams import watch_gallery
from worker.archive.stages import STAGE_COUNT
from worker.counting import CountedGallery, CountedOutbox, CountedReports
from worker.jobs.claims import Claims
from worker.jobs.runner import Keeper
from worker.jobs.take_ups import TakeUps
from worker.jobs.workshop import Workshop
from worker.queue.consumer import Consumer
from worker.queue.reporter import Reporter
from worker.queue.withdrawn import keep_promised
from worker.transfer.stop import Signals

LEAST_LAST_WORDS_SECONDS = 0.5


def create_consumer(
    settings: WorkerSettings, signals: Signals
) -> tuple[Consumer, Callable[[], bool], Callable[[float], None]]:
    """Wire the rooms of the worker together.

    Args:
        settings: the worker's.
        signals: end it.

    Returns:
        the consumer, what says whether every long-lived thread of the worker moves, and what is to be called after the
        consumer's end: it writes down what only this process knows, within the grace, and tells the last changes of
        state, for at most so many seconds.
    """
    gallery = CountedGallery(
        _make_client(settings, Reason.GALLERY_UNAVAILABLE).counted_by(watch_gallery()),
        base_url=settings.gallery_base_url,
        photo_hosts=settings.photo_hosts,
        done_url=settings.done_url,
        signing_secrets=settings.done_signing_secrets,
        local=settings.allow_local_network,
    )
    cloud_http = _make_client(settings, Reason.CLOUD_UNAVAILABLE)
    publishing = Reporter(settings.rabbitmq_url)
    reporter = CountedReports(publishing)
    publisher = Publisher(settings.rabbitmq_url, "cloud_archive worker publishes")
    outbox = CountedOutbox(publisher, reporter.tell)
    workshop = Workshop(settings, gallery, cloud_http, reporter)

    def hear(entry: Entry, record: Record) -> None:
        claims.hear(entry, record)
        take_ups.hear(entry, record)

    def note_caught_up() -> None:
        claims.note_caught_up()
        take_ups.take_all(ledger.find_stopped())

    def stop_job(job_id: str) -> None:
        ledger.append(Entry(job_id=job_id, kind=Kind.STOPPED))

    ledger = Ledger(
        settings.rabbitmq_url,
        "cloud_archive worker",
        publisher,
        hear,
        note_caught_up,
    )
    claims = Claims(ledger)
    keeper = Keeper(claims, workshop.check, workshop.work, gallery, outbox, reporter.tell, workshop.release)
    take_ups = TakeUps(keeper.take_up, signals)
    ledger.start()
    consumer = Consumer(
        settings.rabbitmq_url,
        keep_promised(publisher.claim, keeper.keep),
        outbox.bury,
        stop_job=stop_job,
        may_begin=lambda: ledger.is_caught_up,
        jobs=settings.jobs,
        signals=signals,
        grace=settings.shutdown_grace_seconds,
        note_wait=metrics.queue_wait.observe,
    )

    def finish(seconds: float) -> None:
        began = time.monotonic()
        claims.await_written(settings.shutdown_grace_seconds - (began - (signals.wind_down.since or began)))
        # Where that took its time there is no broker, and nobody to tell.
        publishing.close(max(LEAST_LAST_WORDS_SECONDS, seconds - (time.monotonic() - began)))

    return consumer, lambda: consumer.is_alive and publishing.is_alive and ledger.is_alive, finish


def _make_client(settings: WorkerSettings, reason: Reason) -> HttpClient:
    return HttpClient(
        connections=settings.jobs * settings.photos * STAGE_COUNT,
        ca_bundle=settings.ca_bundle,
        reason=reason,
        local=settings.allow_local_network,
    )
