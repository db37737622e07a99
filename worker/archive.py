"""Keep one promise: list, look, copy the difference, look again, until nothing differs. Knows no HTTP and no vendor."""

import hashlib
import logging
from collections.abc import Callable, Collection
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from common.archive_job import ArchiveJob
from common.clouds.base import Folder, Inventory, Photo, PhotoStream, Storage, StoredPhoto, album_key
from common.errors import ArchiveError, InventoryStale, PhotoRejected, Reason, StorageFull
from worker.manifest import Failure, Manifest
from worker.retry import Patience, RetryPolicy
from worker.stopping import Stop
from worker.transfer import copy_photo

logger = logging.getLogger(__name__)

# Two looks are the rule: before copying and after. More are needed only when somebody changes things meanwhile, and
# who does so for ever is told the truth instead.
MOST_LOOKS = 4

OpenStream = Callable[[Photo, Stop], PhotoStream]


@dataclass
class Verdict:
    """How an archive ended.

    Args:
        photos: how many the gallery lists.
        copied: how many this run brought.
        skipped: how many were there before.
        failures: the listed photos that are not in the cloud, and why.
        reason: why the job stopped early, if it did.
    """

    photos: int = 0
    copied: int = 0
    skipped: int = 0
    failures: list[Failure] = field(default_factory=list)
    reason: Reason | None = None
    detail: str = ""


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
        manifest: what the gallery lists.
        storage: the guest's cloud.
        open_stream: gives a photo's bytes.
        policy: how patient to be with each photo and each call.
        threads: photos at a time.
        stop: ends the work.
    """

    def __init__(
        self,
        job: ArchiveJob,
        manifest: Manifest,
        storage: Storage,
        *,
        open_stream: OpenStream,
        policy: RetryPolicy,
        threads: int,
        stop: Stop,
    ) -> None:
        self._job = job
        self._key = archive_key(job)
        self._manifest = manifest
        self._storage = storage
        self._open_stream = open_stream
        self._policy = policy
        self._threads = threads
        self._stop = stop
        self._copied: set[str] = set()
        self._skipped: set[str] = set()
        self._rejected: dict[str, Failure] = {}

    def keep(self) -> Verdict:
        """Copy what is missing and return how it ended; safe to repeat.

        Raises:
            Interrupted: it was told to stop.
        """
        reason, detail = None, ""
        try:
            self._reconcile()
        except ArchiveError as error:
            reason, detail = error.reason, error.detail
        return self._judge(reason, detail)

    def _reconcile(self) -> None:
        for look in range(MOST_LOOKS):
            inventory = self._policy.persist(lambda: self._storage.take_inventory(self._key))
            missing = self._compare(inventory, first=look == 0)
            if not missing:
                return
            self._demand_space(missing)
            try:
                self._copy(missing, inventory)
            except InventoryStale as stale:
                logger.warning("the cloud changed meanwhile: %s", stale.detail)

    def _compare(self, inventory: Inventory, *, first: bool) -> list[Photo]:
        """Return what is still to be copied; removes what is there twice."""
        stored: dict[str, list[StoredPhoto]] = {}
        for item in inventory.photos:
            stored.setdefault(item.key, []).append(item)
        missing = []
        for photo in self._manifest.photos:
            copies = [item for item in stored.get(photo.key, []) if item.is_copy_of(photo)]
            self._remove_doubles(copies)
            if copies and first:
                self._skipped.add(photo.key)
            # A listing may lag behind: what this run saw arrive has arrived.
            elif not copies and photo.key not in self._copied and photo.key not in self._rejected:
                missing.append(photo)
        return missing

    def _remove_doubles(self, copies: list[StoredPhoto]) -> None:
        # Whoever else does the same at the same time keeps the same one.
        for double in sorted(copies, key=lambda item: item.id)[1:]:
            self._policy.persist(lambda double=double: self._storage.remove(double))  # type: ignore[misc]

    def _demand_space(self, missing: Collection[Photo]) -> None:
        needed = sum(photo.size for photo in missing)
        free = self._policy.persist(self._storage.free_bytes)
        if free is not None and needed > free:
            raise StorageFull(f"{needed} bytes needed, {free} free", needed=needed, free=free)

    def _copy(self, missing: Collection[Photo], inventory: Inventory) -> None:
        """Copy photos side by side; the first error that is not a photo's own ends the others."""
        wanted = {photo.album for photo in missing}
        self._policy.persist(lambda: self._storage.make_albums(self._key, self._job.gallery_name, wanted, inventory))
        halt = Stop(self._stop)
        with ThreadPoolExecutor(self._threads, thread_name_prefix="photo") as pool:
            copies = {
                pool.submit(self._copy_one, photo, inventory.albums[album_key(photo.album)], halt): photo
                for photo in missing
            }
            try:
                for copy in as_completed(copies):
                    self._note(copies[copy], copy)
            except BaseException:
                halt.set()
                pool.shutdown(cancel_futures=True)
                raise

    def _copy_one(self, photo: Photo, folder: Folder, halt: Stop) -> StoredPhoto:
        halt.check()
        stream = self._open_stream(photo, halt)
        policy = RetryPolicy(self._policy.tries, self._policy.base, self._policy.longest, halt.sleep)
        try:
            return copy_photo(stream, lambda: self._storage.begin(self._key, photo, folder), Patience(policy))
        finally:
            stream.close()

    def _note(self, photo: Photo, copy: "Future[StoredPhoto]") -> None:
        try:
            copy.result()
        except PhotoRejected as rejected:
            self._rejected[photo.key] = Failure(photo.name, rejected.reason, rejected.detail)
            logger.warning("a photo was not copied: %s", rejected, extra={"photo": photo.key})
        else:
            self._copied.add(photo.key)

    def _judge(self, reason: Reason | None, detail: str) -> Verdict:
        failures = list(self._manifest.unusable)
        for photo in self._manifest.photos:
            if photo.key in self._rejected:
                failures.append(self._rejected[photo.key])
            elif photo.key not in self._copied and photo.key not in self._skipped:
                failures.append(Failure(photo.name, reason or Reason.CLOUD_UNAVAILABLE, detail))
        return Verdict(
            photos=len(self._manifest.photos) + len(self._manifest.unusable),
            copied=len(self._copied),
            skipped=len(self._skipped),
            failures=failures,
            reason=reason,
            detail=detail,
        )
