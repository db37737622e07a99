"""Where slices are worked: a job's cloud is opened with its grant, and lent what all jobs share. Knows no queue."""

import logging
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial
from typing import Protocol

from common.clouds import CLOUDS, find_cloud
from common.clouds.base import Cloud, Storage
from common.clouds.grant import SPARE_SECONDS, Grant, GrantInUse
from common.config.env import CloudSettings
from common.config.settings import WorkerSettings
from common.crypto.sealing import NotSealedByUs
from common.errors import Transient
from common.http.client import HttpClient
from common.http.urls import LinkRefused, check_link, check_path
from common.messages.archive_job import ARCHIVE_TYPES, LONGEST_NAME, ArchiveJob, NotOurMessage, grant_context
from common.messages.progress import Progress
from common.telemetry.upstreams import count_refreshes, count_retry, watch_cloud
from worker.gallery.client import Gallery
from worker.jobs.claim import Claim
from worker.jobs.renewal import Renewal
from worker.jobs.slice import Outcome, Slice
from worker.jobs.watching import TakeSnapshot
from worker.transfer.retry import RetryPolicy
from worker.transfer.stop import GracePeriod, Signals
from worker.transfer.throttle import Throttle

logger = logging.getLogger(__name__)


class Reports(Protocol):
    """Who is told how jobs get on, like `worker.queue.reporter.Reporter`."""

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
        self._watched = {cloud.name: cloud_http.counted_by(watch_cloud(cloud)) for cloud in CLOUDS}

    def check(self, job: ArchiveJob) -> None:
        """Look whether a message is one of ours, before anything is done for it.

        Raises:
            NotOurMessage: it is none that `web` would have promised, or its grant does not open for it.
        """
        _check_promise(job)
        self._open_grant(job, job.grant)

    def work(self, claim: Claim, returns: int, signals: Signals) -> tuple[ArchiveJob, Outcome]:
        """Work one slice of a job; see `worker.jobs.runner.WorkSlice`.

        Raises:
            Interrupted: another worker has the job by now.
        """
        settings, mine, job = self._settings, Signals(signals), claim.job
        storage, grant = self._open_storage(claim, mine)
        sleep = mine.wind_down.sleep
        policy = RetryPolicy(
            settings.retry_attempts,
            settings.retry_base_seconds,
            settings.retry_max_seconds,
            sleep,
            Throttle(sleep),
            on_retry=partial(count_retry, job.cloud_type),
        )
        share = Slice(
            job,
            self._gallery.ended_by(mine),
            storage,
            policy,
            photos=settings.photos,
            seconds=settings.slice_seconds,
            signals=mine,
            claim=claim.since,
            is_contested=claim.record.is_contested,
            settle_first_look=claim.note_look,
        )
        with self._reporter.watch(share.meter.read) if not job.course.told else nullcontext():
            outcome = share.work(returns)
        # Tokens may have been renewed: the newest travel on, as the newest are in the ledger.
        return replace(job, grant=self._seal(job, grant.grant), course=outcome.course), outcome

    def release(self, claim: Claim) -> None:
        """Give a job's grant back, if that is wanted here; it is forgotten with its message in any case."""
        if not self._settings.revoke_when_done:
            return
        try:
            cloud, variables, grant = self._open_newest(claim)
            cloud.auth(variables, self._watched[cloud.name]).revoke(grant)
        except (Transient, NotOurMessage) as error:
            logger.warning("a grant was not given back: %s", error)

    def _open_storage(self, claim: Claim, signals: Signals) -> tuple[Storage, GrantInUse]:
        """Open a job's cloud with the newest grant there is."""
        cloud, variables, grant = self._open_newest(claim)
        http, job = self._watched[cloud.name], claim.job
        # The clouds' libraries are loaded when they are needed: most jobs end before their first token does.
        refresh = count_refreshes(lambda old: cloud.auth(variables, http.ended_by(GracePeriod(signals))).refresh(old))
        renewal = Renewal(
            refresh,
            claim,
            seal=partial(self._seal, job),
            open_sealed=lambda sealed: self._open_grant(job, sealed)[2],
            signals=signals,
        )
        # What would end within the slice is renewed while nothing else is under way.
        in_use = GrantInUse(grant, renewal.refresh, spare=SPARE_SECONDS + self._settings.slice_seconds)
        wait = signals.wind_down.sleep
        return cloud.storage(variables, http.ended_by(signals), in_use, self._settings.chunk_bytes, wait), in_use

    def _seal(self, job: ArchiveJob, grant: Grant) -> str:
        return self._settings.sealer.seal(grant.to_text(), grant_context(job.id))

    def _open_newest(self, claim: Claim) -> tuple[Cloud, CloudSettings, Grant]:
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


def _check_promise(job: ArchiveJob) -> None:
    """Look at what `web` looked at before it promised the job: whoever writes into the queue may not ask for more."""
    try:
        check_path(check_link(job.archive_url, ("*",), local=True).path)
    except LinkRefused as refused:
        raise NotOurMessage(f"its archive's address {refused}") from None
    if job.archive_type not in ARCHIVE_TYPES:
        raise NotOurMessage("its archive_type is none")
    if len(job.gallery_name) > LONGEST_NAME:
        raise NotOurMessage("its gallery's name is too long")
