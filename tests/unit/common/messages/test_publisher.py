"""Publishing to brokers that are not there, hang up, talk nonsense or never answer. A real one: tests/integration."""

import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from common.crypto.sealing import Secret
from common.errors import Reason, Transient
from common.messages import publisher
from common.messages.publisher import AT_ONCE, Publisher, connection_parameters

PASSWORD = "hunter2"

Serve = Callable[[socket.socket], None]


class Broker:
    """Something that listens where a broker should.

    Attributes:
        url: its address.
        accepted: connections so far.
    """

    def __init__(self, serve: Serve) -> None:
        self.accepted = 0
        self._serve = serve
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self.url = Secret(f"amqp://guest:{PASSWORD}@127.0.0.1:{self._listener.getsockname()[1]}/")
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Hang up on everybody."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)
        for connection in self._open:
            connection.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.accepted += 1
            self._open.append(connection)
            with suppress(OSError):
                self._serve(connection)


@pytest.fixture
def listen() -> Iterator[Callable[[Serve], Broker]]:
    """Start something that listens."""
    brokers: list[Broker] = []

    def start(serve: Serve) -> Broker:
        brokers.append(Broker(serve))
        return brokers[-1]

    yield start
    for broker in brokers:
        broker.close()


def hang_up(connection: socket.socket) -> None:
    """Close at once."""
    connection.close()


def talk_nonsense(connection: socket.socket) -> None:
    """Speak another protocol."""
    connection.recv(64)
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    connection.close()


def ask_for_another_version(connection: socket.socket) -> None:
    """Refuse as RabbitMQ refuses clients of another protocol version."""
    connection.recv(64)
    connection.sendall(b"AMQP\x00\x00\x09\x01")
    connection.close()


def keep_silent(_connection: socket.socket) -> None:
    """Take the connection and say nothing."""


def check_unpublished(url: Secret) -> Transient:
    """Publish and check; both fail in our words, which never tell the password."""
    sender = Publisher(url, "a test")
    with pytest.raises(Transient) as unpublished:
        sender.publish("exchange", "key", b"{}", message_id="1")
    with pytest.raises(Transient) as unreachable:
        sender.check()
    sender.close()
    for raised in (unpublished, unreachable):
        assert raised.value.reason == Reason.TRY_LATER
        assert PASSWORD not in f"{raised.value!r} {raised.value}"
    return unpublished.value


def test_no_broker_is_transient() -> None:
    """A refused connection, and a name nobody knows."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    check_unpublished(Secret(f"amqp://guest:{PASSWORD}@127.0.0.1:{port}/"))
    check_unpublished(Secret(f"amqp://guest:{PASSWORD}@nobody.invalid/"))


@pytest.mark.parametrize("serve", [hang_up, talk_nonsense, ask_for_another_version])
def test_a_broker_that_is_none_is_transient(listen: Callable[[Serve], Broker], serve: Serve) -> None:
    """Whoever listens there."""
    check_unpublished(listen(serve).url)


def test_a_silent_broker_costs_a_bounded_wait(
    listen: Callable[[Serve], Broker], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who asked is told; what was not begun by then is never published behind their back."""
    monkeypatch.setattr(publisher, "WAIT_SECONDS", 0.1)
    broker = listen(keep_silent)
    sender = Publisher(broker.url, "a test")

    def publish(number: int) -> Transient:
        with pytest.raises(Transient, match="does not answer") as raised:
            sender.publish("exchange", "key", b"{}", message_id=str(number))
        return raised.value

    with ThreadPoolExecutor(3 * AT_ONCE) as guests:
        assert len(list(guests.map(publish, range(3 * AT_ONCE)))) == 3 * AT_ONCE
    assert broker.accepted <= AT_ONCE
    sender.close()
    broker.close()


def test_what_was_closed_publishes_nothing() -> None:
    """That is a bug, and loud."""
    sender = Publisher(Secret("amqp://localhost/"), "a test")
    sender.close()
    with pytest.raises(RuntimeError):
        sender.publish("exchange", "key", b"{}", message_id="1")


def test_a_connection_is_bounded_and_named() -> None:
    """Whatever the URL leaves open: no endless waits, and operators see whose it is."""
    parameters = connection_parameters(Secret("amqp://guest:x@broker:5673/vhost"), "the worker", heartbeat=20)
    assert (parameters.host, parameters.port, parameters.virtual_host) == ("broker", 5673, "vhost")
    assert (parameters.heartbeat, parameters.blocked_connection_timeout) == (20, 30)
    assert (parameters.socket_timeout, parameters.stack_timeout, parameters.connection_attempts) == (5, 10, 1)
    assert parameters.client_properties == {"connection_name": "the worker"}
