"""While Yandex commits one photo, others go on: nothing here sleeps, and the session keeps its place."""

import heapq
import threading
import zlib
from contextlib import suppress
from itertools import count
from typing import Any

import pytest

from common.clouds.photos import Inventory, Photo, StoredPhoto
from common.clouds.yandex_disk.disk import FIRST_POLL_SECONDS, LOOK_DELAYS, MAX_POLL_SECONDS
from common.clouds.yandex_disk.session import MAX_FAREWELL_SECONDS
from common.errors import Refused, SessionLost, Throttled, Transient
from tests.fakes.guests_disk import GuestsDisk
from tests.fakes.memory_stream import MemoryStream

DATA = b"a photo's bytes"
# Of pretended time: one request, and how many photos move at a time.
REQUEST_SECONDS, LANES = 0.05, 8


def make_photo(number: int = 1, data: bytes = DATA) -> Photo:
    """Return one of many."""
    return Photo(str(number), (), f"{number}.jpg", "https://h/p", len(data), zlib.crc32(data))


def make_guests() -> GuestsDisk:
    """Return a disk whose storage must not wait."""

    def wait(seconds: float) -> None:
        raise AssertionError(f"it waits {seconds} s")

    return GuestsDisk(sleep=wait)


def puts(guests: GuestsDisk) -> int:
    """Return how often bytes were sent."""
    return sum("/upload-target/" in url for _, url, _ in guests.http.sent)


def finish(session: Any, most: int = 100) -> list[float]:
    """Advance until the photo is there; return the waits that were asked for."""
    waits = []
    for _ in range(most):
        seconds = session.advance(MemoryStream(DATA))
        if session.stored:
            return waits
        waits.append(seconds)
    raise AssertionError("it goes round in a circle")


@pytest.mark.parametrize("status", [404, 409, 423, 500])
@pytest.mark.parametrize("looks", [1, 3, len(LOOK_DELAYS)])
def test_what_is_being_committed_is_asked_for_again_soon(looks: int, status: int) -> None:
    """First after a fraction of a second; nothing is sent again, and it costs no try."""
    guests = make_guests()
    guests.break_it("yandex_upload", "late", looks=looks, status=status)
    assert finish(guests.begin(make_photo())) == list(LOOK_DELAYS[:looks])
    assert (puts(guests), len(guests.contents())) == (1, 1)


def test_what_does_not_show_is_a_try_and_then_looked_for() -> None:
    """The number of looks has an end; after that it is found at its path, and not sent again."""
    guests = make_guests()
    guests.break_it("yandex_upload", "late", looks=len(LOOK_DELAYS) + 3, status=500)
    session = guests.begin(make_photo())
    for _ in LOOK_DELAYS:
        assert session.advance(MemoryStream(DATA)) > 0
    with pytest.raises(Transient):
        session.advance(MemoryStream(DATA))
    finish(session)
    assert (puts(guests), len(guests.contents())) == (1, 1)


@pytest.mark.parametrize("broken", ["drop_before", "drop_after"])
def test_a_broken_line_to_properties_is_asked_again(broken: str) -> None:
    """As a 500 is."""
    guests = make_guests()
    guests.break_it("yandex_patch", broken)
    assert finish(guests.begin(make_photo())) == [LOOK_DELAYS[0]]


@pytest.mark.parametrize(
    ("fault", "kind"),
    [({"does": "throttle", "status": 429}, Throttled), ({"does": "status", "status": 403}, Refused)],
)
def test_what_everybody_must_know_is_told_at_once(fault: dict[str, Any], kind: type[Transient]) -> None:
    """Too fast, or refused: the session keeps its place all the same."""
    guests = make_guests()
    guests.break_it("yandex_patch", **fault)
    session = guests.begin(make_photo())
    with pytest.raises(kind):
        session.advance(MemoryStream(DATA))
    assert finish(session) == []
    assert puts(guests) == 1


def test_properties_that_are_not_confirmed_are_set_again() -> None:
    """The answer does not show them yet; in the end size and MD5 prove the photo without them."""
    guests = make_guests()
    guests.break_it("yandex_patch", "drop_fields", fields=["custom_properties"], times=None)
    session = guests.begin(make_photo())
    assert finish(session) == list(LOOK_DELAYS)
    assert not session.stored.made_here


def test_an_operation_is_asked_for_without_anybody_waiting() -> None:
    """However long it takes: the pauses grow up to a few seconds."""
    guests = make_guests()
    guests.break_it("yandex_upload", "defer", polls=6)
    waits = finish(guests.begin(make_photo()))
    assert waits[:3] == [FIRST_POLL_SECONDS, 2 * FIRST_POLL_SECONDS, 4 * FIRST_POLL_SECONDS]
    assert max(waits) == MAX_POLL_SECONDS
    assert (len(waits), puts(guests)) == (6, 1)


