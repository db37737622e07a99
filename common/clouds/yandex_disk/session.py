"""One photo on its way into Yandex Disk: a link, one PUT, and a look at what arrived. Used by one thread.

An upload cannot be resumed: the documentation only hints at it, so a broken PUT begins again under a new link. A file
appears at its path only when all of it has arrived; what broke off leaves nothing behind.

Yandex slows down files it takes for videos, archives and databases to about 128 KiB/s, by their names, when the link is
asked for. Sending them under another name and moving them afterwards gets round that, and so does pretending to be
Yandex's own client. Neither is done: the pace is Yandex's decision, a crash between the two would leave a guest a file
they do not know, and a slow photo is a photo.

https://yandex.com/dev/disk-api/doc/en/reference/upload
"""

from collections.abc import Callable
from contextlib import suppress

from common.clouds.base import PhotoStream
from common.clouds.photos import Photo, StoredPhoto
from common.clouds.yandex_disk.custom_properties import is_anothers, is_made_here, made_at, photo_marks
from common.clouds.yandex_disk.disk import REMOVAL_SECONDS, Disk, is_passing, looks, polls
from common.clouds.yandex_disk.failures import read_failure, read_name
from common.clouds.yandex_disk.resource import Link, Resource
from common.clouds.yandex_disk.upload_body import Outgoing
from common.errors import ArchiveError, Reason, SessionLost, Transient
from common.http.client import READ_SECONDS, Answer, HttpClient

# After the last byte Yandex looks at all of them: two minutes for every GiB are what its clients allow.
# https://github.com/ivknv/yadisk/issues/11
SECONDS_PER_BYTE = 120 / 2**30
# How long one try waits for what Yandex calls "accepted", besides the time above.
OPERATION_SECONDS = 30.0
# Answers that say that the bytes were taken: stored, or to be stored.
_STORED, _ACCEPTED = 201, 202
# Answers that say that a link is used up or was never good; a new one is asked for.
_VOID = frozenset({400, 401, 403, 404, 409, 410, 412})
# A link that somebody else uses; with a name it is what the whole disk says.
_IN_USE = 423
# Refusals that are no doubt: nothing was stored.
_NOT_STORED = frozenset({507, 509})

Step = Callable[[PhotoStream], float]


