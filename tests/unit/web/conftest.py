"""Fixtures of `web`: applications, settings and a clock."""

from collections.abc import Iterator, Mapping

import pytest

from common.clouds import CLOUDS
from common.config.settings import WebSettings
from common.crypto.sealing import make_key
from sandbox.world import World
from tests.fakes.web_site import PUBLIC, FakeBroker, NullSubscriber, OpenSite, Server, Site
from web.app import wire
from web.progress.store import ProgressStore


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """The one uvicorn of this run."""
    with Server() as running:
        yield running


@pytest.fixture
def clock() -> list[float]:
    """A clock of one number: Unix time in seconds."""
    return [1_790_000_000.0]


@pytest.fixture
def open_site(server: Server, clock: list[float], monkeypatch: pytest.MonkeyPatch) -> OpenSite:
    """Make an application with an environment; several are replicas."""
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "")  # put back afterwards, whatever the application does

    def make(environ: Mapping[str, str], **changes: str) -> Site:
        settings = WebSettings.read({**environ, **changes}, {cloud.name: cloud.variables for cloud in CLOUDS})
        broker, store = FakeBroker(), ProgressStore(lambda: clock[0])
        app = wire(settings, broker, store, store.update, NullSubscriber(), lambda: clock[0])
        return Site(server.url, broker, settings, app, server, store)

    return make


@pytest.fixture
def environ() -> dict[str, str]:
    """What a deployment would have set, taking any link. Nothing answers behind it."""
    return {
        "GOOGLE_CLIENT_ID": "client.apps.example",
        "GOOGLE_CLIENT_SECRET": "GOCSPX-not-shown",
        "RABBITMQ_URL": "amqp://nobody:nothing@127.0.0.1:1/",
        "SECRET_KEYS": make_key(),
        "PUBLIC_BASE_URL": PUBLIC,
        "REDIRECT_HOSTS": "*",
        "CORS_HOSTS": "*.litegallery.io",
    }


@pytest.fixture
def site(open_site: OpenSite, environ: dict[str, str]) -> Site:
    """One application, as in production; only that it takes any link."""
    return open_site(environ)


@pytest.fixture
def worldly(environ: dict[str, str], world: World) -> dict[str, str]:
    """The environment of a deployment that stands in the pretend world."""
    return {**environ, **world.environment(), "REDIRECT_HOSTS": "*"}


@pytest.fixture
def site_in_world(open_site: OpenSite, worldly: dict[str, str]) -> Site:
    """One application in the pretend world."""
    return open_site(worldly)
