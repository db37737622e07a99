"""Slots: how many sessions are opened, and how many photos move, at a time."""

import threading

import pytest

from worker.archive.stages import STAGE_COUNT, Stages
from worker.transfer.stop import Cause, Interrupted, Stop


def test_a_slot_is_waited_for_and_given_back() -> None:
    """One slot of each kind: a second holder waits for the first, the other kind does not."""
    stages, stop, has_slot = Stages(1), Stop(), threading.Event()

    def hold() -> None:
        with stages.transfer_slot(stop):
            has_slot.set()

    thread = threading.Thread(target=hold)
    with stages.transfer_slot(stop):
        thread.start()
        assert not has_slot.wait(0.05)
        with stages.opening_slot(stop):
            pass
    thread.join(10)
    assert has_slot.is_set()


def test_nobody_gets_a_slot_after_a_stop() -> None:
    """It is asked for once there is one, and is free again."""
    stages, stop = Stages(1), Stop()
    stop.set(Cause.SLICE_OVER)
    for slot in (stages.opening_slot, stages.transfer_slot) * 2:
        with pytest.raises(Interrupted), slot(stop):
            pass


def test_there_are_threads_for_every_stage() -> None:
    """While one photo moves, another's session and a third one's source are opened."""
    assert Stages(4).threads == 4 * STAGE_COUNT
