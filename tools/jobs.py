"""`python -m tools.jobs`: list jobs, show what happened to one, stop one, try one again.

What it knows comes from the broker: two days of the ledger, seven of snapshots, the dead letters. Runs in either image,
and from a checkout; needs `RABBITMQ_URL`, and `SECRET_KEYS` to begin a job anew that has ended. Shows no secret.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from typing import Any

from common.config.settings import load_environment
from common.crypto.sealing import Secret
from common.messages.job_id import read_job_time
from common.messages.ledger import Entry, Kind
from common.messages.progress import State, cancelled
from common.messages.topology import EVENT_KEY, EXCHANGE, LEDGER_KEY
from tools.history import DEAD, STATES, JobHistory, find_job, read_jobs
from tools.retry import retry
from tools.terminal import (
    NotPossible,
    add_json,
    parse,
    parse_since,
    publish,
    read_broker_url,
    run,
    show_json,
    show_lines,
    show_table,
    write_iso,
    write_time,
)
from tools.timeline import list_moments

PROGRAM = "tools.jobs"
WEEK = 7 * 24 * 3600.0
# Of a job's photos that failed, so many are named for people; the rest in JSON.
NAMED_FAILURES = 10


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what was asked for; return the exit status."""
    asked = parse(_make_parser(), arguments)
    return run(PROGRAM, lambda: asked.command(asked))


def list_jobs(asked: argparse.Namespace) -> None:
    """Print the jobs that anything was heard of lately, the latest first."""
    since = asked.since if asked.since is not None else time.time() - 24 * 3600
    jobs = [job for job in read_jobs(read_broker_url(), since).values() if job.updated_at >= since]
    jobs = [job for job in jobs if (not asked.state or job.state == asked.state) and job.matches(asked.gallery)]
    jobs.sort(key=lambda job: job.updated_at, reverse=True)
    if asked.json:
        show_json([describe(job) for job in jobs])
        return
    rows = [
        (
            job.id,
            job.state + (", stopping" if job.is_stopping else ""),
            _count_photos(job),
            write_time(job.updated_at),
            job.gallery_name,
            job.archive,
            job.reason,
        )
        for job in jobs
    ]
    show_table(("JOB", "STATE", "PHOTOS", "HEARD OF", "GALLERY", "ARCHIVE", "WHY"), rows)


def show_job(asked: argparse.Namespace) -> None:
    """Print what is known of one job, and what happened to it."""
    job = _find(read_broker_url(), asked.id)
    moments = list_moments(job)
    if asked.json:
        happened = [{"at": write_iso(at), "who": who, "what": what} for at, who, what in moments]
        show_json({**describe(job), "failures": _list_failures(job), "happened": happened})
        return
    told = job.progress
    lines = [
        ("job", job.id),
        ("state", job.state + (", stopping" if job.is_stopping else "")),
        ("why", f"{job.reason}{f' ({job.detail})' if job.detail else ''}"),
        ("next try", write_time(job.due_at) if job.due_at else ""),
        ("worker", f"{job.worker or 'of the version before'} since {write_time(job.claimed_at)}" * job.is_in_hand),
        ("gallery", job.gallery_name),
        ("archive", job.archive),
        ("cloud", f"{told.cloud_type}, {told.archive_type}" if told and told.cloud_type else ""),
        ("photos", _count_photos(job)),
        ("folder", told.folder_url if told else ""),
    ]
    show_lines([line for line in lines if line[1]])
    print()
    show_table(("WHEN", "WHO", "WHAT"), [(write_time(at), who, what) for at, who, what in moments])
    if failures := _list_failures(job):
        print()
        rows = [(each["name"], each["reason"], each["detail"]) for each in failures[:NAMED_FAILURES]]
        show_table(("PHOTO", "REASON", "DETAIL"), rows)


