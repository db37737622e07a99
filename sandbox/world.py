"""Wiring of all stand-ins: creates, starts and stops them together."""

import contextlib
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import cast

from sandbox.cloud import OpenCloud
from sandbox.clouds import CLOUDS
from sandbox.control import Control
from sandbox.faults.plan import FaultPlan
from sandbox.gallery.host import Archive
from sandbox.gallery.photos import PhotoServer, PhotoStore
from sandbox.gallery.pictures import Picture
from sandbox.google.open import OpenGoogle
from sandbox.http.server import Server
from sandbox.http.service import Service
from sandbox.http.tls import Authority
from sandbox.yandex.open import OpenYandex

PORTS = ("gallery", "photos", *(port for cloud in CLOUDS for port in cloud.ports))


class World(contextlib.AbstractContextManager["World"]):
    """The stand-ins of the gallery and the clouds, each on a port of its own. Thread-safe.

    Args:
        photos: The photos of a first gallery, `archive`; None: no gallery yet.
        keep_bytes: Keep uploaded bytes, not only their checksums; otherwise uploads cannot be downloaded.
        tls: Serve https with a private certificate authority; host names given are added to the certificate.
        host: The address to listen on.
        public_host: The host name in its URLs; empty: `host`.
        ports: A port for each of `PORTS`; 0: any free one.

    Attributes:
        gallery, photos: Stand-ins of the gallery's main host and photo host.
        clouds: The clouds' stand-ins, by the clouds' names.
        accounts, drive: Stand-ins of Google's OAuth endpoints and Drive API.
        yandex_accounts, yandex, yandex_uploader: Stand-ins of Yandex OAuth, the Disk API and its upload hosts.
        faults: The faults to inject.
        violations: Requests that the real services forbid.
        archive: The first gallery.
        bundle: Path of the authority's certificate; None without TLS.
    """

    archive: Archive

    def __init__(
        self,
        photos: Sequence[Picture] | None = None,
        *,
        keep_bytes: bool = True,
        tls: bool | Iterable[str] | None = None,
        host: str = "127.0.0.1",
        public_host: str = "",
        ports: Sequence[int] = (0,) * len(PORTS),
    ):
        self._cleanup = contextlib.ExitStack()
        self._host, self._public_host = host, public_host
        self.faults = FaultPlan()
        self.violations: list[str] = []
        names = [] if isinstance(tls, bool) or tls is None else list(tls)
        wanted = [*names, public_host] if public_host else names
        authority = self._cleanup.enter_context(Authority(wanted)) if tls else None
        self._context = authority.context if authority else None
        self.bundle = authority.bundle if authority else None
        photo_store = PhotoStore()
        self.gallery = Control(self, photo_store, self.faults, self.violations)
        self.photos = PhotoServer(photo_store, self.faults, self.violations)
        self.clouds: dict[str, OpenCloud] = {
            cloud.name: cloud.open(self.faults, self.violations, keep_bytes) for cloud in CLOUDS
        }
        google = cast(OpenGoogle, self.clouds["google_drive"])
        self.accounts, self.drive = google.accounts, google.storage
        yandex = cast(OpenYandex, self.clouds["yadisk"])
        self.yandex_accounts, self.yandex, self.yandex_uploader = yandex.accounts, yandex.storage, yandex.uploader
        self._servers = self._make_servers(ports)
        if photos is not None:
            self.archive = self.gallery.add("Sandbox gallery", photos)

    def __enter__(self) -> "World":
        for server in self._servers:
            server.start()
            self._cleanup.callback(server.stop)
        self._cleanup.callback(self.faults.stopped.set)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._cleanup.close()

    def environment(self) -> dict[str, str]:
        """Return the environment variables that point `web` and `worker` at these stand-ins."""
        hosts = ",".join(dict.fromkeys(server.url.split("/")[2].rpartition(":")[0] for server in self._servers))
        environment = {
            "GALLERY_BASE_URL": self.gallery.url,
            **{name: value for cloud in self.clouds.values() for name, value in cloud.environment().items()},
            "REDIRECT_HOSTS": hosts,
            "CORS_HOSTS": hosts,
            "PHOTO_HOSTS": hosts,
            "ALLOW_LOCAL_NETWORK": "true",
        }
        return environment | ({"CA_BUNDLE": self.bundle} if self.bundle else {})

    def _make_servers(self, ports: Sequence[int]) -> list[Server]:
        # As in reality, photos and some uploads have another host than the APIs; on loopback that is `localhost`.
        other_host = self._public_host or ("localhost" if self._host == "127.0.0.1" else self._host)
        services: list[tuple[Service, str]] = [
            (self.gallery, self._public_host),
            (self.photos, other_host),
            *(
                (service, other_host if is_elsewhere else self._public_host)
                for cloud in self.clouds.values()
                for service, is_elsewhere in cloud.services
            ),
        ]
        servers = []
        for (service, name), port in zip(services, ports, strict=True):
            server = Server(service.answer, self._host, port, public_host=name, tls=self._context)
            service.url = server.url
            servers.append(server)
        self.gallery.photo_url = self.photos.url
        for cloud in self.clouds.values():
            cloud.connect()
        return servers
