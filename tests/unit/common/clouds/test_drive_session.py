"""One photo on its way into Drive: each case of the protocol's strict-server list, one by one; without a wire."""

import hashlib
import random
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from common.clouds.photos import Photo, StoredPhoto
from common.errors import ArchiveError, GrantRevoked, JobStopped, Reason, SessionLost, StorageFull, Throttled, Transient
from sandbox.http.message import Reply
from tests.fakes.guests_drive import GuestsDrive

UNIT = 256 * 1024
DATA = random.Random(3).randbytes(2 * UNIT + 1000)


class Stream:
    """A photo in memory.

    Attributes:
        fails: raised instead of the block at that offset, once.
    """

    def __init__(self, data: bytes) -> None:
        self.digest: str | None = None
        self.fails: dict[int, Exception] = {}
        self._data = data

    def blocks(self, start: int, end: int) -> Iterator[memoryview]:
        """Yield in blocks."""
        if start == end and start in self.fails:
            raise self.fails.pop(start)
        for at in range(start, end, UNIT):
            if at in self.fails:
                raise self.fails.pop(at)
            if min(at + UNIT, end) == len(self._data):
                self.digest = hashlib.md5(self._data).hexdigest()
            yield memoryview(self._data)[at : min(at + UNIT, end)]
        if not self._data:
            self.digest = hashlib.md5().hexdigest()

    def close(self) -> None:
        """Nothing is open."""


class Copy:
    """A session in a Drive of its own, and the stream it takes from."""

    def __init__(self, data: bytes = DATA, *, chunk: int = UNIT) -> None:
        self.guests = GuestsDrive(chunk=chunk)
        self.photo = Photo("1", (), "a.jpg", "https://h/p", len(data), zlib.crc32(data))
        self.data = data
        self.stream = Stream(data)
        self.session = self.guests.begin(self.photo)

    def advance(self) -> None:
        """Go one step."""
        self.session.advance(self.stream)

    def finish(self) -> None:
        """Go on until it is in, and look whether it is."""
        for _ in range(10):
            if self.session.stored:
                break
            self.advance()
        self.check()

    def check(self) -> None:
        """Exactly this photo is there, once, and nothing forbidden was done."""
        (item,) = self.guests.account.files()
        assert self.session.stored == StoredPhoto(
            "1", item.id, len(self.data), self.photo.crc32, item.parent, made_here=True
        )
        assert self.guests.contents() == [self.data]
        assert self.guests.violations == []

    def puts(self) -> list[str]:
        """Return the Content-Range of every PUT; "-" without one."""
        return [headers.get("Content-Range", "-") for method, _, headers in self.guests.http.sent if method == "PUT"]


@pytest.mark.parametrize("size", [1, UNIT - 1, UNIT, UNIT + 1, 2 * UNIT, 2 * UNIT + 1000])
@pytest.mark.parametrize("chunk", [UNIT, 2 * UNIT, 16 * UNIT])
def test_a_photo_of_any_size(size: int, chunk: int) -> None:
    """As many requests as there are chunks, none of them empty."""
    copy = Copy(DATA[:size], chunk=chunk)
    copy.finish()
    ends = [*range(chunk, size, chunk), size]
    starts = [0, *ends[:-1]]
    assert copy.puts() == [f"bytes {start}-{end - 1}/{size}" for start, end in zip(starts, ends, strict=True)]


def test_a_photo_of_nothing() -> None:
    """One request without a range; there is no range of nothing."""
    copy = Copy(b"")
    copy.finish()
    assert copy.puts() == ["-"]
    (item,) = copy.guests.account.files()
    assert item.md5 == "d41d8cd98f00b204e9800998ecf8427e"


def test_a_photo_of_nothing_may_break_as_well() -> None:
    """It is looked for by its id, and sent again: a question about a session of nothing would make a file."""
    copy = Copy(b"")
    copy.guests.break_it("upload", "drop_before")
    with pytest.raises(Transient):
        copy.advance()
    copy.finish()
    assert copy.puts() == ["-", "-"]


def test_a_reply_about_nothing_that_is_lost_is_looked_for() -> None:
    """The file is there: it is found by its id, and nothing is sent or asked again."""
    copy = Copy(b"")
    copy.guests.break_it("upload", "drop_after")
    with pytest.raises(Transient):
        copy.advance()
    copy.finish()
    assert (copy.puts(), copy.guests.methods()[-1]) == (["-"], "GET")


@pytest.mark.parametrize("error", [Transient(Reason.PHOTO_UNAVAILABLE), SessionLost(Reason.WRONG_BYTES)])
def test_nothing_is_made_of_a_photo_that_is_not_proved_empty(error: ArchiveError) -> None:
    """Listed as nothing, and there are bytes or no photo: no request ever makes a file, the last one included."""
    copy = Copy(b"")
    for _ in range(3):
        copy.stream.fails[0] = error
        with pytest.raises(type(error)):
            copy.advance()
    copy.session.abandon()
    assert (copy.puts(), copy.guests.ever) == ([], [])


