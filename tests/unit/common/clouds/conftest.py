"""What tests of Google's permission may ask for."""

from collections.abc import Iterator

import pytest
import responses

from common.clouds.google_drive.auth import GoogleAuth
from common.config.settings import allow_oauthlib_http
from common.http.network_policy import ANY_NETWORK
from sandbox.world import World
from tests.fakes.google_permission import make_auth


@pytest.fixture
def auth() -> GoogleAuth:
    """The auth half as in production."""
    return make_auth({"GOOGLE_CLIENT_ID": "client", "GOOGLE_CLIENT_SECRET": "GOCSPX-secret"})


@pytest.fixture
def worldly(world: World, monkeypatch: pytest.MonkeyPatch) -> GoogleAuth:
    """The auth half in the pretend world."""
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "")
    allow_oauthlib_http()
    return make_auth(world.environment(), policy=ANY_NETWORK)


@pytest.fixture
def google() -> Iterator[responses.RequestsMock]:
    """A Google that gives the answers it is told; whatever is not told is refused."""
    with responses.RequestsMock(target="common.http.requests_adapter.Adapter.send") as mock:
        yield mock
