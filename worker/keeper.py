"""Keep one job: open its grant, run its archive, tell the gallery. Wires the rooms of one job together."""

import logging
from collections.abc import Callable

from common.archive_job import ArchiveJob, NotOurMessage, grant_context
from common.clouds import find_cloud
from common.clouds.base import Photo, Storage
from common.clouds.grant import Grant, GrantInUse
from common.errors import Transient
from common.httpclient import HttpClient
from common.sealing import NotSealedByUs
from common.settings import WorkerSettings
from worker.archive import Archive, Verdict
from worker.gallery import Gallery
from worker.manifest import Manifest
from worker.photo_stream import PhotoStream
from worker.retry import RetryPolicy
from worker.stopping import Stop

logger = logging.getLogger(__name__)

OpenStorage = Callable[[ArchiveJob], Storage]


class Keeper:
    """Keeps jobs, each on the thread that calls. Thread-safe.

    Args:
        settings: the worker's.
        gallery: where photos come from.
        open_storage: opens a job's cloud with its grant.
        stop: ends the work.
    """

    def __init__(self, settings: WorkerSettings, gallery: Gallery, open_storage: OpenStorage, stop: Stop) -> None:
        self._settings = settings
        self._gallery = gallery
        self._open_storage = open_storage
        self._stop = stop
        self._policy = RetryPolicy(
            settings.retry_attempts, settings.retry_base_seconds, settings.retry_max_seconds, stop.sleep
        )

    def keep(self, job: ArchiveJob) -> None:
        """Keep one job; safe to repeat.

        Raises:
            NotOurMessage: its grant or its cloud is not ours.
            Interrupted: it was told to stop.
            Transient: the gallery did not take the news.
        """
        storage = self._open_storage(job)
        try:
            manifest = self._policy.persist(lambda: self._gallery.fetch_manifest(job.archive_url))
        except Transient as error:
            # Without a list there is no count to tell.
            logger.error("an archive failed: %s", error, extra={"job": job.id})  # noqa: TRY400 - no bug
            return
        verdict = self._run(job, manifest, storage)
        self._policy.persist(lambda: self._gallery.tell_done(job, len(verdict.failures)))
        logger.info("an archive ended", extra={"job": job.id, **_describe(verdict)})

    def _run(self, job: ArchiveJob, manifest: Manifest, storage: Storage) -> Verdict:
        def open_stream(photo: Photo, halt: Stop) -> PhotoStream:
            return PhotoStream(photo, lambda offset, etag: self._gallery.open_photo(photo, offset, etag), halt.check)

        return Archive(
            job,
            manifest,
            storage,
            open_stream=open_stream,
            policy=self._policy,
            threads=self._settings.photos,
            stop=self._stop,
        ).keep()


def open_storage(settings: WorkerSettings, http: HttpClient, job: ArchiveJob) -> Storage:
    """Open a job's cloud with the grant that travelled with it.

    Raises:
        NotOurMessage: the cloud is unknown or not configured here, or the grant was sealed for another job.
    """
    cloud, variables = find_cloud(job.cloud_type), settings.clouds.get(job.cloud_type)
    if cloud is None or variables is None:
        raise NotOurMessage("its cloud is not offered here")
    try:
        grant = Grant.from_text(settings.sealer.open(job.grant, grant_context(job.id)))
    except NotSealedByUs:
        raise NotOurMessage("its grant does not open") from None
    in_use = GrantInUse(grant, cloud.auth(variables, http).refresh)
    return cloud.storage(variables, http, in_use, settings.chunk_bytes)


def _describe(verdict: Verdict) -> dict[str, object]:
    return {
        "photos": verdict.photos,
        "copied": verdict.copied,
        "skipped": verdict.skipped,
        "failed": len(verdict.failures),
        "reason": verdict.reason,
        "detail": verdict.detail,
    }