def test_a_session_of_worthless_bytes_is_never_asked() -> None:
    """The source changed: where every byte is there, the question alone would make a file of them."""
    copy = Copy(DATA[: 2 * UNIT])
    copy.advance()
    copy.stream.fails[UNIT] = SessionLost(Reason.WRONG_BYTES)
    for _ in range(2):
        with pytest.raises(SessionLost):
            copy.advance()
    sent = len(copy.puts())
    with pytest.raises(SessionLost):
        copy.advance()
    assert (len(copy.puts()), copy.guests.ever) == (sent, [])


def test_a_file_without_a_checksum_is_no_wrong_one() -> None:
    """Nobody told: it is asked for again, and not removed."""
    copy = Copy(DATA[:1000])
    copy.guests.break_it("upload", "drop_fields")
    copy.guests.break_it("files_get", "drop_fields")
    with pytest.raises(Transient):
        copy.advance()
    copy.finish()
    assert "DELETE" not in copy.guests.methods()


def test_no_token_goes_where_none_is_needed() -> None:
    """The address is the credential."""
    copy = Copy()
    copy.finish()
    assert not [
        headers for method, _, headers in copy.guests.http.sent if method == "PUT" and "Authorization" in headers
    ]


def test_where_drive_asks_for_a_token_it_gets_one() -> None:
    """Never with an empty body under the same range: it is asked first where the upload stands."""
    copy = Copy()
    copy.guests.break_it("upload", "status", status=401)
    with pytest.raises(Transient):
        copy.advance()
    copy.finish()
    assert copy.puts()[:3] == [
        f"bytes 0-{UNIT - 1}/{len(DATA)}",
        f"bytes */{len(DATA)}",
        f"bytes 0-{UNIT - 1}/{len(DATA)}",
    ]
    with_token = [
        headers for method, _, headers in copy.guests.http.sent if method == "PUT" and "Authorization" in headers
    ]
    assert len(with_token) == len(copy.puts()) - 1


def test_a_token_that_ends_under_an_upload_is_renewed() -> None:
    """The second time it is asked for, another one is sent."""
    copy = Copy()
    copy.guests.break_it("upload", "expire_token")
    for _ in range(2):
        with pytest.raises(Transient):
            copy.advance()
    copy.finish()
    assert copy.guests._tokens.refreshes == 1


@pytest.mark.parametrize(
    "fault",
    [
        {"does": "drop_before"},
        {"does": "drop_midway", "bytes": 100},
        {"does": "drop_after"},
        {"does": "status", "status": 500},
        {"does": "status", "status": 503, "html": True},
        {"does": "status", "status": 503, "early": True},
        {"does": "status", "status": 408},
        {"does": "status", "status": 429},
        {"does": "throttle"},
        {"does": "html"},
        {"does": "redirect"},
    ],
    ids=str,
)
@pytest.mark.parametrize("after", [0, 1, 2])
def test_after_a_doubt_drive_is_asked(fault: dict[str, Any], after: int) -> None:
    """And only then is anything sent, from where it says that it stands."""
    copy = Copy()
    copy.guests.break_it("upload", after=after, **fault)
    for _ in range(after):
        copy.advance()
    with pytest.raises(Transient):
        copy.advance()
    sent = len(copy.puts())
    copy.finish()
    assert copy.puts()[sent] == f"bytes */{len(DATA)}"


@pytest.mark.parametrize("lose", [False, True])
def test_a_308_without_range_proves_nothing(lose: bool) -> None:
    """Drive is asked; it may have everything or nothing."""
    copy = Copy()
    copy.advance()
    copy.guests.break_it("upload", "no_range", lose=lose)
    with pytest.raises(Transient):
        copy.advance()
    copy.advance()
    assert (copy.puts()[-1], copy.session.offset) == (f"bytes */{len(DATA)}", 0 if lose else 2 * UNIT)
    copy.finish()


def test_a_lost_reply_to_the_last_byte_is_a_photo() -> None:
    """The question's answer is the file: nothing is sent again."""
    copy = Copy()
    copy.guests.break_it("upload", "drop_after", after=2)
    copy.advance()
    copy.advance()
    with pytest.raises(Transient):
        copy.advance()
    copy.finish()
    assert copy.puts()[-1] == f"bytes */{len(DATA)}"


def test_drive_keeps_less_than_it_got() -> None:
    """Only what it acknowledges counts: the rest is sent again."""
    copy = Copy(chunk=2 * UNIT)
    copy.guests.break_it("upload", "partial", bytes=UNIT + 77)
    copy.advance()
    assert copy.session.offset == UNIT
    copy.finish()


