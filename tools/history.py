"""What is known of jobs, put together from the ledger, the snapshots and the dead letters."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from common.crypto.sealing import Secret
from common.messages.archive_job import ArchiveJob, NotOurMessage
from common.messages.dead_letters import DeadLetter, list_dead
from common.messages.ledger import Entry, Kind, Record
from common.messages.past import Noted, read_events, read_ledger
from common.messages.progress import NotProgress, Progress, State

DEAD = "dead"
STATES = (*(str(state) for state in State if state is not State.AWAITING_CONSENT), DEAD)
# A job waits for a day at most: what was told of it when it began is not much older than what it does now.
LONGEST_SECONDS = 25 * 3600.0


@dataclass(frozen=True)
class Step:
    """An entry of the ledger, as its job was affected by it.

    Args:
        noted: the entry.
        counts: whether it changed anything.
        worker: who wrote it, as far as that is told.
        reason: why the job waits, if it does from there on.
    """

    noted: Noted[Entry]
    counts: bool
    worker: str
    reason: str = ""


@dataclass
class JobHistory:
    """One job.

    A week has tens of thousands, and a message may hold twenty thousand names: all of it is kept of few.

    Args:
        id: of it.
        is_detailed: whether what `show` and `retry` need is kept: steps, events, message, grant, failures.
        record: what the ledger says.
        steps: the ledger's entries.
        events: snapshots.
        progress: what is shown of it; None when nothing was told.
        body: its newest message that can be read.
        message: the same, as it was published.
        grant: the newest one, sealed.
        letter: its dead letter, if it has one.
        claimed_at: when whoever holds it claimed it, Unix seconds; 0 when nobody does.
        heard_at: when its worker was last heard of.
        due_at: when its message comes back, while it waits.
    """

    id: str
    is_detailed: bool = True
    record: Record = field(default_factory=Record)
    steps: list[Step] = field(default_factory=list, repr=False)
    events: list[Noted[Progress]] = field(default_factory=list)
    progress: Progress | None = None
    body: ArchiveJob | None = field(default=None, repr=False)
    message: str = field(default="", repr=False)
    grant: str = field(default="", repr=False)
    letter: DeadLetter | None = None
    claimed_at: float = 0.0
    heard_at: float = 0.0
    due_at: float = 0.0
    _archive: str = ""
    _gallery_name: str = ""
    _workers: dict[str, str] = field(default_factory=dict)
    _last_kind: Kind | None = None
    _last_at: float = 0.0
    _is_put_down: bool = False

    @property
    def state(self) -> str:
        """Where it stands, one of `STATES`."""
        if self.letter and not self.record.has_ended:
            return DEAD
        unknown = State.DONE if self.record.has_ended else State.QUEUED
        shown = self.progress.state if self.progress else unknown
        if self.is_in_hand and shown in (State.QUEUED, State.WAITING, State.AWAITING_CONSENT):
            return str(State.RUNNING)
        return str(shown)

    @property
    def is_in_hand(self) -> bool:
        """Whether a worker has it, alive or not."""
        return self.record.is_claimed and not self.record.has_ended and not self._is_put_down and not self.letter

    @property
    def is_stopping(self) -> bool:
        """Whether it was stopped and has not ended yet."""
        return self.record.is_stopped and not self.record.has_ended

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to do: what is shown as its end may still have to be told to the gallery."""
        if self.record.has_ended or self.letter or self.is_in_hand or self.due_at:
            return self.record.has_ended
        is_shown = bool(self.progress and self.progress.state.is_final)
        return is_shown and self._last_kind in (None, Kind.ENDED)

    @property
    def worker(self) -> str:
        """Who has it; empty when nobody has, or that is not told."""
        return self._workers.get(self.record.holder, "") if self.is_in_hand else ""

    @property
    def archive(self) -> str:
        """The path of its gallery's link."""
        told = self.progress.archive if self.progress else ""
        return told or self._archive or (self.letter.job.archive if self.letter and self.letter.job else "")

    @property
    def gallery_name(self) -> str:
        """The name of its folder."""
        told = self.progress.gallery_name if self.progress else ""
        return told or self._gallery_name or (self.letter.job.gallery_name if self.letter and self.letter.job else "")

    @property
    def reason(self) -> str:
        """The word for why it waits, failed or is dead; empty otherwise."""
        if self.state == DEAD and self.letter:
            return self.letter.reason
        if self.state in (State.RUNNING, State.QUEUED):
            return ""
        return self.progress.reason if self.progress else ""

    @property
    def detail(self) -> str:
        """One line about the reason."""
        return self.progress.detail if self.progress and self.state != DEAD and self.reason else ""

    @property
    def updated_at(self) -> float:
        """When anything was last heard of it, Unix seconds."""
        shown, dead = self.progress, self.letter
        return max(self._last_at, shown.updated_at if shown else 0.0, dead.at if dead else 0.0)

    def matches(self, text: str) -> bool:
        """Say whether a text stands in its id, its gallery's name or its archive's path, in whatever case."""
        return any(text.casefold() in each.casefold() for each in (self.id, self.gallery_name, self.archive))

    def add_entry(self, noted: Noted[Entry]) -> None:
        """Add the next entry of the ledger."""
        entry = noted.message
        counts = self.record.apply(entry, noted.offset)
        self._last_kind, self._last_at = entry.kind, max(self._last_at, noted.at)
        if entry.worker:
            self._workers[entry.by] = entry.worker
        body = _read_job(entry) if entry.kind in (Kind.WENT_ON, Kind.BROUGHT) else None
        if self.is_detailed:
            reason = body.state.reason if body and entry.wait else ""
            self.steps.append(Step(noted, counts, self._workers.get(entry.by, ""), reason))
        if counts:
            self._note(entry, noted.at, body)

    def add_event(self, noted: Noted[Progress]) -> None:
        """Add the next snapshot."""
        told = noted.message
        if self.is_detailed:
            self.events.append(noted)
        else:
            told = replace(told, failures=(), latest=())
        self.progress = told.after(self.progress)
        self._last_at = max(self._last_at, noted.at)
        if told.claim == self.record.claim_offset >= 0:
            self.heard_at = max(self.heard_at, noted.at or told.updated_at)

    def add_answer(self, progress: Progress, now: float) -> None:
        """Add what a worker answers just now."""
        self.progress = progress.after(self.progress)
        if progress.claim == self.record.claim_offset:
            self.heard_at = now

    def _note(self, entry: Entry, at: float, body: ArchiveJob | None) -> None:
        if entry.kind in (Kind.CLAIMED, Kind.TAKEN_UP):
            self.claimed_at = self.heard_at = at
            self.due_at, self._is_put_down = 0.0, False
        elif entry.kind in (Kind.WENT_ON, Kind.BROUGHT):
            self.claimed_at, self.due_at = 0.0, at + entry.wait if entry.wait else 0.0
            self._note_message(entry, body)
        elif entry.kind is Kind.GRANTED:
            self.grant = entry.grant
        elif entry.kind is Kind.PUT_DOWN:
            self._is_put_down = True
        elif entry.kind in (Kind.TELLING, Kind.ENDED) and entry.body:
            with suppress(NotProgress):
                self.progress = Progress.decode(entry.body.encode()).after(self.progress)
        if entry.by and entry.by == self.record.holder:
            self.heard_at = max(self.heard_at, at)

    def _note_message(self, entry: Entry, body: ArchiveJob | None) -> None:
        if body:
            self._archive, self._gallery_name = body.archive, body.gallery_name
        if self.is_detailed:
            self.body, self.message, self.grant = body, entry.body, body.grant if body else self.grant


