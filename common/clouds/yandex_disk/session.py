"""One photo on its way into Yandex Disk: a link, one PUT, and a look at what arrived. Used by one thread.

An upload cannot be resumed: the documentation only hints at it, so a broken PUT begins again under a new link. A file
appears at its path only when all of it has arrived; what broke off leaves nothing behind.

Yandex slows down files it takes for videos, archives and databases to about 128 KiB/s, by their names, when the link is
asked for. Sending them under another name and moving them afterwards gets round that, and so does pretending to be
Yandex's own client. Neither is done: the pace is Yandex's decision, a crash between the two would leave a guest a file
they do not know, and a slow photo is a photo.

https://yandex.com/dev/disk-api/doc/en/reference/upload
"""

from collections.abc import Callable, Iterator
from contextlib import suppress

from common.clouds.base import PhotoStream
from common.clouds.photos import Photo, StoredPhoto
from common.clouds.yandex_disk.disk import Disk, Link, Resource
from common.clouds.yandex_disk.failures import read_failure, read_name
from common.clouds.yandex_disk.marks import is_anothers, photo_marks
from common.errors import ArchiveError, Reason, SessionLost, Transient
from common.httpclient import READ_SECONDS, Answer, HttpClient

# After the last byte Yandex looks at all of them: two minutes for every GiB are what its clients allow.
# https://github.com/ivknv/yadisk/issues/11
SECONDS_PER_BYTE = 120 / 2**30
# How long one try waits for what Yandex calls "accepted", besides the time above.
OPERATION_SECONDS = 30.0
# Answers that say that a link is used up or was never good; a new one is asked for.
_VOID = frozenset({400, 401, 403, 404, 409, 410, 412})
# A link that somebody else uses; with a name it is what the whole disk says.
_IN_USE = 423
# Refusals that are no doubt: nothing was stored.
_NOT_STORED = frozenset({507, 509})