def test_the_tail_is_not_stored() -> None:
    """A 308 to the last byte: the tail alone is sent again."""
    copy = Copy(chunk=16 * UNIT)
    copy.guests.break_it("upload", "partial", bytes=2 * UNIT + 500)
    copy.advance()
    assert copy.session.offset == 2 * UNIT
    copy.finish()
    assert copy.puts()[-1] == f"bytes {2 * UNIT}-{len(DATA) - 1}/{len(DATA)}"


def test_drive_stands_still() -> None:
    """A request that brings nothing is a failure, and so is the next one: no busy loop."""
    copy = Copy()
    copy.advance()
    copy.guests.break_it("upload", "partial", bytes=0, times=3)
    for _ in range(3):
        with pytest.raises(Transient, match="stays at"):
            copy.advance()
    copy.finish()


def test_drive_claims_what_it_never_got() -> None:
    """Somebody's bytes are mixed up: another session."""
    copy = Copy()
    copy.guests.break_it("upload", "lie_range")
    with pytest.raises(SessionLost) as lost:
        copy.advance()
    assert lost.value.reason == Reason.WRONG_BYTES


@pytest.mark.parametrize("does", ["forget_session", "gone_session", "cancelled_session"])
@pytest.mark.parametrize("on", ["upload", "query"])
def test_a_session_that_is_over_is_not_asked_again(does: str, on: str) -> None:
    """404, 410, 499: another one begins, for the same id."""
    copy = Copy()
    copy.advance()
    copy.guests.break_it(on, does)
    if on == "query":
        copy.guests.break_it("upload", "drop_before")
        with pytest.raises(Transient):
            copy.advance()
    with pytest.raises(SessionLost):
        copy.advance()
    copy.session = copy.guests.begin(copy.photo)
    copy.finish()
    assert len({session.plan.meta["id"] for session in copy.guests.drive.uploads.sessions()}) == 1


@pytest.mark.parametrize(
    ("reason", "kind"),
    [("storageQuotaExceeded", StorageFull), ("insufficientPermissions", GrantRevoked)],
)
def test_what_ends_the_job_ends_it(reason: str, kind: type[JobStopped]) -> None:
    """Also in the middle of an upload."""
    copy = Copy()
    copy.guests.break_it("upload", "status", status=403, reason=reason)
    with pytest.raises(kind):
        copy.advance()


def test_a_pace_that_is_too_fast_is_everybodys() -> None:
    """Throttled, with the wait that was asked for."""
    copy = Copy()
    copy.guests.break_it("upload", "throttle", retry_after=9)
    with pytest.raises(Throttled) as raised:
        copy.advance()
    assert raised.value.wait == 9.0


@pytest.mark.parametrize("where", ["initiate", "final"])
def test_a_photo_that_is_in_already_is_found(where: str) -> None:
    """409, be it at once or for the last byte: size and MD5 agree, so it is the photo."""
    copy = Copy()
    second = copy.guests.begin(copy.photo)
    copy.finish()
    copy.guests.drive.conflict_at = where
    if where == "initiate":
        second = copy.guests.begin(copy.photo)
    copy.session, copy.stream = second, Stream(copy.data)
    copy.finish()


def test_a_photo_in_the_bin_is_not_in() -> None:
    """Its id is given up with it: the next session has another."""
    copy = Copy()
    copy.finish()
    (item,) = copy.guests.account.files()
    copy.guests.account.trash(item.id)
    copy.session = copy.guests.begin(copy.photo)
    with pytest.raises(SessionLost):
        copy.advance()
    copy.session = copy.guests.begin(copy.photo)
    copy.finish()


@pytest.mark.parametrize("bury", [True, False])
def test_an_id_that_is_taken_by_nothing_is_given_up(bury: bool) -> None:
    """Whether ids of deleted files stay taken nobody says."""
    copy = Copy()
    copy.guests.drive.bury_ids = bury
    copy.guests.break_it("upload", "id_in_use")
    with pytest.raises(SessionLost):
        copy.advance()
    copy.session = copy.guests.begin(copy.photo)
    copy.finish()


@pytest.mark.parametrize("does", ["bad_json", "drop_fields"])
def test_a_file_that_is_not_described_is_looked_at(does: str) -> None:
    """Nothing is verified unseen."""
    copy = Copy(DATA[:1000])
    copy.guests.break_it("upload", does)
    if does == "bad_json":
        with pytest.raises(Transient):
            copy.advance()
    copy.finish()
    assert copy.guests.methods()[-1] == {"bad_json": "PUT", "drop_fields": "GET"}[does]


