"""A replaced grant is written down before it is used, whoever asks for it and whatever dies then."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from common.clouds.grant import Grant, SharedGrant
from common.crypto.sealing import Secret, make_key
from common.errors import GrantRevoked, Reason, Transient
from common.messages.archive_job import ArchiveJob
from common.messages.ledger import Kind
from sandbox.faults.plan import Fault
from sandbox.gallery.pictures import album
from sandbox.world import World
from tests.fakes.job import JOB
from tests.fakes.memory_ledger import MemoryLedger
from tests.fakes.worker_harness import WorkerHarness
from worker.jobs.claim import Claim
from worker.jobs.claims import Claims
from worker.jobs.renewal import Renewal
from worker.transfer.stop import Cause, Interrupted, Signals


def grant(number: int) -> Grant:
    """Return one of a line of grants."""
    return Grant(Secret(f"refresh-{number}"), Secret(f"access-{number}"), 1e12)


@dataclass
class Vendor:
    """Gives the next grant of the line for each, once; the same refresh token when it does not rotate."""

    rotates: bool = True
    asked: list[str] = field(default_factory=list)

    def refresh(self, old: Grant) -> Grant:
        """Return the next grant."""
        token = old.refresh_token.reveal()
        if self.rotates and token in self.asked:
            raise GrantRevoked("spent")
        self.asked.append(token)
        fresh = grant(int(token.rpartition("-")[2]) + 1)
        return fresh if self.rotates else Grant(old.refresh_token, fresh.access_token, fresh.expires_at)


class Scene:
    """One job, its ledger, and what the workers have in their hands."""

    def __init__(self, vendor: Vendor) -> None:
        self.vendor = vendor
        self.ledger = MemoryLedger()
        self.signals = Signals()
        self.claims = Claims(self.ledger)

    def open(self, came_with: Grant, signals: Signals | None = None) -> SharedGrant:
        """Claim the job and return its grant in use, as the workshop has it."""
        signals = signals or self.signals
        held = self.claims.claim_message(JOB, 0, signals)
        claim = held.__enter__()
        assert isinstance(claim, Claim)
        renewal = Renewal(self.vendor.refresh, claim, Grant.to_text, Grant.from_text, signals)
        newest = Grant.from_text(claim.record.grant) if claim.record.grant else came_with
        return SharedGrant(newest, renewal.refresh, lambda: 0.0)

    def die_while_renewing(self, token: Grant) -> Claim:
        """Claim the job and ask the cloud for another grant, as somebody who does not write down what comes of it."""
        held = self.claims.claim_message(JOB, 0, Signals())
        claim = held.__enter__()
        assert isinstance(claim, Claim)
        assert claim.begin_renewing(lambda: False, lambda: None)
        self.vendor.refresh(token)
        return claim

    def written(self) -> list[Grant]:
        """Return the grants in the ledger."""
        return [Grant.from_text(entry.grant) for entry in self.ledger.entries if entry.kind is Kind.GRANTED]


def test_a_replaced_grant_is_written_down_before_it_is_used() -> None:
    """And once for all who ask."""
    scene = Scene(Vendor())
    in_use = scene.open(grant(0))
    assert in_use.renew("access-0") == in_use.renew("access-0") == "access-1"
    assert (scene.written(), scene.vendor.asked) == ([grant(1)], ["refresh-0"])


def test_what_does_not_rotate_is_written_down_as_well() -> None:
    """Nobody has to know which clouds do; and whoever takes the job has a token that is good."""
    scene = Scene(Vendor(rotates=False))
    assert scene.open(grant(0)).renew("access-0") == "access-1"
    assert scene.open(grant(0), Signals()).token() == "access-1"
    assert scene.vendor.asked == ["refresh-0"]


def test_while_it_cannot_be_written_down_nobody_uses_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long the broker is away: the grant in hand is the only one that is worth something."""
    scene = Scene(Vendor())
    in_use = scene.open(grant(0))
    append, away = scene.ledger.append, [3]

    def refuse(entry):  # type: ignore[no-untyped-def]
        if entry.kind is Kind.GRANTED and away[0]:
            away[0] -= 1
            raise Transient(Reason.TRY_LATER, "away")
        return append(entry)

    monkeypatch.setattr(scene.ledger, "append", refuse)
    monkeypatch.setattr("worker.jobs.claim.RETRY_SECONDS", 0.001)
    assert in_use.renew("access-0") == "access-1"
    assert (away, scene.written()) == ([0], [grant(1)])


def test_whoever_takes_the_job_finds_the_newest() -> None:
    """Also with a message that is two replacements old."""
    scene = Scene(Vendor())
    first = scene.open(grant(0))
    first.renew("access-0")
    first.renew("access-1")
    again = scene.open(grant(0), Signals())
    assert again.token() == "access-2"
    assert scene.vendor.asked == ["refresh-0", "refresh-1"]


def test_a_token_that_somebody_is_spending_is_left_to_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who had the job before writes down what came of it, maybe a little later; that one is used."""
    scene = Scene(Vendor())
    before = scene.die_while_renewing(grant(0))
    after = scene.open(grant(0), Signals())
    looks = [lambda: None, lambda: before.replace_grant(grant(1).to_text())]
    monkeypatch.setattr("worker.jobs.claim.Stop.sleep", lambda _self, _seconds: looks.pop(0)())
    assert after.renew("access-0") == "access-1"
    assert (looks, scene.vendor.asked) == ([], ["refresh-0"])


def test_a_token_that_nobody_wrote_down_in_time_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who wanted to spend it was killed before."""
    monkeypatch.setattr("worker.jobs.claim.HANDOVER_SECONDS", 0.01)
    scene = Scene(Vendor())
    scene.die_while_renewing(grant(7))
    assert scene.open(grant(0), Signals()).renew("access-0") == "access-1"
    assert scene.written() == [grant(1)]


