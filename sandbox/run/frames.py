"""Streaming parser of AMQP 0-9-1 frames, for a proxy that acts on single publishes, confirms, deliveries and acks.

Reads just enough of https://www.rabbitmq.com/resources/specs/amqp0-9-1.pdf (section 4.2) to tell a publish, a confirm,
a delivery and an acknowledgement apart. Bytes that are not understood are forwarded unchanged.
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
_MAX_PAYLOAD_BYTES = 1 << 20
# Deliveries remembered for the acknowledgements that name them, for each connection.
_MAX_DELIVERIES = 2000

EventKind = Literal["publish", "confirm", "deliver", "ack"]
_CLIENT_METHODS: dict[tuple[int, int], EventKind] = {
    (60, 40): "publish",
    (60, 80): "ack",
    (60, 90): "ack",
    (60, 120): "ack",
}
_SERVER_METHODS: dict[tuple[int, int], EventKind] = {(60, 60): "deliver", (60, 80): "confirm", (60, 120): "confirm"}


@dataclass(eq=False)
class AmqpEvent:
    """A publish, confirm, delivery or acknowledgement on one connection.

    Attributes:
        kind: which of the four; nacks count as `ack` and `confirm`.
        exchange, key: of the message; for a confirm, of the newest message published on its channel.
        properties: of a publish, encoded; complete once the whole message has been forwarded.
        body: of a publish, likewise.
    """

    kind: EventKind
    exchange: str = ""
    key: str = ""
    properties: bytes = b""
    body: bytes = b""


class Segment(NamedTuple):
    """Bytes to forward, the event that starts with them and the event that they complete."""

    data: bytes
    starts_event: AmqpEvent | None = None
    completes_event: AmqpEvent | None = None


@dataclass(eq=False)
class _OpenEvent:
    """An event whose message has not been read to its end."""

    event: AmqpEvent
    missing: int = -1  # bytes of its body; -1: unknown


class ConnectionState:
    """State shared by both directions of one connection: which message a confirm or an ack refers to."""

    def __init__(self) -> None:
        self.published: dict[int, tuple[str, str]] = {}
        self.delivered: OrderedDict[tuple[int, int], tuple[str, str]] = OrderedDict()


class FrameParser:
    """Parser of one direction of a connection. Not thread-safe; both directions share a `ConnectionState`.

    Args:
        state: of the connection.
        from_client: whether the bytes come from the client.
    """

    def __init__(self, state: ConnectionState, *, from_client: bool) -> None:
        self._state = state
        self._methods = _CLIENT_METHODS if from_client else _SERVER_METHODS
        self._rest = b""
        self._open: dict[int, _OpenEvent] = {}
        self._is_amqp = True

    def feed(self, piece: bytes) -> list[Segment]:
        """Return the segments to forward, in order; an incomplete frame is kept for the next call."""
        self._rest += piece
        segments = []
        while self._is_amqp and (size := self._frame_size()) and len(self._rest) >= size:
            data, self._rest = self._rest[:size], self._rest[size:]
            segments.append(self._read(data))
        if not self._is_amqp and self._rest:
            segments.append(Segment(self._rest))
            self._rest = b""
        return segments

    def _frame_size(self) -> int:
        """Return the size in bytes of the next frame, header and end octet included; 0 while unknown."""
        if self._rest.startswith(_PROTOCOL):
            return _PROTOCOL_BYTES
        if len(self._rest) < _HEADER.size:
            self._is_amqp = not self._rest or self._rest[0] in _KINDS or _PROTOCOL.startswith(self._rest)
            return 0
        frame_kind, _channel, size = _HEADER.unpack_from(self._rest)
        self._is_amqp = frame_kind in _KINDS and size <= _MAX_PAYLOAD_BYTES
        return _HEADER.size + size + 1 if self._is_amqp else 0

    def _read(self, data: bytes) -> Segment:
        if data.startswith(_PROTOCOL):
            return Segment(data)
        frame_kind, channel, size = _HEADER.unpack_from(data)
        payload = data[_HEADER.size : _HEADER.size + size]
        self._is_amqp = data.endswith(_END)
        if frame_kind == _METHOD:
            return self._read_method(data, channel, payload)
        content = self._open.get(channel)
        if content is None or frame_kind not in (_CONTENT, _BODY):
            return Segment(data)
        if frame_kind == _CONTENT:
            content.missing = struct.unpack_from(">Q", payload, 4)[0]
            content.event.properties = payload[12:]
        else:
            content.missing -= size
            content.event.body += payload
        if content.missing > 0:
            return Segment(data)
        del self._open[channel]
        return Segment(data, completes_event=content.event)

    def _read_method(self, data: bytes, channel: int, payload: bytes) -> Segment:
        kind = self._methods.get((int.from_bytes(payload[:2], "big"), int.from_bytes(payload[2:4], "big")))
        if kind is None:
            return Segment(data)
        event = AmqpEvent(kind, *self._find_message(kind, channel, payload[4:]))
        if kind in ("publish", "deliver"):
            self._open[channel] = _OpenEvent(event)
            return Segment(data, starts_event=event)
        return Segment(data, starts_event=event, completes_event=event)

    def _find_message(self, kind: EventKind, channel: int, arguments: bytes) -> tuple[str, str]:
        """Return exchange and routing key of the message a method refers to; empty if unknown."""
        if kind == "publish":
            exchange, rest = _read_short_string(arguments[2:])
            self._state.published[channel] = exchange, _read_short_string(rest)[0]
            return self._state.published[channel]
        if kind == "confirm":
            return self._state.published.get(channel, ("", ""))
        if kind == "ack":
            return self._state.delivered.get((channel, int.from_bytes(arguments[:8], "big")), ("", ""))
        _tag, rest = _read_short_string(arguments)
        exchange, key = _read_short_string(rest[9:])
        self._state.delivered[channel, int.from_bytes(rest[:8], "big")] = exchange, _read_short_string(key)[0]
        if len(self._state.delivered) > _MAX_DELIVERIES:
            self._state.delivered.popitem(last=False)
        return exchange, _read_short_string(key)[0]


def _read_short_string(data: bytes) -> tuple[str, bytes]:
    """Decode a short string (AMQP 0-9-1, section 4.2.5.3); return it and the remaining bytes."""
    length = data[0] if data else 0
    return data[1 : 1 + length].decode("utf-8", "replace"), data[1 + length :]