def test_a_reply_about_another_file_is_looked_into() -> None:
    """Right bytes under an id that nobody asked for are no proof; what is kept is the id that was asked for."""
    copy = Copy(DATA[:1000])
    copy.guests.break_it("upload", "set_fields", fields={"id": "another"})
    copy.finish()
    assert copy.guests.methods()[-1] == "GET"
    assert copy.session.stored
    assert [item.id for item in copy.guests.account.files()] == [copy.session.stored.id]


@pytest.mark.parametrize("fault", [{"does": "lie_md5"}, {"does": "lie_size"}, {"does": "corrupt", "at": 5}], ids=str)
def test_other_bytes_than_were_sent_are_removed(fault: dict[str, Any]) -> None:
    """It is no photo; the next session has another id."""
    copy = Copy(DATA[:1000])
    copy.guests.break_it("upload", **fault)
    with pytest.raises(SessionLost) as lost:
        copy.advance()
    assert (lost.value.reason, copy.guests.contents()) == (Reason.WRONG_BYTES, [])
    copy.session = copy.guests.begin(copy.photo)
    copy.finish()


def test_other_bytes_that_cannot_be_removed_are_not_forgotten() -> None:
    """The removal fails and the session is gone: the id leads back to the file, and it is removed after all."""
    copy = Copy(DATA[:1000])
    copy.guests.break_it("upload", "corrupt", at=5)
    copy.guests.break_it("files_delete", "drop_before")
    copy.guests.break_it("query", "forget_session")
    with pytest.raises(Transient):
        copy.advance()
    with pytest.raises(SessionLost):
        copy.advance()
    copy.session = copy.guests.begin(copy.photo)
    with pytest.raises(SessionLost):
        copy.advance()
    assert copy.guests.contents() == []
    copy.session = copy.guests.begin(copy.photo)
    copy.finish()


def test_every_byte_is_there_before_the_file_is() -> None:
    """The line breaks after the last byte of a whole unit: the question ends the upload."""
    copy = Copy(DATA[: 2 * UNIT])
    copy.guests.break_it("upload", "drop_midway", after=1, bytes=UNIT)
    copy.advance()
    with pytest.raises(Transient):
        copy.advance()
    copy.finish()


def test_every_byte_is_there_and_no_file_ever() -> None:
    """No request could carry on, and an empty range would be refused: it is asked, and then begun anew."""
    copy = Copy(DATA[: 2 * UNIT], chunk=2 * UNIT)
    copy.guests.http.answer_all(lambda _: Reply(308, b"", {"Range": f"bytes=0-{2 * UNIT - 1}"}))
    with pytest.raises(Transient, match="every byte"):
        copy.advance()
    with pytest.raises(SessionLost, match="every byte"):
        copy.advance()
    assert copy.puts() == [f"bytes 0-{2 * UNIT - 1}/{2 * UNIT}", f"bytes */{2 * UNIT}"]


@pytest.mark.parametrize("error", [Transient(Reason.PHOTO_UNAVAILABLE), KeyError()])
def test_a_source_that_breaks_says_so_itself(error: Exception) -> None:
    """Its error comes out as it is, and Drive is asked what it got."""
    copy = Copy(chunk=16 * UNIT)
    copy.stream.fails[UNIT] = error
    with pytest.raises(type(error)) as raised:
        copy.advance()
    assert raised.value is error
    copy.advance()
    assert (copy.session.offset, copy.puts()[-1]) == (UNIT, f"bytes */{len(DATA)}")
    copy.finish()


def test_a_session_is_given_up() -> None:
    """One request; whatever it is answered with is fine."""
    copy = Copy()
    copy.advance()
    copy.session.abandon()
    assert copy.guests.methods()[-1] == "DELETE"
    assert [session.state for session in copy.guests.drive.uploads.sessions()] == ["cancelled"]
    copy.guests.break_it("cancel", "drop_before")
    copy.session.abandon()


def test_a_session_that_is_complete_is_not_given_up() -> None:
    """Its photo is in."""
    copy = Copy()
    copy.finish()
    copy.session.abandon()
    assert "DELETE" not in copy.guests.methods()


@pytest.mark.parametrize(
    "break_it",
    [
        lambda copy: copy.guests.break_it("*", "drop_before", times=None),
        lambda copy: copy.guests.break_it("upload", "status", status=404),
        lambda copy: copy.guests.break_it("upload", "status", status=403, reason="noIdea"),
        lambda copy: copy.guests.break_it("upload", "lie_range"),
    ],
)
def test_the_address_is_never_told(break_it: Callable[[Copy], None]) -> None:
    """Whoever has it may write the photo."""
    copy = Copy()
    (session,) = copy.guests.drive.uploads.sessions()
    break_it(copy)
    with pytest.raises(Exception) as raised:
        copy.advance()
    assert session.id not in f"{raised.value} {raised.value!r} {copy.session!r}"