def test_the_removal_of_wrong_bytes_is_asked_for_without_anybody_waiting() -> None:
    """It takes a while, and then the photo may begin anew."""
    guests = make_guests()
    guests.break_it("yandex_upload", "corrupt", at=3)
    guests.break_it("yandex_delete", "defer", polls=2)
    session = guests.begin(make_photo())
    assert [session.advance(MemoryStream(DATA)) for _ in range(2)] == [FIRST_POLL_SECONDS, 2 * FIRST_POLL_SECONDS]
    with pytest.raises(SessionLost):
        session.advance(MemoryStream(DATA))
    assert guests.contents() == []


def test_a_session_that_is_abandoned_waits_for_nothing() -> None:
    """Wrong bytes are asked to be removed once."""
    guests = make_guests()
    guests.break_it("yandex_upload", "corrupt", at=3)
    guests.break_it("yandex_delete", "status", status=503)
    session = guests.begin(make_photo())
    with pytest.raises(Transient):
        session.advance(MemoryStream(DATA))
    session.abandon()
    assert guests.contents() == []


@pytest.mark.parametrize(
    ("operation", "fault"),
    [
        ("yandex_patch", {"does": "throttle", "status": 429}),
        ("yandex_upload", {"does": "defer", "polls": 2}),
        ("yandex_upload", {"does": "late", "looks": 2, "status": 404}),
        ("yandex_upload", {"does": "drop_after"}),
    ],
    ids=["not marked", "accepted", "not there yet", "nobody heard"],
)
def test_what_was_sent_whole_is_stored_although_it_is_abandoned(operation: str, fault: dict[str, Any]) -> None:
    """Else it would stay as a file that nobody knows to be ours, and be counted as missing."""
    guests = make_guests()
    guests.break_it(operation, **fault)
    session = guests.begin(make_photo())
    with suppress(Transient):
        session.advance(MemoryStream(DATA))
    assert session.stored is None
    session.abandon()
    assert session.stored
    assert session.stored.made_here
    assert puts(guests) == 1


def test_whoever_abandons_an_upload_does_not_wait_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """What Yandex does not show by then stays unknown."""
    waits: list[float] = []
    monkeypatch.setattr(threading.Event, "wait", lambda _event, seconds: waits.append(seconds))
    guests = make_guests()
    guests.break_it("yandex_upload", "defer", polls=50)
    session = guests.begin(make_photo())
    session.advance(MemoryStream(DATA))
    session.abandon()
    assert session.stored is None
    assert 0 < sum(waits) <= MAX_FAREWELL_SECONDS


class Stopped(Exception):
    """The work is to stop."""


@pytest.mark.parametrize("call", ["folder", "removal"])
def test_a_wait_for_a_folder_or_a_removal_ends_with_the_work(call: str) -> None:
    """What is no photo waits as it is told to: whoever lets the time pass may end it."""
    told: list[float] = []

    def stop(seconds: float) -> None:
        told.append(seconds)
        raise Stopped

    guests = GuestsDisk(sleep=stop)
    session = guests.begin(make_photo())
    finish(session)
    guests.break_it("yandex_patch", "status", status=500, times=None)
    guests.break_it("yandex_delete", "defer", polls=9)
    calls = {
        "folder": lambda: guests.storage.make_albums("archive", "Свадьба", [()], Inventory()),
        "removal": lambda: guests.storage.remove(session.stored),
    }
    with pytest.raises(Stopped):
        calls[call]()
    assert told == [LOOK_DELAYS[0] if call == "folder" else FIRST_POLL_SECONDS]


def copy_many(number: int, looks: int) -> tuple[float, list[StoredPhoto]]:
    """Copy so many photos through eight lanes as a worker may: who waits lets the others move.

    Returns:
        The seconds of pretended time that it takes, and what is there then.
    """
    guests = make_guests()
    guests.disk.late_times, guests.disk.late_status = looks, 500
    ready: list[tuple[float, int, Any]] = []
    order, moment, stored = count(), 0.0, []
    waiting = [make_photo(each) for each in range(number)]
    while waiting or ready:
        if ready and (ready[0][0] <= moment or not waiting):
            at, _, session = heapq.heappop(ready)
            moment = max(moment, at)
        else:
            session = guests.begin(waiting.pop())
        seconds = session.advance(MemoryStream(DATA))
        moment = max(moment, len(guests.http.sent) * REQUEST_SECONDS / LANES)
        if session.stored:
            stored.append(session.stored)
        else:
            heapq.heappush(ready, (moment + seconds, next(order), session))
    return moment, stored


@pytest.mark.parametrize("looks", [1, 2])
def test_others_move_while_one_is_being_committed(looks: int) -> None:
    """96 small photos with a 500 after each upload take at most three times as long as without."""
    usual, arrived = copy_many(96, 0)
    assert len(arrived) == 96
    slow, arrived = copy_many(96, looks)
    assert len(arrived) == 96
    assert all(photo.made_here for photo in arrived)
    assert slow <= 3 * usual
