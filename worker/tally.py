"""What became of an archive's photos so far, and which of them a cloud holds. Knows nothing of how."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from common.clouds.photos import Inventory, Photo, StoredPhoto
from common.errors import PhotoRejected
from worker.manifest import Manifest

Rejected = dict[str, PhotoRejected]


@dataclass
class Tally:
    """What became of the photos so far, by their keys.

    Args:
        manifest: what the gallery lists, as far as is known; None before the list was read.
        before: how many were in the cloud before this delivery; -1 while nobody has looked.
        skipped: are in the cloud, and were not copied by this delivery.
        arrived: were copied by this delivery or the one before.
        rejected: cannot be copied, and why.
        tries: of those that have not arrived, how often they failed.
        crowded: whether there may be doubles that no look has shown yet: somebody else may copy the same archive at the
            same time, or the listing lags behind.
        folder_url: where the guest opens the gallery's folder, once there is one.
    """

    manifest: Manifest | None = None
    before: int = -1
    skipped: set[str] = field(default_factory=set)
    arrived: dict[str, StoredPhoto] = field(default_factory=dict)
    rejected: Rejected = field(default_factory=dict)
    tries: dict[str, int] = field(default_factory=dict)
    crowded: bool = False
    folder_url: str = ""

    @property
    def photos(self) -> Mapping[str, Photo]:
        """The listed photos by their keys."""
        return self.manifest.photos if self.manifest else {}

    @property
    def is_complete(self) -> bool:
        """Whether there are photos, and every one that can be copied is known to be in the cloud."""
        return bool(self.photos) and all(map(self.is_stored, self.photos))

    def is_stored(self, key: str) -> bool:
        """Say whether a photo is known to be in the cloud; asked on any thread."""
        return key in self.arrived or key in self.skipped

    def reject(self, key: str, failure: PhotoRejected) -> None:
        """Give a photo up."""
        self.rejected[key] = failure
        self.tries.pop(key, None)

    def list_anew(self, fresh: Manifest) -> bool:
        """Take another list, and say whether it is another one; what changed in it has all its tries again.

        One that is suddenly empty is not believed: everything there would be missing from it.
        """
        before = self.photos
        if fresh == self.manifest or (before and not fresh.photos):
            return False
        self.manifest = fresh
        for key, photo in before.items():
            if fresh.photos.get(key) != photo:
                self.rejected.pop(key, None)
                self.tries.pop(key, None)
                self._forget_other(key, fresh.photos.get(key), photo)
        return True

    def _forget_other(self, key: str, now: Photo | None, before: Photo) -> None:
        """Of a photo that was replaced, what is in the cloud is another one."""
        if now and (now.size, now.crc32) != (before.size, before.crc32):
            self.arrived.pop(key, None)
            self.skipped.discard(key)


@dataclass(frozen=True)
class Copies:
    """What a cloud holds of the listed photos, as they are listed now.

    Args:
        kept: the copy of each photo that stays, by its key.
        doubles: further copies of the same photos, which this service made in the same place.
    """

    kept: Mapping[str, StoredPhoto]
    doubles: list[StoredPhoto]


def find_copies(photos: Mapping[str, Photo], inventory: Inventory, *, is_alone: bool = False) -> Copies:
    """Return the copies of photos that are in the archive's own folders.

    What a guest copied, moved or renamed is theirs: it is never a double.

    Args:
        photos: as they are listed now, by their keys.
        inventory: what there is, in no order.
        is_alone: nobody else copies the archive now: what nobody proved is nobody's only copy either.
    """
    folders = {folder.id for folder in inventory.albums.values()}
    folders.update(folder.id for _, folder in inventory.spare_albums)
    kept: dict[str, StoredPhoto] = {}
    others: dict[str, list[StoredPhoto]] = {}
    for copy in inventory.photos:
        photo = photos.get(copy.key)
        if photo is None or copy.folder_id not in folders or not copy.is_copy_of(photo):
            continue
        best = kept.get(copy.key)
        if copy.is_proved and (best is None or _rank(copy) < _rank(best)):
            kept[copy.key], copy = copy, best or copy
        if copy is not kept.get(copy.key):
            others.setdefault(copy.key, []).append(copy)
    spares = (spare for key in kept.keys() & others.keys() for spare in others[key])
    return Copies(kept, [spare for spare in spares if _is_surplus(spare, kept[spare.key], is_alone=is_alone)])


def _rank(stored: StoredPhoto) -> tuple[bool, int, str]:
    """Whoever else removes doubles at the same time keeps the same one; of paths that without a number."""
    return not stored.made_here, len(stored.id), stored.id


def _is_surplus(spare: StoredPhoto, kept: StoredPhoto, *, is_alone: bool) -> bool:
    if not (spare.made_here and kept.made_here and spare.folder_id == kept.folder_id):
        return False
    # A listing may name one file twice; that is no double of itself. And who else copies the archive has proved what
    # we have not, and the other way round: by what each knows, both would remove the other's.
    return spare.id != kept.id and (is_alone or _rank(spare) > _rank(kept))