def test_whoever_was_overtaken_spends_nothing() -> None:
    """Even if they have not heard of it: the ledger says so when they ask."""
    scene = Scene(Vendor())
    before, after = scene.open(grant(0)), scene.open(grant(0), Signals())
    with pytest.raises(Interrupted):
        before.renew("access-0")
    assert (after.renew("access-0"), scene.vendor.asked) == ("access-1", ["refresh-0"])


def test_without_the_ledger_no_token_is_spent(monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes of it would stand nowhere; whoever stops the work ends the waiting."""
    scene = Scene(Vendor())
    in_use = scene.open(grant(0))
    away = [3]

    def refuse(_entry):  # type: ignore[no-untyped-def]
        away[0] -= 1
        if not away[0]:
            scene.signals.stop(Cause.SHUTDOWN)
        raise Transient(Reason.TRY_LATER, "away")

    monkeypatch.setattr(scene.ledger, "append", refuse)
    monkeypatch.setattr("worker.jobs.claim.POLL_SECONDS", 0.001)
    with pytest.raises(Interrupted):
        in_use.renew("access-0")
    assert (away, scene.vendor.asked) == ([0], [])


def test_a_token_that_is_void_for_good_says_so() -> None:
    """The guest took the permission back: nobody has a newer one."""
    scene = Scene(Vendor(asked=["refresh-0"]))
    with pytest.raises(GrantRevoked):
        scene.open(grant(0)).renew("access-0")


def test_the_grant_of_another_workers_job_is_not_spent() -> None:
    """The message came to somebody else, who will need it."""
    scene = Scene(Vendor())
    in_use = scene.open(grant(0))
    scene.signals.stop(Cause.TAKEN_OVER)
    with pytest.raises(Interrupted):
        in_use.renew("access-0")
    assert scene.vendor.asked == []


@pytest.fixture
def world() -> Iterator[World]:
    """A pretend world."""
    with World() as running:
        yield running


def expire_at_once(world: World) -> None:
    """The first thing asked is refused."""
    world.yandex_accounts.expire_tokens()


def expire_in_the_middle(world: World) -> None:
    """Some photos are under way."""
    world.faults.add(Fault("yandex_link", "expire_token", after=4))


@pytest.mark.parametrize("expire", [expire_at_once, expire_in_the_middle])
@pytest.mark.parametrize(
    "kind", [Kind.RENEWING, Kind.GRANTED, Kind.WENT_ON, Kind.QUEUED, Kind.TELLING, Kind.TOLD, Kind.ENDED]
)
@pytest.mark.parametrize("is_written", [True, False])
def test_a_worker_that_dies_at_any_step_loses_nothing(
    world: World, expire: Callable[[World], None], kind: Kind, is_written: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process goes on with the very message: at Yandex a refresh token is good once."""
    monkeypatch.setattr("worker.jobs.claim.HANDOVER_SECONDS", 0.1)
    archive = world.gallery.add("Свадьба", album(12, 20_000, albums=2))
    key, ledger = make_key(), MemoryLedger(forgets_ended=False)
    harness = WorkerHarness(world, "yadisk", ledger, SECRET_KEYS=key, SLICE_SECONDS="0.05")
    job = harness.make_job(archive)
    expire(world)
    append = ledger.append

    class Killed(BaseException):
        """The process ends here."""

    def die(entry):  # type: ignore[no-untyped-def]
        if entry.kind is not kind:
            return append(entry)
        ledger.append = append
        # Between the cloud's answer and the ledger's nothing can be done; right after it all is well.
        if is_written or kind is Kind.GRANTED:
            append(entry)
        raise Killed

    ledger.append = die  # type: ignore[method-assign]
    messages = [job]
    try:
        while messages:
            deliver(harness, messages)
    except Killed:
        messages = [*harness.queue.requeued, *(waiting for waiting, _ in harness.queue.delayed), messages[0]]
        other = WorkerHarness(world, "yadisk", ledger, SECRET_KEYS=key)
        for returns, message in enumerate(messages):
            other.deliver(message, returns=returns)
            while other.queue.requeued or other.queue.delayed:
                other.deliver(other.queue.requeued.pop() if other.queue.requeued else other.queue.delayed.pop()[0])
    assert archive.expected() == world.yandex.account().tree()
    assert {done.json["failed_photos"] for done in world.gallery.dones} == {0}
    assert ledger.find(job.id).has_ended
    # The threads of a process that is only pretended to be dead may ask once more.
    assert world.violations == [] or kind is Kind.GRANTED


def deliver(harness: WorkerHarness, messages: list[ArchiveJob]) -> None:
    """Deliver the first message; what it goes on with takes its place."""
    harness.deliver(messages[0])
    messages[:] = [*harness.queue.requeued, *(waiting for waiting, _ in harness.queue.delayed)]
    harness.queue.requeued.clear()
    harness.queue.delayed.clear()


def test_a_token_that_would_end_within_the_slice_is_renewed_at_its_beginning(world: World) -> None:
    """Before anything is under way, once."""
    archive = world.gallery.add("Свадьба", album(3, 2_000))
    harness = WorkerHarness(world, "yadisk", SLICE_SECONDS="3590")
    harness.deliver(harness.make_job(archive))
    assert archive.expected() == world.yandex.account().tree()
    assert world.yandex_accounts.refreshes == 1
