"""Copy one photo: the only loop that moves bytes. Knows no wire, no cloud and no clock."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

from common.clouds.base import PhotoStream, UploadSession
from common.clouds.photos import StoredPhoto
from common.errors import Refused, SessionLost, Transient
from worker.transfer.refusals import RefusalClassifier, RefusalStreak
from worker.transfer.retry import RetryBudget


class PhotoCopy:
    """One photo on its way into its cloud, a step at a time. Used by one thread at a time; safe to repeat.

    Args:
        stream: the photo's bytes.
        begin: opens a session; one for a photo that is in already finds it there.
        budget: how often this photo may still fail.
        transfer_slot: held while bytes move, and neither while they are waited for nor while a failure is waited out.
        refusals: what a refusal of this photo tells of the others.
    """

    def __init__(
        self,
        stream: PhotoStream,
        begin: Callable[[], UploadSession],
        budget: RetryBudget,
        transfer_slot: Callable[[], AbstractContextManager[None]] = nullcontext,
        refusals: RefusalClassifier | None = None,
    ) -> None:
        self._stream = stream
        self._begin = begin
        self._budget = budget
        self._transfer_slot = transfer_slot
        self._refusals = refusals or RefusalClassifier("", RefusalStreak(1), is_isolated=True)
        self._session: UploadSession | None = None

    @property
    def failures(self) -> int:
        """How many of its tries are used up."""
        return self._budget.failures

    def step(self) -> StoredPhoto | float:
        """Go on until the photo is in, or its cloud needs time to store it.

        Returns:
            The photo, or the seconds to let pass before the next step; until then nothing is held but what it knows.

        Raises:
            PhotoRejected: it cannot be copied, or not within its tries.
            Refused: the cloud refuses every photo.
            InventoryStale, JobStopped: as they say.
        """
        while True:
            try:
                if self._session is None:
                    self._session = self._begin()
                    self._stream.open()
                with self._transfer_slot():
                    return self._move(self._session)
            except (Transient, SessionLost) as error:
                self._handle_failure(error)

    def close(self) -> None:
        """Let the photo go; what is not in by now will not come."""
        session, self._session = self._session, None
        try:
            if session and not session.stored:
                session.abandon()
        finally:
            self._stream.close()

    def _move(self, session: UploadSession) -> StoredPhoto | float:
        while not session.stored:
            seconds = session.advance(self._stream)
            self._budget.note_progress(session.offset)
            if seconds and not session.stored:
                # Its source and its memory are of use to others meanwhile.
                self._stream.close()
                return seconds
        self._refusals.on_stored()
        return session.stored

    def _handle_failure(self, error: Transient | SessionLost) -> None:
        if isinstance(error, SessionLost):
            self._session = None
        if isinstance(error, Refused) and self._refusals.concerns_all(error):
            raise error
        if not self._budget.wait_or_give_up(error):
            raise self._refusals.to_rejection(error) from None


def copy_photo(stream: PhotoStream, begin: Callable[[], UploadSession], budget: RetryBudget) -> StoredPhoto:
    """Bring one photo into its cloud, and wait for it here; arguments and errors as in `PhotoCopy`."""
    copy = PhotoCopy(stream, begin, budget)
    try:
        while not isinstance(step := copy.step(), StoredPhoto):
            budget.sleep(step)
        return step
    finally:
        copy.close()
