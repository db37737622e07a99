"""How often a running job is looked at, and what of it is told and kept."""

from dataclasses import dataclass, field, replace

import pytest

from common.messages.progress import Progress, State
from worker.jobs.sampling import ATTENTION_SECONDS, MAX_WATCHED, JobSampler, Sample, WatchedJobs

MINUTE = 60


@dataclass
class Room:
    """A job that runs, looked at in beats of a second."""

    progress: Progress = field(default_factory=lambda: Progress(job_id="a", state=State.RUNNING, photos_total=100))
    watched_jobs: WatchedJobs = field(default_factory=WatchedJobs)
    now: float = 1000.0
    taken: int = 0
    moves: bool = True

    def __post_init__(self) -> None:
        """Begin to look."""
        self.sampler = JobSampler(self.take)

    def take(self) -> Progress:
        """Read how far the job has come."""
        self.taken += 1
        copied = self.progress.photos_copied + self.moves
        self.progress = replace(self.progress, photos_copied=copied, updated_at=self.now, number=self.taken)
        return self.progress

    def let_pass(self, beats: int) -> list[Sample]:
        """Look once a second, not quite evenly; return what was seen."""
        seen = []
        for beat in range(beats):
            if sample := self.sampler.sample(self.now, self.watched_jobs):
                seen.append(sample)
            self.now += 0.99 if beat % 2 else 1.01
        return seen


@pytest.fixture
def room() -> Room:
    """One at its start."""
    return Room()


def test_job_that_nobody_watches_is_told_rarely(room: Room) -> None:
    """And cheaply: it is not even looked at in between."""
    told = [seen for seen in room.let_pass(MINUTE) if seen.is_broadcast]
    assert len(told) == room.taken == 12


def test_job_that_somebody_watches_is_told_every_second(room: Room) -> None:
    """From the moment on in which somebody looks, until nobody has for a while."""
    room.let_pass(3)
    assert room.watched_jobs.note_viewer("a", room.now)
    room.sampler.force()
    assert sum(seen.is_broadcast for seen in room.let_pass(10)) == 10
    assert not room.watched_jobs.note_viewer("a", room.now)
    room.let_pass(int(ATTENTION_SECONDS) + 5)
    assert sum(seen.is_broadcast for seen in room.let_pass(MINUTE)) == 12


def test_who_waits_for_the_list_hears_of_it_at_once(room: Room) -> None:
    """Nothing is kept before there is a number."""
    room.progress = replace(room.progress, photos_total=0)
    assert not any(seen.is_retained for seen in room.let_pass(4))
    room.progress = replace(room.progress, photos_total=100)
    (seen,) = room.let_pass(1)
    assert seen.is_retained
    assert seen.is_broadcast


def test_numbers_are_kept_every_half_minute(room: Room) -> None:
    """For a replica that starts when the worker is gone."""
    assert sum(seen.is_retained for seen in room.let_pass(5 * MINUTE)) == 10


def test_what_does_not_move_is_told_seldom_and_kept_once(room: Room) -> None:
    """A clock that goes on is no news."""
    room.moves = False
    seen = room.let_pass(2 * MINUTE)
    assert sum(each.is_broadcast for each in seen) == 4
    assert sum(each.is_retained for each in seen) == 1


def test_hello_is_answered_though_nothing_changed(room: Room) -> None:
    """Whoever has just started knows nothing."""
    room.moves = False
    room.let_pass(10)
    room.sampler.force()
    (seen,) = room.let_pass(1)
    assert seen.is_broadcast


def test_a_look_that_fails_is_tried_again(room: Room) -> None:
    """Not at every wake."""
    taken: list[int] = []

    def break_down() -> Progress:
        taken.append(1)
        raise ZeroDivisionError

    sampler = JobSampler(break_down)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            sampler.sample(room.now, room.watched_jobs)
        assert sampler.sample(room.now + 0.1, room.watched_jobs) is None
        room.now += 1
    assert len(taken) == 3


def test_a_crowd_that_watches_everything_uses_up_no_memory() -> None:
    """Who looks at what is forgotten when it is over."""
    watched_jobs = WatchedJobs()
    for number in range(MAX_WATCHED + 5):
        watched_jobs.note_viewer(str(number), 0.0)
    assert not watched_jobs.is_watched(str(MAX_WATCHED + 1), 1.0)
    assert watched_jobs.is_watched("1", 1.0)
    assert watched_jobs.note_viewer("late", ATTENTION_SECONDS + 1)
    assert watched_jobs.is_watched("late", ATTENTION_SECONDS + 2)
    assert len(watched_jobs._until) == 1
