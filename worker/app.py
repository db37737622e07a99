"""The wiring of the worker, and the only place that wires."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Protocol

from common.archive_job import ArchiveJob, NotOurMessage, grant_context
from common.clouds import find_cloud
from common.clouds.base import Storage
from common.clouds.grant import SPARE_SECONDS, Grant, GrantInUse
from common.errors import Reason
from common.httpclient import HttpClient
from common.progress import Progress, State
from common.publisher import Publisher
from common.sealing import NotSealedByUs
from common.settings import WorkerSettings
from common.topology import DEAD_EXCHANGE, EXCHANGE, JOB_KEY, REASON_HEADER, waiting_key
from worker.consumer import Consumer
from worker.gallery import Gallery
from worker.keeper import Keeper
from worker.pacing import Pace
from worker.renewal import Renewal, ReplacedGrants
from worker.reporter import Reporter, TakeSnapshot
from worker.retry import RetryPolicy
from worker.slice import Outcome, Slice
from worker.stopping import Signals


class Outbox:
    """Publishes jobs that go on and messages that do not. Thread-safe; everything raises Transient."""

    def __init__(self, publisher: Publisher, report: Callable[[Progress], None]) -> None:
        self._publisher = publisher
        self._report = report

    def put_behind(self, job: ArchiveJob) -> None:
        """Put a job behind the others."""
        self._publisher.publish(EXCHANGE, JOB_KEY, job.encode(), message_id=job.id)

    def let_wait(self, job: ArchiveJob, level: int) -> None:
        """Put a job into a waiting queue."""
        self._publisher.publish(EXCHANGE, waiting_key(level), job.encode(), message_id=job.id)

    def bury(self, body: bytes, message_id: str, reason: str) -> None:
        """Put a message among the dead."""
        self._publisher.publish(DEAD_EXCHANGE, "", body, message_id=message_id, headers={REASON_HEADER: reason})
        if message_id:
            now = time.time()
            self._report(
                Progress(job_id=message_id, state=State.FAILED, reason=Reason.INTERNAL, updated_at=now, finished_at=now)
            )


class Reports(Protocol):
    """Who is told how jobs get on, like `worker.reporter.Reporter`."""

    def tell(self, progress: Progress) -> None:
        """Tell of a change of state."""
        ...

    def watch(self, take_snapshot: TakeSnapshot) -> AbstractContextManager[None]:
        """Tell of a job again and again while it runs."""
        ...


class Workshop:
    """Works slices: opens a job's cloud and lends it what all jobs share. Thread-safe."""

    def __init__(self, settings: WorkerSettings, gallery: Gallery, cloud_http: HttpClient, reporter: Reports) -> None:
        self._reporter = reporter
        self._settings = settings
        self._gallery = gallery
        self._cloud_http = cloud_http
        self._replaced = ReplacedGrants()

    def work(self, job: ArchiveJob, returns: int, signals: Signals) -> tuple[ArchiveJob, Outcome]:
        """Work one slice of a job; see `worker.keeper.WorkSlice`."""
        settings, mine = self._settings, Signals(signals)
        storage, grant, renewal = self._open_storage(job, mine)
        sleep = mine.wind_down.sleep
        policy = RetryPolicy(
            settings.retry_attempts, settings.retry_base_seconds, settings.retry_max_seconds, sleep, Pace(sleep)
        )
        share = Slice(
            job,
            self._gallery,
            storage,
            policy,
            photos=settings.photos,
            seconds=settings.slice_seconds,
            signals=mine,
        )
        if not job.course.told:
            self._reporter.tell(share.meter.read())
        with self._reporter.watch(share.meter.read) if not job.course.told else nullcontext():
            outcome = share.work(returns)
        # Refresh tokens may have rotated: the newest must travel on.
        sealed = settings.sealer.seal(grant.grant.to_text(), grant_context(job.id))
        course = replace(outcome.course, handed_over=renewal.handed_over)
        return replace(job, grant=sealed, course=course), outcome

    def _open_storage(self, job: ArchiveJob, signals: Signals) -> tuple[Storage, GrantInUse, Renewal]:
        """Open a job's cloud with the grant that travelled with it; raises NotOurMessage when they do not fit."""
        settings = self._settings
        cloud, variables = find_cloud(job.cloud_type), settings.clouds.get(job.cloud_type)
        if cloud is None or variables is None:
            raise NotOurMessage("its cloud is not offered here")
        try:
            grant = Grant.from_text(settings.sealer.open(job.grant, grant_context(job.id)))
        except NotSealedByUs:
            raise NotOurMessage("its grant does not open") from None
        refresh = cloud.auth(variables, self._cloud_http).refresh
        renewal = Renewal(refresh, grant, self._replaced, signals, may_hand_over=not job.course.handed_over)
        in_use = GrantInUse(
            self._replaced.newest(grant),
            renewal.refresh,
            # What would end within the slice is renewed while nothing else is under way.
            spare=SPARE_SECONDS + settings.slice_seconds,
            check=renewal.check,
        )
        return cloud.storage(variables, self._cloud_http, in_use, settings.chunk_bytes), in_use, renewal


def create_consumer(settings: WorkerSettings, signals: Signals) -> Consumer:
    """Wire the rooms of the worker together.

    Args:
        settings: the worker's.
        signals: end it.
    """
    gallery = Gallery(
        _make_client(settings, Reason.GALLERY_UNAVAILABLE),
        base_url=settings.gallery_base_url,
        photo_hosts=settings.photo_hosts,
        done_url=settings.done_url,
        signing_secrets=settings.done_signing_secrets,
        local=settings.allow_local_network,
    )
    cloud_http = _make_client(settings, Reason.CLOUD_UNAVAILABLE)
    reporter = Reporter(settings.rabbitmq_url)
    outbox = Outbox(Publisher(settings.rabbitmq_url, "cloud_archive worker publishes"), reporter.tell)
    keeper = Keeper(Workshop(settings, gallery, cloud_http, reporter).work, gallery, outbox, reporter.tell)
    return Consumer(
        settings.rabbitmq_url,
        keeper.keep,
        outbox.bury,
        jobs=settings.jobs,
        signals=signals,
        grace=settings.shutdown_grace_seconds,
    )


def _make_client(settings: WorkerSettings, reason: Reason) -> HttpClient:
    return HttpClient(
        connections=settings.jobs * settings.photos,
        ca_bundle=settings.ca_bundle,
        reason=reason,
        local=settings.allow_local_network,
    )
