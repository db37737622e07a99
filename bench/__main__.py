"""`python -m bench`: the comparison, on this machine, now."""

import argparse
import sys
from pathlib import Path

from bench import hashing, namespace
from bench.cases import CASES, Case
from bench.programs import OURS, PEERS, Program
from bench.race import Run, run_once
from bench.table import format_case
from bench.world import Authority, make_folder


def main() -> int:
    """Run what was asked for; return the exit status."""
    options = _read_options()
    named = namespace.enter()
    cases = [case for case in CASES if case.letter in options.case]
    peers = [peer for peer in PEERS if peer.name in options.peers.split(",") and (named or not peer.by_name)]
    with make_folder() as folder:
        if named:
            namespace.furnish(Path(folder))
        else:
            print("no namespace can be made here, so rclone is left out", file=sys.stderr)
        authority = Authority(Path(folder))
        md5, crc32 = hashing.md5_and_crc32()
        print(f"MD5 alone costs {md5:.2f} CPU s/GB here, CRC-32 {crc32:.2f}\n")
        for case in cases:
            work = (case.shrunk() if options.quick else case).summed()
            runs = _race(work, [OURS, *(peers if case.is_race else [])], authority, options, named=named)
            print(format_case(work, runs, md5 + crc32) + "\n", flush=True)
    return 0


def _race(
    case: Case, programs: list[Program], authority: Authority, options: argparse.Namespace, *, named: bool
) -> dict[str, list[Run]]:
    runs: dict[str, list[Run]] = {program.name: [] for program in programs}
    for number in range(options.runs):
        for program in programs:
            print(f"({case.letter}) run {number + 1}: {program.name}", file=sys.stderr, flush=True)
            run = run_once(
                program, case, authority, threads=options.threads, named=named, check=options.quick or options.check
            )
            print(f"    {run}", file=sys.stderr, flush=True)
            runs[program.name].append(run)
    return runs


def _read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/bench", description="Compares our worker with its peers.")
    parser.add_argument("--case", default="abcdef", help="letters of the cases to run")
    parser.add_argument("--runs", type=int, default=3, help="of each program in each case")
    parser.add_argument("--threads", type=int, default=8, help="photos at a time")
    names = [peer.name for peer in PEERS]
    parser.add_argument("--peers", default=",".join(names), help="comma-separated, or none")
    parser.add_argument("--check", action="store_true", help="Drive compares what it gets with the photos")
    parser.add_argument("--quick", action="store_true", help="a little of everything, to see that it works")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
