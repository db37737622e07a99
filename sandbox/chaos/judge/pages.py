"""Verdicts on status pages: whether they ever went back, and whether they were right in the end."""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from sandbox.chaos.judge.verdicts import Case
from sandbox.chaos.observe.status_poller import Observation

# A replica shows "within a second of being ready" what was shown before its restart.
READY_SECONDS = 1.0
# Undisturbed seconds after which all replicas must show what one has shown.
LAG_SECONDS = 10.0
_COUNTS = ("total", "copied", "skipped")
_MAX_FINDINGS = 3  # for one job
# What may never shrink.
_MEASURES: Mapping[str, Callable[[Observation], int]] = {
    **{name: partial(Observation.count, name=name) for name in _COUNTS},
    **{f"bytes.{name}": partial(lambda page, name: int(_bytes(page)[name]), name=name) for name in ("total", "copied")},
    "begun": lambda page: page.state != "awaiting_consent",
    "ended": lambda page: page.has_ended,
    "folder": lambda page: bool(page.body.get("folder_url")),
}


def judge_progress(case: Case, ready_at: Mapping[tuple[str, int], float]) -> list[str]:
    """Return findings for pages that went back, were unavailable, or showed an end that does not add up.

    Args:
        case: the job.
        ready_at: when a replica first answered 200, by replica and start; monotonic seconds.
    """
    wrong: list[str] = []
    history = _History()
    for page in case.observations:
        if away := _find_unavailability(page, history):
            wrong.append(f"{case.name}: {page.replica} answered {away}")
        elif page.status == 200 and not _is_just_started(page, ready_at):
            wrong += [f"{case.name}: {each}" for each in _find_steps_back(page, history)]
        if page.has_ended and not _adds_up(page):
            wrong.append(
                f"{case.name}: {page.replica} shows {page.state} with {_describe_counts(page)}: that does not add up"
            )
        history.add(page)
    return list(dict.fromkeys(wrong))[:_MAX_FINDINGS]


class _Furthest:
    """Of pages, those that showed the most by one of the measures: whoever went back did so behind one of them."""

    def __init__(self) -> None:
        self._furthest: dict[str, Observation] = {}

    def add(self, page: Observation) -> None:
        """Add one more page."""
        for name, measure in _MEASURES.items():
            if name not in self._furthest or measure(page) > measure(self._furthest[name]):
                self._furthest[name] = page

    def list_pages(self) -> list[Observation]:
        """Return them."""
        return list(self._furthest.values())


class _History:
    """What a job's pages showed so far; adding and asking take the same time for the last as for the first."""

    def __init__(self) -> None:
        self.shown_by: set[tuple[str, int]] = set()
        self._by_replica: dict[str, _Furthest] = {}
        self._all = _Furthest()
        # By when all of them had been shown, and the furthest of those.
        self._since: list[float] = []
        self._prefixes: list[list[Observation]] = []

    def add(self, page: Observation) -> None:
        """Add the next page."""
        if page.status != 200:
            return
        self.shown_by.add((page.replica, page.start))
        self._by_replica.setdefault(page.replica, _Furthest()).add(page)
        self._all.add(page)
        self._since.append(max(page.first_undisturbed, self._since[-1] if self._since else page.first_undisturbed))
        self._prefixes.append(self._all.list_pages())

    def list_binding(self, page: Observation) -> list[Observation]:
        """Return the pages that this one may not fall behind: its replica's, and what anybody showed long before."""
        own = self._by_replica.get(page.replica, _Furthest()).list_pages()
        older = bisect_left(self._since, page.last_undisturbed - LAG_SECONDS)
        return own + (self._prefixes[older - 1] if older else [])


def judge_end(case: Case, replicas: Iterable[str], missing: int) -> list[str]:
    """Return findings for replicas whose last page is untrue or is not what the gallery was told.

    Args:
        case: the job.
        replicas: names of all replicas.
        missing: photos that are not in the cloud at the end of the run.
    """
    wrong, last = [], case.last_observations()
    for replica in replicas:
        page = last.get(replica)
        problems = _find_errors(page, case, missing) if page else ["it never showed anything"]
        wrong += [f"{case.name}: {replica}: {each}" for each in problems]
    return wrong


def _find_unavailability(page: Observation, history: _History) -> str:
    """Return the answer if it is an error that is not allowed here."""
    if page.status == 200:
        return ""
    if page.status != 503 or not page.retry_after:
        return f"{page.status}"
    return "503 though it had the status before" if (page.replica, page.start) in history.shown_by else ""


def _is_just_started(page: Observation, ready_at: Mapping[tuple[str, int], float]) -> bool:
    return page.last_at <= ready_at.get((page.replica, page.start), 0.0) + READY_SECONDS


def _find_steps_back(page: Observation, history: _History) -> list[str]:
    for each in history.list_binding(page):
        if step := _describe_step_back(each, page):
            calm = page.last_undisturbed - each.first_undisturbed
            later = "" if each.replica == page.replica else f" {calm:.0f} calm s later"
            where = f"{each.replica}/{each.start}, then {page.replica}/{page.start}{later}"
            return [f"{step} ({where})"]
    return []


def _describe_step_back(before: Observation, after: Observation) -> str:
    """Return what went back between two observations; empty if nothing did."""
    if before.has_ended and after.state != before.state:
        return f"{before.state} became {after.state}"
    if after.state == "awaiting_consent" and before.state != "awaiting_consent":
        return f"{before.state} became awaiting_consent"
    if before.body.get("folder_url") and not after.body.get("folder_url"):
        return "folder_url vanished"
    fallen = [name for name in _COUNTS if after.count(name) < before.count(name)]
    fallen += [f"bytes.{name}" for name in ("total", "copied") if _bytes(after)[name] < _bytes(before)[name]]
    if fallen:
        states = [f"{page.state} {_describe_counts(page)}" for page in (before, after)]
        return f"{', '.join(fallen)} fell: {states[0]} became {states[1]}"
    return ""


def _bytes(page: Observation) -> Any:
    return page.body["bytes"]


def _find_errors(page: Observation, case: Case, missing: int) -> list[str]:
    if not page.has_ended:
        return [f"still says {page.state} {_describe_counts(page)}"]
    told = (case.accepted[0].json or {}).get("failed_photos") if case.accepted else None
    reason = (page.body.get("reason") or {}).get("code", "")
    shown = f"{page.state} {reason} {_describe_counts(page)}"
    size = len(case.job.archive.pictures)
    checks = {
        # A job without a valid grant cannot look into the cloud and reports what it knows; the page knows more.
        f"{shown}, but the gallery was told of {told} missing": told is None
        or page.count("failed") == told
        or (case.lost_grant and page.count("failed") < told),
        f"{shown}, but the gallery has {size}": page.count("total") == size,
        f"{shown}, but all photos are there and the gallery knows": not (
            page.state == "failed" and told == 0 and not missing
        ),
        f"{shown}, but {missing} photos are missing": not (
            page.state == "done" and not page.count("failed") and missing
        ),
        f"{shown}, but nobody stopped it": page.state != "cancelled" or bool(case.stop or case.is_stop_in_doubt),
        f"{shown}, but {case.job.there_before} were there before": not case.is_alone
        or page.count("skipped") == case.job.there_before,
    }
    return [problem for problem, is_right in checks.items() if not is_right]


def _adds_up(page: Observation) -> bool:
    return page.count("copied") + page.count("skipped") + page.count("failed") == page.count("total")


def _describe_counts(page: Observation) -> str:
    counts = "+".join(str(page.count(name)) for name in ("copied", "skipped", "failed"))
    return f"{counts} of {page.count('total')}"
