"""Keep one promise: list, look, copy the difference, look again, until nothing differs. Knows no HTTP and no vendor."""

import hashlib
import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from itertools import chain
from urllib.parse import urlsplit

from common.archive_job import ArchiveJob
from common.clouds.base import PhotoStream, Storage, UploadSession
from common.clouds.photos import Folder, Inventory, Photo, StoredPhoto, album_key
from common.errors import ArchiveError, InventoryStale, Postponed, Reason, StorageFull
from worker.lanes import Lanes
from worker.manifest import Manifest
from worker.retry import Patience, RetryPolicy
from worker.round import Round, copy_round
from worker.stopping import Interrupted, Signals
from worker.tally import Copies, Rejected, Tally, find_copies
from worker.transfer import copy_photo

logger = logging.getLogger(__name__)

# When the cloud changes under us the inventory is taken again; for one that never settles the job waits.
MOST_STALE_LOOKS = 4
# Reasons that the gallery's list may help with: it may name another address by now.
_SOURCE_REASONS = (Reason.PHOTO_UNAVAILABLE, Reason.GALLERY_UNAVAILABLE)

OpenStream = Callable[[Photo, Callable[[], None]], PhotoStream]


def archive_key(job: ArchiveJob) -> str:
    """Return what names an archive in its guest's cloud, the same for every later run of it.

    The folder's name has no part in it: a guest may rename both gallery and folder.
    """
    telling = f"{urlsplit(job.archive_url).path}\n{job.archive_type}"
    return hashlib.sha256(telling.encode()).hexdigest()[:32]


