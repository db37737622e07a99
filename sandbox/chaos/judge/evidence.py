"""Collect the evidence about each job and apply the verdicts to it."""

import itertools
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sandbox.chaos.judge import done_calls, pages, stops, verdicts
from sandbox.chaos.judge.verdicts import Case, Leftover
from sandbox.chaos.load.guests import Guests
from sandbox.chaos.load.stops import Stopper
from sandbox.chaos.observe.clouds import LOGINS, account_of, count_missing
from sandbox.chaos.observe.status_poller import ObservationLog
from sandbox.chaos.observe.undisturbed_clock import UndisturbedClock
from sandbox.chaos.system import SystemUnderTest
from sandbox.gallery.host import Archive, Done

# A worker that is killed so soon after it spent a refresh token may have lost the successor: the answer was on its way,
# or not yet written to the ledger. While the broker is down it cannot be written there.
GRANT_SECONDS = 1.0
# How long a worker may need after the broker is back until it has reconnected and written to the ledger: it tries every
# two seconds, and allows two more for an entry to come back.
RECOVERY_SECONDS = 5.0


@dataclass(frozen=True)
class Evidence:
    """Everything that was recorded during the run.

    Args:
        system: the processes, the broker and the stand-ins.
        guests: the accepted and the refused saves.
        stopper: the accepted and the refused stops.
        observations: what the status pages showed.
        archives: the galleries, each with its cloud.
        logs: log files of all processes.
    """

    system: SystemUnderTest
    guests: Guests
    stopper: Stopper
    observations: ObservationLog
    archives: list[tuple[Archive, str]]
    logs: list[Path]


def collect_cases(evidence: Evidence) -> dict[str, Case]:
    """Return the evidence about each accepted job, by id."""
    calls: dict[str, list[Done]] = {}
    for done in list(evidence.system.world.gallery.dones):
        calls.setdefault(str(done.headers["X-Cloud-Archive-Job"]), []).append(done)
    saved_jobs = evidence.guests.saved_jobs
    attempts = Counter((each.login, each.archive.url, each.cloud) for each in saved_jobs) + evidence.guests.refused
    cases = {}
    for each in saved_jobs:
        cases[each.job_id] = Case(
            each,
            sorted(calls.get(each.job_id, []), key=lambda call: call.at),
            evidence.observations.observations.get(each.job_id, []),
            evidence.stopper.accepted.get(each.job_id),
            is_stop_in_doubt=each.job_id in evidence.stopper.refused,
            is_alone=attempts[each.login, each.archive.url, each.cloud] == 1,
            lost_grant=each.cloud == "yadisk" and _has_lost_grant(each.device, evidence.system),
        )
    return cases


def judge(
    evidence: Evidence, cases: Mapping[str, Case], leftovers: Iterable[Leftover]
) -> tuple[dict[str, list[str]], int]:
    """Return all findings by verdict, and the number of repeated done calls that are excused."""
    system = evidence.system
    wrong: dict[str, list[str]] = {name: [] for name in verdicts.NAMES}
    killed_at = {worker.name: worker.killed_at for worker in system.workers}
    excused_total = 0
    # Read once: an account has ten thousand files after half an hour.
    trees = {each: account_of(system.world, *each).tree() for each in itertools.product(LOGINS, system.clouds)}
    for case in cases.values():
        job = case.job
        missing = count_missing(trees[job.login, job.cloud], job.archive, job.cloud)
        repeats, excused = done_calls.judge_repeats(case, killed_at, system.undisturbed)
        excused_total += excused
        wrong["lost"] += verdicts.judge_lost(case)
        wrong["told twice"] += repeats
        wrong["told wrongly"] += done_calls.judge_words(case)
        wrong["page went back"] += pages.judge_progress(case, evidence.observations.ready_at)
        wrong["page is wrong"] += pages.judge_end(case, [web.name for web in system.webs], missing)
        wrong["stop ignored"] += stops.judge_stop(case)
    for login, cloud in itertools.product(LOGINS, system.clouds):
        saved = [case for case in cases.values() if (case.job.login, case.job.cloud) == (login, cloud)]
        wanted = {case.job.archive.url: case.job.archive for case in saved if case.must_be_complete}
        allowed = {case.job.archive.url: case.job.archive for case in saved}
        account = account_of(system.world, login, cloud)
        lost, doubled = verdicts.judge_account(account, wanted.values(), allowed.values(), cloud)
        wrong["lost"] += lost
        wrong["doubled"] += doubled
    urls = {archive.url for archive, _ in evidence.archives}
    wrong["told wrongly"] += done_calls.find_strangers(list(system.world.gallery.dones), urls)
    wrong["left over"] += verdicts.judge_leftovers(leftovers, cases)
    wrong["misbehaved"] += verdicts.judge_violations(list(system.world.violations))
    jobs = {each.device: each.job_id for each in evidence.guests.saved_jobs}
    tokens = system.world.yandex_accounts.tokens
    wrong["misbehaved"] += [
        f"job {jobs.get(device, 'of nobody')}: a spent refresh token was brought again, {count} times"
        for device, count in tokens.reused.items()
        if not _has_lost_grant(device, system)
    ]
    wrong["misbehaved"] += [complaint for program in (*system.workers, *system.webs) for complaint in program.problems]
    wrong["misbehaved"] += verdicts.judge_logs(evidence.logs)
    return wrong, excused_total


def has_lost_grant(
    spent_at: Sequence[float],
    killed_at: Mapping[str, Sequence[float]],
    ends: Mapping[str, Sequence[float]],
    undisturbed: UndisturbedClock,
) -> bool:
    """Tell whether a worker was ended that may have held the only valid refresh token.

    Args:
        spent_at: when each refresh token of the job was spent; only the last counts, its successor was never used.
        killed_at: when each worker was killed.
        ends: when each worker ended after SIGTERM; a token is lost then only if the broker was unreachable from before
            the token endpoint's answer until the end.
        undisturbed: knows when the broker was unreachable.
    """
    if not spent_at:
        return False
    since = spent_at[-1]
    for worker, times in killed_at.items():
        until = _find_write_deadline(worker, since, undisturbed)
        if any(since <= death <= until for death in times):
            return True
        # After SIGTERM a worker goes on trying until its grace period is over.
        orderly = [end for end in ends.get(worker, ()) if since <= end <= until]
        if any(undisturbed.disturbances(worker, end - RECOVERY_SECONDS, end) for end in orderly):
            return True
    return False


def _find_write_deadline(worker: str, since: float, undisturbed: UndisturbedClock) -> float:
    """Return by when a worker must have written a new token to the ledger, outages of the broker allowed for."""
    until = since + GRANT_SECONDS
    while True:
        cuts = [ended + RECOVERY_SECONDS for _, ended in undisturbed.disturbances(worker, since, until)]
        if max(cuts, default=until) <= until:
            return until
        until = max(cuts)


def _has_lost_grant(device: str, system: SystemUnderTest) -> bool:
    tokens = system.world.yandex_accounts.tokens
    if not tokens.reused[device]:
        return False  # no token was ever missing
    killed_at = {worker.name: worker.killed_at for worker in system.workers}
    ends = {worker.name: worker.terminated_at for worker in system.workers}
    return has_lost_grant(tokens.spent_at.get(device, []), killed_at, ends, system.undisturbed)
