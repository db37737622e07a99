"""How often a running job is looked at, and what of it is told and kept."""

from dataclasses import dataclass, field, replace

import pytest

from common.messages.progress import Progress, State
from worker.jobs.sampling import ATTENTION_SECONDS, MOST_WATCHED, Audience, Seen, Watch

MINUTE = 60


@dataclass
class Room:
    """A job that runs, looked at in beats of a second."""

    progress: Progress = field(default_factory=lambda: Progress(job_id="a", state=State.RUNNING, photos_total=100))
    audience: Audience = field(default_factory=Audience)
    now: float = 1000.0
    taken: int = 0
    moves: bool = True

    def __post_init__(self) -> None:
        """Begin to look."""
        self.watch = Watch(self.take)

    def take(self) -> Progress:
        """Read how far the job has come."""
        self.taken += 1
        copied = self.progress.photos_copied + self.moves
        self.progress = replace(self.progress, photos_copied=copied, updated_at=self.now, number=self.taken)
        return self.progress

    def let_pass(self, beats: int) -> list[Seen]:
        """Look once a second, not quite evenly; return what was seen."""
        seen = []
        for beat in range(beats):
            if look := self.watch.look(self.now, self.audience):
                seen.append(look)
            self.now += 0.99 if beat % 2 else 1.01
        return seen


@pytest.fixture
def room() -> Room:
    """One at its start."""
    return Room()


def test_job_that_nobody_watches_is_told_rarely(room: Room) -> None:
    """And cheaply: it is not even looked at in between."""
    told = [seen for seen in room.let_pass(MINUTE) if seen.is_news]
    assert len(told) == room.taken == 12


def test_job_that_somebody_watches_is_told_every_second(room: Room) -> None:
    """From the moment on in which somebody looks, until nobody has for a while."""
    room.let_pass(3)
    assert room.audience.note("a", room.now)
    room.watch.hurry()
    assert sum(seen.is_news for seen in room.let_pass(10)) == 10
    assert not room.audience.note("a", room.now)
    room.let_pass(int(ATTENTION_SECONDS) + 5)
    assert sum(seen.is_news for seen in room.let_pass(MINUTE)) == 12


def test_who_waits_for_the_list_hears_of_it_at_once(room: Room) -> None:
    """Nothing is kept before there is a number."""
    room.progress = replace(room.progress, photos_total=0)
    assert not any(seen.is_kept for seen in room.let_pass(4))
    room.progress = replace(room.progress, photos_total=100)
    (seen,) = room.let_pass(1)
    assert seen.is_kept
    assert seen.is_news


def test_numbers_are_kept_every_half_minute(room: Room) -> None:
    """For a replica that starts when the worker is gone."""
    assert sum(seen.is_kept for seen in room.let_pass(5 * MINUTE)) == 10


def test_what_does_not_move_is_told_seldom_and_kept_once(room: Room) -> None:
    """A clock that goes on is no news."""
    room.moves = False
    seen = room.let_pass(2 * MINUTE)
    assert sum(each.is_news for each in seen) == 4
    assert sum(each.is_kept for each in seen) == 1


def test_hello_is_answered_though_nothing_changed(room: Room) -> None:
    """Whoever has just started knows nothing."""
    room.moves = False
    room.let_pass(10)
    room.watch.hurry()
    (seen,) = room.let_pass(1)
    assert seen.is_news


def test_a_look_that_fails_is_tried_again(room: Room) -> None:
    """Not at every wake."""
    taken: list[int] = []

    def break_down() -> Progress:
        taken.append(1)
        raise ZeroDivisionError

    watch = Watch(break_down)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            watch.look(room.now, room.audience)
        assert watch.look(room.now + 0.1, room.audience) is None
        room.now += 1
    assert len(taken) == 3


def test_a_crowd_that_watches_everything_uses_up_no_memory() -> None:
    """Who looks at what is forgotten when it is over."""
    audience = Audience()
    for number in range(MOST_WATCHED + 5):
        audience.note(str(number), 0.0)
    assert not audience.watches(str(MOST_WATCHED + 1), 1.0)
    assert audience.watches("1", 1.0)
    assert audience.note("late", ATTENTION_SECONDS + 1)
    assert audience.watches("late", ATTENTION_SECONDS + 2)
    assert len(audience._until) == 1
