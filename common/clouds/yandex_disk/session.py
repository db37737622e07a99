"""Upload one photo into Yandex Disk: a link, one PUT, and a look at what arrived. Used by one thread.

An upload cannot be resumed: the documentation only hints at it, so a broken PUT begins again under a new link. A file
appears at its path only when all of it has arrived; what broke off leaves nothing behind.

Yandex slows down files it takes for videos, archives and databases to about 128 KiB/s, by their names, when the link is
asked for. Sending them under another name and moving them afterwards gets round that, and so does pretending to be
Yandex's own client. Neither is done: the pace is Yandex's decision, a crash between the two would leave a guest a file
they do not know, and a slow photo is a photo.

https://yandex.com/dev/disk-api/doc/en/reference/upload
"""

import threading
from collections.abc import Callable
from contextlib import suppress

from common.clouds.base import PhotoStream
from common.clouds.photos import Photo, StoredPhoto
from common.clouds.yandex_disk.custom_properties import is_made_here, is_other_item, photo_properties, place_property
from common.clouds.yandex_disk.disk import REMOVAL_SECONDS, Disk, is_worth_another_look, look_delays, poll_delays
from common.clouds.yandex_disk.failures import read_failure, read_name
from common.clouds.yandex_disk.resource import Link, Resource
from common.clouds.yandex_disk.upload_body import UploadBody
from common.errors import ArchiveError, Reason, SessionLost, Transient
from common.http.client import READ_SECONDS, Answer, HttpClient

# After the last byte Yandex looks at all of them: two minutes for every GiB are what its clients allow.
# https://github.com/ivknv/yadisk/issues/11
SECONDS_PER_BYTE = 120 / 2**30
# How long one try waits for what Yandex calls "accepted", besides the time above.
OPERATION_SECONDS = 30.0
# How long whoever abandons an upload waits for what Yandex has got already, in seconds: most of it is there in less.
MAX_FAREWELL_SECONDS = 2.0
# Answers that say that the bytes were taken: stored, or to be stored.
_STORED, _ACCEPTED = 201, 202
# Answers that say that a link is used up or was never good; a new one is asked for.
_LINK_VOID = frozenset({400, 401, 403, 404, 409, 410, 412})
# A link that somebody else uses; with a name it is what the whole disk says.
_LINK_LOCKED = 423
# Refusals that are no doubt: nothing was stored.
_NOT_STORED = frozenset({507, 509})

Step = Callable[[], float]


