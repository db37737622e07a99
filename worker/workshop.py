"""Where slices are worked: a job's cloud is opened with its grant, and lent what all jobs share. Knows no queue."""

import logging
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial
from typing import Protocol

from common.archive_job import ARCHIVE_TYPES, LONGEST_NAME, ArchiveJob, NotOurMessage, grant_context
from common.clouds import CLOUDS, find_cloud
from common.clouds.base import Cloud, Storage
from common.clouds.grant import SPARE_SECONDS, Grant, GrantInUse
from common.environment import CloudSettings
from common.errors import Transient
from common.httpclient import HttpClient
from common.links import LinkRefused, check_link, check_path
from common.progress import Progress
from common.sealing import NotSealedByUs
from common.settings import WorkerSettings
from common.upstreams import count_refreshes, count_retry, watch_cloud
from worker.gallery import Gallery
from worker.pacing import Pace
from worker.renewal import Renewal, ReplacedGrants
from worker.retry import RetryPolicy
from worker.slice import Outcome, Slice
from worker.stopping import Grace, Signals
from worker.watching import TakeSnapshot

logger = logging.getLogger(__name__)


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
        self._watched = {cloud.name: cloud_http.counted_by(watch_cloud(cloud)) for cloud in CLOUDS}
        self._replaced = ReplacedGrants()

    def work(self, job: ArchiveJob, returns: int, signals: Signals) -> tuple[ArchiveJob, Outcome | None]:
        """Work one slice of a job; see `worker.keeper.WorkSlice`.

        Raises:
            NotOurMessage: it is none that `web` would have promised, or its grant does not open for it.
            Interrupted: another worker has the message by now.
        """
        _check_promise(job)
        if job.course.telling:
            self._open_grant(job)
            return job, None
        settings, mine = self._settings, Signals(signals)
        storage, grant, renewal = self._open_storage(job, mine)
        sleep = mine.wind_down.sleep
        policy = RetryPolicy(
            settings.retry_attempts,
            settings.retry_base_seconds,
            settings.retry_max_seconds,
            sleep,
            Pace(sleep),
            note=partial(count_retry, job.cloud_type),
        )
        share = Slice(
            job,
            self._gallery.ended_by(mine),
            storage,
            policy,
            photos=settings.photos,
            seconds=settings.slice_seconds,
            signals=mine,
        )
        with self._reporter.watch(share.meter.read) if not job.course.told else nullcontext():
            outcome = share.work(returns)
        # Refresh tokens may have rotated: the newest must travel on.
        sealed = settings.sealer.seal(grant.grant.to_text(), grant_context(job.id))
        course = replace(outcome.course, handed_over=renewal.handed_over)
        return replace(job, grant=sealed, course=course), outcome

    def release(self, job: ArchiveJob) -> None:
        """Give a job's grant back, if that is wanted here; it is forgotten with its message in any case."""
        if not self._settings.revoke_when_done:
            return
        try:
            cloud, variables, grant = self._open_grant(job)
            cloud.auth(variables, self._watched[cloud.name]).revoke(self._replaced.newest(grant))
        except (Transient, NotOurMessage) as error:
            logger.warning("a grant was not given back: %s", error)

    def _open_storage(self, job: ArchiveJob, signals: Signals) -> tuple[Storage, GrantInUse, Renewal]:
        """Open a job's cloud with the grant that travelled with it; raises NotOurMessage when they do not fit."""
        cloud, variables, grant = self._open_grant(job)
        http = self._watched[cloud.name]
        # The clouds' libraries are loaded when they are needed: most jobs end before their first token does.
        refresh = count_refreshes(lambda old: cloud.auth(variables, http.ended_by(Grace(signals))).refresh(old))
        renewal = Renewal(refresh, grant, self._replaced, signals, may_hand_over=not job.course.handed_over)
        in_use = GrantInUse(
            self._replaced.newest(grant),
            renewal.refresh,
            # What would end within the slice is renewed while nothing else is under way.
            spare=SPARE_SECONDS + self._settings.slice_seconds,
            check=renewal.check,
        )
        wait = signals.wind_down.sleep
        storage = cloud.storage(variables, http.ended_by(signals), in_use, self._settings.chunk_bytes, wait)
        return storage, in_use, renewal

    def _open_grant(self, job: ArchiveJob) -> tuple[Cloud, CloudSettings, Grant]:
        cloud, variables = find_cloud(job.cloud_type), self._settings.clouds.get(job.cloud_type)
        if cloud is None or variables is None:
            raise NotOurMessage("its cloud is not offered here")
        try:
            text = self._settings.sealer.open(job.grant, grant_context(job.id))
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