class Jobs:
    """Every job that was spoken of, by its id.

    Args:
        is_detailed: whether all of a job is kept, given its id.
    """

    def __init__(self, is_detailed: Callable[[str], bool] = lambda _job_id: False) -> None:
        self.by_id: dict[str, JobHistory] = {}
        self._is_detailed = is_detailed

    def add_entry(self, noted: Noted[Entry]) -> None:
        """Add the next entry of the ledger."""
        self._open(noted.message.job_id).add_entry(noted)

    def add_event(self, noted: Noted[Progress]) -> None:
        """Add the next snapshot; after all entries."""
        self._open(noted.message.job_id).add_event(noted)

    def add_letter(self, letter: DeadLetter) -> None:
        """Add a dead letter."""
        self._open(letter.id).letter = letter

    def _open(self, job_id: str) -> JobHistory:
        if job_id not in self.by_id:
            self.by_id[job_id] = JobHistory(job_id, self._is_detailed(job_id))
        return self.by_id[job_id]


def read_jobs(
    url: Secret, since: float, is_detailed: Callable[[str], bool] = lambda _job_id: False
) -> dict[str, JobHistory]:
    """Return every job that anything was heard of since a moment, by its id, and some older ones. Raises Transient.

    Args:
        url: of the broker.
        since: Unix time in seconds.
        is_detailed: whether all of a job is kept, given its id.
    """
    jobs = Jobs(is_detailed)
    read_ledger(url, jobs.add_entry)
    read_events(url, since - LONGEST_SECONDS, jobs.add_event)
    for letter in list_dead(url):
        jobs.add_letter(letter)
    return jobs.by_id


def find_job(jobs: dict[str, JobHistory], text: str) -> Sequence[JobHistory]:
    """Return the job with an id, or those whose ids begin so."""
    return [jobs[text]] if text in jobs else [job for name, job in jobs.items() if name.startswith(text)]


def _read_job(entry: Entry) -> ArchiveJob | None:
    with suppress(NotOurMessage):
        return ArchiveJob.decode(entry.body.encode())
    return None
