"""Copying one photo into a scripted cloud: how tries are counted, when it is given up, what is cleaned up."""

from collections.abc import Iterator
from contextlib import nullcontext

import pytest

from common.clouds.base import PhotoStream, UploadSession
from common.clouds.photos import StoredPhoto
from common.errors import (
    ArchiveError,
    GrantRevoked,
    InventoryStale,
    PhotoRejected,
    Reason,
    SessionLost,
    StorageFull,
    Throttled,
    Transient,
)
from tests.fakes.clock import Clock
from tests.fakes.copy_photo import copy_photo
from worker.transfer.copy import PhotoCopy
from worker.transfer.refusals import RefusalClassifier, RefusalStreak
from worker.transfer.retry import RetryBudget, RetryPolicy
from worker.transfer.stop import Interrupted
from worker.transfer.throttle import Throttle

STORED = StoredPhoto("1", "id", 100)
BROKEN = Transient(Reason.CLOUD_UNAVAILABLE, "the line broke")
LOST = SessionLost(Reason.WRONG_BYTES, "the session is over")

# What a session does at one advance: fail, stand at an offset, ask for time in seconds, or have it all.
Step = Exception | int | float | StoredPhoto


class Stream:
    """A photo without bytes, which counts how it is used.

    Attributes:
        opened: how often it was asked for from the beginning.
        closed: how often it was closed.
    """

    digest: str | None = None

    def __init__(self) -> None:
        self.opened = self.closed = 0

    def open(self) -> None:
        """Count it."""
        self.opened += 1

    def blocks(self, start: int, end: int) -> Iterator[memoryview]:
        """Give nothing."""
        yield from ()

    def close(self) -> None:
        """Count it."""
        self.closed += 1


class Session:
    """Does one step of the script at every advance.

    Attributes:
        offset: as in `UploadSession`.
        stored: as in `UploadSession`.
        abandoned: how often it was given up.
    """

    def __init__(self, steps: Iterator[Step]) -> None:
        self.offset = 0
        self.stored: StoredPhoto | None = None
        self.abandoned = 0
        self._steps = steps

    def advance(self, stream: PhotoStream) -> float:
        """Do the next step."""
        step = next(self._steps)
        if isinstance(step, Exception):
            raise step
        if isinstance(step, StoredPhoto):
            self.stored = step
        elif isinstance(step, float):
            return step
        else:
            self.offset = step
        return 0.0

    def abandon(self) -> None:
        """Count it."""
        self.abandoned += 1


class Cloud:
    """Opens sessions that share one script; an exception among the openings is raised instead.

    Attributes:
        sessions: those that were opened.
        stream: the photo.
        slept: every wait, in seconds.
    """

    def __init__(self, *steps: Step, openings: tuple[Exception | None, ...] = (), tries: int = 5) -> None:
        clock = Clock()
        throttle = Throttle(clock.sleep, clock.now, lambda: 0.0)
        self.sessions: list[Session] = []
        self.slept = clock.slept
        self.stream = Stream()
        self._steps = iter(steps)
        self._openings = iter(openings)
        self._policy = RetryPolicy(
            tries=tries, first_delay=1.0, max_delay=60.0, sleep=clock.sleep, throttle=throttle, jitter=lambda: 1.0
        )

    def begin(self) -> UploadSession:
        """Open a session."""
        error = next(self._openings, None)
        if error:
            raise error
        self.sessions.append(Session(self._steps))
        return self.sessions[-1]

    def copy(self) -> StoredPhoto:
        """Copy a photo into it."""
        return copy_photo(self.stream, self.begin, self._policy)


def test_a_photo_goes_in_at_once() -> None:
    """One session, one advance, no wait, nothing to clean up."""
    cloud = Cloud(STORED)
    assert cloud.copy() == STORED
    assert ([session.abandoned for session in cloud.sessions], cloud.slept) == ([0], [])
    assert (cloud.stream.opened, cloud.stream.closed) == (1, 1)


def test_a_photo_holds_no_source_while_its_cloud_needs_time() -> None:
    """Neither a connection nor a block of memory; it is closed once more at the end."""
    cloud = Cloud(30, 5.0, 2.0, STORED)
    assert cloud.copy() == STORED
    assert (cloud.stream.opened, cloud.stream.closed, cloud.slept) == (1, 3, [5.0, 2.0])


def test_every_session_asks_for_the_source_from_its_beginning() -> None:
    """Also the one after a loss."""
    cloud = Cloud(30, LOST, STORED)
    cloud.copy()
    assert cloud.stream.opened == 2


def test_a_photo_goes_in_part_by_part() -> None:
    """As many advances as the cloud wants."""
    cloud = Cloud(30, 60, 90, STORED)
    assert cloud.copy() == STORED
    assert len(cloud.sessions) == 1


def test_the_same_session_goes_on_after_a_break() -> None:
    """It asks by itself where it stands."""
    cloud = Cloud(BROKEN, BROKEN, 30, BROKEN, STORED)
    assert cloud.copy() == STORED
    assert (len(cloud.sessions), cloud.slept) == (1, [1.0, 2.0, 1.0])


def test_another_session_begins_after_a_loss() -> None:
    """The lost one is not abandoned: there is nothing to be told any more."""
    cloud = Cloud(30, LOST, 30, STORED)
    assert cloud.copy() == STORED
    assert ([session.abandoned for session in cloud.sessions], cloud.slept) == ([0, 0], [1.0])


