"""The pretend world, runnable: a gallery, a Google and a Yandex, each nastier than the real one on demand."""

from sandbox.faults.plan import Fault
from sandbox.world import World

__all__ = ["Fault", "World"]
