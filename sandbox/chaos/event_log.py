"""What was done to whom and when: lies beside the logs of the programs, to be read together with them."""

import threading
from datetime import UTC, datetime
from pathlib import Path


class Diary:
    """What happened when, in a file beside the programs' logs. Thread-safe.

    Args:
        log: the file.
    """

    def __init__(self, log: Path) -> None:
        self.log = log
        self._guard = threading.Lock()
        log.touch()

    def note(self, what: str) -> None:
        """Write a line, with the time as the programs' logs have it."""
        moment = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        with self._guard, self.log.open("a", encoding="utf-8") as file:
            file.write(f"{moment} NOTE    {what}\n")
