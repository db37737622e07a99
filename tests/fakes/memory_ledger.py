"""A ledger in memory: entries in one order, told to all who follow."""

import threading
from collections.abc import Callable

from common.errors import Reason, Transient
from common.messages.ledger import Entry, Record


class MemoryLedger:
    """See `common.messages.ledger_log.Ledger`. Thread-safe.

    Attributes:
        entries: all that was written, in its order.
        followers: told of each entry that counts.
        is_away: whether nothing can be written now.
        forgets_ended: whether the next message of a job that ended begins a new one: tests deliver one job again and
            again.
    """

    def __init__(self, *, forgets_ended: bool = True) -> None:
        self.entries: list[Entry] = []
        self.followers: list[Callable[[Entry, Record], None]] = []
        self.is_away = False
        self.forgets_ended = forgets_ended
        self._records: dict[str, Record] = {}
        self._lock = threading.RLock()

    def append(self, entry: Entry) -> tuple[bool, Record]:
        """Write an entry."""
        if self.is_away:
            raise Transient(Reason.TRY_LATER, "the broker cannot be reached")
        with self._lock:
            record = self._records.setdefault(entry.job_id, Record())
            self.entries.append(Entry.decode(entry.encode())[1])
            counts = record.apply(self.entries[-1], len(self.entries) - 1)
            known = record.copy()
            if known.has_ended and self.forgets_ended:
                self._records.pop(entry.job_id)
        if counts:
            for follow in self.followers:
                follow(entry, known)
        return counts, known

    def find(self, job_id: str) -> Record:
        """Return what is known of a job."""
        with self._lock:
            return self._records.get(job_id, Record()).copy()

    def read(self, offset: int) -> Entry:
        """Return the entry at a place."""
        return self.entries[offset]
