"""Observer of outgoing requests: the interface by which they are counted."""

from typing import Protocol


class RequestObserver(Protocol):
    """Sees every request of a client. Called on many threads; must keep no URL, since some are secrets."""

    def on_request(self, method: str, url: str, status: int, seconds: float, sent: int) -> None:
        """Called when an answer began, or none came.

        Args:
            method: as HTTP spells it.
            url: absolute.
            status: of the answer; 0 when there was none.
            seconds: until the answer began, or the connection broke.
            sent: bytes of the request's body, if it was answered.
        """
        ...

    def on_received(self, count: int) -> None:
        """Called with the number of bytes whenever some of an answer's body were read."""
        ...


class NullObserver:
    """Observer that does nothing."""

    def on_request(self, method: str, url: str, status: int, seconds: float, sent: int) -> None:
        """Do nothing."""

    def on_received(self, count: int) -> None:
        """Do nothing."""
