"""Run the programs over the cases in turns and print the tables."""

import platform
import ssl
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from bench import hashing
from bench.cases import ALONE, CROWDS, GB, Case
from bench.lineup import BARE, OURS, Program
from bench.race import Run, run_once
from bench.table import format_case, format_trouble
from bench.world import Authority

# Who holds more than this at a time would be measured by the machine's memory, or end it.
MOST_HELD = 2 * GB


@dataclass(frozen=True)
class Extent:
    """Extent of a comparison.

    Args:
        runs: of each program in each case.
        threads: photos at a time.
        quick: whether it is only tried out.
    """

    runs: int
    threads: int
    quick: bool


class Comparison:
    """A comparison; prints as it goes.

    Args:
        authority: certifies the stand-ins.
        extent: how much is done.
        peers: who takes part besides us.
        named: whether we are in a namespace.
    """

    def __init__(self, authority: Authority, extent: Extent, peers: Sequence[Program], *, named: bool) -> None:
        self._authority = authority
        self._extent = extent
        self._peers = peers
        self._named = named
        print(f"Python {platform.python_version()}, {ssl.OPENSSL_VERSION}\n")

    def show_case(self, case: Case) -> None:
        """Print the table of a case."""
        case = self._prepare(case)
        programs = [OURS, *(peer for peer in self._peers if self._takes_part(peer, case))]
        runs: dict[str, list[Run]] = {program.name: [] for program in programs}
        prices = []
        for _ in range(self._extent.runs):
            # In turns as well: a neighbour that takes a third of the machine takes it from this, too.
            prices.append(hashing.price_hashing())
            for program in programs:
                runs[program.name].append(self._run(program, case))
        md5, crc32 = (median(each) for each in zip(*prices, strict=True))
        print(format_case(case, runs, md5 + crc32))
        print(f"MD5 alone cost {md5:.2f} CPU s/GB meanwhile, CRC-32 {crc32:.2f}")
        print(format_trouble(case, runs[OURS.name][-1]), flush=True)

    def show_memory(self) -> None:
        """Print how our memory grows with the photos."""
        for case in map(self._prepare, CROWDS):
            peak = self._run(OURS, case).usage.peak_bytes
            print(f"{case.photos.count} photos: {peak / 2**20:.1f} MiB at the peak", flush=True)

    def show_stand_ins(self) -> None:
        """Print what the stand-ins bear when nothing but the wire is in the way."""
        for case in map(self._prepare, ALONE):
            took, photos = self._run(BARE, case).usage, case.photos
            speeds = photos.count / took.seconds, photos.total_bytes / took.seconds / 1e6
            print(f"{case.title}: {speeds[0]:.0f} photos/s, {speeds[1]:.0f} MB/s", flush=True)

    def _takes_part(self, peer: Program, case: Case) -> bool:
        held = case.photos.size * min(self._extent.threads, case.threads)
        return case.is_race and not (peer.holds_whole and held > MOST_HELD)

    def _prepare(self, case: Case) -> Case:
        return (case.shrunk() if self._extent.quick else case).summed()

    def _run(self, program: Program, case: Case) -> Run:
        threads = min(self._extent.threads, case.threads)
        run = run_once(program, case, self._authority, threads=threads, named=self._named)
        print(f"    ({case.letter}) {program.name}: {run}", file=sys.stderr, flush=True)
        return run
