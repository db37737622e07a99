"""Upload one photo into Drive: sends the requests of `resumable` and acts on the replies. Used by one thread."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from common.clouds.base import PhotoStream
from common.clouds.google_drive.failures import read_failure
from common.clouds.google_drive.replies import is_made_here, read_parent
from common.clouds.google_drive.resumable import (
    Complete,
    Incomplete,
    OffsetUnknown,
    is_protocol_status,
    read_reply,
    status_headers,
    upload_headers,
)
from common.clouds.photos import Photo, StoredPhoto
from common.errors import ArchiveError, InventoryStale, Reason, SessionLost, Transient
from common.http.client import Answer, HttpClient


class IdInUse:
    """The photo's file id is in use: an earlier session of this very photo was completed after all."""


Reply = Incomplete | Complete | OffsetUnknown | IdInUse
ReadFile = Callable[[], dict[str, Any] | None]


class DriveSession:
    """A resumable upload of one photo.

    The address of the session is a secret: whoever has it may write the photo. It is the only credential its
    requests need, and no token is sent along unless Drive asks for one.

    Args:
        photo: what is uploaded.
        file_id: what its file is called in Drive.
        address: where to; None when there is, or may be, a file of this id already: then that is looked into.
        http: sends the requests.
        chunk_bytes: the most one request carries; a multiple of 256 KiB.
        find: returns the file of this photo's id, if there is one.
        note_sent: is told the MD5 of what was sent, once all of it was; whether it arrived is another matter.
        note_stored: is told that this file is the photo.
        discard: removes that file, so that the next session begins with another id.
        forget: gives the id up and leaves the file alone, if there is one.
        authorize: returns a token other than the one it is given; for the case that Drive asks for one.
    """

    def __init__(
        self,
        photo: Photo,
        file_id: str,
        address: str | None,
        http: HttpClient,
        chunk_bytes: int,
        *,
        find: ReadFile,
        note_sent: Callable[[str], None],
        note_stored: Callable[[], None],
        discard: Callable[[], None],
        forget: Callable[[], None],
        authorize: Callable[[str], str],
    ) -> None:
        self.offset = 0
        self.stored: StoredPhoto | None = None
        self._photo = photo
        self._file_id = file_id
        self._address = address
        self._http = http
        self._chunk_bytes = chunk_bytes
        self._find = find
        self._note_sent = note_sent
        self._note_stored = note_stored
        self._discard = discard
        self._forget = forget
        self._authorize = authorize
        self._token = ""
        self._bytes_sent = 0
        self._offset_unknown = False
        self._has_wrong_file = False  # what Drive holds are other bytes, and it has not removed them yet
        self._is_lost = False

    def advance(self, stream: PhotoStream) -> float:
        """Send what fits into one request, or query how much is stored; see `UploadSession`."""
        if self._is_lost:
            raise SessionLost(Reason.WRONG_BYTES, "the upload session holds bytes that are worthless")
        try:
            if self._address is None:
                self._verify(self._find(), stream)
            elif self._offset_unknown:
                self._take_reply(self._query_status(self._address), stream, is_query=True)
            else:
                self._take_reply(self._send_chunk(self._address, stream), stream)
        except SessionLost:
            # It must not be queried any more: where every byte is stored, the query alone would make a file of them.
            self._is_lost = True
            raise
        return 0.0

    def _take_reply(self, reply: Reply, stream: PhotoStream, *, is_query: bool = False) -> None:
        match reply:
            case Complete(file):
                self._check_not_trashed(file)
                self._verify(file, stream)
            case Incomplete(offset):
                self._take_offset(offset, is_query=is_query)
            case IdInUse():
                self._verify(self._find(), stream)
            case OffsetUnknown():
                raise Transient(Reason.CLOUD_UNAVAILABLE, "the upload session did not say where it stands")

    def abandon(self) -> None:
        """Cancel the upload, so that no half photo waits a week at Drive for its end, and no wrong one stays."""
        # Who fails here leaves a session that expires by itself; a wrong file was tried to be removed before.
        with suppress(ArchiveError):
            if self._has_wrong_file:
                self._discard()
            elif self._address is not None and not self.stored:
                self._http.request("DELETE", self._address, headers={"Content-Length": "0"})

    @property
    def _authorization(self) -> Mapping[str, str]:
        return {"Authorization": f"Bearer {self._token}"} if self._token else {}

    def _query_status(self, address: str) -> Reply:
        if self._photo.size == 0:
            # Here the query itself would complete the upload, and make a file: its id tells whether there is one.
            file = self._find()
            return Complete(file) if file else Incomplete(0)
        headers = {**status_headers(self._photo.size), **self._authorization}
        return self._read_answer(self._http.request("PUT", address, headers=headers), is_query=True)

    def _send_chunk(self, address: str, stream: PhotoStream) -> Reply:
        start, total = self.offset, self._photo.size
        end = min(start + self._chunk_bytes, total)
        if total == 0:
            # Any request makes a file of nothing: that it is empty is proved before, not while it is sent.
            _drain(stream.blocks(0, 0))
        # From the first byte on, only Drive knows how many of them it has.
        self._offset_unknown = True
        blocks = self._count_sent(stream.blocks(start, end), start)
        # An empty body must be bytes: a body without blocks would go out chunked.
        body = blocks if total else b""
        try:
            headers = {**upload_headers(start, end, total), **self._authorization}
            answer = self._http.request("PUT", address, headers=headers, body=body)
        finally:
            if stream.digest:
                self._note_sent(stream.digest)
        return self._read_answer(answer, is_query=False)

    def _count_sent(self, blocks: Iterator[memoryview], start: int) -> Iterator[memoryview]:
        at = start
        for block in blocks:
            at += len(block)
            self._bytes_sent = max(self._bytes_sent, at)
            yield block

    def _read_answer(self, answer: Answer, *, is_query: bool) -> Reply:
        if answer.status == 401:
            self._token = self._authorize(self._token)
            raise Transient(Reason.CLOUD_UNAVAILABLE, "the upload session asks for a token")
        if answer.status == 409:
            self._address = None
            return IdInUse()
        if not is_protocol_status(answer.status):
            raise read_failure(answer)
        return read_reply(answer.status, answer.headers, answer.body, bytes_sent=self._bytes_sent, is_query=is_query)

    def _take_offset(self, offset: int, *, is_query: bool) -> None:
        if offset >= self._photo.size > 0:
            self._raise_unfinished(is_query=is_query)
        moved = offset > self.offset
        self.offset = offset
        self._offset_unknown = False
        if not moved and not is_query:
            raise Transient(Reason.CLOUD_UNAVAILABLE, f"the upload stays at {offset} bytes")

    def _raise_unfinished(self, *, is_query: bool) -> None:
        """Raise: every byte is stored, there is no file, and only a status query may still make one."""
        if is_query:
            raise SessionLost(Reason.CLOUD_UNAVAILABLE, "the upload session has every byte and does not end")
        raise Transient(Reason.CLOUD_UNAVAILABLE, "the upload session has every byte, but there is no file yet")

    def _check_not_trashed(self, file: dict[str, Any]) -> None:
        """Raise InventoryStale when a file that just came is in the bin: its folder is, so another would be as well."""
        if file.get("id") == self._file_id and file.get("trashed"):
            self._forget()
            raise InventoryStale(Reason.CLOUD_REFUSED, "the folder of a photo is in the bin")

    def _verify(self, file: dict[str, Any] | None, stream: PhotoStream) -> None:
        """Compare size and MD5, and believe nothing else: https://developers.google.com/workspace/drive/api/reference/rest/v3/files."""
        if file and (file.get("id") != self._file_id or "md5Checksum" not in file or "size" not in file):
            file = self._find()
        if file is None or file.get("trashed"):
            # What a guest threw away is in their bin, and stays there.
            self._forget()
            raise SessionLost(Reason.CLOUD_UNAVAILABLE, "there is no file under the photo's id")
        if not file.get("md5Checksum"):
            raise Transient(Reason.CLOUD_UNAVAILABLE, "Drive does not tell a file's checksum")
        if stream.digest is None:
            _drain(stream.blocks(0, self._photo.size))
        if (file.get("size"), file.get("md5Checksum")) != (str(self._photo.size), stream.digest):
            self._has_wrong_file = True
            self._discard()
            self._has_wrong_file = False
            raise SessionLost(Reason.WRONG_BYTES, "Drive holds other bytes than were sent")
        self.offset = self._photo.size
        photo = self._photo
        self.stored = StoredPhoto(
            photo.key, self._file_id, photo.size, photo.crc32, read_parent(file), made_here=is_made_here(file)
        )
        self._note_stored()


def _drain(blocks: Iterator[memoryview]) -> None:
    for _ in blocks:
        pass
