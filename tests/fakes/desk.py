"""Worker harness without a broker: tests deliver jobs, and what becomes of them is recorded."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace

from common.clouds import CLOUDS
from common.clouds.grant import Grant
from common.config.settings import WorkerSettings
from common.crypto.sealing import Secret, make_key
from common.errors import Reason
from common.http.client import HttpClient
from common.messages.archive_job import ArchiveJob, Leftover, grant_context
from common.messages.progress import Progress
from sandbox.gallery.host import Archive
from sandbox.world import World
from tests.fakes.memory_ledger import MemoryLedger
from worker.gallery.client import Gallery
from worker.jobs.claims import Claims
from worker.jobs.runner import Keeper
from worker.jobs.workshop import Workshop
from worker.transfer.stop import Signals

# What a guest of each cloud allows, and where the world keeps its tokens and its client.
SCOPES = {
    "google_drive": ("https://www.googleapis.com/auth/drive.file",),
    "yadisk": ("cloud_api:disk.write", "cloud_api:disk.read", "cloud_api:disk.info"),
}
ACCOUNTS = {"google_drive": "accounts", "yadisk": "yandex_accounts"}


@dataclass
class RecordingQueue:
    """Queue that records the jobs it is given: `behind` the others, or `waiting` at a level."""

    behind: list[ArchiveJob] = field(default_factory=list)
    waiting: list[tuple[ArchiveJob, int]] = field(default_factory=list)

    def put_behind(self, job: ArchiveJob) -> None:
        """Take a job that goes on."""
        self.behind.append(job)

    def let_wait(self, job: ArchiveJob, level: int) -> None:
        """Take a job that waits."""
        self.waiting.append((job, level))


class News:
    """Reporter that records every report; running jobs report nothing unless a test takes a snapshot."""

    def __init__(self) -> None:
        self.told: list[Progress] = []
        self.watched: list[Callable[[], Progress]] = []

    def tell(self, progress: Progress) -> None:
        """Remember a change of state."""
        self.told.append(progress)

    @contextmanager
    def watch(self, take_snapshot: Callable[[], Progress]) -> Iterator[None]:
        """Record the function that takes a snapshot of a running job."""
        self.watched.append(take_snapshot)
        yield


class WorkerHarness:
    """A worker without its consumer, wired to the sandbox.

    Args:
        world: the stand-ins of gallery and clouds.
        cloud: the `cloud_type` of its jobs.
        ledger: shared with another worker; None: one of its own, which forgets jobs that ended.
        environ: settings besides the sandbox's.

    Attributes:
        trays: where jobs went.
        now: what the keeper takes for the time, Unix seconds.
    """

    def __init__(
        self, world: World, cloud: str = "google_drive", ledger: MemoryLedger | None = None, **environ: str
    ) -> None:
        self.world = world
        self.cloud = cloud
        self.trays = RecordingQueue()
        self.now = time.time()
        quick = {"RETRY_BASE_SECONDS": "0.001", "RETRY_MAX_SECONDS": "0.002", "WORKER_PHOTOS": "4"}
        self.settings = WorkerSettings.read(
            {"RABBITMQ_URL": "amqp://x", "SECRET_KEYS": make_key(), **world.environment(), **quick, **environ},
            {cloud.name: cloud.variables for cloud in CLOUDS},
        )
        settings = self.settings
        gallery = Gallery(
            HttpClient(connections=8, ca_bundle=settings.ca_bundle, reason=Reason.GALLERY_UNAVAILABLE, local=True),
            base_url=settings.gallery_base_url,
            photo_hosts=settings.photo_hosts,
            done_url=settings.done_url,
            signing_secrets=settings.done_signing_secrets,
            local=settings.allow_local_network,
        )
        cloud_http = HttpClient(
            connections=8, ca_bundle=settings.ca_bundle, reason=Reason.CLOUD_UNAVAILABLE, local=True
        )
        self.news = News()
        self.workshop = Workshop(settings, gallery, cloud_http, self.news)
        self.ledger = ledger or MemoryLedger()
        self.claims = Claims(self.ledger)
        self.ledger.followers.append(self.claims.hear)
        self.keeper = Keeper(
            self.claims,
            self.workshop.check,
            self.workshop.work,
            gallery,
            self.trays,
            self.news.tell,
            self.workshop.release,
            lambda: self.now,
        )

    def make_job(self, archive: Archive, *, login: str = "guest", job_id: str = "job-1") -> ArchiveJob:
        """Return the job that `web` would have published for a guest who agreed."""
        accounts = getattr(self.world, ACCOUNTS[self.cloud])
        access, refresh = accounts.tokens.grant(next(iter(accounts.clients)), login, SCOPES[self.cloud])
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
        """Hand a job to the keeper, once; a leftover does nothing."""
        with suppress(Leftover):
            self.keeper.keep(job, returns, signals or Signals())

    def deliver_to_the_end(self, job: ArchiveJob, most: int = 50) -> int:
        """Hand a job over again and again, waits skipped, until it goes nowhere; returns how often."""
        for delivery in range(1, most + 1):
            self.deliver(job)
            if self.trays.behind:
                job = self.trays.behind.pop()
            elif self.trays.waiting:
                job, _ = self.trays.waiting.pop()
            else:
                return delivery
        raise AssertionError(f"the job still goes on after {most} deliveries")

    def is_idle(self) -> bool:
        """Say whether no job goes on."""
        return not self.trays.behind and not self.trays.waiting


def later(job: ArchiveJob, **course: object) -> ArchiveJob:
    """Return a job that has come further."""
    return replace(job, course=replace(job.course, **course))  # type: ignore[arg-type]
