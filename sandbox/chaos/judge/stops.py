"""Verdicts on stops: whether a stop that was accepted took effect."""

from sandbox.chaos.judge.pages import LAG_SECONDS
from sandbox.chaos.judge.verdicts import Case
from sandbox.chaos.load.stops import Stop
from sandbox.chaos.observe.status_poller import ENDS

# "At once", for the replica that accepted the stop of a waiting job.
AT_ONCE_SECONDS = 2.0
# Undisturbed seconds within which the gallery must be told that a job was stopped after it had begun. For a job that is
# still queued the done call is made at its turn.
DONE_CALL_SECONDS = 60.0
_BEGUN = ("running", "waiting")
# If the first done call follows a stop so soon, the job had ended before.
_IN_FLIGHT_SECONDS = 2.0


def judge_stop(case: Case) -> list[str]:
    """Return findings if an accepted stop did not end the job (a waiting one at once) or reach the gallery."""
    stop = case.stop
    if not stop or _had_ended(case, stop):
        return []
    # A job whose photos were all stored may end as done or as cancelled.
    wrong = [] if stop.missing == 0 else _find_other_ends(case, stop)
    wrong += [*_find_slow_pages(case, stop), *_find_late_done_call(case, stop)]
    return [f"{case.name}: {each}" for each in wrong]


def _had_ended(case: Case, stop: Stop) -> bool:
    first = case.calls[0].at if case.calls else float("inf")
    return first <= stop.at + _IN_FLIGHT_SECONDS


def _find_other_ends(case: Case, stop: Stop) -> list[str]:
    ends = {page.state for page in case.last_observations().values() if page.has_ended} - {"cancelled"}
    was = stop.state or "of unknown state"
    return [f"stopped while {was} with {stop.missing} photos missing, ended {end}" for end in sorted(ends)]


def _find_slow_pages(case: Case, stop: Stop) -> list[str]:
    """Return findings for pages that went on showing a job as active though it was stopped while waiting."""
    if stop.state != "waiting":
        return []
    late = set()
    for page in case.observations:
        if page.state in (*ENDS, ""):
            continue
        said, undisturbed = f"{page.replica} still said {page.state}", page.last_undisturbed - stop.undisturbed
        if page.replica == stop.replica and page.last_at > stop.at + AT_ONCE_SECONDS:
            late.add(f"{said} {page.last_at - stop.at:.1f} s after it accepted the stop")
        if page.replica != stop.replica and undisturbed > LAG_SECONDS:
            late.add(f"{said} {undisturbed:.0f} calm s after {stop.replica} accepted")
    return sorted(late)


def _find_late_done_call(case: Case, stop: Stop) -> list[str]:
    first = case.calls[0].inspection if case.calls else None
    if not case.accepted:
        return [f"stopped while {stop.state}, the gallery was never told"]
    if first is None or stop.state not in _BEGUN or first.undisturbed - stop.undisturbed <= DONE_CALL_SECONDS:
        return []
    return [f"stopped while {stop.state}, the gallery was told {first.undisturbed - stop.undisturbed:.0f} calm s later"]
