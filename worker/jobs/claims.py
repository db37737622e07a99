"""The claims of one process: which jobs it works on, by the ledger."""

import hashlib
import logging
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

from common.messages.archive_job import ArchiveJob
from common.messages.ledger import FIRST_EDITION, Entry, Kind, Record
from worker.jobs.claim import Claim, ClaimLedger
from worker.transfer.stop import Signals

logger = logging.getLogger(__name__)


class PendingWrites:
    """Counts what this process knows and has not written to the ledger yet; each is a `with` block. Thread-safe."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._count = 0

    def __enter__(self) -> None:
        with self._condition:
            self._count += 1

    def __exit__(self, *_error: object) -> None:
        with self._condition:
            self._count -= 1
            self._condition.notify_all()

    def wait(self, seconds: float) -> None:
        """Wait until there is none, at most so many seconds."""
        with self._condition:
            self._condition.wait_for(lambda: not self._count, max(0.0, seconds))


class Claims:
    """The claims of one process. Thread-safe.

    Args:
        ledger: where they are written down.
        worker: this process's name, for operators.
    """

    def __init__(self, ledger: ClaimLedger, worker: str = "") -> None:
        self._ledger = ledger
        self._worker = worker
        self._lock = threading.Lock()
        self._claims: dict[str, list[Claim]] = {}
        self._pending_writes = PendingWrites()
        # When an entry said that what may be done once only is begun; what was there before has long begun.
        self._began_at: dict[str, float] = {}
        self._following_since = time.monotonic()

    def note_caught_up(self) -> None:
        """Note that from now on every entry comes when it is written."""
        self._following_since = time.monotonic()

    @contextmanager
    def claim_message(self, job: ArchiveJob, returns: int, signals: Signals) -> Iterator[Claim | None]:
        """Claim the job of a message, for the time of the block; None when the message is stale.

        Args:
            job: as it stands in the message.
            returns: how often this very message came back before.
            signals: end the work; they are set when another worker takes the job, or its guest stops it.

        Raises:
            Transient: the ledger cannot be had.
        """
        if not job.edition and not job.is_fresh:
            job = self._bring(job)
        with self._claim(Kind.CLAIMED, job, signals, edition=job.edition, returns=returns) as claim:
            yield claim

    @contextmanager
    def claim_waiting_job(self, job_id: str, signals: Signals, *, overtakes: bool = False) -> Iterator[Claim | None]:
        """Claim a job whose message waits in a queue; None when somebody has it, or it is not to be read here.

        Args:
            job_id: the job.
            signals: as in `claim_message`.
            overtakes: claim it also when a worker without a message works on it: that one may be dead.
        """
        record = self._ledger.find(job_id)
        if not (record.is_idle or (overtakes and record.may_be_taken_up)):
            yield None
            return
        job = self._read_job(record)
        with self._claim(Kind.TAKEN_UP, job, signals, edition=record.newest) as claim:
            yield claim

    def wait_for_writes(self, seconds: float) -> None:
        """Wait until all that only this process knows stands in the ledger, at most so many seconds."""
        self._pending_writes.wait(seconds)

    def on_entry(self, entry: Entry, record: Record) -> None:
        """Update the claims by an entry of the ledger."""
        if entry.kind in (Kind.RENEWING, Kind.TELLING):
            self._began_at[entry.job_id] = time.monotonic()
        elif record.has_ended:
            self._began_at.pop(entry.job_id, None)
        with self._lock:
            held = list(self._claims.get(entry.job_id, ()))
        for claim in held:
            claim.update(record)

    @contextmanager
    def _claim(self, kind: Kind, job: ArchiveJob, signals: Signals, **fields: object) -> Iterator[Claim | None]:
        name = secrets.token_urlsafe(9)
        entry = Entry(job_id=job.id, kind=kind, by=name, worker=self._worker, **fields)  # type: ignore[arg-type]
        counts, record = self._ledger.append(entry)
        if not counts:
            yield None
            return
        logger.info("a worker takes the job", extra={"worker": self._worker, "claim": record.claim_offset})
        if record.newest not in (job.edition, FIRST_EDITION):
            job = self._read_job(record)
        if job.state.skipped < 0 <= record.skipped:
            job = replace(job, state=replace(job.state, skipped=record.skipped))
        claim = Claim(
            self._ledger, job, name, record, signals, self._pending_writes, partial(self._find_begun_at, job.id)
        )
        with self._lock:
            self._claims.setdefault(job.id, []).append(claim)
        try:
            # What came between the claim and its place here.
            claim.update(self._ledger.find(job.id))
            yield claim
        finally:
            with self._lock:
                self._claims[job.id].remove(claim)
                if not self._claims[job.id]:
                    del self._claims[job.id]

    def _find_begun_at(self, job_id: str) -> float:
        return self._began_at.get(job_id, self._following_since)

    def _bring(self, job: ArchiveJob) -> ArchiveJob:
        """Return a job that went on by a worker of the version before, under an edition that its message tells."""
        edition = hashlib.sha256(job.encode()).hexdigest()[:16]
        job = replace(job, edition=edition)
        self._ledger.append(Entry(job_id=job.id, kind=Kind.BROUGHT, edition=edition, body=job.encode().decode()))
        return job

    def _read_job(self, record: Record) -> ArchiveJob:
        return ArchiveJob.decode(self._ledger.read(record.body_offset).body.encode())
