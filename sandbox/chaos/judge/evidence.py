"""Brings together what everybody saw of each job, and has it judged."""

import itertools
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sandbox.chaos.inject.injector import Ship
from sandbox.chaos.judge import done_calls, pages, stops, verdicts
from sandbox.chaos.judge.verdicts import Case, Leftover
from sandbox.chaos.load.guests import Crowd
from sandbox.chaos.load.stops import Stopper
from sandbox.chaos.observe.clouds import LOGINS, account_of, count_missing
from sandbox.chaos.observe.status_poller import Album
from sandbox.chaos.observe.undisturbed_clock import Calm
from sandbox.gallery.host import Archive, Done

# Whoever is killed so soon after a refresh token was spent takes the next one along: the answer was on its way, or not
# yet in a second place. While the broker is away there is no second place.
GRANT_SECONDS = 1.0
# So long after the broker is back a worker may need until it has found it and written something down: it tries every
# two seconds, and gives an entry two more to come back.
RECOVERY_SECONDS = 5.0


@dataclass(frozen=True)
class Evidence:
    """What everybody saw.

    Args:
        ship: the parts.
        crowd, stopper, album: what guests were promised, stopped and saw.
        archives: the galleries, each with its cloud.
        logs: of all programs.
    """

    ship: Ship
    crowd: Crowd
    stopper: Stopper
    album: Album
    archives: list[tuple[Archive, str]]
    logs: list[Path]


def collect_cases(evidence: Evidence) -> dict[str, Case]:
    """Return what is known of each job that was promised."""
    calls: dict[str, list[Done]] = {}
    for done in list(evidence.ship.world.gallery.dones):
        calls.setdefault(str(done.headers["X-Cloud-Archive-Job"]), []).append(done)
    begun = evidence.crowd.begun
    wishes = Counter((each.login, each.archive.url, each.cloud) for each in begun) + evidence.crowd.refused
    cases = {}
    for each in begun:
        cases[each.job_id] = Case(
            each,
            sorted(calls.get(each.job_id, []), key=lambda call: call.at),
            evidence.album.looks.get(each.job_id, []),
            evidence.stopper.accepted.get(each.job_id),
            is_stop_in_doubt=each.job_id in evidence.stopper.refused,
            is_alone=wishes[each.login, each.archive.url, each.cloud] == 1,
            lost_grant=each.cloud == "yadisk" and _has_lost_grant(each.device, evidence.ship),
        )
    return cases


def judge(
    evidence: Evidence, cases: Mapping[str, Case], leftovers: Iterable[Leftover]
) -> tuple[dict[str, list[str]], int]:
    """Return all that is wrong, by the name of its verdict, and how many repeated calls nobody could help."""
    ship = evidence.ship
    wrong: dict[str, list[str]] = {name: [] for name in verdicts.NAMES}
    deaths = {worker.name: worker.deaths for worker in ship.workers}
    helpless = 0
    for case in cases.values():
        begun = case.begun
        missing = count_missing(account_of(ship.world, begun.login, begun.cloud), begun.archive, begun.cloud)
        repeats, excused = done_calls.judge_repeats(case, deaths, ship.calm)
        helpless += excused
        wrong["lost"] += verdicts.judge_lost(case)
        wrong["told twice"] += repeats
        wrong["told wrongly"] += done_calls.judge_words(case)
        wrong["page went back"] += pages.judge_way(case, evidence.album.ready_at)
        wrong["page is wrong"] += pages.judge_end(case, [web.name for web in ship.webs], missing)
        wrong["stop ignored"] += stops.judge_stop(case)
    for login, cloud in itertools.product(LOGINS, ship.clouds):
        saved = [case for case in cases.values() if (case.begun.login, case.begun.cloud) == (login, cloud)]
        wanted = {case.begun.archive.url: case.begun.archive for case in saved if case.must_be_complete}
        allowed = {case.begun.archive.url: case.begun.archive for case in saved}
        account = account_of(ship.world, login, cloud)
        lost, doubled = verdicts.judge_account(account, wanted.values(), allowed.values(), cloud)
        wrong["lost"] += lost
        wrong["doubled"] += doubled
    urls = {archive.url for archive, _ in evidence.archives}
    wrong["told wrongly"] += done_calls.find_strangers(list(ship.world.gallery.dones), urls)
    wrong["left over"] += verdicts.judge_leftovers(leftovers, cases)
    wrong["misbehaved"] += verdicts.judge_manners(list(ship.world.violations))
    jobs = {each.device: each.job_id for each in evidence.crowd.begun}
    tokens = ship.world.yandex_accounts.tokens
    wrong["misbehaved"] += [
        f"job {jobs.get(device, 'of nobody')}: a spent refresh token was brought again, {count} times"
        for device, count in tokens.brought_again.items()
        if not _has_lost_grant(device, ship)
    ]
    wrong["misbehaved"] += [complaint for workman in (*ship.workers, *ship.webs) for complaint in workman.complaints]
    wrong["misbehaved"] += verdicts.judge_logs(evidence.logs)
    return wrong, helpless


def has_lost_grant(
    spent_at: Sequence[float],
    deaths: Mapping[str, Sequence[float]],
    ends: Mapping[str, Sequence[float]],
    calm: Calm,
) -> bool:
    """Tell whether somebody was killed who may have had the only good refresh token in their hands.

    Args:
        spent_at: when each token of the job was spent; the last one counts, since what follows it was never used.
        deaths: when each worker was killed.
        ends: when each worker ended as it was asked to; that takes a token along only where the broker could not be
            had from before its answer until then.
        calm: knows when the broker could not be had.
    """
    if not spent_at:
        return False
    since = spent_at[-1]
    for worker, times in deaths.items():
        until = _find_second_place(worker, since, calm)
        if any(since <= death <= until for death in times):
            return True
        # Who is asked to end goes on trying until its grace is over.
        orderly = [end for end in ends.get(worker, ()) if since <= end <= until]
        if any(calm.troubles(worker, end - RECOVERY_SECONDS, end) for end in orderly):
            return True
    return False


def _find_second_place(worker: str, since: float, calm: Calm) -> float:
    """Return by when a worker must have written down what it got: for as long as the broker cannot be had it cannot."""
    until = since + GRANT_SECONDS
    while True:
        cuts = [ended + RECOVERY_SECONDS for _, ended in calm.troubles(worker, since, until)]
        if max(cuts, default=until) <= until:
            return until
        until = max(cuts)


def _has_lost_grant(device: str, ship: Ship) -> bool:
    tokens = ship.world.yandex_accounts.tokens
    if not tokens.brought_again[device]:
        return False  # nobody was ever without
    deaths = {worker.name: worker.deaths for worker in ship.workers}
    ends = {worker.name: worker.ends for worker in ship.workers}
    return has_lost_grant(tokens.spent_at.get(device, []), deaths, ends, ship.calm)
