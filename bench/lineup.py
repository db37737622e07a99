"""Programs to compare, and the command of each."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bench.config import RunConfig, encode_config
from bench.measure import python
from bench.programs import rclone

MakeCommand = Callable[[RunConfig, Path], list[str]]


@dataclass(frozen=True)
class Program:
    """Something that copies a gallery.

    Args:
        name: in the table and on the command line.
        make_command: returns its command line; what it needs on disk may be put into the folder.
        environment: what it is run with besides ours.
        by_name: whether it finds Drive only by its name, so that it needs a namespace.
        holds_whole: whether it holds photos whole in memory.
    """

    name: str
    make_command: MakeCommand
    environment: Mapping[str, str] = field(default_factory=dict)
    by_name: bool = False
    holds_whole: bool = False


def _own(module: str) -> MakeCommand:
    return lambda config, _folder: [*python(f"bench.programs.{module}"), encode_config(config)]


# Shows what the stand-ins bear, and what TLS alone costs a Python program.
BARE = Program("bare", _own("bare"))
# As its image runs it; see the Dockerfile.
OURS = Program("ours", _own("ours"), environment={"MALLOC_ARENA_MAX": "2"})
PEERS = (
    Program("rclone-copyurl", rclone.copyurl, by_name=True),
    Program("rclone-copy", rclone.copy_http, by_name=True),
    Program("google-client", _own("google_client"), holds_whole=True),
    Program("plain", _own("plain"), holds_whole=True),
    BARE,
)
