"""`python -m bench.progress`: cost of a `web` replica that knows every job of a week without a database.

A real RabbitMQ is filled with what workers and replicas tell of a week of jobs, then a real `python -m web` starts: how
long until it is ready, what that takes of a core, and how much memory it holds, next to one that starts beside an empty
broker. Afterwards some jobs run at once, and two replicas follow them.
"""

import argparse
import os
import sys
import tempfile
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench.week import fill_stream
from common.crypto.sealing import Sealer, Secret, make_key
from common.messages.progress import Progress, State
from sandbox.demo.services import answers
from sandbox.run.broker import Broker
from sandbox.run.program import Program, find_port
from web.progress.store import ProgressStore
from web.progress.subscriber import ProgressSubscriber
from worker.queue.reporter import Reporter

ROOT = Path(__file__).parents[1]


def main() -> int:
    """Measure, and print what was found."""
    chosen = _parse()
    key = make_key()
    sealer = Sealer([Secret(key)])
    with ExitStack() as started:
        folder = Path(started.enter_context(tempfile.TemporaryDirectory(prefix="cloud_archive-bench-")))
        broker = started.enter_context(Broker())
        empty = _start_web(broker.url, key, folder, find_job="")
        print(f"beside an empty broker   {empty}")
        count, size, last = fill_stream(Secret(broker.url), sealer, chosen.jobs, chosen.days)
        jobs = chosen.jobs * chosen.days
        each = size / count
        print(f"in the stream            {count} messages of {jobs} jobs, {size / 1e6:.1f} MB, {each:.0f} B each")
        full = _start_web(broker.url, key, folder, find_job=last)
        print(f"beside the full broker   {full}")
        print(f"of a job                 {(full.resident - empty.resident) / jobs / 1e3:.2f} kB")
        print(f"on the broker's disk     {_weigh(broker.folder, 'segment') / 1e6:.1f} MB")
        _run_jobs(broker, chosen.running, chosen.seconds)
    return 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.progress", description=__doc__)
    parser.add_argument("--jobs", type=int, default=10_000, help="a day (10000)")
    parser.add_argument("--days", type=int, default=7, help="how many (7)")
    parser.add_argument("--running", type=int, default=40, help="jobs that run at once afterwards (40)")
    parser.add_argument("--seconds", type=float, default=20.0, help="for how long those are followed (20)")
    return parser.parse_args()


@dataclass(frozen=True)
class Start:
    """How a replica started: the seconds until it was ready, those of a core, and its resident bytes."""

    seconds: float
    work: float
    resident: int

    def __str__(self) -> str:
        return (
            f"ready after {self.seconds:5.1f} s, {self.work:5.1f} s of them at work, "
            f"{self.resident / 1e6:5.1f} MB resident"
        )


def _start_web(broker_url: str, key: str, folder: Path, *, find_job: str) -> Start:
    """Start a replica, and stop it when it is ready."""
    port = find_port()
    settings = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "RABBITMQ_URL": broker_url,
        "SECRET_KEYS": key,
        "PUBLIC_BASE_URL": "https://archive.example",
        "WEB_HOST": "127.0.0.1",
        "WEB_PORT": str(port),
    }
    began = time.monotonic()
    with Program("web", [sys.executable, "-m", "web"], settings, folder / "web.log", folder) as web:
        while not answers(f"http://127.0.0.1:{port}/readyz", 30.0):
            if web.exit_code is not None:
                raise RuntimeError((folder / "web.log").read_text())
            time.sleep(0.05)
        seconds = time.monotonic() - began
        if find_job and not answers(f"http://127.0.0.1:{port}/cloud_archive/jobs/{find_job}", 30.0):
            raise RuntimeError("it is ready and does not know the last job")
        return Start(seconds, _read_work(Path(f"/proc/{web.pid}")), _read_resident(web.pid))


def _read_resident(pid: int) -> int:
    """Return the bytes of memory that a process holds: proc_pid_status(5)."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS:"))


def _run_jobs(broker: Broker, jobs: int, seconds: float) -> None:
    """Let jobs run that change every second, with two replicas that follow; print what the broker had to do."""
    url = Secret(broker.url)
    replicas = [_CountingStore(), _CountingStore()]
    subscribers = [ProgressSubscriber(url, replica) for replica in replicas]
    reporter = Reporter(url)
    sizes: list[int] = []

    def take(number: int) -> Progress:
        copied = int(time.time())
        shot = Progress(
            job_id=f"{number:038d}",
            cloud_type="google_drive",
            archive_type="originals",
            gallery_name="Свадьба Анны и Ивана",
            state=State.RUNNING,
            photos_total=400,
            photos_copied=copied,
            bytes_total=400 * 3_500_000,
            bytes_copied=copied * 3_500_000,
            bytes_per_second=7_654_321.0,
            eta_seconds=123.456,
            folder_url="https://drive.google.com/drive/folders/1234567890abcdef1234567890abcdef",
            created_at=1_790_000_000.0,
            started_at=1_790_000_021.456,
            updated_at=time.time(),
        )
        sizes.append(len(shot.encode()))
        return shot

    with ExitStack() as watched:
        for subscriber in subscribers:
            subscriber.start()
        while not all(subscriber.is_caught_up for subscriber in subscribers):
            time.sleep(0.1)
        for number in range(jobs):
            watched.enter_context(reporter.watch(partial(take, number)))
        time.sleep(3)  # they begin
        for replica in replicas:
            replica.count = 0
        worked = _work_of(broker)
        time.sleep(seconds)
        heard = [replica.count for replica in replicas]
        worked = _work_of(broker) - worked
    reporter.close(5)
    for subscriber in subscribers:
        subscriber.close()
    time.sleep(1)  # they let go of the broker
    print(
        f"{jobs} jobs that run       {heard[0] / seconds:.0f} messages a second to each of 2 replicas, "
        f"{sum(sizes) / len(sizes):.0f} B each; the broker works {worked / seconds:.1%} of a core"
    )


class _CountingStore(ProgressStore):
    """Store that counts the snapshots it takes."""

    count = 0

    def update(self, progress: Progress) -> None:
        """Take a snapshot."""
        self.count += 1
        super().update(progress)


def _weigh(folder: Path, kind: str) -> int:
    """Return the bytes of a node's files of one kind: a stream's are its segments and their indexes."""
    return sum(file.stat().st_size for file in folder.rglob(f"*.{kind}"))


def _work_of(broker: Broker) -> float:
    """Return the seconds of a core that the node has used."""
    work = 0.0
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            command, environment = ((process / file).read_text() for file in ("cmdline", "environ"))
            if "beam" in command and str(broker.folder) in environment:
                work += _read_work(process)
    return work


def _read_work(process: Path) -> float:
    """Return the seconds of a core that a process has used: proc_pid_stat(5)."""
    fields = (process / "stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    sys.exit(main())
