"""A worker without its queue: jobs are delivered by hand, and what becomes of them is recorded."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial

from common.clouds import CLOUDS
from common.clouds.grant import Grant
from common.config.settings import WorkerSettings
from common.crypto.sealing import Secret, make_key
from common.errors import Reason
from common.http.client import HttpClient
from common.messages.archive_job import ArchiveJob, StaleMessage, grant_context
from common.messages.progress import Progress
from sandbox.clouds import find_cloud
from sandbox.gallery.host import Archive
from sandbox.world import World
from tests.fakes.memory_ledger import MemoryLedger
from worker.gallery.client import Gallery
from worker.jobs.claims import Claims
from worker.jobs.cloud_access import CloudAccess
from worker.jobs.open_slice import open_slice
from worker.jobs.runner import JobRunner
from worker.transfer.stop import Signals


@dataclass
class RecordingQueue:
    """Where jobs go on: `requeued` behind the others, or `delayed` at a level."""

    requeued: list[ArchiveJob] = field(default_factory=list)
    delayed: list[tuple[ArchiveJob, int]] = field(default_factory=list)

    def requeue(self, job: ArchiveJob) -> None:
        """Take a job that goes on."""
        self.requeued.append(job)

    def requeue_delayed(self, job: ArchiveJob, level: int) -> None:
        """Take a job that waits."""
        self.delayed.append((job, level))


class RecordingReporter:
    """What was told of the jobs; nothing is told while they run, unless somebody looks."""

    def __init__(self) -> None:
        self.told: list[Progress] = []
        self.watched: list[Callable[[], Progress]] = []

    def tell(self, progress: Progress) -> None:
        """Remember a change of state."""
        self.told.append(progress)

    @contextmanager
    def watch(self, take_snapshot: Callable[[], Progress]) -> Iterator[None]:
        """Remember what can be looked at."""
        self.watched.append(take_snapshot)
        yield


class WorkerHarness:
    """Everything of a worker but its consumer, against a pretend world.

    Args:
        world: the gallery and the clouds.
        cloud: the one that jobs go to, by its name.
        ledger: shared with another worker; one of its own, which forgets the jobs that ended, when there is none.
        environ: settings besides the world's.

    Attributes:
        queue: where jobs went.
        now: what the job runner takes for the time, Unix seconds.
    """

    def __init__(
        self, world: World, cloud: str = "google_drive", ledger: MemoryLedger | None = None, **environ: str
    ) -> None:
        self.world = world
        self.cloud = cloud
        self.queue = RecordingQueue()
        self.now = time.time()
        quick = {"RETRY_BASE_SECONDS": "0.001", "RETRY_MAX_SECONDS": "0.002", "WORKER_PHOTOS": "4"}
        self.settings = WorkerSettings.read(
            {"RABBITMQ_URL": "amqp://x", "SECRET_KEYS": make_key(), **world.environment(), **quick, **environ},
            {cloud.name: cloud.variables for cloud in CLOUDS},
        )
        settings = self.settings
        gallery = Gallery(
            HttpClient(
                connections=8,
                policy=settings.network,
                reason=Reason.GALLERY_UNAVAILABLE,
            ),
            base_url=settings.gallery_base_url,
            photo_hosts=settings.photo_hosts,
            done_url=settings.done_url,
            signing_secrets=settings.done_signing_secrets,
            policy=settings.network,
        )
        cloud_http = HttpClient(
            connections=8,
            policy=settings.network,
            reason=Reason.CLOUD_UNAVAILABLE,
        )
        self.reporter = RecordingReporter()
        clouds = CloudAccess(settings, cloud_http)
        self.ledger = ledger or MemoryLedger()
        self.claims = Claims(self.ledger)
        self.ledger.followers.append(self.claims.on_entry)
        self.job_runner = JobRunner(
            self.claims,
            clouds,
            partial(open_slice, settings=settings, gallery=gallery, clouds=clouds),
            gallery,
            self.queue,
            self.reporter,
            lambda _ticket: True,
            lambda: self.now,
        )

    def make_job(self, archive: Archive, *, login: str = "guest", job_id: str = "job-1") -> ArchiveJob:
        """Return the promise that `web` would have made for a guest who agreed."""
        accounts = self.world.clouds[self.cloud].accounts
        access, refresh = accounts.tokens.grant(next(iter(accounts.clients)), login, find_cloud(self.cloud).scopes)
        grant = Grant(Secret(refresh), Secret(access.text), time.time() + 3599)
        return ArchiveJob(
            id=job_id,
            cloud_type=self.cloud,
            archive_type="originals",
            archive_url=archive.url,
            gallery_name=archive.name,
            grant=self.settings.sealer.seal(grant.to_text(), grant_context(job_id)),
            created_at="2026-11-23T12:00:00Z",
        )

    def deliver(self, job: ArchiveJob, *, returns: int = 0, signals: Signals | None = None) -> None:
        """Hand a job to the job runner, once; a leftover does nothing."""
        with suppress(StaleMessage):
            self.job_runner.run(job, returns, signals or Signals())

    def deliver_to_the_end(self, job: ArchiveJob, most: int = 50) -> int:
        """Hand a job over again and again, waits skipped, until it goes nowhere; returns how often."""
        for delivery in range(1, most + 1):
            self.deliver(job)
            if self.queue.requeued:
                job = self.queue.requeued.pop()
            elif self.queue.delayed:
                job, _ = self.queue.delayed.pop()
            else:
                return delivery
        raise AssertionError(f"the job still goes on after {most} deliveries")

    def is_idle(self) -> bool:
        """Say whether no job goes on."""
        return not self.queue.requeued and not self.queue.delayed


def later(job: ArchiveJob, **state: object) -> ArchiveJob:
    """Return a job that has come further."""
    return replace(job, state=replace(job.state, **state))  # type: ignore[arg-type]