class YandexSession:
    """An upload of one photo.

    Args:
        photo: what is uploaded.
        archive_key: what it belongs to.
        path: where to.
        link: for that path; None when something is there that has to be looked at.
        disk: the guest's.
        http: sends the bytes; they need no token.
        next_path: returns another path for this photo, when what is at its path is something else.
    """

    def __init__(
        self,
        photo: Photo,
        archive_key: str,
        path: str,
        link: Link | None,
        disk: Disk,
        http: HttpClient,
        *,
        next_path: Callable[[], str],
    ) -> None:
        self.offset = 0
        self.stored: StoredPhoto | None = None
        self._photo = photo
        self._archive_key = archive_key
        self._path = path
        self._link = link
        self._disk = disk
        self._http = http
        self._next_path = next_path
        self._operation = ""
        self._in_doubt = False
        self._wrong_path = ""  # where other bytes are than were sent, and not removed yet

    def advance(self, stream: PhotoStream) -> float:
        """Send the photo, or find out what became of it; see `UploadSession`."""
        if self._in_doubt and self._find_out(stream):
            return 0.0
        while self._link is None:
            self._link = self._disk.ask_link(self._path)
            if self._link is None and self._is_there(stream):
                return 0.0
            if self._link is None:
                self._path = self._next_path()
        link, self._link = self._link, None  # it is good for one PUT
        self._read(self._put(link, stream), link)
        self._prove(self._mark(stream), stream)
        return 0.0

    def abandon(self) -> None:
        """Leave no wrong photo behind; nothing else is to be told: Yandex forgets what did not arrive."""
        with suppress(ArchiveError):
            self._remove_wrong()

    def _put(self, link: Link, stream: PhotoStream) -> Answer:
        size = self._photo.size
        # An empty body must be bytes: a body without blocks would go out chunked.
        body = self._body(stream) if size else b"".join(stream.blocks(0, 0))
        self._in_doubt = not size
        seconds = READ_SECONDS + size * SECONDS_PER_BYTE
        headers = {"Content-Length": str(size)}
        return self._http.request("PUT", link.address, headers=headers, body=body, read_seconds=seconds)

    def _body(self, stream: PhotoStream) -> Iterator[memoryview]:
        """Yield the photo; a source that breaks is opened again where it broke, since the PUT can't be."""
        at, size = 0, self._photo.size
        while at < size:
            began = at
            try:
                for block in stream.blocks(at, size):
                    at += len(block)
                    # From the last byte on, only Yandex knows whether it has the photo.
                    self._in_doubt = at == size
                    yield block
            except Transient:
                if at == began:
                    raise

    def _read(self, answer: Answer, link: Link) -> None:
        """Read the reply to the bytes; raises what it means unless they were taken."""
        if 200 <= answer.status < 300:
            self._in_doubt = True
            self._operation = link.operation if answer.status == 202 else ""
            self._await_operation()
            return
        if answer.status < 500 or answer.status in _NOT_STORED:
            self._in_doubt = False
        if answer.status in _VOID or (answer.status == _IN_USE and not read_name(answer)):
            raise Transient(Reason.CLOUD_UNAVAILABLE, f"the upload link is void ({answer.status})")
        raise read_failure(answer)

    def _await_operation(self) -> None:
        if not self._operation:
            return
        seconds = OPERATION_SECONDS + self._photo.size * SECONDS_PER_BYTE
        succeeded = self._disk.await_operation(self._operation, seconds)
        if succeeded is None:
            raise Transient(Reason.CLOUD_UNAVAILABLE, "Yandex Disk has the bytes and does not end storing them")
        self._operation = ""
        if not succeeded:
            self._in_doubt = False
            raise Transient(Reason.CLOUD_UNAVAILABLE, "Yandex Disk took the bytes and could not store them")

    def _find_out(self, stream: PhotoStream) -> bool:
        """Say whether the photo arrived although nobody said so; then it is proved."""
        self._await_operation()
        resource = self._disk.await_file(self._path)
        self._in_doubt = False
        if resource is None or is_anothers(resource, self._archive_key, self._photo):
            return False
        if self._agrees(resource, stream):
            resource = self._mark(stream)
        self._prove(resource, stream)
        return True

    def _is_there(self, stream: PhotoStream) -> bool:
        """Say whether what is at the path is this photo, from an earlier run or by anybody's hand."""
        resource = self._disk.find(self._path)
        if resource is None:
            raise Transient(Reason.CLOUD_UNAVAILABLE, "the photo's path is taken, but nothing is there")
        if is_anothers(resource, self._archive_key, self._photo) or resource.size != self._photo.size:
            return False
        if stream.md5 is None:
            for _ in stream.blocks(0, self._photo.size):
                pass
        if not self._agrees(resource, stream):
            return False
        self._prove(self._mark(stream), stream)
        return True

    def _mark(self, stream: PhotoStream) -> Resource | None:
        assert stream.md5, "every byte was read"
        return self._disk.mark(self._path, photo_marks(self._archive_key, self._photo, stream.md5))

    def _agrees(self, resource: Resource, stream: PhotoStream) -> bool:
        return not resource.is_folder and (resource.size, resource.md5) == (self._photo.size, stream.md5)

    def _prove(self, resource: Resource | None, stream: PhotoStream) -> None:
        """Believe nothing but size and MD5."""
        self._in_doubt = True
        if resource is None or not resource.md5:
            raise Transient(Reason.CLOUD_UNAVAILABLE, "the photo was stored, and is not there yet")
        if not self._agrees(resource, stream):
            self._wrong_path = self._path
            self._remove_wrong()
            raise SessionLost(Reason.WRONG_BYTES, "Yandex Disk holds other bytes than were sent")
        self._in_doubt = False
        self.offset = self._photo.size
        self.stored = StoredPhoto(self._photo.key, self._path, self._photo.size, self._photo.crc32)

    def _remove_wrong(self) -> None:
        if self._wrong_path:
            self._disk.remove(self._wrong_path)
            self._wrong_path = ""
