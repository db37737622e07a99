"""Prove photos that are in the cloud and were never proved: a worker that was killed may have left them."""

import logging
import time
from collections.abc import Callable, Iterable, Mapping

from common.clouds.base import Storage
from common.clouds.photos import Folder, Photo, StoredPhoto, album_key
from common.errors import PhotoRejected, SessionLost, Transient
from worker.archive.copier import OpenStream
from worker.transfer.stop import Interrupted, Signals, Stop

logger = logging.getLogger(__name__)

# How often a photo is tried, and how long all of them may take, in seconds: a guest who stopped the job waits.
TRIES, MAX_SECONDS = 3, 20.0


class Prover:
    """Reads the sources of photos and compares; uploads nothing. Used by one thread.

    Args:
        archive_key: names the archive in its guest's cloud.
        storage: the guest's cloud.
        open_stream: opens a photo's bytes, given what is called before every block and may raise to end the reading.
        signals: end the work, but for final requests.
    """

    def __init__(self, archive_key: str, storage: Storage, open_stream: OpenStream, signals: Signals) -> None:
        self._key = archive_key
        self._storage = storage
        self._open_stream = open_stream
        self._signals = signals

    def prove(
        self, photos: Iterable[Photo], albums: Mapping[str, Folder], on_proved: Callable[[StoredPhoto], None]
    ) -> set[str]:
        """Prove those of the photos that the last inventory showed as maybe there, as many as there is time for.

        Args:
            photos: none of which is known to be there.
            albums: the archive's folders by `album_key`.
            on_proved: called with each that is there.

        Returns:
            the keys of those about which nothing is known.

        Raises:
            JobStopped: as the cloud says.
        """
        unknown: set[str] = set()
        ends = time.monotonic() + MAX_SECONDS
        for photo in photos:
            folder = albums.get(album_key(photo.album))
            if folder is None:
                continue
            try:
                if stored := self._prove_patiently(photo, folder, ends):
                    on_proved(stored)
            except (Transient, Interrupted) as error:
                logger.debug("what may be there is not proved: %s", error, extra={"photo": photo.key})
                unknown.add(photo.key)
        return unknown

    def _prove_patiently(self, photo: Photo, folder: Folder, ends: float) -> StoredPhoto | None:
        for number in range(1, TRIES + 1):
            if time.monotonic() > ends:
                raise Interrupted
            try:
                return self._prove_one(photo, folder)
            except Transient:
                if number == TRIES:
                    raise
        return None

    def _prove_one(self, photo: Photo, folder: Folder) -> StoredPhoto | None:
        for session in self._storage.open_proofs(self._key, photo, folder):
            stream = self._open_stream(photo, self._signals.check)
            try:
                while not session.stored:
                    Stop().sleep(session.advance(stream))
            except (SessionLost, PhotoRejected) as error:
                logger.info("a file in its place is not the photo: %s", error, extra={"photo": photo.key})
            finally:
                stream.close()
            if session.stored:
                return session.stored
        return None
