"""Reconcile an archive with the gallery's list: compare, copy what is missing, compare again, until nothing differs."""

import hashlib
import logging
from collections.abc import Callable, Collection, Mapping
from functools import partial
from itertools import chain
from urllib.parse import urlsplit

from common.clouds.base import Storage
from common.clouds.photos import Folder, Inventory, Photo, StoredPhoto, album_key
from common.errors import (
    ArchiveError,
    InventoryStale,
    PhotoRejected,
    Postponed,
    Reason,
    Refused,
    StorageFull,
    Transient,
)
from common.messages.archive_job import ArchiveJob
from worker.archive.copier import Copier
from worker.archive.copies import Copies
from worker.archive.matching import InventoryMatch, match_inventory
from worker.archive.prover import Prover
from worker.gallery.manifest import Manifest
from worker.transfer.retry import RetryPolicy
from worker.transfer.stop import Interrupted

logger = logging.getLogger(__name__)

# When the cloud changes meanwhile the inventory is taken again; after so many times in a row the job waits.
MAX_STALE_INVENTORIES = 4
# How often the list is read again at the end; for a gallery that keeps changing, the last one counts.
MAX_MANIFEST_READS = 5


def archive_key(job: ArchiveJob) -> str:
    """Return the key of an archive in its guest's cloud, the same for every later run of it.

    The folder's name has no part in it: a guest may rename both gallery and folder.
    """
    telling = f"{urlsplit(job.archive_url).path}\n{job.archive_type}"
    return hashlib.sha256(telling.encode()).hexdigest()[:32]


