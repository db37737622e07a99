"""Messages in flight: delivered to this worker and not yet settled.

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
    """Settle a message whose work is done."""
    channel.basic_ack(tag)


def drop_stale(channel: BlockingChannel, tag: int) -> None:
    """Settle a message that need not be worked on, as far as is known how often it came back."""
    channel.basic_ack(tag)


def nack(channel: BlockingChannel, tag: int) -> None:
    """Return a message to its queue: it must be delivered again."""
    channel.basic_nack(tag, requeue=True)


@dataclass
class InFlight:
    """A message in flight.

    Args:
        connection, channel: where it came from; it can be settled there, and nowhere else.
        message_id: of the message, which is the job's id.
        returns: how often the delivery that its job was begun with came back before.
        signals: end its job.
        tags: delivery tags of every copy that came over this connection, each with how often that copy came back.
    """

    connection: BlockingConnection
    channel: BlockingChannel
    message_id: str
    returns: int
    signals: Signals
    tags: list[tuple[int, int]]


class Deliveries:
    """All messages in flight, by their bodies. Added and settled on the connection's thread, finished on any."""

    def __init__(self) -> None:
        self._messages: dict[bytes, InFlight] = {}
        self._finished: dict[bytes, Settle] = {}
        self._lock = threading.Lock()

    def __bool__(self) -> bool:
        return bool(self._messages)

    def add(self, body: bytes, message: InFlight) -> bool:
        """Add a message; returns false when it is one that came again: then its job goes on under the new tag."""
        with self._lock:
            known = self._messages.setdefault(body, message)
            if known is message:
                return True
            # Over the same connection it is a copy: the first one is still ours, and must be settled as well.
            known.tags = [*(known.tags if known.connection is message.connection else []), *message.tags]
            known.connection, known.channel = message.connection, message.channel
            return False

    def finish(self, body: bytes, settle: Settle) -> None:
        """Note that a message's work is over, and how it is to be settled."""
        with self._lock:
            self._finished[body] = settle
            connection = self._messages[body].connection
        # Only wakes the connection's thread; a lost connection is woken by nothing, its message comes again.
        with suppress(ConnectionWrongStateError):
            connection.add_callback_threadsafe(lambda: None)

    def settle(self, connection: BlockingConnection) -> None:
        """Settle what is finished and came over this connection."""
        with self._lock:
            done = [
                (body, settle)
                for body, settle in self._finished.items()
                if self._messages[body].connection is connection
            ]
        for body, settle in done:
            message = self._messages[body]
            for tag, returns in message.tags:
                # Of one message whoever got it last is meant: a copy that came back less often is stale beside it,
                # and what came back more often than that copy may be the very message.
                (nack if settle is drop_stale and returns > message.returns else settle)(message.channel, tag)
            self._forget(body)

    def find_lost(self, connection: BlockingConnection | None) -> list[InFlight]:
        """Return what did not come again over this connection, and is still worked on; forgets what is finished."""
        with self._lock:
            lost = {body: message for body, message in self._messages.items() if message.connection is not connection}
            done = lost.keys() & self._finished.keys()
        for body in done:
            self._forget(body)
        return [message for body, message in lost.items() if body not in done]

    def _forget(self, body: bytes) -> None:
        with self._lock:
            del self._messages[body], self._finished[body]
