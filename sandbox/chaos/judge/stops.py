"""Whether stops that were accepted were heard."""

from sandbox.chaos.judge.pages import LAG_SECONDS
from sandbox.chaos.judge.verdicts import Case
from sandbox.chaos.load.stops import Stop
from sandbox.chaos.observe.status_poller import ENDS

# "At once", for the replica that took the stop of a job that waits.
AT_ONCE_SECONDS = 2.0
# Calm seconds within which the gallery is told of a stopped archive that somebody has worked on; one that lies in the
# queue behind others is told of when its turn comes, since nobody else knows what was promised.
TOLD_SECONDS = 60.0
_BEGUN = ("running", "waiting")
# An end that was on its way when the stop came: its first call follows so soon.
_ON_ITS_WAY_SECONDS = 2.0


def judge_stop(case: Case) -> list[str]:
    """Say what of an accepted stop was not kept: that it ends the job, at once if it waits, and the gallery knows."""
    stop = case.stop
    if not stop or _had_ended(case, stop):
        return []
    # A job whose photos were all there may end either way.
    wrong = [] if stop.missing == 0 else _find_other_ends(case, stop)
    return [f"{case.name}: {each}" for each in (*wrong, *_find_slow_pages(case, stop), *_find_slow_telling(case, stop))]


def _had_ended(case: Case, stop: Stop) -> bool:
    first = case.calls[0].at if case.calls else float("inf")
    return first <= stop.at + _ON_ITS_WAY_SECONDS


def _find_other_ends(case: Case, stop: Stop) -> list[str]:
    ends = {look.state for look in case.last_looks().values() if look.has_ended} - {"cancelled"}
    was = stop.state or "of unknown state"
    return [f"stopped while {was} with {stop.missing} photos missing, ended {end}" for end in sorted(ends)]


def _find_slow_pages(case: Case, stop: Stop) -> list[str]:
    """Find pages that went on showing a job that waited when it was stopped as one that goes on."""
    if stop.state != "waiting":
        return []
    late = {
        f"{look.replica} still said {look.state} {look.last_at - stop.at:.1f} s after it accepted the stop"
        for look in case.looks
        if look.replica == stop.replica and look.state not in (*ENDS, "") and look.last_at > stop.at + AT_ONCE_SECONDS
    }
    late |= {
        f"{look.replica} still said {look.state} {look.last_calm - stop.calm:.0f} calm s after {stop.replica} accepted"
        for look in case.looks
        if look.replica != stop.replica and look.state not in (*ENDS, "") and look.last_calm > stop.calm + LAG_SECONDS
    }
    return sorted(late)


def _find_slow_telling(case: Case, stop: Stop) -> list[str]:
    first = case.calls[0].seen if case.calls else None
    if not case.accepted:
        return [f"stopped while {stop.state}, the gallery was never told"]
    if first is None or stop.state not in _BEGUN or first.calm - stop.calm <= TOLD_SECONDS:
        return []
    return [f"stopped while {stop.state}, the gallery was told {first.calm - stop.calm:.0f} calm s later"]