class Archive:
    """One archive on its way. Its methods run on one thread; the photos on many.

    Args:
        job: the promise.
        fetch_manifest: returns what the gallery lists; raises Transient.
        storage: the guest's cloud.
        tally: what earlier deliveries know; carried on here.
        open_stream: gives a photo's bytes; what it is given is called before every block and may raise.
        policy: how patient to be with each photo and each call.
        photos: that move at a time.
        signals: end the work.
    """

    def __init__(
        self,
        job: ArchiveJob,
        fetch_manifest: Callable[[], Manifest],
        storage: Storage,
        tally: Tally,
        *,
        open_stream: OpenStream,
        policy: RetryPolicy,
        photos: int,
        signals: Signals,
    ) -> None:
        self._key = archive_key(job)
        self._gallery_name = job.gallery_name
        self._fetch_manifest = fetch_manifest
        self._storage = storage
        self._tally = tally
        self._open_stream = open_stream
        self._policy = policy
        self._lanes = Lanes(photos)
        self._signals = signals
        self._photos: Mapping[str, Photo] = {}
        self._hopeless: set[str] = set()
        self._had_nothing: bool | None = None  # whether the round before brought nothing; None before the first
        self._refreshed = False

    def keep(self, manifest: Manifest) -> None:
        """Copy what is missing; safe to repeat. What became of the photos is in the tally.

        Raises:
            Interrupted: there is more to do, but the work was told to stop.
            Postponed, Transient: there is more to do, but not now.
            JobStopped: there is more to do, but only the guest can help.
        """
        self._photos = manifest.photos
        stale_looks = 0
        inventory = self._look()
        self._tally.skipped = self._find_copies(inventory).kept.keys() - self._tally.arrived.keys()
        while missing := self._compare(inventory):
            self._demand_space(missing)
            try:
                done = self._copy(missing, inventory)
                # A cloud that is down shows here; then nobody was rejected.
                inventory = self._look()
                self._note_others(inventory)
                self._conclude(done)
            except InventoryStale as stale:
                stale_looks += 1
                logger.warning("the cloud changed meanwhile: %s", stale.detail)
                if stale_looks == MOST_STALE_LOOKS:
                    raise Postponed(stale.reason, stale.detail) from None
                inventory = self._look()
                self._note_others(inventory)

    def remove_doubles(self, manifest: Manifest) -> None:
        """Remove what is there twice, and copy nothing."""
        self._photos = manifest.photos
        self._compare(self._look())

    def look_last(self) -> None:
        """Note what is in the cloud after all: a photo may have arrived whose reply nobody waited for."""
        try:
            inventory = self._take_inventory()
        except (ArchiveError, Interrupted) as error:
            logger.info("there was no last look: %s", error)
        else:
            self._tally.skipped.update(self._find_copies(inventory).kept)

    def count_stored(self, manifest: Manifest) -> int:
        """Return how many of the listed photos are in the cloud."""
        self._photos = manifest.photos
        return len(self._find_copies(self._look()).kept)

    def _look(self) -> Inventory:
        inventory = self._policy.persist(self._take_inventory)
        if inventory.spare_albums:
            logger.info("an album was there twice")
            self._tally.crowded = True
            self._policy.persist(lambda: self._storage.join_albums(inventory))
            inventory = self._policy.persist(self._take_inventory)
        self._note_folder(inventory)
        return inventory

    def _take_inventory(self) -> Inventory:
        return self._storage.take_inventory(self._key, self._tally.arrived)

    def _note_folder(self, inventory: Inventory) -> None:
        folder = inventory.albums.get(album_key(()))
        self._tally.folder_url = folder.url if folder else ""

    def _find_copies(self, inventory: Inventory) -> Copies:
        return find_copies(self._photos, inventory.photos)

    def _note_others(self, inventory: Inventory) -> None:
        """See whether photos came that this run did not bring: another worker may still hold the same message."""
        arrived, skipped = self._tally.arrived, self._tally.skipped
        copies = self._find_copies(inventory)
        for copy in chain(copies.kept.values(), copies.doubles):
            mine = arrived.get(copy.key)
            if copy.key not in skipped and (mine is None or mine.id != copy.id):
                self._tally.crowded = True
        # Nobody is to be told that they failed.
        skipped.update(key for key in copies.kept if key not in arrived)

    def _compare(self, inventory: Inventory) -> list[Photo]:
        """Return what is still to be copied, what failed before last; removes what is there twice."""
        copies = self._find_copies(inventory)
        for double in copies.doubles:
            self._remove(double)
        missing, lags = [], False
        for key, photo in self._photos.items():
            if key in copies.kept or key in self._tally.rejected:
                continue
            if self._has_arrived(key):
                lags = True
            else:
                missing.append(photo)
        if missing and lags:
            # It may not show our own folders either; then they are made anew, and joined when it has caught up.
            self._tally.crowded = True
        # Where nothing came from, the next try begins at the other end: broken photos may stand side by side.
        missing = missing[::-1] if self._had_nothing else missing
        return sorted(missing, key=lambda photo: photo.key in self._hopeless)

    def _remove(self, double: StoredPhoto) -> None:
        logger.debug("a photo was there twice", extra={"photo": double.key})
        self._policy.persist(lambda: self._storage.remove(double))

    def _has_arrived(self, key: str) -> bool:
        """Say whether a photo that the listing does not show is there all the same: it may lag behind by minutes."""
        stored = self._tally.arrived.get(key)
        if stored is None:
            return False
        if self._policy.persist(lambda: self._storage.is_there(stored)):
            return True
        del self._tally.arrived[key]
        return False

    def _demand_space(self, missing: Collection[Photo]) -> None:
        needed = sum(photo.size for photo in missing)
        free = self._policy.persist(self._storage.free_bytes)
        if free is not None and needed > free:
            raise StorageFull(f"{needed} bytes needed, {free} free", needed=needed, free=free)

    def _copy(self, missing: Collection[Photo], inventory: Inventory) -> Round:
        albums = {photo.album for photo in missing}
        self._policy.persist(lambda: self._storage.make_albums(self._key, self._gallery_name, albums, inventory))
        self._note_folder(inventory)

        def copy_one(photo: Photo, signals: Signals) -> StoredPhoto:
            return self._copy_one(photo, inventory.albums[album_key(photo.album)], signals)

        return copy_round(
            missing,
            copy_one,
            self._tally.arrived,
            given_up=self._hopeless,
            lanes=self._lanes,
            signals=self._signals,
        )

    def _copy_one(self, photo: Photo, folder: Folder, signals: Signals) -> StoredPhoto:
        def begin() -> UploadSession:
            with self._lanes.begin(signals.wind_down):
                self._policy.pace.take_turn()
                session = self._storage.begin(self._key, photo, folder)
                self._policy.pace.accept()
                return session

        stream = self._open_stream(photo, signals.let_go.check)
        policy = replace(self._policy, sleep=signals.wind_down.sleep)
        try:
            stored = copy_photo(stream, begin, Patience(policy), lambda: self._lanes.move(signals.wind_down))
            # As the next look will show it.
            return replace(stored, folder_id=folder.id)
        finally:
            stream.close()

    def _conclude(self, done: Round) -> None:
        """Judge the photos that failed: it may be their own fault, or that of something that concerns them all."""
        # Who failed right after others had arrived is broken itself; without such a round before, nobody can tell.
        is_first = self._had_nothing is None
        if done.shows_outage and (self._had_nothing or (is_first and done.is_complete)):
            failure = next(iter(done.failed.values()))
            raise Postponed(failure.reason, failure.detail)
        self._had_nothing = not done.any_arrived
        if not done.is_complete:
            # Others were not tried yet. If they arrive, these here were broken themselves.
            self._hopeless.update(done.failed)
            return
        self._tally.rejected.update(self._without_moved(done.failed))

    def _without_moved(self, failed: Rejected) -> Rejected:
        """Return the failures less those of photos that the gallery lists under another address by now."""
        if self._refreshed or not any(failure.reason in _SOURCE_REASONS for failure in failed.values()):
            return failed
        self._refreshed = True
        listed = self._policy.persist(self._fetch_manifest).photos
        moved = {key: listed[key] for key in failed if key in listed and listed[key].url != self._photos[key].url}
        self._photos = {**self._photos, **moved}
        return {key: failure for key, failure in failed.items() if key not in moved}
