"""Every test here runs once for every cloud there is."""

import pytest

from common.clouds import CLOUDS
from common.clouds.yandex_disk import disk
from sandbox.world import World
from tests.contract.stands import STANDS, Stand


@pytest.fixture(params=[cloud.name for cloud in CLOUDS])
def stand(request: pytest.FixtureRequest, world: World, monkeypatch: pytest.MonkeyPatch) -> Stand:
    """A cloud in the pretend world, in a hurry."""
    kind = STANDS.get(request.param)
    if kind is None:
        pytest.fail(f"{request.param} has no stand: nobody has looked whether it keeps the contract")
    monkeypatch.setattr(disk, "LOOK_DELAYS", (0.0, 0.0, 0.0))
    monkeypatch.setattr(disk, "FIRST_POLL_SECONDS", 0.001)
    return kind(world)
