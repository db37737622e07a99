"""`python -m tools.workers`: who has which jobs, since when, and who answers; how long the queues are.

Needs `RABBITMQ_URL`. Asks every worker for a snapshot, as a starting `web` does, and waits a moment for the answers.
"""

import argparse
import sys
import time
from collections.abc import Sequence

from common.messages.past import ask_workers, measure_queues
from common.messages.topology import DEAD, EXCHANGE, JOBS
from tools.history import JobHistory, read_jobs
from tools.terminal import add_json, read_broker_url, run, show_json, show_table, write_ago, write_iso, write_time

PROGRAM = "tools.workers"
WAITING = f"{EXCHANGE}.waiting."


def main(arguments: Sequence[str] | None = None) -> int:
    """Print who works on what; return the exit status."""
    parser = argparse.ArgumentParser(prog=f"python -m {PROGRAM}", description="Tells who works on what, since when.")
    add_json(parser)
    asked = parser.parse_args(arguments)
    return run(PROGRAM, lambda: list_workers(asked))


def list_workers(asked: argparse.Namespace) -> None:
    """Print every job that a worker has, and how many messages lie in the queues."""
    url = read_broker_url()
    # First, so that what they answer belongs to what is read.
    answers = ask_workers(url)
    now = time.time()
    jobs = read_jobs(url, now)
    for job_id, progress in answers.items():
        if job_id in jobs:
            jobs[job_id].add_answer(progress, now)
    held = sorted((job for job in jobs.values() if job.is_in_hand), key=lambda job: (job.worker, job.claimed_at))
    queues = measure_queues(url)
    lengths = {
        "consumers": queues[JOBS].consumers,
        "ready": queues[JOBS].messages,
        "waiting": sum(length.messages for name, length in queues.items() if name.startswith(WAITING)),
        "dead": queues[DEAD].messages,
    }
    if asked.json:
        show_json({"jobs": [_describe(job, now) for job in held], "queues": lengths})
        return
    rows = [
        (
            job.worker or "(version before)",
            job.id,
            write_time(job.claimed_at),
            _write_heard(job, now),
            job.gallery_name,
            job.archive,
        )
        for job in held
    ]
    show_table(("WORKER", "JOB", "SINCE", "HEARD", "GALLERY", "ARCHIVE"), rows)
    print()
    print(f"{lengths['consumers']} workers take jobs; messages: " + _write_lengths(lengths))


def _write_heard(job: JobHistory, now: float) -> str:
    ago = now - job.heard_at
    return "now" if ago < 1 else f"{write_ago(ago)} ago"


def _write_lengths(lengths: dict[str, int]) -> str:
    return ", ".join(f"{lengths[name]} {name}" for name in ("ready", "waiting", "dead"))


def _describe(job: JobHistory, now: float) -> dict[str, object]:
    return {
        "worker": job.worker,
        "job_id": job.id,
        "since": write_iso(job.claimed_at),
        "answers": job.heard_at >= now,
        "heard_at": write_iso(job.heard_at),
        "gallery_name": job.gallery_name,
        "archive": job.archive,
    }


if __name__ == "__main__":
    sys.exit(main())
