"""AMQP 0-9-1 as it passes: cuts one direction of a connection into frames and names those that a job hangs on.

Reads just enough of https://www.rabbitmq.com/resources/specs/amqp0-9-1.pdf (section 4.2) to tell a publish, a confirm,
a delivery and an acknowledgement apart. What it does not understand passes as it came.
"""

import struct
from collections import OrderedDict
from dataclasses import dataclass
from typing import Literal, NamedTuple

_HEADER = struct.Struct(">BHI")  # kind, channel, bytes of the payload
_PROTOCOL = b"AMQP"
_PROTOCOL_BYTES = 8
_END = b"\xce"
_METHOD, _CONTENT, _BODY = 1, 2, 3
_KINDS = frozenset({_METHOD, _CONTENT, _BODY, 8})  # 8: heartbeat
# Bytes of a payload: above what RabbitMQ negotiates (frame_max, 131,072 by default) it is no AMQP.
_LARGEST = 1 << 20
# Deliveries remembered for the acknowledgements that name them, for each connection.
_REMEMBERED = 2000

What = Literal["publish", "confirm", "deliver", "ack"]
_OF_CLIENTS: dict[tuple[int, int], What] = {(60, 40): "publish", (60, 80): "ack", (60, 90): "ack", (60, 120): "ack"}
_OF_SERVERS: dict[tuple[int, int], What] = {(60, 60): "deliver", (60, 80): "confirm", (60, 120): "confirm"}


@dataclass(eq=False)
class Moment:
    """Something that a connection says, or is told, about a message.

    Attributes:
        what: it is; an `ack` may also say no, and so may a `confirm`.
        exchange, key: of the message; of a confirm those of the newest message on its channel.
        properties: of a publish, encoded; known when all of it has passed.
        body: of a publish, likewise.
    """

    what: What
    exchange: str = ""
    key: str = ""
    properties: bytes = b""
    body: bytes = b""


class Part(NamedTuple):
    """A piece of the stream: the moment that begins with it, and the one that has wholly passed after it."""

    data: bytes
    begins: Moment | None = None
    ends: Moment | None = None


@dataclass(eq=False)
class _Content:
    """A moment of which not all has been read."""

    moment: Moment
    missing: int = -1  # bytes of its body; -1: not known yet


class Talk:
    """What both directions of one connection have said, as far as one must know it to name the other's answers."""

    def __init__(self) -> None:
        self.published: dict[int, tuple[str, str]] = {}
        self.delivered: OrderedDict[tuple[int, int], tuple[str, str]] = OrderedDict()


class Frames:
    """One direction of a connection. For one thread; both directions share their `Talk`.

    Args:
        talk: of the connection.
        from_client: which direction.
    """

    def __init__(self, talk: Talk, *, from_client: bool) -> None:
        self._talk = talk
        self._names = _OF_CLIENTS if from_client else _OF_SERVERS
        self._rest = b""
        self._open: dict[int, _Content] = {}
        self._is_amqp = True

    def feed(self, piece: bytes) -> list[Part]:
        """Return what may pass now, in order; the bytes of a frame that is not whole stay here."""
        self._rest += piece
        parts = []
        while self._is_amqp and (size := self._measure()) and len(self._rest) >= size:
            data, self._rest = self._rest[:size], self._rest[size:]
            parts.append(self._read(data))
        if not self._is_amqp and self._rest:
            parts.append(Part(self._rest))
            self._rest = b""
        return parts

    def _measure(self) -> int:
        """Return the bytes of the next frame, its frame included; 0 if that is not known yet."""
        if self._rest.startswith(_PROTOCOL):
            return _PROTOCOL_BYTES
        if len(self._rest) < _HEADER.size:
            self._is_amqp = not self._rest or self._rest[0] in _KINDS or _PROTOCOL.startswith(self._rest)
            return 0
        kind, _channel, size = _HEADER.unpack_from(self._rest)
        self._is_amqp = kind in _KINDS and size <= _LARGEST
        return _HEADER.size + size + 1 if self._is_amqp else 0

    def _read(self, data: bytes) -> Part:
        if data.startswith(_PROTOCOL):
            return Part(data)
        kind, channel, size = _HEADER.unpack_from(data)
        payload = data[_HEADER.size : _HEADER.size + size]
        self._is_amqp = data.endswith(_END)
        if kind == _METHOD:
            return self._read_method(data, channel, payload)
        content = self._open.get(channel)
        if content is None or kind not in (_CONTENT, _BODY):
            return Part(data)
        if kind == _CONTENT:
            content.missing = struct.unpack_from(">Q", payload, 4)[0]
            content.moment.properties = payload[12:]
        else:
            content.missing -= size
            content.moment.body += payload
        if content.missing > 0:
            return Part(data)
        del self._open[channel]
        return Part(data, ends=content.moment)

    def _read_method(self, data: bytes, channel: int, payload: bytes) -> Part:
        what = self._names.get((int.from_bytes(payload[:2], "big"), int.from_bytes(payload[2:4], "big")))
        if what is None:
            return Part(data)
        moment = Moment(what, *self._find_message(what, channel, payload[4:]))
        if what in ("publish", "deliver"):
            self._open[channel] = _Content(moment)
            return Part(data, begins=moment)
        return Part(data, begins=moment, ends=moment)

    def _find_message(self, what: What, channel: int, arguments: bytes) -> tuple[str, str]:
        """Return the exchange and the routing key of what a method is about; empty if it is unknown."""
        if what == "publish":
            exchange, rest = _take_text(arguments[2:])
            self._talk.published[channel] = exchange, _take_text(rest)[0]
            return self._talk.published[channel]
        if what == "confirm":
            return self._talk.published.get(channel, ("", ""))
        if what == "ack":
            return self._talk.delivered.get((channel, int.from_bytes(arguments[:8], "big")), ("", ""))
        _tag, rest = _take_text(arguments)
        exchange, key = _take_text(rest[9:])
        self._talk.delivered[channel, int.from_bytes(rest[:8], "big")] = exchange, _take_text(key)[0]
        if len(self._talk.delivered) > _REMEMBERED:
            self._talk.delivered.popitem(last=False)
        return exchange, _take_text(key)[0]


def _take_text(data: bytes) -> tuple[str, bytes]:
    """Read a short string and return it with what follows."""
    length = data[0] if data else 0
    return data[1 : 1 + length].decode("utf-8", "replace"), data[1 + length :]
