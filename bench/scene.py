"""What a program is told: where the gallery and Drive are, and what to copy."""

import json
import sys
from dataclasses import asdict, dataclass

from bench.photos import Photos


@dataclass(frozen=True)
class Scene:
    """What a program is told.

    Args:
        gallery_url: of the gallery, without a path.
        drive_url: of Drive's API, likewise.
        bundle: path of the authority to trust.
        photos: to be copied.
        threads: photos at a time.
    """

    gallery_url: str
    drive_url: str
    bundle: str
    photos: Photos
    threads: int


def write_scene(scene: Scene) -> str:
    """Return a scene as one argument."""
    return json.dumps(asdict(scene))


def read_scene() -> Scene:
    """Return the scene this process was started with."""
    told = json.loads(sys.argv[1])
    return Scene(**{**told, "photos": Photos(**told["photos"])})
