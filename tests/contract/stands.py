"""A cloud in the pretend world, so that one suite can be run for all."""

import time
import zlib
from contextlib import nullcontext
from typing import Any

import sandbox.clouds
from common.clouds import find_cloud
from common.clouds.base import Storage
from common.clouds.grant import Grant, SharedGrant
from common.clouds.photos import Album, Folder, Photo, StoredPhoto, album_key
from common.config.env import Environment
from common.crypto.sealing import Secret
from common.errors import Reason
from common.http.client import HttpClient
from common.http.network_policy import ANY_NETWORK, NetworkPolicy
from sandbox.faults.plan import Fault
from sandbox.world import World
from tests.fakes.clock import Clock
from tests.fakes.copy_photo import copy_photo
from tests.fakes.memory_stream import MemoryStream
from tests.fakes.worker_harness import WorkerHarness
from worker.transfer.retry import RetryPolicy
from worker.transfer.throttle import Throttle

ARCHIVE = "a" * 32
CHUNK = 256 * 1024


class Stand:
    """One cloud in a pretend world.

    Attributes:
        name: of the cloud.
        world: whose.
        cloud: which.
        pretend: how its stand-in is described.
        service: its stand-in.
        begins: the operation that begins an upload; `sends`: the one that carries bytes; `adds_folder`, `lists`.
    """

    def __init__(self, world: World, name: str) -> None:
        self.name = name
        self.pretend = sandbox.clouds.find_cloud(name)
        operations = self.pretend.operations
        self.begins, self.sends = operations.begin, operations.send
        self.adds_folder, self.lists = operations.add_folder, operations.list
        cloud = find_cloud(name)
        assert cloud
        variables = Environment(world.environment()).read_cloud(cloud.variables, ANY_NETWORK)
        assert variables
        self.world = world
        self.cloud = cloud
        self.service: Any = world.clouds[name].storage
        self.accounts: Any = world.clouds[name].accounts
        self.clock = Clock()
        self.cloud_clock = Clock()
        self._variables = variables
        self._http = HttpClient(
            connections=8,
            policy=NetworkPolicy(allow_private=True, ca_bundle=world.bundle),
            reason=Reason.CLOUD_UNAVAILABLE,
        )

    def storage(self) -> Storage:
        """Open a guest's cloud, with a grant of its own."""
        access, refresh = self.accounts.tokens.grant(next(iter(self.accounts.clients)), "guest", self.pretend.scopes)
        grant = Grant(Secret(refresh), Secret(access.text), time.time() + 3599)
        in_use = SharedGrant(grant, self.cloud.auth(self._variables, self._http).refresh)
        return self.cloud.storage(self._variables, self._http, in_use, CHUNK, self.cloud_clock.sleep, nullcontext)

    def harness(self, **environ: str) -> WorkerHarness:
        """Return a worker's harness for this cloud."""
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

    def stream(self, data: bytes) -> MemoryStream:
        """Return a photo's bytes, with the digest that this cloud proves."""
        return MemoryStream(data, self.cloud.new_digest)

    def copy(
        self, storage: Storage, photo: Photo, data: bytes, folder: Folder, stream: MemoryStream | None = None
    ) -> StoredPhoto:
        """Copy a photo as the worker does, on a clock that only sleeping moves."""
        source = stream or self.stream(data)
        return copy_photo(source, lambda: storage.begin(ARCHIVE, photo, folder), self.policy())

    def policy(self) -> RetryPolicy:
        """Return a worker's patience, on that clock."""
        return RetryPolicy(5, 1, 60, self.clock.sleep, Throttle(self.clock.sleep, self.clock.now))

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
