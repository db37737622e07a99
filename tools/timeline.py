"""What happened to a job, in words."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from common.messages.ledger import Entry, Kind
from common.messages.past import Noted
from common.messages.progress import Progress, State
from tools.history import JobHistory, Step
from tools.terminal import write_ago

_WORDS: dict[Kind, Callable[[Entry], str]] = {
    Kind.CLAIMED: lambda entry: "takes the job" + (f", whose message came back: {entry.returns}" * bool(entry.returns)),
    Kind.TAKEN_UP: lambda _entry: "takes the job up, whose message waits",
    Kind.WENT_ON: lambda entry: (
        f"lets it wait for {write_ago(entry.wait)}" if entry.wait else "puts it behind the others: its slice is over"
    ),
    Kind.BROUGHT: lambda _entry: "brings a message of the version before",
    Kind.PUT_DOWN: lambda entry: "puts it down" if entry.by else "put back to work",
    Kind.QUEUED: lambda _entry: "has its message in the queue",
    Kind.LOOKED: lambda entry: f"found {entry.skipped} of its photos in the cloud",
    Kind.STOPPED: lambda _entry: "stopped, by its guest or an operator",
    Kind.RENEWING: lambda _entry: "asks the cloud for another token",
    Kind.GRANTED: lambda _entry: "has another token",
    Kind.TELLING: lambda entry: f"tells the gallery that {entry.failed_photos} failed",
    Kind.TOLD: lambda _entry: "told the gallery",
    Kind.ENDED: lambda _entry: "is done with it",
}


class Moment(NamedTuple):
    """Something that happened.

    Attributes:
        at: when, Unix time in seconds; 0 when that is not told.
        who: a worker's name, or what is known of who speaks.
        what: one line.
    """

    at: float
    who: str
    what: str


def list_moments(job: JobHistory) -> list[Moment]:
    """Return what happened to a job, in its order; entries and snapshots are put together by the clocks.

    The ledger's own order is the true one: a clock that jumps back does not change it.
    """
    timed = [*_in_order(map(_read_step, job.steps)), *_in_order(_read_events(job.events))]
    moments = [moment for _, moment in sorted(timed, key=lambda each: each[0])]
    if job.letter:
        moments.append(Moment(job.letter.at, "", f"lies among the dead letters: {job.letter.reason}"))
    return moments


def _in_order(moments: Iterator[Moment]) -> Iterator[tuple[float, Moment]]:
    latest = 0.0
    for moment in moments:
        latest = max(latest, moment.at)
        yield latest, moment


def _read_step(step: Step) -> Moment:
    at, entry = step.noted.at, step.noted.message
    who = step.worker or (f"a worker ({entry.by})" if entry.by else "")
    what = _WORDS[entry.kind](entry)
    if step.reason:
        what = f"{what}: {step.reason}"
    return Moment(at, who, what if step.counts else f"{what} (changed nothing: somebody else had it, or it had ended)")


def _read_events(events: list[Noted[Progress]]) -> Iterator[Moment]:
    """Yield what changed in what is shown; the numbers of a running job are kept every half minute."""
    shown: Progress | None = None
    state = None
    for event in events:
        shown = event.message.after(shown)
        if (shown.state, shown.reason) != state:
            yield Moment(event.at or shown.updated_at, "page", _describe(shown))
        state = shown.state, shown.reason


def _describe(shown: Progress) -> str:
    words = [str(shown.state)]
    if shown.reason:
        words.append(f": {shown.reason}")
    if shown.detail:
        words.append(f" ({shown.detail})")
    if shown.photos_total and shown.state is not State.QUEUED:
        words.append(f", {shown.stored} of {shown.photos_total} photos")
    return "".join(words)
