"""The ledger's rules: what is known of a job, folded from a log that all workers see in one order.

A job stands in the queue as one message, but publishing and acknowledging can never be one step: there may be copies
of it, old ones and new ones, in queues and in hands. The ledger says which of them counts. Each message bears an
edition; a worker that takes one claims it here, by a random name of its own, and reads the log up to its claim. The
order in the log decides, never a clock: whoever reads the same entries knows the same.

docs/decisions/ledger.md tells why.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Annotated, Self

from common.messages.codec import DecodeError, decode_object, encode_object, exactly, read_fields, write_fields

VERSION = 1
# The edition of a job's first message, which `web` writes before anybody worked on it.
FIRST_EDITION = ""
# The job of an entry that is about none: whoever reads it back has read all that came before it.
NOBODY = "-"


class Kind(StrEnum):
    """What an entry says."""

    CLAIMED = "claimed"  # whoever has a message with this edition works on the job, under this name
    TAKEN_UP = "taken_up"  # so does this one, without a message, as long as nobody has claimed it
    WENT_ON = "went_on"  # its slice is over: the next message is this one, under a new edition
    BROUGHT = "brought"  # a worker of the version before wrote this message, and nothing here
    PUT_DOWN = "put_down"  # nobody works on it: its message lies among the dead, until somebody puts it back to work
    QUEUED = "queued"  # the broker has confirmed that message
    LOOKED = "looked"  # so many photos stood in the cloud before anybody copied any
    STOPPED = "stopped"  # the guest wants no more of it
    RENEWING = "renewing"  # whoever claimed it is about to have the cloud replace the guest's permission
    GRANTED = "granted"  # the cloud replaced the guest's permission by this one
    TELLING = "telling"  # the gallery is about to be told of this count
    TOLD = "told"  # it has taken it
    ENDED = "ended"  # nothing is left to do


class NotAnEntry(ValueError):
    """The bytes are no entry we understand, or another version's."""


