"""Run programs over a case in turns and record the resources each used."""

from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from bench import measure
from bench.cases import Case
from bench.lineup import Program
from bench.measure import Usage
from bench.world import Authority, World, make_folder


@dataclass(frozen=True)
class Run:
    """Result of one run of one program.

    Args:
        usage: what the program took.
        gallery: the gallery's counters.
        drive: Drive's counters.
    """

    usage: Usage
    gallery: dict[str, Any]
    drive: dict[str, Any]


class WrongCopy(Exception):
    """A program has ended, but Drive does not hold what the gallery has."""


def run_once(program: Program, case: Case, authority: Authority, *, threads: int, named: bool) -> Run:
    """Let a program copy the photos of a case once, between fresh stand-ins.

    Args:
        program: which.
        case: what.
        authority: certifies the stand-ins.
        threads: photos at a time.
        named: whether we are in a namespace.

    Raises:
        WrongCopy: not everything arrived, or not as it was.
        RuntimeError: the program failed.
    """
    with World(authority, case.conditions, named=named) as world, make_folder() as folder:
        config = world.config(threads)
        usage = measure.run(program.make_command(config, Path(folder)), program.environment)
        gallery, drive = world.close()
    if drive["stored"] != case.photos.count or drive["wrong"]:
        raise WrongCopy(f"{program.name}: {drive}")
    return Run(usage, gallery, drive)


def median_usage(runs: list[Run]) -> Usage:
    """Return the medians of what runs took; of memory the most."""
    usages = [run.usage for run in runs]
    return Usage(
        median(usage.seconds for usage in usages),
        median(usage.cpu_seconds for usage in usages),
        max(usage.peak_bytes for usage in usages),
    )
