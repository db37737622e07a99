"""What may be done once only, while workers overtake each other: a token is spent, the gallery is called."""

from dataclasses import dataclass
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from common.messages.ledger import FIRST_EDITION, Entry, Kind, Record, fold


@dataclass
class Worker:
    """One that claimed the job's message.

    Args:
        name: of its claim.
        doing: what it has asked the ledger for and not done yet.
        done: what it has done and not written down yet.
        token: the one that it has spent.
    """

    name: str
    doing: Kind | None = None
    done: Kind | None = None
    token: int = 0


# What is asked for, and what is written down when it is done.
AFTER = {Kind.RENEWING: Kind.GRANTED, Kind.TELLING: Kind.TOLD}


class Handover(RuleBasedStateMachine):
    """Workers overtake each other and die at any moment; those that live write down what they did, some time."""

    @initialize()
    def begin(self) -> None:
        """Nobody has done anything."""
        self.log: list[Entry] = []
        self.workers: list[Worker] = []
        self.names = 0
        self.spent: list[int] = []
        self.calls = 0
        self.excused = 0

    @property
    def record(self) -> Record:
        """What the log says."""
        return fold(dict(enumerate(self.log)))

    def write(self, kind: Kind, by: str, **fields: Any) -> bool:
        """Append an entry, and say whether it counts."""
        before = self.record
        self.log.append(Entry(job_id="job-1", kind=kind, by=by, **fields))
        return before.apply(self.log[-1], len(self.log) - 1)

    @rule()
    def claim(self) -> None:
        """Another worker gets the message, or a twin of it."""
        self.names += 1
        self.workers.append(Worker(f"w{self.names}"))
        self.write(Kind.CLAIMED, self.workers[-1].name, edition=FIRST_EDITION)

    @precondition(lambda self: self.workers)
    @rule(data=st.data(), kind=st.sampled_from(list(AFTER)))
    def ask(self, data: st.DataObject, kind: Kind) -> None:
        """A worker writes down what it is about to do, unless somebody who lives is at it."""
        worker = data.draw(st.sampled_from(self.workers))
        record = self.record
        rivals = set(record.renewers) if kind is Kind.RENEWING else {record.teller}
        living = {each.name for each in self.workers if each.doing or each.done}
        if worker.doing or worker.done or rivals & living - {worker.name}:
            return
        if self.write(kind, worker.name):
            worker.doing = kind
        else:
            self.workers.remove(worker)

    @precondition(lambda self: self.workers)
    @rule(data=st.data())
    def act(self, data: st.DataObject) -> None:
        """A worker does it, unless it is done."""
        worker = data.draw(st.sampled_from(self.workers))
        if not worker.doing:
            return
        kind, worker.doing = worker.doing, None
        if kind is Kind.RENEWING:
            worker.token = int(self.record.grant or 0)
            self.spent.append(worker.token)
            worker.done = kind
        elif kind is Kind.TELLING and not self.record.is_told:
            self.calls += 1
            worker.done = kind

    @precondition(lambda self: any(worker.done for worker in self.workers))
    @rule(data=st.data())
    def write_down(self, data: st.DataObject) -> None:
        """A worker writes down what it did, whoever has the job by now."""
        worker = data.draw(st.sampled_from([each for each in self.workers if each.done]))
        assert worker.done
        fields = {"grant": str(worker.token + 1)} if worker.done is Kind.RENEWING else {}
        self.write(AFTER[worker.done], worker.name, **fields)
        worker.done = None

    @precondition(lambda self: self.workers)
    @rule(data=st.data())
    def die(self, data: st.DataObject) -> None:
        """A worker dies; what it did and nobody knows is lost with it."""
        worker = data.draw(st.sampled_from(self.workers))
        self.workers.remove(worker)
        if worker.done is Kind.TELLING:
            self.excused += 1
        if worker.done is Kind.RENEWING:
            # Nobody has a good token any more; whoever tries the old one is told so.
            self.spent.remove(worker.token)

    @invariant()
    def no_token_is_spent_twice(self) -> None:
        """By nobody, as long as those that spend one live to tell of it."""
        assert len(self.spent) == len(set(self.spent))

    @invariant()
    def the_gallery_is_told_once(self) -> None:
        """Once more only for each caller that died before it could say so."""
        assert self.calls <= 1 + self.excused


TestHandover = Handover.TestCase
TestHandover.settings = settings(deadline=None, max_examples=300, stateful_step_count=40)