class YandexSession:
    """An upload of one photo: a state machine whose states are its methods.

    `_request_link`, `_send` the bytes, `_poll_operation` while Yandex stores them, `_set_properties`, whose answer
    proves what is there. Where no answer told what became of the bytes: `_check_arrival`. Where something is in the
    way: `_compare_existing`. What was stored wrongly: `_remove_wrong`. A state returns the seconds to let pass before
    it, or the next one, is entered; while they pass, other photos move.

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
        self._stream: PhotoStream  # of the call that advances it
        self._photo = photo
        self._archive_key = archive_key
        self._path = path
        self._link = link
        self._disk = disk
        self._http = http
        self._next_path = next_path
        self._operation = ""
        self._body = UploadBody(photo)
        self._was_stored = False  # whether Yandex said that it has stored, at this path, what was sent here
        self._wrong_md5 = ""  # of what it stored instead
        self._last_error: Transient | None = None
        self._enter(self._send if link else self._compare_existing)

    def advance(self, stream: PhotoStream) -> float:
        """Go as far as the photo gets without waiting; see `UploadSession`."""
        self._stream = stream
        while self.stored is None:
            if seconds := self._step():
                return seconds
        return 0.0

    def abandon(self) -> None:
        """Leave nothing behind that is wrong, or has no properties; Yandex forgets what did not arrive."""
        ends = (self._poll_operation, self._check_arrival, self._set_properties, self._remove_wrong)
        waited = 0.0
        with suppress(ArchiveError):
            while self.stored is None and self._body.md5 and self._step in ends:
                seconds = self._step()
                waited += seconds
                if waited > MAX_FAREWELL_SECONDS:
                    return
                threading.Event().wait(seconds)

    def _enter(self, step: Step, seconds: float | None = None) -> None:
        """Enter a state.

        Args:
            step: the state.
            seconds: how long it may last while it waits; None: as long as looks are worth it.
        """
        self._step = step
        self._last_error = None
        self._seconds = seconds
        self._delays = look_delays() if seconds is None else poll_delays(seconds)

    def _try_again(self, detail: str, then: Step | None = None) -> float:
        """Return the seconds until this state is worth another try.

        Args:
            detail: of the Transient that is raised when it was tried enough.
            then: the state after that; None: the same.
        """
        wait = next(self._delays, None)
        if wait is not None:
            return wait
        error = self._last_error or Transient(Reason.CLOUD_UNAVAILABLE, detail)
        self._enter(then or self._step, None if then else self._seconds)
        raise error

    def _look_up(self, call: Callable[[], Resource | None]) -> Resource | None:
        """Return what a call finds; None also for a 500, which is as usual as a 404 for what was just stored."""
        self._last_error = None
        try:
            return call()
        except Transient as error:
            if not is_worth_another_look(error):
                raise
            self._last_error = error
            return None

    def _request_link(self) -> float:
        self._link = self._disk.ask_link(self._path)
        self._enter(self._send if self._link else self._compare_existing)
        return 0.0

    def _send(self) -> float:
        link, self._link = self._link, None
        self._enter(self._request_link)  # a link is good for one PUT
        if link is None:
            return 0.0
        self._was_stored = False
        seconds = READ_SECONDS + self._photo.size * SECONDS_PER_BYTE
        headers = {"Content-Length": str(self._photo.size)}
        body = self._body.open(self._stream)
        try:
            answer = self._http.request("PUT", link.address, headers=headers, body=body, read_seconds=seconds)
        finally:
            if self._body.all_sent:
                self._enter(self._check_arrival)
        self._read_answer(answer, link)
        return 0.0

    def _read_answer(self, answer: Answer, link: Link) -> None:
        """Read the answer to the bytes and enter the next state; raises what it means unless they were taken."""
        if 200 <= answer.status < 300:
            # Others may answer with success as well; then there will be nothing.
            self._was_stored = answer.status in (_STORED, _ACCEPTED)
            self._operation = link.operation if answer.status == _ACCEPTED else ""
            if self._operation:
                self._enter(self._poll_operation, OPERATION_SECONDS + self._photo.size * SECONDS_PER_BYTE)
            else:
                self._enter(self._set_properties)
            return
        if answer.status < 500 or answer.status in _NOT_STORED:
            self._enter(self._request_link)
        if answer.status in _LINK_VOID or (answer.status == _LINK_LOCKED and not read_name(answer)):
            raise Transient(Reason.CLOUD_UNAVAILABLE, f"the upload link is void ({answer.status})")
        raise read_failure(answer)

    def _poll_operation(self) -> float:
        """Ask whether what was accepted is stored by now."""
        succeeded = self._disk.ask_operation(self._operation)
        if succeeded is None:
            return self._try_again("Yandex Disk has the bytes and does not end storing them")
        self._operation = ""
        self._enter(self._set_properties if succeeded else self._request_link)
        if not succeeded:
            raise Transient(Reason.CLOUD_UNAVAILABLE, "Yandex Disk took the bytes and could not store them")
        return 0.0

    def _check_arrival(self) -> float:
        """Look whether the photo arrived although no answer said so."""
        resource = self._look_up(lambda: self._disk.find(self._path))
        if resource is None or not resource.is_whole:
            wait = next(self._delays, None)
            if wait is None and self._last_error:
                return self._try_again("", self._request_link)
            if wait is None:
                self._enter(self._request_link)
            return wait or 0.0
        if self._matches(resource):
            self._was_stored = True
            self._enter(self._set_properties)
        elif self._was_stored:
            return self._handle_mismatch(resource)
        else:
            self._enter(self._request_link)  # it is in the way, whatever it is
        return 0.0

    def _compare_existing(self) -> float:
        """Compare what is at the path with the photo: it may be there by an earlier run or by anybody's hand."""
        resource = self._look_up(lambda: self._disk.find(self._path))
        if resource is None:
            return self._try_again("the photo's path is taken, but nothing is there", self._request_link)
        if is_other_item(resource, self._archive_key, self._photo) or resource.size not in (-1, self._photo.size):
            return self._handle_mismatch(resource)
        if not resource.is_whole and (wait := next(self._delays, None)) is not None:
            return wait
        self._body.prove(self._stream)
        if not self._matches(resource):
            return self._handle_mismatch(resource)
        self._enter(self._set_properties)
        return 0.0

    def _set_properties(self) -> float:
        """Set the properties of what is at the path, and believe nothing but its size and MD5."""
        if not self._body.md5:
            self._body.prove(self._stream)
        made = place_property(self._path) if self._was_stored else {}
        properties = {**photo_properties(self._archive_key, self._photo, self._body.md5), **made}
        resource = self._look_up(lambda: self._disk.set_properties(self._path, properties))
        if resource is None or not resource.is_whole:
            return self._try_again("the photo was stored, and is not there yet", self._check_arrival)
        if not self._matches(resource):
            return self._handle_mismatch(resource)
        if not resource.has_properties(properties) and (wait := next(self._delays, None)) is not None:
            return wait
        self._finish(resource)
        return 0.0

    def _finish(self, resource: Resource) -> None:
        photo = self._photo
        self.offset = photo.size
        folder = self._path.rpartition("/")[0]
        self.stored = StoredPhoto(photo.key, self._path, photo.size, photo.crc32, folder, is_made_here(resource))

    def _matches(self, resource: Resource) -> bool:
        is_other = is_other_item(resource, self._archive_key, self._photo)
        return not is_other and (resource.size, resource.md5) == (self._photo.size, self._body.md5)

    def _handle_mismatch(self, resource: Resource) -> float:
        """Remove what this very session stored wrongly; take another path where anything else is in the way."""
        if self._was_stored and not is_other_item(resource, self._archive_key, self._photo):
            self._wrong_md5 = resource.md5
            self._enter(self._remove_wrong)
        else:
            self._path, self._was_stored = self._next_path(), False
            self._enter(self._request_link)
        return 0.0

    def _remove_wrong(self) -> float:
        """Remove what was stored wrongly, unless something else is there by now."""
        if self._operation and self._disk.ask_operation(self._operation) is None:
            return self._try_again("Yandex Disk did not remove the file yet")
        self._operation = ""
        resource = self._disk.find(self._path)
        if resource and self._matches(resource):
            self._wrong_md5 = ""
            self._enter(self._set_properties)  # somebody only said so
            return 0.0
        # More than was sent is nothing that was stored of it.
        if resource and resource.md5 == self._wrong_md5 and resource.size <= self._photo.size:
            self._operation = self._disk.begin_removal(self._path, resource.md5)
        if self._operation:
            self._enter(self._remove_wrong, REMOVAL_SECONDS)
            return 0.0
        self._wrong_md5 = ""
        raise SessionLost(Reason.WRONG_BYTES, "Yandex Disk holds other bytes than were sent")