def stop_job(asked: argparse.Namespace) -> None:
    """Stop a job for good, as its guest would: what was copied stays."""
    url = read_broker_url()
    job = _find(url, asked.id)
    if job.state == DEAD:
        raise NotPossible(f"{job.id}: nobody works on it; python -m tools.dead drop {job.id} throws it away")
    if job.is_over or (job.progress and job.progress.state.is_final):
        raise NotPossible(f"{job.id}: it has ended already: {job.state}")
    messages = [(EXCHANGE, LEDGER_KEY, Entry(job_id=job.id, kind=Kind.STOPPED).encode(), job.id)]
    if job.state in (State.QUEUED, State.WAITING):
        # Its page says so at once, as after the guest's own stop: no worker may come to it for half an hour.
        messages.append((EXCHANGE, EVENT_KEY, cancelled(job.id, time.time()).encode(), job.id))
    publish(url, messages)
    _answer(asked, job, "it is stopped: whoever has it, or will have it, ends it and tells the gallery")


def retry_job(asked: argparse.Namespace) -> None:
    """Try again what failed, is dead or waits."""
    url = read_broker_url()
    job = _find(url, asked.id)
    _answer(asked, job, retry(job, url, load_environment()))


def describe(job: JobHistory) -> dict[str, Any]:
    """Return a job for programs."""
    told = job.progress
    photos = {"total": told.photos_total, "copied": told.photos_copied, "skipped": told.photos_skipped} if told else {}
    return {
        "job_id": job.id,
        "state": job.state,
        "is_stopping": job.is_stopping,
        "reason": job.reason,
        "detail": job.detail,
        "gallery_name": job.gallery_name,
        "archive": job.archive,
        "cloud_type": told.cloud_type if told else "",
        "archive_type": told.archive_type if told else "",
        "photos": {**photos, "failed": told.photos_failed} if told else {},
        "folder_url": told.folder_url if told else "",
        "worker": job.worker,
        "worker_since": write_iso(job.claimed_at) if job.is_in_hand else None,
        "next_try_at": write_iso(job.due_at),
        "created_at": write_iso(told.created_at if told else 0.0),
        "heard_of_at": write_iso(job.updated_at),
    }


def _find(url: Secret, text: str) -> JobHistory:
    """Return the job with an id, or the only one whose id begins so."""
    created_at = read_job_time(text) if len(text) == len(_SOME_ID) else 0.0
    since = max(time.time() - WEEK, min(created_at, time.time()))
    found = find_job(read_jobs(url, since, lambda job_id: job_id.startswith(text)), text)
    if not found:
        raise NotPossible(f"no job of the last seven days has the id {text}, nor begins so; python -m tools.jobs list")
    if len(found) > 1:
        raise NotPossible(f"{len(found)} jobs begin with {text}: give more of the id")
    return found[0]


def _answer(asked: argparse.Namespace, job: JobHistory, what: str) -> None:
    if asked.json:
        show_json({"job_id": job.id, "done": what})
    else:
        show_lines([(job.id, what)])


def _count_photos(job: JobHistory) -> str:
    told = job.progress
    if not told or not told.photos_total:
        return ""
    return f"{told.stored}/{told.photos_total}" + (f", {told.photos_failed} failed" if told.photos_failed else "")


def _list_failures(job: JobHistory) -> list[dict[str, str]]:
    failures = job.progress.failures if job.progress else ()
    return [{"name": each.name, "path": each.path, "reason": each.reason, "detail": each.detail} for each in failures]


# As long as every id: 28 bytes in base64.
_SOME_ID = "A" * 38


def _make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"python -m {PROGRAM}", description="Looks at jobs, and changes single ones.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    listing = commands.add_parser("list", help="jobs of the last day, the latest first")
    listing.add_argument("--state", choices=STATES, help="only those that stand there")
    listing.add_argument(
        "--gallery", default="", metavar="TEXT", help="only those with this in the gallery's name or path, or in the id"
    )
    listing.add_argument("--since", type=_read_since, metavar="WHEN", help="90m, 36h, 7d, or a date in UTC (24h)")
    listing.set_defaults(command=list_jobs)
    for name, command, told in (
        ("show", show_job, "what happened to a job, in its order"),
        ("stop", stop_job, "stop a job for good, as its guest would"),
        ("retry", retry_job, "what failed, once more; what waits, now"),
    ):
        one = commands.add_parser(name, help=told)
        one.add_argument("id", help="the job's id, or as much of its beginning as no other has")
        one.set_defaults(command=command)
    for each in commands.choices.values():
        add_json(each)
    return parser


def _read_since(text: str) -> float:
    try:
        return parse_since(text, time.time())
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


if __name__ == "__main__":
    sys.exit(main())
