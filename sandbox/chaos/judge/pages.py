"""What the pages showed: whether they ever went back, and whether they were right in the end."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sandbox.chaos.judge.verdicts import Case
from sandbox.chaos.observe.status_poller import Look

# A replica shows "within a second of being ready" what was shown before.
READY_SECONDS = 1.0
# Calm seconds after which what one replica knows the others know too.
LAG_SECONDS = 10.0
_COUNTS = ("total", "copied", "skipped")
_MOST = 3  # findings of a sort for one job


def judge_way(case: Case, ready_at: Mapping[tuple[str, int], float]) -> list[str]:
    """Say where a page went back, was away, or showed an end that does not add up.

    Args:
        case: the job.
        ready_at: when a replica first answered in one of its lives.
    """
    wrong: list[str] = []
    for number, look in enumerate(case.looks):
        before = case.looks[:number]
        if away := _find_absence(look, before):
            wrong.append(f"{case.name}: {look.replica} answered {away}")
        elif look.status == 200 and not _is_young(look, ready_at):
            wrong += [f"{case.name}: {each}" for each in _find_steps_back(look, before)]
        if look.has_ended and not _adds_up(look):
            wrong.append(f"{case.name}: {look.replica} shows {look.state} with {_tell(look)}: that does not add up")
    return list(dict.fromkeys(wrong))[:_MOST]


def judge_end(case: Case, replicas: Iterable[str], missing: int) -> list[str]:
    """Say in what the last that each replica showed is not what the gallery was told, or not true.

    Args:
        case: the job.
        replicas: of the service.
        missing: photos that are not in the cloud after everything.
    """
    wrong, last = [], case.last_looks()
    for replica in replicas:
        look = last.get(replica)
        complaints = _find_untruths(look, case, missing) if look else ["it never showed anything"]
        wrong += [f"{case.name}: {replica}: {each}" for each in complaints]
    return wrong


def _find_absence(look: Look, before: Sequence[Look]) -> str:
    """Return what was answered instead of a status, if that was not allowed."""
    if look.status == 200:
        return ""
    if look.status != 503 or not look.retry_after:
        return f"{look.status}"
    known = any((each.replica, each.life, each.status) == (look.replica, look.life, 200) for each in before)
    return "503 though it had the status before" if known else ""


def _is_young(look: Look, ready_at: Mapping[tuple[str, int], float]) -> bool:
    return look.last_at <= ready_at.get((look.replica, look.life), 0.0) + READY_SECONDS


def _find_steps_back(look: Look, before: Iterable[Look]) -> list[str]:
    for each in before:
        if each.status != 200:
            continue
        is_same = each.replica == look.replica
        if (is_same or look.last_calm - each.first_calm > LAG_SECONDS) and (step := _find_step(each, look)):
            later = "" if is_same else f" {look.last_calm - each.first_calm:.0f} calm s later"
            lives = f"{each.replica}/{each.life}, then {look.replica}/{look.life}{later}"
            return [f"{step} ({lives})"]
    return []


def _find_step(before: Look, after: Look) -> str:
    """Return what went back from one look to another, if anything did."""
    if before.has_ended and after.state != before.state:
        return f"{before.state} became {after.state}"
    if after.state == "awaiting_consent" and before.state != "awaiting_consent":
        return f"{before.state} became awaiting_consent"
    if before.shown.get("folder_url") and not after.shown.get("folder_url"):
        return "folder_url vanished"
    fallen = [name for name in _COUNTS if after.count(name) < before.count(name)]
    fallen += [f"bytes.{name}" for name in ("total", "copied") if _bytes(after)[name] < _bytes(before)[name]]
    if fallen:
        return f"{', '.join(fallen)} fell: {before.state} {_tell(before)} became {after.state} {_tell(after)}"
    return ""


def _bytes(look: Look) -> Any:
    return look.shown["bytes"]


def _find_untruths(look: Look, case: Case, missing: int) -> list[str]:
    if not look.has_ended:
        return [f"still says {look.state} {_tell(look)}"]
    told = (case.accepted[0].json or {}).get("failed_photos") if case.accepted else None
    reason = (look.shown.get("reason") or {}).get("code", "")
    seen = f"{look.state} {reason} {_tell(look)}"
    size = len(case.begun.archive.pictures)
    checks = {
        # Who has no permission left cannot look, and tells what it knows; the page knows more.
        f"{seen}, but the gallery was told of {told} missing": told is None
        or look.count("failed") == told
        or (case.lost_grant and look.count("failed") < told),
        f"{seen}, but the gallery has {size}": look.count("total") == size,
        f"{seen}, but all photos are there and the gallery knows": not (
            look.state == "failed" and told == 0 and not missing
        ),
        f"{seen}, but {missing} photos are missing": not (
            look.state == "done" and not look.count("failed") and missing
        ),
        f"{seen}, but nobody stopped it": look.state != "cancelled" or bool(case.stop or case.is_stop_in_doubt),
        f"{seen}, but {case.begun.there_before} were there before": not case.is_alone
        or look.count("skipped") == case.begun.there_before,
    }
    return [problem for problem, is_right in checks.items() if not is_right]


def _adds_up(look: Look) -> bool:
    return look.count("copied") + look.count("skipped") + look.count("failed") == look.count("total")


def _tell(look: Look) -> str:
    counts = "+".join(str(look.count(name)) for name in ("copied", "skipped", "failed"))
    return f"{counts} of {look.count('total')}"
