"""Access to the pretend clouds for their own tests."""

from collections.abc import Iterator

import pytest

from sandbox import World
from tests.unit.sandbox.bare_api import Api
from tests.unit.sandbox.bare_disk import DiskApi


@pytest.fixture
def api(world: World) -> Iterator[Api]:
    """A guest's access through our client."""
    access = Api(world)
    with access.session:
        yield access


@pytest.fixture
def other_api(world: World) -> Iterator[Api]:
    """The same guest's access through another client."""
    world.accounts.clients["other.apps.googleusercontent.com"] = "secret"
    access = Api(world, "other.apps.googleusercontent.com")
    with access.session:
        yield access


@pytest.fixture
def disk_api(world: World) -> Iterator[DiskApi]:
    """A guest's access to the pretend Disk."""
    access = DiskApi(world)
    with access.session:
        yield access
