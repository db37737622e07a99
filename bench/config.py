"""Configuration passed to a program: addresses of gallery and Drive, and what to copy."""

import json
import sys
from dataclasses import asdict, dataclass

from bench.photos import Photos


@dataclass(frozen=True)
class RunConfig:
    """Configuration of one run.

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


def encode_config(config: RunConfig) -> str:
    """Encode a configuration as one command-line argument."""
    return json.dumps(asdict(config))


def read_config() -> RunConfig:
    """Decode the configuration from the command line."""
    told = json.loads(sys.argv[1])
    return RunConfig(**{**told, "photos": Photos(**told["photos"])})
