"""The messages in a worker's hands: which came from where, which are done with, and how each is settled.

A message is known by its body: after a lost connection the same one may come again over another, and a twin of it may
come over the same. All of them are one job's, and are settled together.
"""

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from pika.adapters.blocking_connection import BlockingChannel, BlockingConnection
from pika.exceptions import ConnectionWrongStateError

from worker.transfer.stop import Signals

Settle = Callable[[BlockingChannel, int], None]


def acknowledge(channel: BlockingChannel, tag: int) -> None:
    """The message has served."""
    channel.basic_ack(tag)


def drop_stale(channel: BlockingChannel, tag: int) -> None:
    """The message serves nobody, as far as is known how often it came back."""
    channel.basic_ack(tag)


def nack(channel: BlockingChannel, tag: int) -> None:
    """The message must come again."""
    channel.basic_nack(tag, requeue=True)


@dataclass
class InFlight:
    """A message in our hands.

    Args:
        connection, channel: where it came from; it can be settled there, and nowhere else.
        message_id: of the message, which is the job's id.
        returns: how often the delivery that its job was begun with came back before.
        signals: end its job.
        tags: of every delivery of it over this connection, each a copy of its own, with how often that came back.
    """

    connection: BlockingConnection
    channel: BlockingChannel
    message_id: str
    returns: int
    signals: Signals
    tags: list[tuple[int, int]]


class Deliveries:
    """What is held. Messages are taken and settled on the connection's thread, and done with on any."""

    def __init__(self) -> None:
        self._held: dict[bytes, InFlight] = {}
        self._done: dict[bytes, Settle] = {}
        self._lock = threading.Lock()

    def __bool__(self) -> bool:
        return bool(self._held)

    def add(self, body: bytes, held: InFlight) -> bool:
        """Hold a message; returns false when it is one that came again: then its job goes on under the new tag."""
        with self._lock:
            known = self._held.setdefault(body, held)
            if known is held:
                return True
            # Over the same connection it is a copy: the first one is still ours, and must be settled as well.
            known.tags = [*(known.tags if known.connection is held.connection else []), *held.tags]
            known.connection, known.channel = held.connection, held.channel
            return False

    def finish(self, body: bytes, settle: Settle) -> None:
        """Note that a message is done with, and how it is to be settled."""
        with self._lock:
            self._done[body] = settle
            connection = self._held[body].connection
        # Only wakes the connection's thread; a lost connection is woken by nobody, its message comes again.
        with suppress(ConnectionWrongStateError):
            connection.add_callback_threadsafe(lambda: None)

    def settle(self, connection: BlockingConnection) -> None:
        """Settle what is done with and came over this connection."""
        with self._lock:
            done = [(body, settle) for body, settle in self._done.items() if self._held[body].connection is connection]
        for body, settle in done:
            held = self._held[body]
            for tag, returns in held.tags:
                # Of one message whoever got it last is meant: a copy that came back less often is a leftover beside it,
                # and what came back more often than that copy may be the very message.
                (nack if settle is drop_stale and returns > held.returns else settle)(held.channel, tag)
            self._forget(body)

    def find_lost(self, connection: BlockingConnection | None) -> list[InFlight]:
        """Return what did not come again over this connection, and is still worked on; forgets what is done with."""
        with self._lock:
            lost = {body: held for body, held in self._held.items() if held.connection is not connection}
            done = lost.keys() & self._done.keys()
        for body in done:
            self._forget(body)
        return [held for body, held in lost.items() if body not in done]

    def _forget(self, body: bytes) -> None:
        with self._lock:
            del self._held[body], self._done[body]
