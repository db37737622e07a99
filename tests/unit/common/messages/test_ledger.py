"""The ledger's rules alone: any order of claims, crashes, twins, lost confirms and stops ends one job once."""

from dataclasses import dataclass, field
from itertools import count
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from common.messages.ledger import FIRST_EDITION, Entry, Kind, Record, fold

JOB = "job-1"


def entry(kind: Kind, **fields: Any) -> Entry:
    """Return an entry of the job."""
    return Entry(job_id=JOB, kind=kind, **fields)


Message = tuple[str, int]
"""Its edition, and how often it came back."""


@dataclass
class Worker:
    """One that took a message, or took the job up without one.

    Args:
        name: its own, for this claim.
        message: what it took; None without one.
        failed: what it would count.
    """

    name: str
    message: Message | None
    failed: int
    stage: str = "claim"
    next_edition: str = ""


@dataclass
class World:
    """A log, a queue, workers and a gallery. A step of a worker is one that a crash may follow."""

    log: list[Entry] = field(default_factory=list)
    late: list[Entry] = field(default_factory=list)
    queue: list[Message] = field(default_factory=lambda: [(FIRST_EDITION, 0)])
    dead: list[Message] = field(default_factory=list)
    workers: list[Worker] = field(default_factory=list)
    told: list[int] = field(default_factory=list)
    slices: int = 0
    names: Any = field(default_factory=count)

    @property
    def record(self) -> Record:
        """What the log says."""
        return fold(dict(enumerate(self.log)))

    def write(self, kind: Kind, **fields: Any) -> bool:
        """Append an entry, and say whether it counts."""
        before = self.record
        self.log.append(entry(kind, **fields))
        return before.apply(self.log[-1], len(self.log) - 1)

    def take(self, index: int, failed: int) -> None:
        """Let a worker take a message."""
        self.workers.append(Worker(f"w{next(self.names)}", self.queue.pop(index), failed))

    def crash(self, worker: Worker, *, is_late: bool = False) -> None:
        """Let a worker die: its message comes back; a claim it was writing may land later."""
        if is_late and worker.stage == "claim" and worker.message:
            edition, returns = worker.message
            self.late.append(entry(Kind.CLAIMED, by=worker.name, edition=edition, returns=returns))
        self.workers.remove(worker)
        if worker.message:
            edition, returns = worker.message
            self.queue.append((edition, returns + 1))

    def dead_letter(self, worker: Worker) -> None:
        """Let a worker meet a bug: its message goes to the dead."""
        if worker.stage != "claim":
            self.write(Kind.PUT_DOWN, by=worker.name)
        self.workers.remove(worker)
        if worker.message:
            self.dead.append(worker.message)

    def leave(self, worker: Worker) -> None:
        """Let a worker acknowledge its message."""
        self.workers.remove(worker)

    def step(self, worker: Worker, *, landed: int, wants_more: bool) -> None:
        """Take a worker one step further.

        Args:
            worker: which.
            landed: how often a message lands that it publishes.
            wants_more: whether its slice leaves something to do.
        """
        match worker.stage:
            case "claim":
                self._claim(worker)
            case "work":
                self._work(worker, wants_more=wants_more)
            case "publish":
                self.queue.extend([(worker.next_edition, 0)] * landed)
                self.slices += 1
                # Without a confirm it tries again, or dies.
                worker.stage = "confirmed" if landed else "publish"
            case "confirmed":
                self.write(Kind.QUEUED, by=worker.name, edition=worker.next_edition)
                self.leave(worker)
            case _:
                self._tell(worker)

    def _claim(self, worker: Worker) -> None:
        if worker.message:
            edition, returns = worker.message
            counts = self.write(Kind.CLAIMED, by=worker.name, edition=edition, returns=returns)
        else:
            counts = self.write(Kind.TAKEN_UP, by=worker.name, edition=self.record.newest)
        worker.stage = "work"
        if not counts:
            self.leave(worker)

    def _work(self, worker: Worker, *, wants_more: bool) -> None:
        record = self.record
        if wants_more and not record.is_stopped and record.failed_photos is None:
            worker.next_edition = f"t{next(self.names)}"
            counts = self.write(Kind.WENT_ON, by=worker.name, edition=worker.next_edition, body="{}")
            worker.stage = "publish"
        else:
            counts = self.write(Kind.TELLING, by=worker.name, failed_photos=worker.failed)
            worker.stage = "tell"
        if not counts:
            self.leave(worker)

    def _tell(self, worker: Worker) -> None:
        record = self.record
        match worker.stage:
            case "tell":
                if not record.is_told and record.failed_photos is not None:
                    self.told.append(record.failed_photos)
                worker.stage = "told"
            case "told":
                self.write(Kind.TOLD, by=worker.name)
                worker.stage = "end"
            case "end":
                self.write(Kind.ENDED, by=worker.name)
                self.leave(worker)


