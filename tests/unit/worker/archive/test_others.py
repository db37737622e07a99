"""What another run brings meanwhile: it is neither missing nor left twice; without a wire."""

from collections.abc import Collection, Iterator
from dataclasses import replace
from typing import Any, cast

import pytest

from common.clouds.base import Storage, UploadSession
from common.clouds.photos import Album, Folder, Inventory, Photo, PhotosByKey, StoredPhoto, album_key
from common.errors import InventoryStale, Reason
from tests.fakes.clock import Clock
from tests.unit.worker.jobs.test_slice import JOB, PHOTOS, Listing
from worker.gallery.client import Gallery
from worker.jobs.slice import Slice
from worker.transfer.retry import RetryPolicy
from worker.transfer.stop import Signals
from worker.transfer.throttle import Throttle

TOP = Folder("disk:/Свадьба", "")
HERE = [StoredPhoto(photo.key, f"{TOP.id}/{photo.name}", 7, folder_id=TOP.id, made_here=True) for photo in PHOTOS]


class Shared:
    """A cloud that another run fills as soon as this one begins.

    Args:
        looks: what is there at each look; the last one stays.

    Attributes:
        removed: ids of what was removed.
    """

    def __init__(self, *looks: list[StoredPhoto]) -> None:
        self.removed: list[str] = []
        self._looks = list(looks)

    def open_proofs(self, archive_key: str, photo: Photo, folder: Folder) -> Iterator[UploadSession]:
        """Everything that is there is proved."""
        return iter(())

    def take_inventory(self, archive_key: str, known: PhotosByKey) -> Inventory:
        """Show what is there now."""
        seen = self._looks.pop(0) if len(self._looks) > 1 else self._looks[0]
        return Inventory({album_key(()): TOP}, [stored for stored in seen if stored.id not in self.removed])

    def free_bytes(self) -> None:
        """There is always room."""

    def make_albums(self, archive_key: str, gallery_name: str, wanted: Collection[Album], known: Inventory) -> None:
        """There is a folder."""
        known.albums[album_key(())] = TOP

    def begin(self, archive_key: str, photo: Photo, folder: Folder) -> Any:
        """The folder is another one by now."""
        raise InventoryStale(Reason.CLOUD_REFUSED, "gone")

    def note_proved(self, known: Inventory) -> None:
        """Nothing was copied."""

    def remove(self, stored: StoredPhoto) -> None:
        """Remember it."""
        self.removed.append(stored.id)


def make_slice(storage: Shared) -> Slice:
    """Return a delivery of the job."""
    clock = Clock()
    policy = RetryPolicy(2, 1, 60, clock.sleep, Throttle(clock.sleep, clock.now))
    listing = cast(Gallery, Listing())
    return Slice(JOB, listing, cast(Storage, storage), policy, photos=2, seconds=60, signals=Signals())


def test_what_another_run_brought_meanwhile_has_not_failed() -> None:
    """The gallery hears of no failed photo, and that two were at it is known."""
    outcome = make_slice(Shared([], HERE)).run()
    assert (outcome.ended, outcome.state.failed_photos, outcome.state.may_have_duplicates) == (True, 0, True)


@pytest.mark.parametrize("turn", [1, -1])
def test_of_two_the_one_with_the_plain_name_stays(turn: int) -> None:
    """Where two names cannot be equal, the second has a number; the listing's order has no say."""
    duplicate = replace(HERE[0], id=HERE[0].id.replace(".", " (2)."))
    storage = Shared([*HERE, duplicate][::turn])
    outcome = make_slice(storage).run()
    assert storage.removed == [duplicate.id]
    assert (outcome.ended, outcome.state.failed_photos) == (True, 0)
