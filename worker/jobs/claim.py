"""A claim of one job in the ledger, and what may be written under it."""

import logging
import secrets
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from typing import Protocol

from common.errors import Transient
from common.messages.archive_job import ArchiveJob
from common.messages.ledger import Entry, Kind, Record
from worker.transfer.stop import Cause, Signals, Stop

logger = logging.getLogger(__name__)

# Seconds between two tries to write what must stand before the work may go on.
RETRY_SECONDS = 2.0
# Seconds between two looks at what another worker writes.
POLL_SECONDS = 0.1
# How long whoever had a job before may take to write down what came of a call that was under way, in seconds: a gallery
# may be slow to answer, and a broker that was away must be found again.
HANDOVER_SECONDS = 15.0


class Overtaken(Exception):
    """Another worker has claimed the job: what is written under this claim does not count."""


class ClaimLedger(Protocol):
    """The log, like `common.messages.ledger_log.Ledger`. Everything may raise Transient."""

    def append(self, entry: Entry) -> tuple[bool, Record]:
        """Write an entry; return whether it counts, and what is known of its job with it."""
        ...

    def find(self, job_id: str) -> Record:
        """Return what is known of a job."""
        ...

    def read(self, offset: int) -> Entry:
        """Return the entry at a place."""
        ...


class Claim:
    """One worker's claim of one job. Used by one thread, but for what says otherwise.

    Args:
        ledger: where it stands.
        job: as its newest message has it.
        name: of this claim, unique.
        record: what was known of the job when it was claimed.
        signals: end the work.
        pending_write: entered before a question is asked whose answer must not be lost, left when it is written.
        begun_at: returns when an entry last said that what may be done once only is begun, monotonic seconds.
    """

    def __init__(
        self,
        ledger: ClaimLedger,
        job: ArchiveJob,
        name: str,
        record: Record,
        signals: Signals,
        pending_write: AbstractContextManager[object],
        begun_at: Callable[[], float],
    ) -> None:
        self._ledger = ledger
        self.pending_write = pending_write
        self._begun_at = begun_at
        self._name = name
        self._signals = signals
        self.job = job
        self.record = record

    @property
    def offset(self) -> int:
        """Where it stands in the log: of two claims of a job the later one has the higher number."""
        return self.record.claim_offset

    @property
    def is_overtaken(self) -> bool:
        """Whether another worker is known to have the job. Thread-safe."""
        return self.record.holder not in (self._name, "")

    def update(self, record: Record) -> None:
        """Take what is known of the job by now, and end the work when it is not wanted here any more. Thread-safe."""
        self.record = record
        if self.is_overtaken and not record.has_ended:
            self._signals.stop(Cause.TAKEN_OVER)
        # What is done after the gallery was told copies nothing.
        if record.is_stopped and not record.is_told:
            self._signals.stop(Cause.CANCELLED)

    def continue_as(self, job: ArchiveJob, publish: Callable[[ArchiveJob], None], wait: int = 0) -> None:
        """Publish the job's next message, which is the only one that counts from then on.

        Args:
            job: as its next slice needs it.
            publish: puts it into a queue.
            wait: how long it lies there before it comes back, in seconds.

        Raises:
            Overtaken: nothing was published.
            Transient: it may or may not be published; the message in flight must come back.
        """
        following = replace(job, edition=secrets.token_urlsafe(9))
        self._append(Kind.WENT_ON, edition=following.edition, body=following.encode().decode(), wait=wait)
        publish(following)
        self._ledger.append(self._entry(Kind.QUEUED, edition=following.edition))

    def settle_first_look(self, found: int) -> int:
        """Write down how many photos stand in the cloud before this worker copies any; returns when it stands.

        Another worker may have looked before, and copied some of them: what is told must not depend on who tells it.

        Args:
            found: the count of this worker's look.

        Returns:
            how many stood there before the job, as whoever looked first wrote it down.

        Raises:
            Interrupted: the work is to end.
        """
        while True:
            try:
                self.record = self._ledger.append(self._entry(Kind.LOOKED, skipped=found))[1]
            except Transient as error:
                logger.debug("the first look is not written down yet: %s", error.detail)
                self._signals.wind_down.sleep(RETRY_SECONDS)
            else:
                return self.record.skipped

    def begin_telling(self, failed_photos: int, end: bytes) -> int:
        """Write down what the gallery is about to be told, and return what it is: the first count that was written.

        Args:
            failed_photos: the count of this slice.
            end: how the job ended, as everybody who watches it is told.

        Raises:
            Overtaken: nothing may be told.
        """
        if self.record.teller not in ("", self._name):
            # Their call may be under way, or was taken a moment ago.
            self._wait_for_previous(lambda: self.record.is_told)
        record = self._append(Kind.TELLING, failed_photos=failed_photos, body=end.decode())
        assert record.failed_photos is not None, "a count that counts is known"
        return record.failed_photos

    def note_told(self) -> None:
        """Write down that the gallery has taken it; returns when it stands, whoever has the job by then.

        Whoever takes the job without knowing it tells the gallery once more. Nothing but the end of the process ends
        this.
        """
        self._append_until_written(Kind.TOLD)

    def end(self, end: bytes = b"") -> None:
        """Write down that nothing is left to do; raises Overtaken."""
        self._append(Kind.ENDED, body=end.decode())

    def abandon(self) -> None:
        """Write down that this worker does not work on it any more, as far as that can be done now."""
        with suppress(Transient):
            self._ledger.append(self._entry(Kind.PUT_DOWN))

    def read_end(self) -> bytes:
        """Return how the job ended, as it was written down; empty when it was not."""
        return self._ledger.read(self.record.end_offset).body.encode() if self.record.end_offset >= 0 else b""

    def replace_grant(self, sealed: str) -> None:
        """Write down a grant that replaced the one in the message, before anybody uses it; returns when it stands.

        However long the broker is away, and whoever wants the work to stop: the grant in hand is the only one that is
        worth something. Nothing but the end of the process ends this.
        """
        self._append_until_written(Kind.GRANTED, grant=sealed)

    def begin_renewing(self, is_renewed: Callable[[], bool], check: Callable[[], None]) -> bool:
        """Write down that the cloud is about to be asked for another grant, unless another worker does so.

        Without the ledger the cloud is not asked: the answer would stand nowhere.

        Args:
            is_renewed: whether there is another grant in the ledger by now.
            check: raises Interrupted when it is not worth waiting any more.

        Returns:
            whether to ask; false when another grant has come meanwhile.

        Raises:
            Overtaken: another worker has the job, and needs what would be spent here.
            Interrupted: as `check` does.
        """
        if set(self._ledger.find(self.job.id).renewers) - {self._name}:
            self._wait_for_previous(is_renewed, check)
            if is_renewed():
                return False
        while True:
            check()
            try:
                self._append(Kind.RENEWING)
            except Transient as error:
                logger.warning("a grant is not renewed yet: %s", error.detail)
                Stop().sleep(POLL_SECONDS)
            else:
                return True

    def find_grant(self) -> str:
        """Return the newest grant that was written down, sealed; empty for the one in the message."""
        return self._ledger.find(self.job.id).grant

    def _wait_for_previous(self, is_there: Callable[[], bool], check: Callable[[], None] = lambda: None) -> None:
        """Wait a while for what whoever had the job before may be about to write down.

        Before anything is written here: who waits has done nothing, and no other worker has to wait for that.

        Args:
            is_there: whether it stands in the ledger.
            check: raises Interrupted when it is not worth waiting any more.
        """
        until = self._begun_at() + HANDOVER_SECONDS
        while not is_there() and time.monotonic() < until:
            check()
            Stop().sleep(POLL_SECONDS)

    def _append_until_written(self, kind: Kind, **fields: object) -> None:
        """Append an entry that counts from any worker, until it stands."""
        while True:
            try:
                self.record = self._ledger.append(self._entry(kind, **fields))[1]
            except Transient as error:
                logger.warning("the ledger does not say yet: %s: %s", kind, error.detail)
                Stop().sleep(RETRY_SECONDS)
            else:
                return

    def _append(self, kind: Kind, **fields: object) -> Record:
        counts, record = self._ledger.append(self._entry(kind, **fields))
        self.record = record
        if not counts:
            raise Overtaken
        return record

    def _entry(self, kind: Kind, **fields: object) -> Entry:
        return Entry(job_id=self.job.id, kind=kind, by=self._name, **fields)  # type: ignore[arg-type]
