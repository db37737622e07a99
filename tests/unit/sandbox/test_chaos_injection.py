"""Triggers, plans and message replay of a chaos run."""

import random
import threading

from sandbox.chaos.inject.replay import MessageReplay
from sandbox.chaos.inject.trigger import Trigger, TriggerPoint, draw_point
from sandbox.chaos.load.guests import plan_saves
from sandbox.gallery.host import Archive
from sandbox.run.frames import AmqpEvent

ACK = TriggerPoint("ack", after=True, skip=1, moves_jobs=True)


def wait_with(events: list[tuple[AmqpEvent, bool]], trigger: Trigger, ended: list[bool]):
    """Return a `wait` during which another thread reports the next event."""

    def wait(_seconds: float) -> bool:
        if events:
            skip = threading.Thread(target=lambda each: ended.append(trigger.watch(*each)), args=(events.pop(0),))
            skip.start()
            skip.join()
        return False

    return wait


def test_a_trigger_fires_at_its_event_and_at_no_other():
    """The second forwarded acknowledgement of a job's message; the connection ends there and nowhere else."""
    trigger, ended, fired_fault = Trigger(), [], []
    events = [
        (AmqpEvent("ack", key="job"), True),
        (AmqpEvent("ack", key="job"), False),
        (AmqpEvent("ack", key="event"), True),
        (AmqpEvent("ack", key="job.1.progress"), True),
        (AmqpEvent("publish", key="job"), True),
        (AmqpEvent("ack", key="ledger"), True),
        (AmqpEvent("ack", key="job"), True),
    ]
    fired = trigger.arm_and_wait(ACK, lambda: fired_fault.append("killed"), wait_with(events, trigger, ended), 5.0)
    assert (fired, fired_fault) == (True, ["killed"])
    assert ended[:6] == [False] * 5 + [True]
    assert trigger.watch(AmqpEvent("ack", key="job"), True) is False


def test_a_trigger_is_disarmed_when_nothing_comes():
    """Later events do not fire it."""
    trigger = Trigger()
    assert not trigger.arm_and_wait(ACK, lambda: None, lambda _seconds: False, 0.2)
    assert [trigger.watch(AmqpEvent("ack", key="job"), True) for _ in range(3)] == [False] * 3


def test_every_event_is_drawn():
    """Before and after each of the four, over many draws."""
    drawn = {(point.kind, point.after) for point in map(draw_point, map(random.Random, range(200)))}
    assert len(drawn) == 8


def test_the_same_seed_plans_the_same():
    """Saves and stops."""
    archives = [(Archive(str(number), "", str(number), (), []), "yadisk") for number in range(20)]
    plans = [plan_saves(archives, 60, random.Random("1 guests"), random.Random("1 stops")) for _ in range(2)]
    assert plans[0] == plans[1]
    assert any(press.stop for press in plans[0])
    assert plans[0] != plan_saves(archives, 60, random.Random("2 guests"), random.Random("2 stops"))


def test_only_messages_of_jobs_are_sent_again():
    """Not progress, stops or entries of the ledger."""
    replay = MessageReplay("amqp://guest:guest@127.0.0.1:1/%2F")
    for key in ("event", "ledger", "job.1.progress", "job.1.cancel"):
        replay.record(AmqpEvent("publish", "cloud_archive", key), passed=True)
    replay.record(AmqpEvent("publish", "cloud_archive", "job"), passed=False)
    replay.record(AmqpEvent("deliver", "cloud_archive", "job"), passed=True)
    assert replay.message_count == 0
    replay.record(AmqpEvent("publish", "cloud_archive", "job"), passed=True)
    replay.record(AmqpEvent("publish", "cloud_archive", "waiting.1"), passed=True)
    assert replay.message_count == 2
