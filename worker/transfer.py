"""Copy one photo: the only loop that moves bytes. Knows no wire, no cloud and no clock."""

from collections.abc import Callable

from common.clouds.base import PhotoStream, StoredPhoto, UploadSession
from common.errors import PhotoRejected, SessionLost, Transient
from worker.retry import Patience


def copy_photo(stream: PhotoStream, begin: Callable[[], UploadSession], patience: Patience) -> StoredPhoto:
    """Bring one photo into its cloud; safe to repeat.

    Args:
        stream: the photo's bytes.
        begin: opens a session; one for a photo that is in already finds it there.
        patience: how often this photo may still fail.

    Raises:
        PhotoRejected: it cannot be copied, or not within its tries.
        InventoryStale, JobStopped: as they say.
    """
    session: UploadSession | None = None
    furthest = 0
    try:
        while True:
            try:
                session = session or begin()
                session.advance(stream)
            except (Transient, SessionLost) as error:
                if isinstance(error, SessionLost):
                    session = None
                if not patience.outlasts(error):
                    raise PhotoRejected(error.reason, error.detail) from None
                continue
            if session.stored:
                return session.stored
            # Only bytes that were never reached before are progress: going the same way twice is not.
            if session.offset > furthest:
                furthest = session.offset
                patience.restore()
    finally:
        if session and not session.stored:
            session.abandon()
