"""Open the cloud of a job with its guest's grant, and revoke that grant."""

import logging
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from common.clouds import CLOUDS, find_cloud
from common.clouds.base import Cloud, PacedWrite, Storage
from common.clouds.digests import NewDigest
from common.clouds.grant import RENEW_EARLY_SECONDS, Grant, SharedGrant
from common.config.env import CloudSettings
from common.config.settings import WorkerSettings
from common.crypto.sealing import NotSealedByUs
from common.errors import Transient
from common.http.client import HttpClient
from common.http.network_policy import ANY_NETWORK
from common.http.urls import LinkRefused, check_link, check_path
from common.messages.archive_job import ARCHIVE_TYPES, MAX_NAME, ArchiveJob, NotOurMessage, grant_context
from common.telemetry.upstreams import cloud_observer, count_refreshes
from worker.jobs.claim import Claim
from worker.jobs.renewal import Renewal
from worker.transfer.stop import GracePeriod, Signals

logger = logging.getLogger(__name__)


class OpenCloud(NamedTuple):
    """A job's cloud.

    Attributes:
        storage: the cloud, opened with the guest's grant.
        new_digest: begins the digest that the cloud can prove.
        read_grant: returns the newest grant at any time, sealed: tokens may be renewed meanwhile.
    """

    storage: Storage
    new_digest: NewDigest
    read_grant: Callable[[], str]


class CloudAccess:
    """The clouds that are offered here, for jobs whose grant opens. Thread-safe.

    Args:
        settings: the worker's; has the keys that open grants.
        http: shared by all clouds.
    """

    def __init__(self, settings: WorkerSettings, http: HttpClient) -> None:
        self._settings = settings
        self._http = {cloud.name: http.observed_by(cloud_observer(cloud)) for cloud in CLOUDS}

    def check(self, job: ArchiveJob) -> None:
        """Check that a message is one of ours, before anything is done for it.

        Raises:
            NotOurMessage: it is none that `web` would have published, or its grant does not open for it.
        """
        _check_fields(job)
        self._open_grant(job, job.grant)

    def open(self, claim: Claim, signals: Signals, paced_write: PacedWrite) -> OpenCloud:
        """Open a job's cloud with the newest grant there is.

        Args:
            claim: the job's.
            signals: end the requests.
            paced_write: surrounds each write.

        Raises:
            NotOurMessage: the grant does not open.
        """
        cloud, variables, grant = self._open_newest_grant(claim)
        http, job = self._http[cloud.name], claim.job
        # The clouds' libraries are loaded when they are needed: most jobs end before their first token does.
        refresh = count_refreshes(
            lambda old: cloud.auth(variables, http.cancelled_by(GracePeriod(signals))).refresh(old)
        )
        renewal = Renewal(
            refresh,
            claim,
            seal=partial(self._seal, job),
            open_sealed=lambda sealed: self._open_grant(job, sealed)[2],
            signals=signals,
        )
        # What would end within the slice is renewed while nothing else is under way.
        in_use = SharedGrant(grant, renewal.refresh, renew_early=RENEW_EARLY_SECONDS + self._settings.slice_seconds)
        wait = signals.wind_down.sleep
        storage = cloud.storage(
            variables, http.cancelled_by(signals), in_use, self._settings.chunk_bytes, wait, paced_write
        )
        return OpenCloud(storage, cloud.new_digest, lambda: self._seal(job, in_use.grant))

    def revoke(self, claim: Claim) -> None:
        """Revoke a job's grant if the settings say so; our copy of it goes with the message in any case."""
        if not self._settings.revoke_when_done:
            return
        try:
            cloud, variables, grant = self._open_newest_grant(claim)
            cloud.auth(variables, self._http[cloud.name]).revoke(grant)
        except (Transient, NotOurMessage) as error:
            logger.warning("a grant was not given back: %s", error)

    def _seal(self, job: ArchiveJob, grant: Grant) -> str:
        return self._settings.sealer.seal(grant.to_text(), grant_context(job.id))

    def _open_newest_grant(self, claim: Claim) -> tuple[Cloud, CloudSettings, Grant]:
        if claim.record.grant:
            try:
                return self._open_grant(claim.job, claim.record.grant)
            except NotOurMessage:
                # Whoever may write to the broker could have written it; it opens for nobody.
                logger.exception("a grant in the ledger does not open; the message's own is taken")
        return self._open_grant(claim.job, claim.job.grant)

    def _open_grant(self, job: ArchiveJob, sealed: str) -> tuple[Cloud, CloudSettings, Grant]:
        cloud, variables = find_cloud(job.cloud_type), self._settings.clouds.get(job.cloud_type)
        if cloud is None or variables is None:
            raise NotOurMessage("its cloud is not offered here")
        try:
            text = self._settings.sealer.open(sealed, grant_context(job.id))
        except NotSealedByUs:
            raise NotOurMessage("its grant does not open") from None
        return cloud, variables, Grant.from_text(text)


def _check_fields(job: ArchiveJob) -> None:
    """Check what `web` checked before it published the job: whoever writes into the queue may not ask for more."""
    try:
        check_path(check_link(job.archive_url, ("*",), policy=ANY_NETWORK).path)
    except LinkRefused as refused:
        raise NotOurMessage(f"its archive's address {refused}") from None
    if job.archive_type not in ARCHIVE_TYPES:
        raise NotOurMessage("its archive_type is none")
    if len(job.gallery_name) > MAX_NAME:
        raise NotOurMessage("its gallery's name is too long")
