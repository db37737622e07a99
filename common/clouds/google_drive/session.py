"""One photo on its way into Drive: requests out, replies in, by the rules of `resumable`. Used by one thread."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from common.clouds.base import PhotoStream
from common.clouds.google_drive.failures import read_failure
from common.clouds.google_drive.replies import is_made_here, read_parent
from common.clouds.google_drive.resumable import (
    Complete,
    Stands,
    Unclear,
    is_spoken,
    read_reply,
    status_headers,
    upload_headers,
)
from common.clouds.photos import Photo, StoredPhoto
from common.errors import ArchiveError, InventoryStale, Reason, SessionLost, Transient
from common.http.client import Answer, HttpClient


class Taken:
    """The photo's id is taken: an earlier session of this very photo came to its end after all."""


Reply = Stands | Complete | Unclear | Taken
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
        self._sent = 0
        self._in_doubt = False
        self._is_wrong = False  # what Drive holds are other bytes, and it has not removed them yet
        self._is_over = False

    def advance(self, stream: PhotoStream) -> float:
        """Send what fits into one request, or ask where we stand; see `UploadSession`."""
        if self._is_over:
            raise SessionLost(Reason.WRONG_BYTES, "the upload session holds bytes that are worthless")
        try:
            self._advance(stream)
        except SessionLost:
            # Nobody may ask it any more: where every byte is there, the question alone would make a file of them.
            self._is_over = True
            raise
        return 0.0

    def _advance(self, stream: PhotoStream) -> None:
        if self._address is None:
            self._look(stream)
            return
        asked = self._in_doubt
        reply = self._ask(self._address) if asked else self._send(self._address, stream)
        match reply:
            case Complete(file):
                self._check_place(file)
                self._verify(file, stream)
            case Stands(at):
                self._stand(at, asked=asked)
            case Taken():
                self._look(stream)
            case Unclear():
                raise Transient(Reason.CLOUD_UNAVAILABLE, "the upload session did not say where it stands")

    def abandon(self) -> None:
        """Cancel the upload, so that no half photo waits a week at Drive for its end, and no wrong one stays."""
        # Who fails here leaves a session that expires by itself; a wrong file was tried to be removed before.
        with suppress(ArchiveError):
            if self._is_wrong:
                self._discard()
            elif self._address is not None and not self.stored:
                self._http.request("DELETE", self._address, headers={"Content-Length": "0"})

    def _ask(self, address: str) -> Reply:
        if self._photo.size == 0:
            # Here the question itself would end the upload, and make a file: its id tells whether there is one.
            file = self._find()
            return Complete(file) if file else Stands(0)
        return self._read(self._put(address, status_headers(self._photo.size), None), asked=True)

    def _send(self, address: str, stream: PhotoStream) -> Reply:
        start, total = self.offset, self._photo.size
        end = min(start + self._chunk_bytes, total)
        if total == 0:
            # Any request makes a file of nothing: that it is empty is proved before, not while it is sent.
            _drain(stream.blocks(0, 0))
        # From the first byte on, only Drive knows how many of them it has.
        self._in_doubt = True
        blocks = self._counted(stream.blocks(start, end), start)
        # An empty body must be bytes: a body without blocks would go out chunked.
        body = blocks if total else b""
        try:
            answer = self._put(address, upload_headers(start, end, total), body)
        finally:
            if stream.md5:
                self._note_sent(stream.md5)
        return self._read(answer, asked=False)

    def _counted(self, blocks: Iterator[memoryview], start: int) -> Iterator[memoryview]:
        at = start
        for block in blocks:
            at += len(block)
            self._sent = max(self._sent, at)
            yield block

    def _put(self, address: str, headers: Mapping[str, str], body: Iterator[memoryview] | bytes | None) -> Answer:
        authorization = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        return self._http.request("PUT", address, headers={**headers, **authorization}, body=body)

    def _read(self, answer: Answer, *, asked: bool) -> Reply:
        if answer.status == 401:
            self._token = self._authorize(self._token)
            raise Transient(Reason.CLOUD_UNAVAILABLE, "the upload session asks for a token")
        if answer.status == 409:
            self._address = None
            return Taken()
        if not is_spoken(answer.status):
            raise read_failure(answer)
        return read_reply(answer.status, answer.headers, answer.body, sent=self._sent, asked=asked)

    def _stand(self, at: int, *, asked: bool) -> None:
        if at >= self._photo.size > 0:
            self._ask_for_end(asked=asked)
        moved = at > self.offset
        self.offset = at
        self._in_doubt = False
        if not moved and not asked:
            raise Transient(Reason.CLOUD_UNAVAILABLE, f"the upload stays at {at} bytes")

    def _ask_for_end(self, *, asked: bool) -> None:
        """Every byte is there, but no file: no request could carry on; the question itself is what may end it."""
        if asked:
            raise SessionLost(Reason.CLOUD_UNAVAILABLE, "the upload session has every byte and does not end")
        raise Transient(Reason.CLOUD_UNAVAILABLE, "the upload session has every byte, but there is no file yet")

    def _look(self, stream: PhotoStream) -> None:
        self._verify(self._find(), stream)

    def _check_place(self, file: dict[str, Any]) -> None:
        """Where what just came is in the bin at once, its folder is: no other upload would fare better there."""
        if file.get("id") == self._file_id and file.get("trashed"):
            self._forget()
            raise InventoryStale(Reason.CLOUD_REFUSED, "the folder of a photo is in the bin")

    def _verify(self, file: dict[str, Any] | None, stream: PhotoStream) -> None:
        """Believe nothing but size and MD5: https://developers.google.com/workspace/drive/api/reference/rest/v3/files."""
        if file and (file.get("id") != self._file_id or "md5Checksum" not in file or "size" not in file):
            file = self._find()
        if file is None or file.get("trashed"):
            # What a guest threw away is in their bin, and stays there.
            self._forget()
            raise SessionLost(Reason.CLOUD_UNAVAILABLE, "there is no file under the photo's id")
        if not file.get("md5Checksum"):
            raise Transient(Reason.CLOUD_UNAVAILABLE, "Drive does not tell a file's checksum")
        if stream.md5 is None:
            _drain(stream.blocks(0, self._photo.size))
        if (file.get("size"), file.get("md5Checksum")) != (str(self._photo.size), stream.md5):
            self._is_wrong = True
            self._discard()
            self._is_wrong = False
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
