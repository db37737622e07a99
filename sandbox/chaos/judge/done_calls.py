"""What the gallery was told, and whether that was true and once: as it can tell itself."""

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sandbox.chaos.judge.verdicts import Case
from sandbox.chaos.observe.undisturbed_clock import Calm
from sandbox.gallery.host import Done

# A worker that is killed, or cut off from the broker, so soon after an answer (or so shortly before, while the call was
# on its way) may not have got it, or could not pass on that it had.
REMEMBERING_SECONDS = 3.0
_ARCHIVE_TYPE = "originals"
_CALLER = re.compile(r"/(?P<name>[\w-]+)/cloud_archive/done")


@dataclass(frozen=True)
class Sight:
    """What stood in the clouds when a call came.

    Attributes:
        missing: photos of the archive that were not there, by login.
        calm: calm seconds then.
    """

    missing: Mapping[str, int]
    calm: float


def judge_repeats(case: Case, deaths: Mapping[str, Sequence[float]], calm: Calm) -> tuple[list[str], int]:
    """Say which calls came after one that was answered 2xx, and count those that could not be helped.

    Whoever gets a 2xx and lives, and has the broker to say so to, must see to it that nobody calls again. Another
    call with other words is never right: see `judge_words`.

    Args:
        case: the job.
        deaths: when each worker was killed.
        calm: knows when the broker could not be had.
    """
    accepted = case.accepted
    wrong, helpless = [], 0
    for number, (before, again) in enumerate(itertools.pairwise(accepted), 2):
        if before.body == again.body and _may_be_forgotten(before, deaths, calm):
            helpless += 1
        else:
            seconds = again.at - before.answered_at
            callers = f"{find_caller(before)}, then {find_caller(again)}"
            wrong.append(f"{case.name}: told for the {number}. time, {seconds:.1f} s after a 2xx ({callers})")
    return wrong, helpless


def judge_words(case: Case) -> list[str]:
    """Say which calls were not true when they came, contradict each other or break the contract."""
    wrong = [f"{case.name}: {each}" for call in case.calls for each in _find_breaches(call, case)]
    bodies = list(dict.fromkeys(call.body for call in case.calls))
    if len(bodies) > 1:
        said = " then ".join(body.decode("utf-8", "replace") for body in bodies)
        wrong.append(f"{case.name}: the gallery was told {said} under one key")
    return wrong + _judge_count(case)


def find_caller(call: Done) -> str:
    """Return the name of the worker that made a call: each was given an address of its own."""
    found = _CALLER.match(call.path)
    return found["name"].replace("-", " ") if found else ""


def find_strangers(calls: Sequence[Done], urls: set[str]) -> list[str]:
    """Say which calls of jobs that nobody was promised are for no gallery.

    A guest whose callback failed may have a job all the same: nobody knows whether it was published.
    """
    told = {str(call.headers["X-Cloud-Archive-Url"]) for call in calls}
    return [f"a done call for {url}, which is no gallery" for url in sorted(told - urls)]


def _may_be_forgotten(call: Done, deaths: Mapping[str, Sequence[float]], calm: Calm) -> bool:
    since, until = call.at - REMEMBERING_SECONDS, call.answered_at + REMEMBERING_SECONDS
    caller = find_caller(call)
    died = any(since <= death <= until for death in deaths.get(caller, ()))
    # Programs need some time to find back to a broker.
    return died or bool(calm.troubles(caller, since - REMEMBERING_SECONDS, until))


def _judge_count(case: Case) -> list[str]:
    """Compare the first call's count with what was missing in the cloud when it came."""
    first = case.calls[0] if case.calls else None
    told = (first.json or {}).get("failed_photos") if first else None
    missing = first.seen.missing.get(case.begun.login) if first and first.seen else None
    if told is None or missing is None or told == missing:
        return []
    # Of an archive that was stopped, another job may have brought more since it was counted.
    if not case.must_be_complete and not case.is_alone and told > missing:
        return []
    return [f"{case.name}: the gallery was told of {told} missing photos when {missing} were missing"]


def _find_breaches(call: Done, case: Case) -> list[str]:
    begun = case.begun
    body: Any = call.json if isinstance(call.json, dict) else {}
    count = body.get("failed_photos")
    wanted = {"cloud_type": begun.cloud, "failed_photos": count, "archive_type": _ARCHIVE_TYPE}
    breaches = []
    if type(count) is not int or body != wanted:
        breaches.append(f"the gallery was told {call.body!r}")
    headers = {
        "X-Cloud-Archive-Job": begun.job_id,
        "X-Cloud-Archive-Url": begun.archive.url,
        "Idempotency-Key": begun.job_id,
    }
    return breaches + [
        f"{name}: {call.headers[name]!r}" for name, value in headers.items() if call.headers[name] != value
    ]
