"""Sandbox: stand-ins for the gallery, Google Drive and Yandex Disk, with faults on demand."""

from sandbox.faults.plan import Fault
from sandbox.world import World

__all__ = ["Fault", "World"]