class Reconciler:
    """Brings an archive in line with the gallery's list. Used by one thread.

    Args:
        job: which archive.
        fetch_manifest: reads the gallery's list; raises Transient.
        storage: the guest's cloud.
        copies: what became of the photos in earlier deliveries, and the list; updated here.
        policy: how each call is retried.
        copier: copies what is missing.
        prover: proves what is there.
        agree_on_initial_count: given how many of the photos stood in the cloud before anything was copied here,
            returns how many did before the job.
    """

    def __init__(
        self,
        job: ArchiveJob,
        fetch_manifest: Callable[[], Manifest],
        storage: Storage,
        copies: Copies,
        policy: RetryPolicy,
        copier: Copier,
        prover: Prover,
        agree_on_initial_count: Callable[[int], int] = lambda found: found,
    ) -> None:
        self._key = archive_key(job)
        self._gallery_name = job.gallery_name
        self._fetch_manifest = fetch_manifest
        self._storage = storage
        self._copies = copies
        self._policy = policy
        self._copier = copier
        self._prover = prover
        self._agree_on_initial_count = agree_on_initial_count
        self._inventory = Inventory()
        self._made: Mapping[str, Folder] = {}

    def run(self) -> None:
        """Copy what is missing; safe to repeat. What became of the photos is in `copies`.

        Raises:
            Interrupted: there is more to do, but the work was told to stop.
            Postponed, Transient: there is more to do, but not now.
            JobStopped: there is more to do, but only the guest can help.
        """
        inventory = self._fetch_inventory()
        self._copies.record_initial_inventory(self._match(inventory).kept, self._agree_on_initial_count)
        for _ in range(MAX_MANIFEST_READS):
            self._copy_missing(inventory)
            if not self._refresh_manifest():
                return
            inventory = self._update_inventory()

    def _copy_missing(self, inventory: Inventory) -> None:
        stale_inventories = 0
        while missing := self._find_missing(inventory):
            try:
                result = self._copier.copy(self._select_fitting(missing), self._make_albums(missing, inventory))
                # A cloud that is down shows here; then nobody was rejected.
                inventory = self._update_inventory()
                self._copier.evaluate(result)
                continue
            except InventoryStale as stale:
                stale_inventories += 1
                logger.warning("the cloud changed meanwhile: %s", stale.detail)
                if stale_inventories == MAX_STALE_INVENTORIES:
                    raise Postponed(stale.reason, stale.detail) from None
            except Refused as refused:
                self._copier.wait_before_probe(refused)
            inventory = self._update_inventory()

    def remove_duplicates(self, *, is_exclusive: bool) -> None:
        """Remove duplicates, and copy nothing.

        Args:
            is_exclusive: nobody else copies the archive now.
        """
        inventory = self._fetch_inventory()
        if is_exclusive and not all(photo.is_proved for photo in inventory.photos):
            self._prove_missing(inventory)
            inventory = self._fetch_inventory()
        matched = match_inventory(self._copies.photos, inventory, is_exclusive=is_exclusive)
        self._remove_all(matched.duplicates)

    def note_proved(self) -> None:
        """Note in the cloud that what was copied agreed with its source, so that no later run has to see for itself."""
        # A listing that lags behind does not show the folders that were made: they are known all the same.
        known = Inventory(albums={**self._made, **self._inventory.albums})
        try:
            self._storage.note_proved(known)
        except (ArchiveError, Interrupted) as error:
            logger.info("what was proved is not noted: %s", error)

    def record_final_inventory(self) -> None:
        """Record what is in the cloud after all: a photo may have arrived whose reply nobody waited for.

        What a killed worker copied is there as well, and nobody will copy it again: it is proved here. What there is no
        time for counts by its size and mark.

        Raises:
            ArchiveError, Interrupted: there is no inventory to be had.
        """
        inventory = self._take_inventory()
        self._record_inventory(inventory)
        self._copies.may_have_duplicates |= not all(photo.is_proved for photo in inventory.photos)
        unknown = self._prove_missing(inventory)
        marked = match_inventory(self._copies.photos, inventory, include_unproved=True).kept
        self._copies.record_inventory(unknown & marked.keys())

    def _prove_missing(self, inventory: Inventory) -> set[str]:
        """Prove what is there and not known to be; return the keys of what cannot be known."""
        kept = self._match(inventory).kept
        missing = [photo for key, photo in self._copies.photos.items() if key not in kept]
        return self._prover.prove(missing, inventory.albums, self._copies.record_arrival)

    def _refresh_manifest(self) -> bool:
        """Read the list again, and say whether it is another one than was worked on."""
        try:
            fresh = self._policy.call_with_retry(self._fetch_manifest)
        except Transient as error:
            # Another list could only help those that failed.
            if self._copies.rejected:
                raise
            logger.info("the list could not be read again: %s", error)
            return False
        return self._copies.replace_manifest(fresh)

    def _update_inventory(self) -> Inventory:
        inventory = self._fetch_inventory()
        self._record_inventory(inventory)
        return inventory

    def _fetch_inventory(self) -> Inventory:
        """Take the inventory with retries; merges albums that are there twice."""
        inventory = self._policy.call_with_retry(self._take_inventory)
        if inventory.duplicate_albums:
            logger.info("an album was there twice")
            self._copies.may_have_duplicates = True
            self._policy.call_with_retry(lambda: self._storage.merge_albums(inventory))
            inventory = self._policy.call_with_retry(self._take_inventory)
        # Unproved copies are from a worker that died, or one that still goes on.
        self._copies.may_have_duplicates |= not all(photo.is_proved for photo in inventory.photos)
        self._update_folder_url(inventory)
        return inventory

    def _take_inventory(self) -> Inventory:
        self._inventory = self._storage.take_inventory(self._key, self._copies.arrived)
        return self._inventory

    def _update_folder_url(self, inventory: Inventory) -> None:
        folder = inventory.albums.get(album_key(()))
        self._copies.folder_url = folder.url if folder else ""

    def _match(self, inventory: Inventory) -> InventoryMatch:
        return match_inventory(self._copies.photos, inventory)

    def _record_inventory(self, inventory: Inventory) -> None:
        """Record what is there, and whether others copied some of it: another worker may have the same message."""
        arrived, skipped = self._copies.arrived, self._copies.skipped
        matched = self._match(inventory)
        for copy in chain(matched.kept.values(), matched.duplicates):
            mine = arrived.get(copy.key)
            if copy.key not in skipped and (mine is None or mine.id != copy.id):
                self._copies.may_have_duplicates = True
        self._copies.record_inventory(matched.kept)

    def _find_missing(self, inventory: Inventory) -> list[Photo]:
        """Return what is still to be copied, what failed before last; removes duplicates."""
        matched = self._match(inventory)
        self._remove_all(matched.duplicates)
        shown = {copy.id for copy in inventory.photos}
        missing = []
        for key, photo in self._copies.photos.items():
            if key in matched.kept or key in self._copies.rejected:
                continue
            if self._is_still_stored(key, shown):
                # It lags behind. It may not show our own folders either, nor what another run brought: whatever is
                # made twice for that is merged by the next inventory once the listing has caught up.
                self._copies.may_have_duplicates = True
            else:
                missing.append(photo)
        return self._copier.sort(missing)

    def _remove_all(self, duplicates: Collection[StoredPhoto]) -> None:
        for duplicate in duplicates:
            logger.debug("a photo was there twice", extra={"photo": duplicate.key})
            self._policy.call_with_retry(partial(self._storage.remove, duplicate))

    def _is_still_stored(self, key: str, shown: Collection[str]) -> bool:
        """Say whether a photo that the listing does not show is there all the same: it may lag behind by minutes.

        What it does show, and as no copy of the photo, was changed or moved away by the guest.
        """
        stored = self._copies.arrived.get(key)
        if stored is None:
            return False
        if stored.id not in shown and self._policy.call_with_retry(lambda: self._storage.is_there(stored)):
            return True
        self._copies.forget(key)
        return False

    def _make_albums(self, missing: Collection[Photo], inventory: Inventory) -> Mapping[str, Folder]:
        """Make the folders that these photos need; return all of the archive's, by `album_key`."""
        albums = {photo.album for photo in missing}
        self._policy.call_with_retry(
            lambda: self._storage.make_albums(self._key, self._gallery_name, albums, inventory)
        )
        self._update_folder_url(inventory)
        self._made = inventory.albums
        return self._made

    def _select_fitting(self, missing: list[Photo]) -> list[Photo]:
        """Return the photos that there is room for; rejects those that alone are larger than what is free.

        Raises:
            StorageFull: there is no room for the others together.
        """
        free = self._policy.call_with_retry(self._storage.free_bytes)
        if free is not None:
            fitting = [photo for photo in missing if photo.size <= free]
            needed = sum(photo.size for photo in fitting or missing)
            if needed > free:
                raise StorageFull(f"{needed} bytes needed, {free} free", needed=needed, free=free)
            # A list may be wrong about one photo; that is no reason to save none of the others.
            for photo in missing:
                if photo.size > free:
                    self._copies.reject(
                        photo.key, PhotoRejected(Reason.STORAGE_FULL, f"{photo.size} bytes, {free} free")
                    )
            missing = fitting
        return missing