def test_an_opening_that_breaks_is_a_try_as_well() -> None:
    """And may be repeated: it made nothing."""
    cloud = Cloud(STORED, openings=(BROKEN, LOST, None))
    assert cloud.copy() == STORED
    assert (len(cloud.sessions), cloud.slept) == (1, [1.0, 2.0])


@pytest.mark.parametrize("error", [BROKEN, LOST])
def test_five_failures_are_the_end(error: ArchiveError) -> None:
    """Under the last one's reason; the cloud is told that nothing more comes."""
    cloud = Cloud(*[error] * 5, STORED)
    with pytest.raises(PhotoRejected) as rejected:
        cloud.copy()
    assert (rejected.value.reason, rejected.value.detail) == (error.reason, error.detail)
    assert cloud.slept == [1.0, 2.0, 4.0, 8.0]
    assert sum(session.abandoned for session in cloud.sessions) == (1 if error is BROKEN else 0)


def test_four_failures_are_not() -> None:
    """The fifth try counts."""
    cloud = Cloud(*[BROKEN] * 4, STORED)
    assert cloud.copy() == STORED


def test_progress_buys_the_tries_back() -> None:
    """A poor line gets to its end, however often it breaks."""
    steps = [step for offset in range(1, 50) for step in (BROKEN, BROKEN, BROKEN, BROKEN, offset)]
    assert Cloud(*steps, STORED).copy() == STORED


def test_going_the_same_way_again_is_no_progress() -> None:
    """A cloud that forgets everything, again and again, would otherwise be fed for ever."""
    cloud = Cloud(30, LOST, 30, LOST, 30, LOST, 30, LOST, 30, LOST, STORED)
    with pytest.raises(PhotoRejected):
        cloud.copy()
    assert len(cloud.sessions) == 5


def test_going_back_and_a_little_further_is_progress() -> None:
    """Only bytes never reached before count."""
    steps = [step for offset in range(1, 20) for step in (0, offset, LOST)]
    assert Cloud(*steps, STORED).copy() == STORED


def test_standing_still_without_a_failure_is_the_sessions_to_tell() -> None:
    """An answer to the question is neither progress nor failure."""
    cloud = Cloud(BROKEN, 0, BROKEN, 0, BROKEN, 0, BROKEN, 0, BROKEN, STORED)
    with pytest.raises(PhotoRejected):
        cloud.copy()


def test_throttling_is_no_failure() -> None:
    """The photo waits with the whole account."""
    cloud = Cloud(*[Throttled(Reason.CLOUD_UNAVAILABLE)] * 4, STORED, tries=1)
    assert cloud.copy() == STORED


def test_a_wait_that_is_asked_for_is_waited() -> None:
    """But no million seconds."""
    cloud = Cloud(Transient(Reason.CLOUD_UNAVAILABLE, wait=17.0), Transient(Reason.CLOUD_UNAVAILABLE, wait=1e6), STORED)
    assert cloud.copy() == STORED
    assert cloud.slept == [17.0, 300.0]


@pytest.mark.parametrize(
    "error",
    [
        PhotoRejected(Reason.URL_NOT_ALLOWED),
        StorageFull(),
        GrantRevoked(),
        InventoryStale(Reason.CLOUD_REFUSED),
        Interrupted(),
        KeyError("bug"),
    ],
)
def test_what_no_try_can_help_comes_out_at_once(error: Exception) -> None:
    """As it is; a session that was open is given up, so that no half photo waits for its end."""
    cloud = Cloud(30, error)
    with pytest.raises(type(error)) as raised:
        cloud.copy()
    assert raised.value is error
    assert ([session.abandoned for session in cloud.sessions], cloud.slept) == ([1], [])


def test_what_cannot_be_opened_is_not_given_up() -> None:
    """There is nothing to give up."""
    cloud = Cloud(openings=(GrantRevoked(),))
    with pytest.raises(GrantRevoked):
        cloud.copy()
    assert cloud.sessions == []


def test_an_order_to_stop_wakes_who_waits_for_the_next_try() -> None:
    """The session is given up before the thread ends."""
    cloud = Cloud(BROKEN)

    def stop(_seconds: float) -> None:
        raise Interrupted

    clock = Clock()
    policy = RetryPolicy(tries=5, first_delay=1.0, max_delay=60.0, sleep=stop, throttle=Throttle(stop, clock.now))
    with pytest.raises(Interrupted):
        copy_photo(Stream(), cloud.begin, policy)
    assert [session.abandoned for session in cloud.sessions] == [1]


@pytest.mark.parametrize("stored", [None, STORED])
def test_a_photo_that_is_in_after_all_is_told(stored: StoredPhoto | None) -> None:
    """Its cloud had it when it was given up, even if that could not be told to the end."""
    session, stream, clock = Session(iter([Interrupted()])), Stream(), Clock()

    def abandon() -> None:
        session.stored = stored
        raise Interrupted

    session.abandon = abandon  # type: ignore[method-assign]
    throttle = Throttle(clock.sleep, clock.now)
    policy = RetryPolicy(tries=5, first_delay=1.0, max_delay=60.0, sleep=clock.sleep, throttle=throttle)
    refusals = RefusalClassifier("", RefusalStreak(1), is_isolated=True)
    copy = PhotoCopy(stream, lambda: session, RetryBudget(policy), nullcontext, refusals)
    with pytest.raises(Interrupted):
        copy.step()
    assert copy.close() == stored
    assert stream.closed == 1
