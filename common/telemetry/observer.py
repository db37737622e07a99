"""Who sees what goes over the wire, and counts it. Knows no protocol."""

from typing import Protocol


class RequestObserver(Protocol):
    """Is told of every request. Called on many threads; must keep no address, since some are secrets."""

    def on_request(self, method: str, url: str, status: int, seconds: float, sent: int) -> None:
        """Learn of a request.

        Args:
            method: of it.
            url: of it.
            status: of the answer; 0 when there was none.
            seconds: until the answer began, or the line broke.
            sent: bytes of the body, as far as they were answered.
        """
        ...

    def on_received(self, count: int) -> None:
        """Learn of so many more bytes of answers."""
        ...


class NullObserver:
    """Looks away."""

    def on_request(self, method: str, url: str, status: int, seconds: float, sent: int) -> None:
        """Nothing."""

    def on_received(self, count: int) -> None:
        """Nothing."""
