"""`python -m bench.reports`: cost of progress reports in a worker.

A real reporter tells a real RabbitMQ of jobs whose photos arrive steadily: how much of a core its thread uses while
nobody looks at any of them, and while somebody looks at each.
"""

import argparse
import sys
import threading
import time
from contextlib import ExitStack

from common.clouds.photos import Photo, StoredPhoto
from common.crypto.sealing import Secret
from common.messages.archive_job import ArchiveJob
from sandbox.run.broker import Broker
from web.progress.store import ProgressStore
from web.progress.subscriber import ProgressSubscriber
from worker.archive.copies import Copies
from worker.gallery.manifest import Manifest
from worker.jobs.meter import Meter
from worker.queue.reporter import Reporter

SIZE = 3_500_000
BEGIN_SECONDS = 6.0


def main() -> int:
    """Measure, and print what was found."""
    chosen = _parse()
    with Broker() as broker, ExitStack() as started:
        url = Secret(broker.url)
        subscriber, reporter = ProgressSubscriber(url, ProgressStore()), Reporter(url)
        subscriber.start()
        jobs = [_Job(number, chosen.photos) for number in range(chosen.jobs)]
        for job in jobs:
            started.enter_context(reporter.watch(job.meter.read))
        for is_watched in (False, True):
            share = _measure(reporter, subscriber, jobs, chosen.seconds, is_watched=is_watched)
            told = "somebody looks at each" if is_watched else "nobody looks"
            print(f"{chosen.jobs} jobs of {chosen.photos} photos, {told}: {share:.2%} of a core")
        reporter.close(5)
        subscriber.close()
    return 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.reports", description=__doc__)
    parser.add_argument("--jobs", type=int, default=100, help="that run at once (100)")
    parser.add_argument("--photos", type=int, default=1000, help="of each (1000); one arrives every second")
    parser.add_argument("--seconds", type=float, default=20.0, help="for how long each is measured (20)")
    return parser.parse_args()


class _Job:
    """A job whose photos arrive."""

    def __init__(self, number: int, photos: int) -> None:
        self.id = f"{number:038d}"
        promise = ArchiveJob(
            id=self.id,
            cloud_type="google_drive",
            archive_type="originals",
            archive_url="https://gallery.example/a",
            gallery_name="Свадьба Анны и Ивана",
            grant="-",
            created_at="2026-11-28T12:00:00+00:00",
        )
        listed = {str(key): Photo(str(key), (), f"IMG_{key:04d}.jpg", "https://h/p", SIZE) for key in range(photos)}
        self.copies = Copies(Manifest(listed, []))
        self.copies.record_initial_inventory(())
        self.meter = Meter(promise, self.copies, lambda: 3.0)

    def let_arrive(self) -> None:
        """Let one more photo arrive."""
        key = str(len(self.copies.arrived))
        self.copies.record_arrival(StoredPhoto(key, f"id-{key}", SIZE))


def _measure(
    reporter: Reporter, subscriber: ProgressSubscriber, jobs: list[_Job], seconds: float, *, is_watched: bool
) -> float:
    """Return how much of a core the reporter's thread uses while photos arrive."""
    ended = threading.Event()

    def bring() -> None:
        while not ended.wait(1.0):
            for job in jobs:
                job.let_arrive()
                if is_watched:
                    subscriber.note_watched(job.id)

    bringing = threading.Thread(target=bring)
    bringing.start()
    clock = time.pthread_getcpuclockid(reporter._thread.ident or 0)
    time.sleep(BEGIN_SECONDS)
    worked = time.clock_gettime(clock)
    time.sleep(seconds)
    worked = time.clock_gettime(clock) - worked
    ended.set()
    bringing.join()
    return worked / seconds


if __name__ == "__main__":
    sys.exit(main())
