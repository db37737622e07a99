"""How the messages in a worker's hands are settled, without a broker."""

from dataclasses import dataclass, field

import pytest

from worker.queue.in_flight import Deliveries, InFlight, Settle, acknowledge, drop_stale, nack
from worker.transfer.stop import Signals

BODY = b"{}"


@dataclass
class Line:
    """A connection with its only channel: remembers what became of each delivery."""

    settled: dict[int, str] = field(default_factory=dict)

    def basic_ack(self, tag: int) -> None:
        """One is acknowledged."""
        self.settled[tag] = "acknowledged"

    def basic_nack(self, tag: int, *, requeue: bool) -> None:
        """One is given back."""
        assert requeue
        self.settled[tag] = "given back"

    def add_callback_threadsafe(self, _call: object) -> None:
        """Wakes nobody."""


def held(line: Line, tag: int, returns: int) -> InFlight:
    """Return a message that came over a line."""
    return InFlight(line, line, "job-1", returns, Signals(), [(tag, returns)])  # type: ignore[arg-type]


def settle(deliveries: Deliveries, line: Line, how: Settle) -> dict[int, str]:
    """Be done with the message; return what became of each delivery."""
    deliveries.finish(BODY, how)
    deliveries.settle(line)  # type: ignore[arg-type]
    assert not deliveries
    return line.settled


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        (acknowledge, {1: "acknowledged", 2: "acknowledged", 3: "acknowledged"}),
        (nack, {1: "given back", 2: "given back", 3: "given back"}),
        # The first one is a copy, beside which another worker had the message itself: that one may be among the others.
        (drop_stale, {1: "acknowledged", 2: "given back", 3: "acknowledged"}),
    ],
)
def test_every_delivery_is_settled(how: Settle, expected: dict[int, str]) -> None:
    """A leftover takes none along that came back more often."""
    deliveries, line = Deliveries(), Line()
    assert deliveries.add(BODY, held(line, 1, 1))
    assert not deliveries.add(BODY, held(line, 2, 3))
    assert not deliveries.add(BODY, held(line, 3, 0))
    assert settle(deliveries, line, how) == expected


def test_what_came_again_over_another_line_is_settled_there() -> None:
    """The lost one took its tags along; and a leftover that came back once more may be none."""
    deliveries, lost, line = Deliveries(), Line(), Line()
    deliveries.add(BODY, held(lost, 1, 0))
    deliveries.add(BODY, held(line, 7, 4))
    assert settle(deliveries, line, drop_stale) == {7: "given back"}
    assert lost.settled == {}
