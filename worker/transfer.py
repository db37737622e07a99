"""Copy one photo: the only loop that moves bytes. Knows no wire, no cloud and no clock."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

from common.clouds.base import PhotoStream, UploadSession
from common.clouds.photos import StoredPhoto
from common.errors import PhotoRejected, SessionLost, Transient
from worker.retry import Patience


def copy_photo(
    stream: PhotoStream,
    begin: Callable[[], UploadSession],
    patience: Patience,
    lane: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> StoredPhoto:
    """Bring one photo into its cloud; safe to repeat.

    Args:
        stream: the photo's bytes.
        begin: opens a session; one for a photo that is in already finds it there.
        patience: how often this photo may still fail.
        lane: held while bytes move, and neither while they are waited for nor while a failure is waited out.

    Raises:
        PhotoRejected: it cannot be copied, or not within its tries.
        InventoryStale, JobStopped: as they say.
    """
    session: UploadSession | None = None
    try:
        while True:
            try:
                if session is None:
                    session = begin()
                    stream.open()
                with lane():
                    return _move(stream, session, patience)
            except (Transient, SessionLost) as error:
                if isinstance(error, SessionLost):
                    session = None
                if not patience.outlasts(error):
                    raise PhotoRejected(error.reason, error.detail) from None
    finally:
        if session and not session.stored:
            session.abandon()


def _move(stream: PhotoStream, session: UploadSession, patience: Patience) -> StoredPhoto:
    while not session.stored:
        seconds = session.advance(stream)
        patience.note_progress(session.offset)
        if seconds:
            patience.pause(seconds)
    return session.stored
