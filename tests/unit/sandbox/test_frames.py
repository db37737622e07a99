"""What passes on a connection to a broker, read just enough to know what it is about."""

import struct

import pika
from hypothesis import given
from hypothesis import strategies as st
from pika import frame, spec

from sandbox.run.frames import AmqpEvent, ConnectionState, FrameParser

PROPERTIES = pika.BasicProperties(message_id="j1", delivery_mode=2, headers={"a": 1})


def publish(body: bytes, key: str = "job", channel: int = 1, size: int = 100) -> bytes:
    """Return what a client sends to publish a message."""
    method = frame.Method(channel, spec.Basic.Publish(exchange="cloud_archive", routing_key=key)).marshal()
    return method + content(body, channel, size)


def deliver(tag: int, body: bytes, key: str = "job") -> bytes:
    """Return what a server sends to deliver a message."""
    said = spec.Basic.Deliver("ctag", tag, redelivered=True, exchange="cloud_archive", routing_key=key)
    return frame.Method(1, said).marshal() + content(body, 1, 100)


def content(body: bytes, channel: int, size: int) -> bytes:
    """Return a message's properties and body as frames."""
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    bodies = b"".join(frame.Body(channel, piece).marshal() for piece in pieces)
    return frame.Header(channel, len(body), PROPERTIES).marshal() + bodies


def read(frames: FrameParser, stream: bytes, piece: int = 1 << 20) -> tuple[bytes, list[tuple[str, AmqpEvent]]]:
    """Feed a stream in pieces; return what passed, and the moments that began and ended."""
    parts = [part for at in range(0, len(stream), piece) for part in frames.feed(stream[at : at + piece])]
    events = [
        (word, event)
        for part in parts
        for word, event in (("begins", part.starts_event), ("ends", part.completes_event))
        if event is not None
    ]
    return b"".join(part.data for part in parts), events


@given(st.binary(max_size=500), st.integers(1, 300))
def test_a_publish_is_read_whole_however_it_is_cut(body, piece):
    """It begins with its method, ends with its last byte, and holds the message; nothing is changed on its way."""
    stream = b"AMQP\0\0\x09\x01" + frame.Heartbeat().marshal() + publish(body)
    passed, events = read(FrameParser(ConnectionState(), from_client=True), stream, piece)
    assert passed == stream
    assert [word for word, _ in events] == ["begins", "ends"]
    event = events[1][1]
    assert (event.kind, event.exchange, event.key, event.body) == ("publish", "cloud_archive", "job", body)
    properties = pika.BasicProperties()
    properties.decode(event.properties)
    assert properties == PROPERTIES


def test_nothing_of_a_publish_passes_before_it_begins():
    """Whoever is told of the beginning can still keep all of it back."""
    frames = FrameParser(ConnectionState(), from_client=True)
    parts = frames.feed(frame.Heartbeat().marshal() + publish(b"body"))
    assert [part.starts_event is not None for part in parts] == [False, True, False, False]
    assert [part.completes_event is not None for part in parts] == [False, False, False, True]


def test_a_confirm_names_what_was_published_last_on_its_channel():
    """A confirm itself has a number only."""
    state = ConnectionState()
    read(
        FrameParser(state, from_client=True), publish(b"1", "waiting.1", channel=1) + publish(b"2", "event", channel=2)
    )
    confirms = frame.Method(1, spec.Basic.Ack(1)).marshal() + frame.Method(2, spec.Basic.Nack(1)).marshal()
    _, events = read(FrameParser(state, from_client=False), confirms)
    assert [(event.kind, event.key) for word, event in events if word == "ends"] == [
        ("confirm", "waiting.1"),
        ("confirm", "event"),
    ]


def test_an_acknowledgement_names_what_was_delivered_under_its_tag():
    """An acknowledgement has a number only, too; giving back is one as well."""
    state = ConnectionState()
    _, delivered = read(FrameParser(state, from_client=False), deliver(7, b"seven") + deliver(8, b"eight", "ledger"))
    assert [(word, event.kind, event.key) for word, event in delivered] == [
        (word, "deliver", key) for key in ("job", "ledger") for word in ("begins", "ends")
    ]
    settled = frame.Method(1, spec.Basic.Ack(8)).marshal() + frame.Method(1, spec.Basic.Nack(7)).marshal()
    _, events = read(FrameParser(state, from_client=True), settled)
    assert [(event.kind, event.key) for word, event in events if word == "begins"] == [
        ("ack", "ledger"),
        ("ack", "job"),
    ]


def test_two_channels_may_take_turns():
    """The frames of two messages on two channels may be mixed."""
    one, two = publish(b"a" * 150, "job", 1), publish(b"b", "event", 2)
    cut = len(frame.Method(1, spec.Basic.Publish(exchange="cloud_archive", routing_key="job")).marshal())
    stream = one[:cut] + two + one[cut:]
    passed, events = read(FrameParser(ConnectionState(), from_client=True), stream)
    assert passed == stream
    assert [(word, event.key) for word, event in events] == [
        ("begins", "job"),
        ("begins", "event"),
        ("ends", "event"),
        ("ends", "job"),
    ]


@given(st.binary(max_size=300), st.integers(1, 50))
def test_what_is_no_amqp_passes_as_it_came(stream, piece):
    """Nothing is lost or changed, at most the beginning of something larger is kept back; no moment is made up."""
    frames = FrameParser(ConnectionState(), from_client=True)
    passed, _ = read(frames, stream, piece)
    assert stream.startswith(passed)


def test_a_frame_of_impossible_size_is_none():
    """It is passed on at once, not waited for."""
    stream = struct.pack(">BHI", 1, 1, 1 << 30) + b"rest"
    assert read(FrameParser(ConnectionState(), from_client=True), stream)[0] == stream
