"""State of an archive's copies: which photos arrived, which were rejected, and the counts of them."""

import threading
from collections import deque
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice

from common.clouds.photos import Album, Photo, StoredPhoto
from common.errors import PhotoRejected
from common.messages.progress import MAX_FAILURES, MAX_LATEST, FailedPhoto
from worker.gallery.manifest import Manifest

# Characters of an album that a failed photo is named with: snapshots name a hundred, and albums may nest without end.
MAX_ALBUM_TEXT = 500


@dataclass(frozen=True, slots=True)
class Counts:
    """The listed photos, counted by what became of them.

    Args:
        manifest, skipped: those that the counts were made from.
        total, total_bytes: all that are listed; bytes only of those that can be copied.
        stored, stored_bytes: in the cloud, whoever copied them.
        found: of those, how many were seen there before this delivery copied them.
        failed: rejected, or unusable as listed.
        failures: the first of those.
    """

    manifest: Manifest | None
    skipped: set[str]
    total: int = 0
    total_bytes: int = 0
    stored: int = 0
    stored_bytes: int = 0
    found: int = 0
    failed: int = 0
    failures: tuple[FailedPhoto, ...] = ()


@dataclass
class Copies:
    """What became of each photo so far, by its key. Changed by one thread, counted on any.

    Whoever changes `arrived` or `rejected`, or what is in `skipped`, does it by the methods here: the counts are kept
    up to date, since somebody may ask for them every second while a hundred thousand photos are on their way.

    Args:
        manifest: what the gallery lists, as far as is known; None before the list was read.
        initially_stored: how many were in the cloud before the job; -1 while unknown.
        skipped: are in the cloud, and were not copied by this delivery.
        arrived: were copied by this delivery or the one before.
        rejected: cannot be copied, and why.
        tries: of those that have not arrived, how often they failed.
        may_have_duplicates: whether there may be duplicates that no inventory has shown yet: somebody else may copy
            the same archive at the same time, or the listing lags behind.
        folder_url: where the guest opens the gallery's folder, once there is one.
        has_inventory: whether this delivery has seen what is in the cloud.
    """

    manifest: Manifest | None = None
    initially_stored: int = -1
    skipped: set[str] = field(default_factory=set)
    arrived: dict[str, StoredPhoto] = field(default_factory=dict)
    rejected: dict[str, PhotoRejected] = field(default_factory=dict)
    tries: dict[str, int] = field(default_factory=dict)
    may_have_duplicates: bool = False
    folder_url: str = ""
    has_inventory: bool = False
    _counts: Counts | None = field(default=None, init=False, repr=False, compare=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        last = islice(reversed(self.arrived), MAX_LATEST)
        self._latest: deque[str] = deque(last, maxlen=MAX_LATEST)

    @property
    def photos(self) -> Mapping[str, Photo]:
        """The listed photos by their keys."""
        return self.manifest.photos if self.manifest else {}

    @property
    def is_complete(self) -> bool:
        """Whether there are photos, and every one that can be copied is known to be in the cloud."""
        return bool(self.photos) and all(map(self.is_stored, self.photos))

    def is_stored(self, key: str) -> bool:
        """Say whether a photo is known to be in the cloud. Thread-safe."""
        return key in self.arrived or key in self.skipped

    def latest_names(self) -> tuple[str, ...]:
        """Return the names of the photos that arrived last, the newest first. Thread-safe."""
        with self._lock:
            keys = list(self._latest)
        photos = self.photos
        return tuple(photos[key].name for key in keys if key in photos)

    def count(self) -> Counts:
        """Return the counts. Thread-safe; goes through all photos only after another list or inventory."""
        with self._lock:
            counts = self._counts
            if counts is None or counts.manifest is not self.manifest or counts.skipped is not self.skipped:
                counts = self._counts = self._recount()
            return counts

    def record_initial_inventory(
        self, found: Collection[str], agree: Callable[[int], int] = lambda count: count
    ) -> None:
        """Record which of the listed photos are in the cloud as this delivery begins.

        Args:
            found: their keys.
            agree: given how many of them this delivery did not copy, returns how many were there before the job;
                called before the inventory shows in the counts.
        """
        skipped = set(found) - self.arrived.keys()
        initially_stored = agree(len(skipped))
        with self._lock:
            self.skipped, self.initially_stored = skipped, initially_stored
            self.has_inventory = True

    def record_inventory(self, found: Collection[str]) -> None:
        """Record which are there by now, so that none of them counts as failed."""
        with self._lock:
            others = {key for key in found if key not in self.arrived and key not in self.skipped}
            if others:
                self.skipped |= others
                self._counts = None
            self.has_inventory = True

    def record_arrival(self, stored: StoredPhoto) -> None:
        """Record a photo that this delivery has copied."""
        key = stored.key
        with self._lock:
            is_new, photo = not self.is_stored(key), self.photos.get(key)
            self.arrived[key] = stored
            self._latest.appendleft(key)
            if key in self.rejected or not is_new:
                self._counts = None
            elif self._counts and photo:
                counts = self._counts
                self._counts = replace(counts, stored=counts.stored + 1, stored_bytes=counts.stored_bytes + photo.size)

    def forget(self, key: str) -> None:
        """Record that a photo that had arrived is there no more."""
        with self._lock:
            del self.arrived[key]
            self._counts = None

    def reject(self, key: str, failure: PhotoRejected) -> None:
        """Record that a photo cannot be copied."""
        with self._lock:
            self.rejected[key] = failure
            self._counts = None
        self.tries.pop(key, None)

    def replace_manifest(self, fresh: Manifest) -> bool:
        """Replace the list, and say whether it differs; what changed in it has all its tries again.

        One that is suddenly empty is not believed: everything there would be missing from it.
        """
        before = self.photos
        if fresh == self.manifest or (before and not fresh.photos):
            return False
        with self._lock:
            self.manifest = fresh
            for key, photo in before.items():
                if fresh.photos.get(key) != photo:
                    self.rejected.pop(key, None)
                    self.tries.pop(key, None)
                    self._forget_replaced(key, fresh.photos.get(key), photo)
            self._counts = None
        return True

    def _forget_replaced(self, key: str, now: Photo | None, before: Photo) -> None:
        """Forget the copy of a photo whose bytes are others by now."""
        if now and (now.size, now.crc32) != (before.size, before.crc32):
            self.arrived.pop(key, None)
            self.skipped.discard(key)

    def _recount(self) -> Counts:
        manifest, photos = self.manifest, self.photos
        if manifest is None:
            return Counts(None, self.skipped)
        stored = [photo.size for key, photo in photos.items() if self.is_stored(key)]
        failed = [FailedPhoto(each.name, str(each.reason), each.detail) for each in manifest.unusable]
        failed += [
            FailedPhoto(photos[key].name, str(failure.reason), failure.detail, _album_text(photos[key].album))
            for key, failure in self.rejected.items()
            if key in photos and not self.is_stored(key)
        ]
        return Counts(
            manifest,
            self.skipped,
            total=len(photos) + len(manifest.unusable),
            total_bytes=sum(photo.size for photo in photos.values()),
            stored=len(stored),
            stored_bytes=sum(stored),
            # Also what was copied again since, or proved: a page's number must not fall.
            found=len(self.skipped & photos.keys()),
            failed=len(failed),
            failures=tuple(failed[:MAX_FAILURES]),
        )


def _album_text(album: Album) -> str:
    return "/".join(album)[:MAX_ALBUM_TEXT]
