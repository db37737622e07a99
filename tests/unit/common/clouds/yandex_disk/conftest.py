"""A guest's Yandex Disk in a pretend world, in a hurry."""

import pytest

from common.clouds.yandex_disk import disk
from sandbox.world import World
from tests.contract.stands import Stand


@pytest.fixture
def stand(world: World, monkeypatch: pytest.MonkeyPatch) -> Stand:
    """Waits take no time."""
    monkeypatch.setattr(disk, "LOOK_DELAYS", (0.0, 0.0, 0.0))
    monkeypatch.setattr(disk, "FIRST_POLL_SECONDS", 0.001)
    return Stand(world, "yadisk")
