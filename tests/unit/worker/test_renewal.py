"""A replaced grant is passed on before it is used, whoever asks for it and whatever dies then."""

from collections.abc import Callable, Iterator

import pytest

from common.archive_job import ArchiveJob, grant_context
from common.clouds.grant import Grant, GrantInUse
from common.sealing import Secret, make_key
from sandbox.faults import Fault
from sandbox.pictures import album
from sandbox.world import World
from tests.fakes.desk import Desk
from worker.renewal import MOST_REMEMBERED, Renewal, ReplacedGrants
from worker.stopping import Cause, Interrupted, Signals


def grant(number: int, expires_at: float = 1e12) -> Grant:
    """Return one of a line of grants."""
    return Grant(Secret(f"refresh-{number}"), Secret(f"access-{number}"), expires_at)


class Vendor:
    """Gives the next grant of the line for each; the same refresh token when it does not rotate."""

    def __init__(self, *, rotates: bool = True) -> None:
        self.asked: list[str] = []
        self._rotates = rotates

    def refresh(self, old: Grant) -> Grant:
        """Return the next grant."""
        self.asked.append(old.refresh_token.reveal())
        fresh = grant(len(self.asked))
        return fresh if self._rotates else Grant(old.refresh_token, fresh.access_token, fresh.expires_at)


def open_grant(
    vendor: Vendor, signals: Signals, *, may_hand_over: bool = True, replaced: ReplacedGrants | None = None
) -> tuple[GrantInUse, Renewal]:
    """Return the first grant of the line in use, as the workshop has it."""
    replaced = replaced or ReplacedGrants()
    renewal = Renewal(vendor.refresh, grant(0), replaced, signals, may_hand_over=may_hand_over)
    return GrantInUse(replaced.newest(grant(0)), renewal.refresh, lambda: 0.0, check=renewal.check), renewal


def test_a_replaced_grant_ends_the_slice_before_it_is_used() -> None:
    """Nobody gets the new token, not even who asks later; the new grant is what travels on."""
    vendor, signals = Vendor(), Signals()
    in_use, renewal = open_grant(vendor, signals)
    for use in (lambda: in_use.renew("access-0"), in_use.token, lambda: in_use.renew("access-0")):
        with pytest.raises(Interrupted):
            use()
    assert (signals.wind_down.cause, signals.let_go.cause) == (Cause.SLICE_OVER, Cause.SLICE_OVER)
    assert renewal.handed_over
    assert (in_use.grant, vendor.asked) == (grant(1), ["refresh-0"])


def test_never_twice_in_a_row() -> None:
    """A cloud whose tokens end at once would let nothing happen."""
    signals = Signals()
    in_use, renewal = open_grant(Vendor(), signals, may_hand_over=False)
    assert in_use.renew("access-0") == "access-1"
    assert (signals.cause, renewal.handed_over) == (None, False)


def test_a_cloud_that_does_not_rotate_goes_on() -> None:
    """There is nothing that the message does not have."""
    signals = Signals()
    in_use, renewal = open_grant(Vendor(rotates=False), signals)
    assert in_use.renew("access-0") == "access-1"
    assert (signals.cause, renewal.handed_over) == (None, False)


def test_the_grant_of_another_workers_job_is_not_spent() -> None:
    """The message came to somebody else, who will need it."""
    vendor, signals = Vendor(), Signals()
    signals.stop(Cause.TAKEN_OVER)
    in_use, _ = open_grant(vendor, signals)
    with pytest.raises(Interrupted):
        in_use.renew("access-0")
    assert vendor.asked == []


def test_a_message_that_comes_back_with_a_spent_grant_goes_on_with_the_newest() -> None:
    """This process knows it; it is passed on before anything else happens."""
    vendor, replaced = Vendor(), ReplacedGrants()
    first, _ = open_grant(vendor, Signals(), replaced=replaced)
    with pytest.raises(Interrupted):
        first.renew("access-0")
    again, renewal = open_grant(vendor, Signals(), replaced=replaced)
    with pytest.raises(Interrupted):
        again.token()
    assert renewal.handed_over
    assert (again.grant, vendor.asked) == (grant(1), ["refresh-0"])


def test_what_is_remembered_has_a_bound() -> None:
    """The oldest is forgotten."""
    replaced = ReplacedGrants()
    for number in range(0, 2 * MOST_REMEMBERED + 2, 2):
        replaced.note(grant(number), grant(number + 1))
    assert replaced.newest(grant(0)) == grant(0)
    assert replaced.newest(grant(2)) == grant(3)


def test_of_several_replacements_the_last_counts() -> None:
    """One message may be old enough to have missed two."""
    replaced = ReplacedGrants()
    replaced.note(grant(0), grant(1))
    replaced.note(grant(1), grant(2))
    assert replaced.newest(grant(0)) == grant(2)


@pytest.fixture
def world() -> Iterator[World]:
    """A pretend world."""
    with World() as running:
        yield running


def travelling(desk: Desk, job: ArchiveJob) -> Grant:
    """Return the grant in a job."""
    return Grant.from_text(desk.settings.sealer.open(job.grant, grant_context(job.id)))


def expire_at_once(world: World) -> None:
    """The first thing asked is refused."""
    world.yandex_accounts.expire_tokens()


def expire_in_the_middle(world: World) -> None:
    """Some photos are under way."""
    world.faults.add(Fault("yandex_link", "expire_token", after=4))


@pytest.mark.parametrize("expire", [expire_at_once, expire_in_the_middle])
def test_a_worker_that_dies_after_the_handover_loses_nothing(world: World, expire: Callable[[World], None]) -> None:
    """Another process, which knows only the message, goes on with it: at Yandex a refresh token is good once."""
    archive = world.gallery.add("Свадьба", album(12, 20_000, albums=2))
    key = make_key()
    desk = Desk(world, "yadisk", SECRET_KEYS=key)
    job = desk.make_job(archive)
    expire(world)
    desk.deliver(job)
    (rest,) = desk.trays.behind
    assert travelling(desk, rest).refresh_token != travelling(desk, job).refresh_token
    assert rest.course.handed_over
    Desk(world, "yadisk", SECRET_KEYS=key).deliver(rest)
    assert archive.expected() == world.yandex.account().tree()
    assert [done.json["failed_photos"] for done in world.gallery.dones] == [0]
    assert (world.yandex_accounts.refreshes, world.violations) == (1, [])


def test_a_token_that_would_end_within_the_slice_is_renewed_at_its_beginning(world: World) -> None:
    """Before anything is under way: nothing was asked of the disk yet."""
    archive = world.gallery.add("Свадьба", album(3, 2_000))
    desk = Desk(world, "yadisk", SLICE_SECONDS="3590")
    desk.deliver(desk.make_job(archive))
    (rest,) = desk.trays.behind
    assert (world.yandex_accounts.refreshes, world.yandex.requests) == (1, [])
    desk.trays.behind.clear()
    desk.deliver(rest)
    assert archive.expected() == world.yandex.account().tree()
    assert world.yandex_accounts.refreshes == 1
