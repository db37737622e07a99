"""Log of injected faults and guests' actions, in the format of the processes' logs beside it."""

import threading
from datetime import UTC, datetime
from pathlib import Path


class EventLog:
    """Appends timestamped lines to a file. Thread-safe.

    Args:
        log: the file; created if missing.
    """

    def __init__(self, log: Path) -> None:
        self.log = log
        self._guard = threading.Lock()
        log.touch()

    def note(self, what: str) -> None:
        """Append a line with the current UTC time, as in the processes' logs."""
        event = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        with self._guard, self.log.open("a", encoding="utf-8") as file:
            file.write(f"{event} NOTE    {what}\n")
