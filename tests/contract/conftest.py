"""Every test here runs once for every cloud there is."""

import pytest

from common.clouds import CLOUDS
from common.clouds.yandex_disk import disk
from sandbox.world import World
from tests.contract.stands import Stand


@pytest.fixture(params=[cloud.name for cloud in CLOUDS])
def stand(request: pytest.FixtureRequest, world: World, monkeypatch: pytest.MonkeyPatch) -> Stand:
    """A cloud in the pretend world, in a hurry."""
    monkeypatch.setattr(disk, "LOOK_DELAYS", (0.0, 0.0, 0.0))
    monkeypatch.setattr(disk, "FIRST_POLL_SECONDS", 0.001)
    return Stand(world, request.param)
