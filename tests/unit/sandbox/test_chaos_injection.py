"""What the storm aims at, and that the same seed plans the same."""

import random
import threading

from sandbox.chaos.inject.replay import Copies
from sandbox.chaos.inject.trigger import Aim, Trap, draw_aim
from sandbox.chaos.load.guests import plan_presses
from sandbox.gallery.host import Archive
from sandbox.run.frames import Moment

ACK = Aim("ack", after=True, passing=1, moves_jobs=True)


def wait_with(moments: list[tuple[Moment, bool]], trap: Trap, ended: list[bool]):
    """Return a wait during which something passes on another thread."""

    def wait(_seconds: float) -> bool:
        if moments:
            passing = threading.Thread(target=lambda each: ended.append(trap.watch(*each)), args=(moments.pop(0),))
            passing.start()
            passing.join()
        return False

    return wait


def test_a_trap_springs_at_its_moment_and_at_no_other():
    """The second acknowledgement of a job's message that has passed; the line ends there and nowhere else."""
    trap, ended, struck = Trap(), [], []
    moments = [
        (Moment("ack", key="job"), True),
        (Moment("ack", key="job"), False),
        (Moment("ack", key="event"), True),
        (Moment("ack", key="job.1.progress"), True),
        (Moment("publish", key="job"), True),
        (Moment("ack", key="ledger"), True),
        (Moment("ack", key="job"), True),
    ]
    sprung = trap.spring(ACK, lambda: struck.append("killed"), wait_with(moments, trap, ended), 5.0)
    assert (sprung, struck) == (True, ["killed"])
    assert ended[:6] == [False] * 5 + [True]
    assert trap.watch(Moment("ack", key="job"), True) is False


def test_a_trap_is_taken_away_when_nothing_comes():
    """What passes later finds none."""
    trap = Trap()
    assert not trap.spring(ACK, lambda: None, lambda _seconds: False, 0.2)
    assert [trap.watch(Moment("ack", key="job"), True) for _ in range(3)] == [False] * 3


def test_every_moment_is_aimed_at():
    """Before and after each of the four, over many draws."""
    drawn = {(aim.what, aim.after) for aim in map(draw_aim, map(random.Random, range(200)))}
    assert len(drawn) == 8


def test_the_same_seed_plans_the_same():
    """Who presses what when, and who stops."""
    archives = [(Archive(str(number), "", str(number), (), []), "yadisk") for number in range(20)]
    plans = [plan_presses(archives, 60, random.Random("1 guests"), random.Random("1 stops")) for _ in range(2)]
    assert plans[0] == plans[1]
    assert any(press.stop for press in plans[0])
    assert plans[0] != plan_presses(archives, 60, random.Random("2 guests"), random.Random("2 stops"))


def test_only_messages_of_jobs_are_sent_again():
    """Not what is told of them, nor the log of who has them."""
    copies = Copies("amqp://guest:guest@127.0.0.1:1/%2F")
    for key in ("event", "ledger", "job.1.progress", "job.1.cancel"):
        copies.see(Moment("publish", "cloud_archive", key), passed=True)
    copies.see(Moment("publish", "cloud_archive", "job"), passed=False)
    copies.see(Moment("deliver", "cloud_archive", "job"), passed=True)
    assert copies.known == 0
    copies.see(Moment("publish", "cloud_archive", "job"), passed=True)
    copies.see(Moment("publish", "cloud_archive", "waiting.1"), passed=True)
    assert copies.known == 2
