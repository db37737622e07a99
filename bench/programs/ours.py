"""Our worker without its queue: one job from start to end, wired as in `worker.app`."""

import json
import time

from bench.config import RunConfig, read_config
from bench.measure import reporting_usage
from common.clouds import CLOUDS
from common.clouds.grant import Grant
from common.config.settings import WorkerSettings
from common.crypto.sealing import Secret, make_key
from common.errors import Reason
from common.http.client import HttpClient
from common.messages.archive_job import ArchiveJob, grant_context
from common.messages.ledger import Entry, Record
from worker.archive.stages import STAGE_COUNT
from worker.gallery.client import Gallery
from worker.jobs.claims import Claims
from worker.jobs.cloud_access import CloudAccess
from worker.jobs.open_slice import open_slice
from worker.transfer.stop import Signals

_DAY = 24 * 3600.0


class OneJobsLedger:
    """Who works on the only job there is; see `worker.jobs.claim.ClaimLedger`."""

    def __init__(self) -> None:
        self._record = Record()

    def append(self, entry: Entry) -> tuple[bool, Record]:
        """Learn an entry."""
        return self._record.apply(entry, 0), self._record.copy()

    def find(self, _job_id: str) -> Record:
        """Return what is known."""
        return self._record.copy()

    def read(self, offset: int) -> Entry:
        """Nothing is ever read again."""
        raise LookupError(offset)


def make_settings(config: RunConfig) -> WorkerSettings:
    """Return the worker's settings: the defaults, but for addresses and the photos at a time."""
    environment = {
        "RABBITMQ_URL": "amqp://127.0.0.1/",
        "SECRET_KEYS": make_key(),
        "GALLERY_BASE_URL": config.gallery_url,
        "GOOGLE_API_URL": config.drive_url,
        "GOOGLE_CLIENT_ID": "client",
        "GOOGLE_CLIENT_SECRET": "secret",
        "PHOTO_HOSTS": "*",
        "ALLOW_LOCAL_NETWORK": "true",
        "CA_BUNDLE": config.bundle,
        "WORKER_JOBS": "1",
        "WORKER_PHOTOS": str(config.threads),
    }
    return WorkerSettings.read(environment, {cloud.name: cloud.variables for cloud in CLOUDS})


def make_job(settings: WorkerSettings, config: RunConfig) -> ArchiveJob:
    """Return the promise."""
    grant = Grant(Secret("refresh"), Secret("token"), time.time() + _DAY)
    return ArchiveJob(
        id="bench",
        cloud_type="google_drive",
        archive_type="originals",
        archive_url=f"{config.gallery_url}/g/api/stream/1/2",
        gallery_name="Bench",
        grant=settings.sealer.seal(grant.to_text(), grant_context("bench")),
        created_at="2026-01-01T00:00:00Z",
    )


def make_client(settings: WorkerSettings, reason: Reason) -> HttpClient:
    """Return the HTTP client of one side, as the worker's wiring makes it."""
    connections = settings.jobs * settings.photos * STAGE_COUNT
    return HttpClient(connections=connections, policy=settings.network, reason=reason)


def main() -> None:
    """Work the job until it has ended, and tell the gallery."""
    config = read_config()
    settings = make_settings(config)
    job = make_job(settings, config)
    gallery = Gallery(
        make_client(settings, Reason.GALLERY_UNAVAILABLE),
        base_url=settings.gallery_base_url,
        photo_hosts=settings.photo_hosts,
        done_url=settings.done_url,
        signing_secrets=(),
        policy=settings.network,
    )
    clouds = CloudAccess(settings, make_client(settings, Reason.CLOUD_UNAVAILABLE))
    claims = Claims(OneJobsLedger())
    with reporting_usage():
        ended = False
        while not ended:
            with claims.claim_message(job, 0, Signals()) as claim:
                assert claim
                outcome = open_slice(claim, Signals(), settings=settings, gallery=gallery, clouds=clouds).run()
            job, ended = outcome.job, outcome.ended
        gallery.tell_done(job, outcome.state.failed_photos)
    if outcome.state.failed_photos:
        raise SystemExit(f"{json.dumps(outcome.state.rejected)[:1000]} {outcome.state.reason} {outcome.detail}")


if __name__ == "__main__":
    main()
