"""The gallery, the job_publisher and the reports, counted for Prometheus. Changes nothing of what passes."""

import heapq
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from common.errors import Reason, Transient
from common.loops import guard
from common.messages.archive_job import ArchiveJob, Phase
from common.messages.progress import Progress
from common.messages.publisher import Publisher
from common.messages.topology import WAITING_SECONDS
from common.telemetry import metrics
from worker.gallery.client import Gallery
from worker.jobs.cloud_access import Reports
from worker.jobs.sampling import TakeSnapshot
from worker.queue.job_publisher import JobPublisher


class CountedGallery(Gallery):
    """A gallery whose done calls are counted. Thread-safe."""

    def tell_done(self, job: ArchiveJob, failed_photos: int) -> None:
        """Tell the gallery that an archive has ended; see `Gallery.tell_done`."""
        try:
            super().tell_done(job, failed_photos)
        except Transient:
            metrics.done_refused.inc()
            raise
        metrics.done_accepted.inc()


class CountedJobPublisher(JobPublisher):
    """An job_publisher that knows how many done calls wait, of those it let wait. Thread-safe.

    When its wait is over a call comes back to whatever worker, and counts there if it must wait again; so the sum over
    all workers is right.
    """

    def __init__(self, publisher: Publisher, report: Callable[[Progress], None]) -> None:
        super().__init__(publisher, report)
        self._lock = threading.Lock()
        self._ends: list[float] = []
        metrics.done_pending.set_function(self._count_pending)

    def requeue_delayed(self, job: ArchiveJob, level: int) -> None:
        """Put a job into a waiting queue; see `JobPublisher.requeue_delayed`."""
        super().requeue_delayed(job, level)
        if job.state.phase is Phase.TELLING:
            with self._lock:
                heapq.heappush(self._ends, time.time() + WAITING_SECONDS[level])

    def _count_pending(self) -> float:
        with self._lock:
            while self._ends and self._ends[0] <= time.time():
                heapq.heappop(self._ends)
            return len(self._ends)


class CountedReports:
    """Counts what is reported, and passes it on. Thread-safe.

    Args:
        reports: who is told.
    """

    def __init__(self, reports: Reports) -> None:
        self._reports = reports

    def tell(self, progress: Progress) -> None:
        """Tell of a change of state."""
        if progress.state.is_final:
            # Whatever becomes of the count, the end is told.
            guard("counting an end", lambda: metrics.count_end(progress))
        if progress.reason == Reason.APP_REFUSED:
            metrics.count_app_refusal(progress.cloud_type)
        self._reports.tell(progress)

    @contextmanager
    def watch(self, take_snapshot: TakeSnapshot) -> Iterator[None]:
        """Tell of a job again and again while it runs."""
        last = take_snapshot()

        def take_and_look() -> Progress:
            nonlocal last
            progress = take_snapshot()
            if (progress.photos_copied, progress.bytes_copied) != (last.photos_copied, last.bytes_copied):
                guard("noting an arrival", metrics.note_arrival)
            last = progress
            return progress

        with metrics.jobs_in_progress.track_inprogress():
            try:
                with self._reports.watch(take_and_look):
                    yield
            finally:
                take_and_look()
