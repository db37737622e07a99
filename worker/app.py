"""The wiring of the worker, and the only place that wires."""

from dataclasses import replace

from common.archive_job import ArchiveJob, NotOurMessage, grant_context
from common.clouds import find_cloud
from common.clouds.base import Storage
from common.clouds.grant import Grant, GrantInUse
from common.errors import Reason
from common.httpclient import HttpClient
from common.publisher import Publisher
from common.sealing import NotSealedByUs
from common.settings import WorkerSettings
from common.topology import DEAD_EXCHANGE, EXCHANGE, JOB_KEY, REASON_HEADER, waiting_key
from worker.consumer import Consumer
from worker.gallery import Gallery
from worker.keeper import Keeper
from worker.pacing import Pace
from worker.retry import RetryPolicy
from worker.slice import Outcome, Slice
from worker.stopping import Signals


class Outbox:
    """Publishes jobs that go on and messages that do not. Thread-safe; everything raises Transient."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher

    def put_behind(self, job: ArchiveJob) -> None:
        """Put a job behind the others."""
        self._publisher.publish(EXCHANGE, JOB_KEY, job.encode(), message_id=job.id)

    def let_wait(self, job: ArchiveJob, level: int) -> None:
        """Put a job into a waiting queue."""
        self._publisher.publish(EXCHANGE, waiting_key(level), job.encode(), message_id=job.id)

    def bury(self, body: bytes, message_id: str, reason: str) -> None:
        """Put a message among the dead."""
        self._publisher.publish(DEAD_EXCHANGE, "", body, message_id=message_id, headers={REASON_HEADER: reason})


class Workshop:
    """Works slices: opens a job's cloud and lends it what all jobs share. Thread-safe."""

    def __init__(self, settings: WorkerSettings, gallery: Gallery, cloud_http: HttpClient) -> None:
        self._settings = settings
        self._gallery = gallery
        self._cloud_http = cloud_http

    def work(self, job: ArchiveJob, returns: int, signals: Signals) -> tuple[ArchiveJob, Outcome]:
        """Work one slice of a job; see `worker.keeper.WorkSlice`."""
        settings, mine = self._settings, Signals(signals)
        storage, grant = self._open_storage(job)
        sleep = mine.wind_down.sleep
        policy = RetryPolicy(
            settings.retry_attempts, settings.retry_base_seconds, settings.retry_max_seconds, sleep, Pace(sleep)
        )
        outcome = Slice(
            job,
            self._gallery,
            storage,
            policy,
            photos=settings.photos,
            seconds=settings.slice_seconds,
            signals=mine,
        ).work(returns)
        # Refresh tokens may have rotated: the newest must travel on.
        sealed = settings.sealer.seal(grant.grant.to_text(), grant_context(job.id))
        return replace(job, grant=sealed, course=outcome.course), outcome

    def _open_storage(self, job: ArchiveJob) -> tuple[Storage, GrantInUse]:
        """Open a job's cloud with the grant that travelled with it; raises NotOurMessage when they do not fit."""
        settings = self._settings
        cloud, variables = find_cloud(job.cloud_type), settings.clouds.get(job.cloud_type)
        if cloud is None or variables is None:
            raise NotOurMessage("its cloud is not offered here")
        try:
            grant = Grant.from_text(settings.sealer.open(job.grant, grant_context(job.id)))
        except NotSealedByUs:
            raise NotOurMessage("its grant does not open") from None
        in_use = GrantInUse(grant, cloud.auth(variables, self._cloud_http).refresh)
        return cloud.storage(variables, self._cloud_http, in_use, settings.chunk_bytes), in_use


def create_consumer(settings: WorkerSettings, signals: Signals) -> Consumer:
    """Wire the rooms of the worker together.

    Args:
        settings: the worker's.
        signals: end it.
    """
    connections = settings.jobs * settings.photos
    gallery = Gallery(
        HttpClient(connections=connections, ca_bundle=settings.ca_bundle, reason=Reason.GALLERY_UNAVAILABLE),
        base_url=settings.gallery_base_url,
        photo_hosts=settings.photo_hosts,
        done_url=settings.done_url,
        signing_secrets=settings.done_signing_secrets,
        local=settings.allow_local_network,
    )
    cloud_http = HttpClient(connections=connections, ca_bundle=settings.ca_bundle, reason=Reason.CLOUD_UNAVAILABLE)
    outbox = Outbox(Publisher(settings.rabbitmq_url, "cloud_archive worker publishes"))
    keeper = Keeper(Workshop(settings, gallery, cloud_http).work, gallery, outbox)
    return Consumer(
        settings.rabbitmq_url,
        keeper.keep,
        outbox.bury,
        jobs=settings.jobs,
        signals=signals,
        grace=settings.shutdown_grace_seconds,
    )
