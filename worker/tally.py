"""What became of an archive's photos so far, and which of them a cloud holds. Knows nothing of how."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from common.clouds.photos import Photo, StoredPhoto
from common.errors import PhotoRejected

Rejected = dict[str, PhotoRejected]


@dataclass
class Tally:
    """What became of the photos so far, by their keys.

    Args:
        skipped: were in the cloud before this delivery.
        arrived: were copied by this delivery or the one before.
        rejected: cannot be copied, and why.
        crowded: whether there may be doubles that no look has shown yet: somebody else may copy the same archive at the
            same time, or the listing lags behind.
        folder_url: where the guest opens the gallery's folder, once there is one.
    """

    skipped: set[str] = field(default_factory=set)
    arrived: dict[str, StoredPhoto] = field(default_factory=dict)
    rejected: Rejected = field(default_factory=dict)
    crowded: bool = False
    folder_url: str = ""

    def is_stored(self, key: str) -> bool:
        """Say whether a photo is known to be in the cloud; asked on any thread."""
        return key in self.arrived or key in self.skipped


@dataclass(frozen=True)
class Copies:
    """What a cloud holds of the listed photos, as they are listed now.

    Args:
        kept: the copy of each photo that stays, by its key.
        doubles: further copies of the same photos.
    """

    kept: Mapping[str, StoredPhoto]
    doubles: list[StoredPhoto]


def find_copies(photos: Mapping[str, Photo], stored: Iterable[StoredPhoto]) -> Copies:
    """Return the copies of photos among what is stored.

    Args:
        photos: as they are listed now, by their keys.
        stored: in no order, doubles included.
    """
    kept: dict[str, StoredPhoto] = {}
    doubles: list[StoredPhoto] = []
    for copy in stored:
        photo = photos.get(copy.key)
        if photo is None or not copy.is_copy_of(photo):
            continue
        other = kept.setdefault(copy.key, copy)
        # A listing may name one file twice; that is no double of itself.
        if other.id != copy.id:
            kept[copy.key], double = sorted((other, copy), key=_rank)
            doubles.append(double)
    return Copies(kept, doubles)


def _rank(stored: StoredPhoto) -> tuple[int, str]:
    """Whoever else removes doubles at the same time keeps the same one; of paths that without a number."""
    return len(stored.id), stored.id
