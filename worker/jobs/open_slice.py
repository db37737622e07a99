"""Open a slice of a claimed job: its cloud, and how patient to be with it."""

from functools import partial

from common.config.settings import WorkerSettings
from common.telemetry.upstreams import count_retry
from worker.gallery.client import Gallery
from worker.jobs.claim import Claim
from worker.jobs.cloud_access import CloudAccess
from worker.jobs.slice import Slice
from worker.transfer.retry import RetryPolicy
from worker.transfer.stop import Signals
from worker.transfer.throttle import Throttle


def open_slice(
    claim: Claim, signals: Signals, *, settings: WorkerSettings, gallery: Gallery, clouds: CloudAccess
) -> Slice:
    """Return one delivery's share of a claimed job, not yet begun.

    Args:
        claim: the job's.
        signals: end the work; the slice has signals of its own below them.
        settings: the worker's.
        gallery: where photos come from.
        clouds: opens the job's.

    Raises:
        NotOurMessage: its grant does not open.
    """
    own = Signals(signals)
    sleep = own.wind_down.sleep
    throttle = Throttle(sleep)
    cloud = clouds.open(claim, own, throttle.write)
    policy = RetryPolicy(
        settings.retry_attempts,
        settings.retry_base_seconds,
        settings.retry_max_seconds,
        sleep,
        throttle,
        on_retry=partial(count_retry, claim.job.cloud_type),
    )
    return Slice(
        claim.job,
        gallery.cancelled_by(own),
        cloud.storage,
        policy,
        photos=settings.photos,
        seconds=settings.slice_seconds,
        signals=own,
        new_digest=cloud.new_digest,
        claim=claim.offset,
        may_have_others=claim.record.may_have_others,
        settle_first_look=claim.settle_first_look,
        read_grant=cloud.read_grant,
    )