class YandexSession:
    """An upload of one photo: a machine whose next step is one of its methods.

    `_ask` for a link, `_send` the bytes, `_follow` the operation that stores them, `_mark` and thereby prove what is
    there. Where nobody said what became of the bytes: `_look`. Where something is in the way: `_compare`. What was
    stored wrongly: `_remove`. A step returns the seconds to let pass before the next one; while they pass, others move.

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
        self._bytes = Outgoing(photo)
        self._made = False  # whether Yandex said that it has stored, at this path, what was sent here
        self._wrong_md5 = ""  # of what it stored instead
        self._trouble: Transient | None = None
        self._go(self._send if link else self._compare)

    def advance(self, stream: PhotoStream) -> float:
        """Go as far as the photo gets without waiting; see `UploadSession`."""
        while self.stored is None:
            if seconds := self._step(stream):
                return seconds
        return 0.0

    def abandon(self) -> None:
        """Leave no wrong photo behind; nothing else is to be told: Yandex forgets what did not arrive."""
        if self._wrong_md5:
            with suppress(ArchiveError):
                self._remove(None)

    def _go(self, step: Callable[..., float], seconds: float | None = None) -> None:
        """Say what comes next, and for how long it may be waited for."""
        self._step: Step = step
        self._trouble = None
        self._seconds = seconds
        self._waits = looks() if seconds is None else polls(seconds)

    def _pause(self, detail: str, then: Step | None = None) -> float:
        """Return the seconds until this step is worth another try.

        Args:
            detail: what is wrong when it was tried enough; then it is raised.
            then: what comes after that; the same step, if nothing else does.
        """
        wait = next(self._waits, None)
        if wait is not None:
            return wait
        error = self._trouble or Transient(Reason.CLOUD_UNAVAILABLE, detail)
        self._go(then or self._step, None if then else self._seconds)
        raise error

    def _peek(self, call: Callable[[], Resource | None]) -> Resource | None:
        """Return what is there, if all of it can be seen: a 500 for what was just stored is as usual as a 404."""
        self._trouble = None
        try:
            return call()
        except Transient as error:
            if not is_passing(error):
                raise
            self._trouble = error
            return None

    def _ask(self, _stream: PhotoStream) -> float:
        self._link = self._disk.ask_link(self._path)
        self._go(self._send if self._link else self._compare)
        return 0.0

    def _send(self, stream: PhotoStream) -> float:
        link, self._link = self._link, None
        self._go(self._ask)  # a link is good for one PUT
        if link is None:
            return 0.0
        self._made = False
        seconds = READ_SECONDS + self._photo.size * SECONDS_PER_BYTE
        headers = {"Content-Length": str(self._photo.size)}
        body = self._bytes.body(stream)
        try:
            answer = self._http.request("PUT", link.address, headers=headers, body=body, read_seconds=seconds)
        finally:
            if self._bytes.all_gone:
                self._go(self._look)
        self._read(answer, link)
        return 0.0

    def _read(self, answer: Answer, link: Link) -> None:
        """Read the reply to the bytes, and say what comes next; raises what it means unless they were taken."""
        if 200 <= answer.status < 300:
            # Others may answer with success as well; then there will be nothing.
            self._made = answer.status in (_STORED, _ACCEPTED)
            self._operation = link.operation if answer.status == _ACCEPTED else ""
            if self._operation:
                self._go(self._follow, OPERATION_SECONDS + self._photo.size * SECONDS_PER_BYTE)
            else:
                self._go(self._mark)
            return
        if answer.status < 500 or answer.status in _NOT_STORED:
            self._go(self._ask)
        if answer.status in _VOID or (answer.status == _IN_USE and not read_name(answer)):
            raise Transient(Reason.CLOUD_UNAVAILABLE, f"the upload link is void ({answer.status})")
        raise read_failure(answer)

    def _follow(self, _stream: PhotoStream) -> float:
        """See whether what was accepted is stored."""
        succeeded = self._disk.ask_operation(self._operation)
        if succeeded is None:
            return self._pause("Yandex Disk has the bytes and does not end storing them")
        self._operation = ""
        self._go(self._mark if succeeded else self._ask)
        if not succeeded:
            raise Transient(Reason.CLOUD_UNAVAILABLE, "Yandex Disk took the bytes and could not store them")
        return 0.0

    def _look(self, _stream: PhotoStream) -> float:
        """See whether the photo arrived although nobody said so."""
        resource = self._peek(lambda: self._disk.find(self._path))
        if resource is None or not resource.is_whole:
            wait = next(self._waits, None)
            if wait is None and self._trouble:
                return self._pause("", self._ask)
            if wait is None:
                self._go(self._ask)
            return wait or 0.0
        if self._agrees(resource):
            self._made = True
            self._go(self._mark)
        elif self._made:
            return self._disagree(resource)
        else:
            self._go(self._ask)  # it is in the way, whatever it is
        return 0.0

    def _compare(self, stream: PhotoStream) -> float:
        """See whether what is at the path is this photo, from an earlier run or by anybody's hand."""
        resource = self._peek(lambda: self._disk.find(self._path))
        if resource is None:
            return self._pause("the photo's path is taken, but nothing is there", self._ask)
        if is_anothers(resource, self._archive_key, self._photo) or resource.size not in (-1, self._photo.size):
            return self._disagree(resource)
        if not resource.is_whole and (wait := next(self._waits, None)) is not None:
            return wait
        self._bytes.prove(stream)
        if not self._agrees(resource):
            return self._disagree(resource)
        self._go(self._mark)
        return 0.0

    def _mark(self, stream: PhotoStream) -> float:
        """Mark what is at the path, and believe nothing but its size and MD5."""
        if not self._bytes.md5:
            self._bytes.prove(stream)
        made = made_at(self._path) if self._made else {}
        marks = {**photo_marks(self._archive_key, self._photo, self._bytes.md5), **made}
        resource = self._peek(lambda: self._disk.set_marks(self._path, marks))
        if resource is None or not resource.is_whole:
            return self._pause("the photo was stored, and is not there yet", self._look)
        if not self._agrees(resource):
            return self._disagree(resource)
        if not resource.bears(marks) and (wait := next(self._waits, None)) is not None:
            return wait
        self._conclude(resource)
        return 0.0

    def _conclude(self, resource: Resource) -> None:
        photo = self._photo
        self.offset = photo.size
        folder = self._path.rpartition("/")[0]
        self.stored = StoredPhoto(photo.key, self._path, photo.size, photo.crc32, folder, is_made_here(resource))

    def _agrees(self, resource: Resource) -> bool:
        is_other = is_anothers(resource, self._archive_key, self._photo)
        return not is_other and (resource.size, resource.md5) == (self._photo.size, self._bytes.md5)

    def _disagree(self, resource: Resource) -> float:
        """Remove what this very session stored wrongly; leave alone whatever else is in the way."""
        if self._made and not is_anothers(resource, self._archive_key, self._photo):
            self._wrong_md5 = resource.md5
            self._go(self._remove)
        else:
            self._path, self._made = self._next_path(), False
            self._go(self._ask)
        return 0.0

    def _remove(self, _stream: PhotoStream | None) -> float:
        """Remove what was stored wrongly, unless something else is there by now."""
        if self._operation and self._disk.ask_operation(self._operation) is None:
            return self._pause("Yandex Disk did not remove the file yet")
        self._operation = ""
        resource = self._disk.find(self._path)
        if resource and self._agrees(resource):
            self._wrong_md5 = ""
            self._go(self._mark)  # somebody only said so
            return 0.0
        # More than was sent is nothing that was stored of it.
        if resource and resource.md5 == self._wrong_md5 and resource.size <= self._photo.size:
            self._operation = self._disk.begin_removal(self._path, resource.md5)
        if self._operation:
            self._go(self._remove, REMOVAL_SECONDS)
            return 0.0
        self._wrong_md5 = ""
        raise SessionLost(Reason.WRONG_BYTES, "Yandex Disk holds other bytes than were sent")