_Text = Annotated[str, exactly(str)]
_Integer = Annotated[int, exactly(int)]


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One entry of the log.

    Args:
        job_id: of what it speaks.
        kind: what it says.
        by: the name under which a worker claimed the job; empty when `web` speaks.
        edition: the one claimed, the next message's, or the one that is queued.
        returns: how often the claimed message came back before; of one message, whoever got it last is meant.
        body: the next message, when it went on; how the job ended, when it is told or has ended.
        grant: sealed for its job, when it was replaced.
        failed_photos: the count that the gallery is told.
        skipped: how many photos stood in the cloud before.
        worker: the process that claims it, as operators know it; only for them.
        wait: how long the next message waits before it comes back, in seconds; only for operators.
    """

    job_id: Annotated[str, str]
    kind: Annotated[Kind, Kind]
    by: _Text = ""
    edition: _Text = FIRST_EDITION
    returns: _Integer = 0
    body: _Text = ""
    grant: _Text = ""
    failed_photos: _Integer = 0
    skipped: _Integer = 0
    worker: _Text = ""
    wait: _Integer = 0

    def encode(self, key: str = "") -> bytes:
        """Return the wire form: what is as it is by default is left out.

        Args:
            key: names this very entry, so that who wrote it knows it again.
        """
        return encode_object(VERSION, {"key": key, **write_fields(self, omit_defaults=True)})

    @classmethod
    def decode(cls, body: bytes) -> tuple[str, Self]:
        """Read the wire form; return its key and the entry.

        Raises:
            NotAnEntry: it is none.
        """
        try:
            values = decode_object(body, VERSION)
            return str(values.get("key", "")), read_fields(cls, values)
        except DecodeError as error:
            raise NotAnEntry(str(error)) from None


@dataclass
class Record:
    """What the log says of one job so far.

    Args:
        editions: of the messages that may bring the job: the newest whose message is known to be in a queue, the one
            that was claimed, and those that were written since. A message with any other edition is a leftover.
        brought: those of them that workers of the version before wrote, ever.
        newest: the one of them that was written last.
        holder: the name of whoever claimed it last.
        claim_offset: the offset of that claim; claims are ordered by it.
        claimed_message: the edition of the claimed message, and how often that had come back.
        is_claimed: whether the newest message was claimed.
        is_taken_up: whether whoever holds it has no message.
        is_contested: whether it was claimed more than once: whoever had it before may be at work still.
        body_offset: the offset of the entry that holds the newest message; -1 for a job's first one.
        end_offset: the offset of the entry that says how the job ended; -1 before it.
        skipped: how many photos stood in the cloud before the job; -1 before the first look.
        is_stopped: whether its guest wants no more of it.
        grant: the newest one, sealed; empty for the one in the message.
        renewers: the names of those who were about to have it replaced, since then.
        failed_photos: what the gallery is told, whoever tells it; None before anybody did.
        teller: the name of whoever is telling it now, if anybody is.
        is_told: whether the gallery has taken it.
        has_ended: whether nothing is left to do.
    """

    editions: set[str] = field(default_factory=lambda: {FIRST_EDITION})
    brought: set[str] = field(default_factory=set)
    newest: str = FIRST_EDITION
    holder: str = ""
    claim_offset: int = -1
    claimed_message: tuple[str, int] = (FIRST_EDITION, -1)
    is_claimed: bool = False
    is_taken_up: bool = False
    is_contested: bool = False
    body_offset: int = -1
    end_offset: int = -1
    skipped: int = -1
    is_stopped: bool = False
    grant: str = ""
    renewers: tuple[str, ...] = ()
    failed_photos: int | None = None
    teller: str = ""
    is_told: bool = False
    has_ended: bool = False

    @property
    def may_have_others(self) -> bool:
        """Whether a worker had the claimed message before: it may only be frozen, or have lost its connection."""
        return self.is_contested or self.claimed_message[1] > 0

    @property
    def is_idle(self) -> bool:
        """Whether its message lies in a queue, not in flight, and can be read in the log."""
        return not self.is_claimed and self.may_be_taken_up

    @property
    def may_be_taken_up(self) -> bool:
        """Whether its message lies in a queue and can be read in the log, also while somebody works on it without."""
        return (not self.is_claimed or self.is_taken_up) and not self.has_ended and self.body_offset >= 0

    def apply(self, entry: Entry, offset: int) -> bool:
        """Apply one more entry, and say whether it counts; entries must be taken in the log's order, each once.

        Args:
            entry: of this job.
            offset: its place in the log.
        """
        return not self.has_ended and _RULES[entry.kind](self, entry, offset)

    def copy(self) -> "Record":
        """Return it as it stands now."""
        return replace(self, editions=set(self.editions), brought=set(self.brought))

    def _claim(self, entry: Entry, offset: int) -> bool:
        if entry.edition not in self.editions:
            return False
        # A claim may reach the log late, when its worker is dead and another one has the very message: that one would
        # give way to nobody. Of two messages, the one claimed last is meant: the other's worker acknowledges its own.
        edition, returns = self.claimed_message
        if self.is_claimed and entry.edition == edition and entry.returns < returns:
            return False
        self.is_contested, self.is_taken_up = self.is_claimed, entry.kind is Kind.TAKEN_UP
        self.holder, self.claim_offset, self.is_claimed = entry.by, offset, True
        self.claimed_message = entry.edition, entry.returns
        return True

    def _take_up(self, entry: Entry, offset: int) -> bool:
        # Its message lies in a queue, and stays the one that brings the job back if this worker dies. Whoever has a
        # message must never give way to one without, or nobody would have any. Of two without, the later one is meant:
        # the other may be dead.
        may_claim = not self.is_claimed or self.is_taken_up
        return may_claim and entry.edition == self.newest and self._claim(entry, offset)

    def _go_on(self, entry: Entry, offset: int) -> bool:
        # Whoever was overtaken writes nothing that counts.
        if entry.by != self.holder:
            return False
        self.editions.add(entry.edition)
        self.newest, self.body_offset, self.is_claimed, self.holder, self.teller = entry.edition, offset, False, "", ""
        return True

    def _bring(self, entry: Entry, offset: int) -> bool:
        # While two versions run side by side this one counts as well; the same message brought again changes nothing.
        if entry.edition not in self.brought:
            self.brought.add(entry.edition)
            self.editions.add(entry.edition)
            self.newest, self.body_offset, self.is_claimed, self.holder = entry.edition, offset, False, ""
        return True

    def _put_down(self, entry: Entry, _offset: int) -> bool:
        if entry.by and entry.by != self.holder:
            return False
        # Whoever brings the message back brings a copy, which never came back before. Nobody takes it up without one.
        self.claimed_message = self.claimed_message[0], -1
        return True

    def _queue(self, entry: Entry, _offset: int) -> bool:
        if entry.edition != self.newest:
            return False
        # Where a copy of an older message was claimed since, whoever had the newest has acknowledged that.
        claimed = {self.claimed_message[0]} if self.is_claimed else set()
        self.editions = {entry.edition} | claimed
        return True

    def _look(self, entry: Entry, _offset: int) -> bool:
        # The first look is the one: whoever looks later sees what this very job has brought.
        if self.skipped >= 0:
            return False
        self.skipped = entry.skipped
        return True

    def _stop(self, _entry: Entry, _offset: int) -> bool:
        self.is_stopped = True
        return True

    def _renew(self, entry: Entry, _offset: int) -> bool:
        # A token may be good for one use: whoever was overtaken must not spend it.
        if entry.by != self.holder:
            return False
        self.renewers = tuple(dict.fromkeys((*self.renewers, entry.by)))
        return True

    def _grant(self, entry: Entry, _offset: int) -> bool:
        # From whomever: the cloud has made all others worthless.
        self.grant, self.renewers = entry.grant, ()
        return True

    def _tell(self, entry: Entry, offset: int) -> bool:
        if entry.by != self.holder:
            return False
        # The first count that may have arrived is the only one.
        if self.failed_photos is None:
            self.failed_photos, self.end_offset = entry.failed_photos, offset
        self.teller = entry.by
        return True

    def _note_told(self, _entry: Entry, _offset: int) -> bool:
        # From whomever: the gallery has it.
        self.is_told = self.failed_photos is not None
        return self.is_told

    def _end(self, entry: Entry, offset: int) -> bool:
        if entry.by != self.holder:
            return False
        self.has_ended = True
        if self.end_offset < 0 and entry.body:
            self.end_offset = offset
        return True


_RULES = {
    Kind.CLAIMED: Record._claim,
    Kind.TAKEN_UP: Record._take_up,
    Kind.WENT_ON: Record._go_on,
    Kind.BROUGHT: Record._bring,
    Kind.PUT_DOWN: Record._put_down,
    Kind.QUEUED: Record._queue,
    Kind.LOOKED: Record._look,
    Kind.STOPPED: Record._stop,
    Kind.RENEWING: Record._renew,
    Kind.GRANTED: Record._grant,
    Kind.TELLING: Record._tell,
    Kind.TOLD: Record._note_told,
    Kind.ENDED: Record._end,
}


def fold(entries: Mapping[int, Entry]) -> Record:
    """Return what entries of one job say together, given by their offsets."""
    record = Record()
    for offset in sorted(entries):
        record.apply(entries[offset], offset)
    return record
