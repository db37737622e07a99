"""Match what a cloud holds with what the gallery lists: the copy of each photo that stays, and its duplicates."""

from collections.abc import Mapping
from dataclasses import dataclass

from common.clouds.photos import Inventory, Photo, StoredPhoto


@dataclass(frozen=True)
class InventoryMatch:
    """What a cloud holds of the listed photos.

    Args:
        kept: the copy of each photo that stays, by its key.
        duplicates: further copies of the same photos, which this service made in the same place.
    """

    kept: Mapping[str, StoredPhoto]
    duplicates: list[StoredPhoto]


def match_inventory(
    photos: Mapping[str, Photo], inventory: Inventory, *, is_exclusive: bool = False, include_unproved: bool = False
) -> InventoryMatch:
    """Return the copies of photos that are in the archive's own folders.

    What a guest copied, moved or renamed is theirs: it is never a duplicate.

    Args:
        photos: as they are listed now, by their keys.
        inventory: what there is, in no order.
        is_exclusive: nobody else copies the archive now, so an unproved copy is nobody's only one either.
        include_unproved: unproved copies count as well, by size and mark: for a count, never for a decision.
    """
    folders = {folder.id for folder in inventory.albums.values()}
    folders.update(folder.id for _, folder in inventory.duplicate_albums)
    kept: dict[str, StoredPhoto] = {}
    others: dict[str, list[StoredPhoto]] = {}
    for copy in inventory.photos:
        photo = photos.get(copy.key)
        if photo is None or copy.folder_id not in folders or not copy.is_copy_of(photo):
            continue
        best = kept.get(copy.key)
        if (copy.is_proved or include_unproved) and (best is None or _rank(copy) < _rank(best)):
            kept[copy.key], copy = copy, best or copy
        if copy is not kept.get(copy.key):
            others.setdefault(copy.key, []).append(copy)
    candidates = (copy for key in kept.keys() & others.keys() for copy in others[key])
    return InventoryMatch(
        kept, [copy for copy in candidates if _is_duplicate(copy, kept[copy.key], is_exclusive=is_exclusive)]
    )


def _rank(stored: StoredPhoto) -> tuple[bool, int, str]:
    """Order copies the same way for everybody who removes duplicates at the same time; paths without a number first."""
    return not stored.made_here, len(stored.id), stored.id


def _is_duplicate(copy: StoredPhoto, kept: StoredPhoto, *, is_exclusive: bool) -> bool:
    if not (copy.made_here and kept.made_here and copy.folder_id == kept.folder_id):
        return False
    # A listing may name one file twice; that is no duplicate of itself. And who else copies the archive has proved what
    # we have not, and the other way round: by what each knows, both would remove the other's.
    return copy.id != kept.id and (is_exclusive or _rank(copy) > _rank(kept))
