"""The gallery and the reports, counted for Prometheus. Changes nothing of what passes."""

from collections.abc import Iterator
from contextlib import contextmanager

from common import metrics
from common.archive_job import ArchiveJob
from common.errors import Transient
from common.progress import Progress
from worker.gallery import Gallery
from worker.reporter import TakeSnapshot
from worker.workshop import Reports


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
            metrics.count_end(progress)
        self._reports.tell(progress)

    @contextmanager
    def watch(self, take_snapshot: TakeSnapshot) -> Iterator[None]:
        """Tell of a job again and again while it runs."""
        last = take_snapshot()

        def take_and_look() -> Progress:
            nonlocal last
            progress = take_snapshot()
            if (progress.photos_copied, progress.bytes_copied) != (last.photos_copied, last.bytes_copied):
                metrics.note_arrival()
            last = progress
            return progress

        with metrics.jobs_in_progress.track_inprogress():
            try:
                with self._reports.watch(take_and_look):
                    yield
            finally:
                take_and_look()
