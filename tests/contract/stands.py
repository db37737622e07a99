"""Where each cloud stands in the pretend world, so that one suite can be run for all. A new cloud needs a line here."""

import time
import zlib
from typing import Any

from common.clouds import find_cloud
from common.clouds.base import Storage
from common.clouds.grant import Grant, GrantInUse
from common.clouds.photos import Album, Folder, Photo, StoredPhoto, album_key
from common.config.env import Environment
from common.crypto.sealing import Secret
from common.errors import Reason
from common.http.client import HttpClient
from sandbox.faults.plan import Fault
from sandbox.world import World
from tests.fakes.clock import Clock
from tests.fakes.desk import ACCOUNTS, SCOPES, WorkerHarness
from tests.fakes.memory_stream import MemoryStream
from worker.transfer.copy import copy_photo
from worker.transfer.retry import Patience, RetryPolicy
from worker.transfer.throttle import Pace

ARCHIVE = "a" * 32
CHUNK = 256 * 1024


class Stand:
    """One cloud in a pretend world.

    Attributes:
        world: whose.
        cloud: which.
        service: its stand-in.
        begins: the operation that begins an upload; `sends`: the one that carries bytes; `adds_folder`, `lists`.
        lost_sessions: faults that end an upload in the middle.
        full: faults that say that there is no room.
    """

    name = ""
    begins = sends = adds_folder = lists = ""
    lost_sessions: tuple[dict[str, Any], ...] = ()
    full: tuple[dict[str, Any], ...] = ()

    def __init__(self, world: World, service: Any) -> None:
        cloud = find_cloud(self.name)
        assert cloud
        variables = Environment(world.environment()).cloud(cloud.variables, local=True)
        assert variables
        self.world = world
        self.cloud = cloud
        self.service = service
        self.accounts: Any = getattr(world, ACCOUNTS[self.name])
        self.clock = Clock()
        self.cloud_clock = Clock()
        self._variables = variables
        self._http = HttpClient(connections=8, ca_bundle=world.bundle, reason=Reason.CLOUD_UNAVAILABLE, local=True)

    def storage(self) -> Storage:
        """Open a guest's cloud, with a grant of its own."""
        access, refresh = self.accounts.tokens.grant(next(iter(self.accounts.clients)), "guest", SCOPES[self.name])
        grant = Grant(Secret(refresh), Secret(access.text), time.time() + 3599)
        in_use = GrantInUse(grant, self.cloud.auth(self._variables, self._http).refresh)
        return self.cloud.storage(self._variables, self._http, in_use, CHUNK, self.cloud_clock.sleep)

    def desk(self, **environ: str) -> WorkerHarness:
        """Return a worker's desk for this cloud."""
        return WorkerHarness(self.world, self.name, **environ)

    def fault(self, on: str, does: str, **params: Any) -> None:
        """Let something go wrong."""
        self.world.faults.add(Fault(on, does, **params))

    def fired(self) -> int:
        """Return how many faults struck."""
        return len(self.world.faults.fired)

    def album(self, storage: Storage, album: Album = (), name: str = "Свадьба") -> Folder:
        """Return an album's folder, made if it is not there."""
        inventory = storage.take_inventory(ARCHIVE)
        storage.make_albums(ARCHIVE, name, [album], inventory)
        return inventory.albums[album_key(album)]

    def copy(
        self, storage: Storage, photo: Photo, data: bytes, folder: Folder, stream: MemoryStream | None = None
    ) -> StoredPhoto:
        """Copy a photo as the worker does, on a clock that only sleeping moves."""
        source = stream or MemoryStream(data)
        return copy_photo(source, lambda: storage.begin(ARCHIVE, photo, folder), Patience(self.policy()))

    def policy(self) -> RetryPolicy:
        """Return a worker's patience, on that clock."""
        return RetryPolicy(5, 1, 60, self.clock.sleep, Pace(self.clock.sleep, self.clock.now))

    def tree(self) -> list[tuple[str, int, str]]:
        """Return (path, bytes, MD5) of every file."""
        tree: list[tuple[str, int, str]] = self.service.account().tree()
        return tree

    def file_names(self) -> list[str]:
        """Return the files' names."""
        return sorted(file.name for file in self.service.account().files())


def make_photo(data: bytes, name: str = "a.jpg", key: str = "1", album: Album = ()) -> Photo:
    """Return a photo of these bytes."""
    return Photo(key, album, name, "https://h/p", len(data), zlib.crc32(data))


class DriveStand(Stand):
    """Google Drive."""

    name = "google_drive"
    begins, sends, adds_folder, lists = "initiate", "upload", "files_create", "files_list"
    lost_sessions = (
        {"on": "upload", "does": "forget_session"},
        {"on": "upload", "does": "partial", "bytes": 1000},
        {"on": "upload", "does": "no_range"},
    )
    full = ({"on": "initiate", "does": "status", "status": 403, "reason": "storageQuotaExceeded"},)

    def __init__(self, world: World) -> None:
        super().__init__(world, world.drive)


class YandexStand(Stand):
    """Yandex Disk."""

    name = "yadisk"
    begins, sends, adds_folder, lists = "yandex_link", "yandex_upload", "yandex_mkdir", "yandex_resource"
    lost_sessions = (
        {"on": "yandex_upload", "does": "expired_link"},
        {"on": "yandex_upload", "does": "defer", "ends": "failed"},
        {"on": "yandex_upload", "does": "partial", "bytes": 1000},
        {"on": "yandex_upload", "does": "corrupt", "at": 5},
        {"on": "yandex_upload", "does": "late", "looks": 2, "status": 500},
    )
    full = (
        {"on": "yandex_link", "does": "status", "status": 507},
        {"on": "yandex_upload", "does": "status", "status": 507},
    )

    def __init__(self, world: World) -> None:
        super().__init__(world, world.yandex)


STANDS: dict[str, type[DriveStand] | type[YandexStand]] = {stand.name: stand for stand in (DriveStand, YandexStand)}