class OneJob(RuleBasedStateMachine):
    """Whatever comes, and whenever it comes."""

    @initialize()
    def begin(self) -> None:
        """One message, in nobody's hands."""
        self.world = World()

    @precondition(lambda self: self.world.queue)
    @rule(data=st.data(), failed=st.integers(0, 9))
    def take(self, data: st.DataObject, failed: int) -> None:
        """A worker takes a message."""
        self.world.take(data.draw(st.integers(0, len(self.world.queue) - 1)), failed)

    @precondition(lambda self: self.world.workers)
    @rule(data=st.data(), landed=st.sampled_from([0, 1, 1, 1, 2]), wants_more=st.booleans())
    def step(self, data: st.DataObject, landed: int, wants_more: bool) -> None:
        """One of the workers goes a step further."""
        worker = data.draw(st.sampled_from(self.world.workers), label="worker")
        self.world.step(worker, landed=landed, wants_more=wants_more)

    @precondition(lambda self: self.world.workers)
    @rule(data=st.data(), is_late=st.booleans())
    def crash(self, data: st.DataObject, is_late: bool) -> None:
        """One of the workers dies."""
        self.world.crash(data.draw(st.sampled_from(self.world.workers)), is_late=is_late)

    @precondition(lambda self: any(worker.stage == "work" for worker in self.world.workers))
    @rule(data=st.data())
    def dead_letter(self, data: st.DataObject) -> None:
        """One of those that work meets a bug."""
        self.world.dead_letter(
            data.draw(st.sampled_from([each for each in self.world.workers if each.stage == "work"]))
        )

    @precondition(lambda self: self.world.dead)
    @rule()
    def replay(self) -> None:
        """An operator puts a dead message back to work, when nothing of a dead worker can land any more."""
        self.world.late.clear()
        self.world.write(Kind.PUT_DOWN)
        self.world.queue.append((self.world.dead.pop()[0], 0))

    @precondition(lambda self: self.world.late)
    @rule()
    def land(self) -> None:
        """What a dead worker wrote reaches the log."""
        self.world.log.append(self.world.late.pop())

    @precondition(lambda self: self.world.queue)
    @rule(data=st.data())
    def twin(self, data: st.DataObject) -> None:
        """An operator's shovel, or the broker, brings a message twice."""
        edition, _ = data.draw(st.sampled_from(self.world.queue))
        self.world.queue.append((edition, 0))

    @rule()
    def stop(self) -> None:
        """The guest wants no more."""
        self.world.write(Kind.STOPPED)

    @rule(failed=st.integers(0, 9))
    def take_up(self, failed: int) -> None:
        """A worker hears that a job is stopped while its message waits."""
        if self.world.record.is_stopped:
            self.world.workers.append(Worker(f"w{next(self.world.names)}", None, failed))

    @invariant()
    def is_never_lost(self) -> None:
        """As long as it has not ended, a message that counts is in a queue or in hands."""
        record = self.world.record
        messages = [
            *self.world.queue,
            *self.world.dead,
            *(worker.message for worker in self.world.workers if worker.message),
        ]
        assert record.has_ended or record.editions & {edition for edition, _ in messages}

    @invariant()
    def is_told_one_count(self) -> None:
        """However often the gallery is called."""
        assert len(set(self.world.told)) <= 1

    def teardown(self) -> None:
        """Let everybody come to an end: the job ends, the gallery knows, and whatever is left does nothing."""
        world = self.world
        while world.dead:
            self.replay()
        for _ in range(10_000):
            if not world.workers and not world.queue:
                break
            if not world.workers:
                world.take(0, 0)
            world.step(world.workers[0], landed=1, wants_more=False)
        assert world.record.has_ended
        assert world.told
        assert len(set(world.told)) == 1
        assert (world.queue, world.workers) == ([], [])
        calls, slices = len(world.told), world.slices
        for message in ((FIRST_EDITION, 9), (world.record.newest, 9), None):
            worker = Worker("late", message, 7)
            world.workers = [worker]
            world.step(worker, landed=1, wants_more=True)
            assert world.workers == []
        assert (len(world.told), world.slices) == (calls, slices)


