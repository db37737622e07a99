"""Verdicts on done calls: whether the gallery was told once, and the truth."""

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sandbox.chaos.judge.verdicts import Case
from sandbox.chaos.observe.undisturbed_clock import UndisturbedClock
from sandbox.gallery.host import Done

# A worker that is killed, or cut off from the broker, so soon after an answer (or so shortly before, while the call was
# on its way) may not have received it, or could not pass on that it had.
REMEMBERING_SECONDS = 3.0
_ARCHIVE_TYPE = "originals"
_CALLER = re.compile(r"/(?P<name>[\w-]+)/cloud_archive/done")


@dataclass(frozen=True)
class CloudSnapshot:
    """State of the clouds when a done call arrived.

    Attributes:
        missing: photos of the archive that were not in the cloud, by login.
        undisturbed: undisturbed seconds at that time.
    """

    missing: Mapping[str, int]
    undisturbed: float


def judge_repeats(
    case: Case, killed_at: Mapping[str, Sequence[float]], undisturbed: UndisturbedClock
) -> tuple[list[str], int]:
    """Return findings for calls made after one that was answered 2xx, and the number of excused ones.

    A worker that gets a 2xx, lives on and reaches the broker must see to it that nobody calls again. A second call with
    another body is never excused: see `judge_words`.

    Args:
        case: the job.
        killed_at: when each worker was killed.
        undisturbed: knows when the broker was unreachable.
    """
    accepted = case.accepted
    wrong, excused = [], 0
    for number, (before, again) in enumerate(itertools.pairwise(accepted), 2):
        if before.body == again.body and _may_be_unknown(before, killed_at, undisturbed):
            excused += 1
        else:
            seconds = again.at - before.answered_at
            callers = f"{find_caller(before)}, then {find_caller(again)}"
            wrong.append(f"{case.name}: told for the {number}. time, {seconds:.1f} s after a 2xx ({callers})")
    return wrong, excused


def judge_words(case: Case) -> list[str]:
    """Return findings for calls that were untrue, contradict each other or break the contract."""
    wrong = [f"{case.name}: {each}" for call in case.calls for each in _find_contract_violations(call, case)]
    bodies = list(dict.fromkeys(call.body for call in case.calls))
    if len(bodies) > 1:
        said = " then ".join(body.decode("utf-8", "replace") for body in bodies)
        wrong.append(f"{case.name}: the gallery was told {said} under one key")
    return wrong + _judge_count(case)


def find_caller(call: Done) -> str:
    """Return the name of the worker that made a call; each has a DONE_URL of its own."""
    found = _CALLER.match(call.path)
    return found["name"].replace("-", " ") if found else ""


def find_strangers(calls: Sequence[Done], urls: set[str]) -> list[str]:
    """Return findings for calls about archives that do not exist.

    Calls about jobs that no guest was promised are allowed: after a failed callback the job may have been published.
    """
    told = {str(call.headers["X-Cloud-Archive-Url"]) for call in calls}
    return [f"a done call for {url}, which is no gallery" for url in sorted(told - urls)]


def _may_be_unknown(call: Done, killed_at: Mapping[str, Sequence[float]], undisturbed: UndisturbedClock) -> bool:
    since, until = call.at - REMEMBERING_SECONDS, call.answered_at + REMEMBERING_SECONDS
    caller = find_caller(call)
    died = any(since <= death <= until for death in killed_at.get(caller, ()))
    # Processes need some time to reconnect to a broker.
    return died or bool(undisturbed.disturbances(caller, since - REMEMBERING_SECONDS, until))


def _judge_count(case: Case) -> list[str]:
    """Compare the first call's `failed_photos` with the photos missing in the cloud when it arrived."""
    first = case.calls[0] if case.calls else None
    told = (first.json or {}).get("failed_photos") if first else None
    missing = first.inspection.missing.get(case.job.login) if first and first.inspection else None
    if told is None or missing is None or told == missing:
        return []
    # Whoever knew of the photos was killed, and without a grant nobody can look.
    if case.lost_grant and told > missing:
        return []
    # After a stop, another job may have stored more photos since they were counted.
    if not case.must_be_complete and not case.is_alone and told > missing:
        return []
    return [f"{case.name}: the gallery was told of {told} missing photos when {missing} were missing"]


def _find_contract_violations(call: Done, case: Case) -> list[str]:
    job = case.job
    body: Any = call.json if isinstance(call.json, dict) else {}
    count = body.get("failed_photos")
    wanted = {"cloud_type": job.cloud, "failed_photos": count, "archive_type": _ARCHIVE_TYPE}
    problems = []
    if type(count) is not int or body != wanted:
        problems.append(f"the gallery was told {call.body!r}")
    headers = {
        "X-Cloud-Archive-Job": job.job_id,
        "X-Cloud-Archive-Url": job.archive.url,
        "Idempotency-Key": job.job_id,
    }
    return problems + [
        f"{name}: {call.headers[name]!r}" for name, value in headers.items() if call.headers[name] != value
    ]
