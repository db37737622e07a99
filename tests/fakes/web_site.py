"""`web` behind a real uvicorn, with a broker that records what is published."""

import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import requests
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from common.config.settings import WebSettings
from common.errors import Transient
from web.progress.store import ProgressStore

PUBLIC = "https://archive.example"
CALLBACK = "/cloud_archive/callback/google_drive"

SEED_REQUEST = {
    "redirect_success_link": "https://asdfasdfsdaf/asdfadf/",
    "redirect_fail_link": "https://asdfsdfdf.rur/asdfsdf/s",
    "archive_url": "https://arch.litegallery.io/asdfdafdf/",
    "gallery_name": "Название галереи",
    "archive_type": "webs",
    "cloud_type": "google_drive",
}


@dataclass
class Published:
    """One published message."""

    exchange: str
    routing_key: str
    body: bytes
    message_id: str
    headers: Mapping[str, str]


@dataclass
class FakeBroker:
    """Records what is published; fails when set to.

    Attributes:
        failure: raised instead of publishing.
        is_late: whether that is not known when a guest asks, but only when they come back.
        withdrawn: tickets of messages that were withdrawn.
        taken: whether a worker had them by then; an error if that cannot be known.
    """

    failure: Transient | None = None
    is_late: bool = True
    published: list[Published] = field(default_factory=list)
    withdrawn: list[str] = field(default_factory=list)
    taken: bool | Transient = False

    def publish(
        self, exchange: str, routing_key: str, body: bytes, *, message_id: str, headers: Mapping[str, str] | None = None
    ) -> None:
        """Take a message, or raise the failure."""
        self.check()
        self.published.append(Published(exchange, routing_key, body, message_id, headers or {}))

    def withdraw(self, ticket: str) -> bool:
        """Withdraw a message, if no worker has it."""
        self.withdrawn.append(ticket)
        if isinstance(self.taken, Transient):
            raise self.taken
        return not self.taken

    def check(self) -> None:
        """Raise the failure, if there is one."""
        if self.failure:
            raise self.failure

    def check_room(self) -> None:
        """Raise the failure, if there is one and it was there before the guest was sent on."""
        if not self.is_late:
            self.check()

    def close(self) -> None:
        """Nothing is open."""


class NullSubscriber:
    """Receives nothing: there are no other replicas and no workers."""

    is_caught_up = True
    is_alive = True

    def note_watched(self, job_id: str) -> None:
        """Nobody to ask."""

    def start(self) -> None:
        """Nothing to start."""

    def close(self) -> None:
        """Nothing is open."""


class Server:
    """One uvicorn for all tests; each puts its own application behind it."""

    def __init__(self) -> None:
        self.app: ASGIApp | None = None
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        config = uvicorn.Config(
            self._answer,
            interface="asgi3",
            log_config=None,
            access_log=False,
            server_header=False,
            lifespan="off",
            ws="none",
            timeout_graceful_shutdown=1,  # a test that failed in the middle of a request must not hold the others
        )
        self._uvicorn = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._uvicorn.run, args=([self._socket],))

    def __enter__(self) -> "Server":
        self._thread.start()
        while not self._uvicorn.started:
            time.sleep(0.01)
        return self

    def __exit__(self, *_: object) -> None:
        self._uvicorn.should_exit = True
        self._thread.join()
        self._socket.close()

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert self.app
        await self.app(scope, receive, send)


@dataclass
class Site:
    """An application behind a real server."""

    url: str
    broker: FakeBroker
    settings: WebSettings
    app: ASGIApp
    server: Server
    store: ProgressStore = field(default_factory=ProgressStore)

    def send(self, method: str, path: str, **options: Any) -> requests.Response:
        """Send a request; redirects are not followed, and proxies of the environment are not used."""
        self.server.app = self.app
        with requests.Session() as session:
            session.trust_env = False
            return session.request(method, self.url + path, allow_redirects=False, timeout=30, **options)

    def post(self, asked: object = None, **changes: object) -> requests.Response:
        """Ask for an archive: the seed's request, with changes."""
        return self.send("POST", "/cloud_archive", json={**SEED_REQUEST, **changes} if asked is None else asked)

    def come_back(self, address: str, **options: Any) -> requests.Response:
        """Open an address of ours that another site sends the guest to."""
        assert address.startswith(PUBLIC)
        return self.send("GET", address.removeprefix(PUBLIC), **options)


def seen_from(site: Site, address: str | None) -> Site:
    """Return the same application as a client at an address reaches it."""

    async def moved(scope: Scope, receive: Receive, send: Send) -> None:
        await site.app({**scope, "client": (address, 1) if address else None}, receive, send)

    return replace(site, app=moved)


OpenSite = Callable[..., Site]


def fields_of(problem: dict[str, Any]) -> list[str]:
    """Return the names of the fields that were refused."""
    return [error["field"] for error in problem["errors"]]
