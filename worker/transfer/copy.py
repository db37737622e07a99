"""Copy one photo: the only loop that moves bytes."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress

from common.clouds.base import PhotoStream, UploadSession
from common.clouds.photos import StoredPhoto
from common.errors import Refused, SessionLost, Transient
from worker.transfer.refusals import RefusalClassifier
from worker.transfer.retry import RetryBudget
from worker.transfer.stop import Interrupted


class PhotoCopy:
    """The copy of one photo, made a step at a time. Used by one thread at a time; safe to repeat.

    Args:
        stream: the photo's bytes.
        open_session: opens an upload session; for a photo that is in the cloud already, the session finds it there.
        budget: how often this photo may still fail.
        transfer_slot: held while bytes move, and neither while they are waited for nor while a failure is waited out.
        refusals: tells whether a refusal concerns this photo or all of them.
        clean_up: surrounds the end of an upload that was broken off; its requests may go out for a moment.
    """

    def __init__(
        self,
        stream: PhotoStream,
        open_session: Callable[[], UploadSession],
        budget: RetryBudget,
        transfer_slot: Callable[[], AbstractContextManager[None]],
        refusals: RefusalClassifier,
        clean_up: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self._stream = stream
        self._open_session = open_session
        self._budget = budget
        self._transfer_slot = transfer_slot
        self._refusals = refusals
        self._clean_up = clean_up
        self._session: UploadSession | None = None

    @property
    def failures(self) -> int:
        """How often it failed in a row."""
        return self._budget.failures

    def step(self) -> StoredPhoto | float:
        """Go on until the photo is stored, or its cloud needs time to store it.

        Returns:
            The stored photo, or the seconds to let pass before the next step; meanwhile neither its source nor a block
            of memory is held.

        Raises:
            PhotoRejected: it cannot be copied, or not within its tries.
            Refused: the cloud refuses every photo.
            InventoryStale, JobStopped: as they say.
        """
        while True:
            try:
                if self._session is None:
                    self._session = self._open_session()
                    self._stream.open()
                with self._transfer_slot():
                    return self._transfer(self._session)
            except (Transient, SessionLost) as error:
                self._handle_failure(error)

    def close(self) -> StoredPhoto | None:
        """Abandon the upload unless the photo is stored, and close its source; return the photo if it is in."""
        session, self._session = self._session, None
        self._stream.close()
        if session is None:
            return None
        if not session.stored:
            # Whoever may not even clean up any more leaves the rest to the cloud.
            with suppress(Interrupted), self._clean_up():
                session.abandon()
        return session.stored

    def _transfer(self, session: UploadSession) -> StoredPhoto | float:
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