TestOneJob = OneJob.TestCase
TestOneJob.settings = settings(deadline=None, max_examples=300, stateful_step_count=40)


@pytest.mark.parametrize("is_queued", [True, False])
def test_an_old_message_counts_until_the_next_is_known_to_be_in_the_queue(is_queued: bool) -> None:
    """Killed between the two, the old message is all that is left; after it, it is a leftover."""
    world = World()
    world.write(Kind.CLAIMED, by="a", edition=FIRST_EDITION)
    world.write(Kind.WENT_ON, by="a", edition="t1", body="{}")
    if is_queued:
        world.write(Kind.QUEUED, by="a", edition="t1")
    assert world.write(Kind.CLAIMED, by="b", edition=FIRST_EDITION) is not is_queued
    assert world.write(Kind.CLAIMED, by="c", edition="t1")
    assert (world.record.holder, world.record.body_offset) == ("c", 1)


def test_a_late_confirm_takes_nothing_from_whoever_has_an_older_copy() -> None:
    """The newest message was acknowledged by a worker that was overtaken: the older copy is all that is left."""
    world = World()
    world.write(Kind.CLAIMED, by="a", edition=FIRST_EDITION)
    world.write(Kind.WENT_ON, by="a", edition="t1", body="{}")
    assert world.write(Kind.CLAIMED, by="b", edition="t1")
    assert world.write(Kind.CLAIMED, by="c", edition=FIRST_EDITION)
    world.write(Kind.QUEUED, by="a", edition="t1")
    assert world.write(Kind.CLAIMED, by="d", edition=FIRST_EDITION, returns=1)


def test_whoever_was_overtaken_writes_nothing_that_counts() -> None:
    """But what the cloud and the gallery have done is so, whoever says it."""
    world = World()
    world.write(Kind.CLAIMED, by="a", edition=FIRST_EDITION)
    world.write(Kind.TELLING, by="a", failed_photos=3)
    world.write(Kind.CLAIMED, by="b", edition=FIRST_EDITION)
    assert not world.write(Kind.WENT_ON, by="a", edition="t1")
    assert not world.write(Kind.ENDED, by="a")
    assert world.write(Kind.GRANTED, by="a", grant="newest")
    assert world.write(Kind.TELLING, by="b", failed_photos=9)
    assert world.write(Kind.TOLD, by="a")
    record = world.record
    assert (record.failed_photos, record.is_told, record.grant, record.holder) == (3, True, "newest", "b")


def test_who_has_no_message_gives_way() -> None:
    """To whoever has one, before and after; else a crash would leave nobody with any."""
    world = World()
    assert world.write(Kind.TAKEN_UP, by="idle", edition=FIRST_EDITION)
    assert world.write(Kind.CLAIMED, by="a", edition=FIRST_EDITION)
    assert not world.write(Kind.TAKEN_UP, by="idle again", edition=FIRST_EDITION)
    assert world.record.holder == "a"


def test_claims_are_ordered_by_the_log() -> None:
    """No clock has a say in which snapshot is the newer one."""
    world = World()
    world.write(Kind.STOPPED)
    world.write(Kind.CLAIMED, by="a", edition=FIRST_EDITION)
    first = world.record.claim_offset
    world.write(Kind.CLAIMED, by="b", edition=FIRST_EDITION)
    assert (first, world.record.claim_offset) == (1, 2)


def test_the_first_look_is_the_one_that_counts() -> None:
    """Whoever takes the job after a crash sees photos that this very job has brought."""
    world = World()
    world.write(Kind.CLAIMED, by="a", edition=FIRST_EDITION)
    assert world.write(Kind.LOOKED, by="a", skipped=0)
    world.write(Kind.CLAIMED, by="b", edition=FIRST_EDITION)
    assert not world.write(Kind.LOOKED, by="b", skipped=6)
    assert world.record.skipped == 0
