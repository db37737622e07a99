"""`python -m bench`: command line of the comparison."""

import argparse
import sys
from pathlib import Path

from bench import burst, namespace, posts
from bench.cases import CASES
from bench.comparison import Comparison, Extent
from bench.lineup import PEERS
from bench.world import Authority, make_folder

QUICK_SECONDS, LOAD_SECONDS = 0.2, 5.0


def main() -> int:
    """Run what was asked for; return the exit status."""
    options = _read_options()
    named = namespace.enter()
    wanted = options.peers.split(",")
    peers = [peer for peer in PEERS if peer.name in wanted and (named or not peer.by_name)]
    extent = Extent(options.runs, options.threads, quick=options.quick)
    with make_folder() as folder:
        if named:
            namespace.furnish(Path(folder))
        else:
            print("no namespace can be made here, so rclone is left out", file=sys.stderr)
        comparison = Comparison(Authority(Path(folder)), extent, peers, named=named)
        for case in (case for case in CASES if case.letter in options.case):
            comparison.show_case(case)
        if "m" in options.case:
            comparison.show_memory()
        if "p" in options.case:
            print(posts.compare(QUICK_SECONDS if options.quick else LOAD_SECONDS, options.runs))
        if "w" in options.case:
            print(burst.measure())
        if "s" in options.case:
            comparison.show_stand_ins()
    return 0


def _read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/bench",
        description="Compares our worker with the programs a user would pick instead.",
        epilog="; ".join(f"{case.letter}: {case.title}" for case in CASES)
        + "; m: memory, 10 photos to 10,000; p: POST /cloud_archive; w: web's probes in a crowd; "
        "s: how fast the stand-ins are alone.",
    )
    parser.add_argument("--case", default="abcdefmpws", help="letters of what to run, see below")
    parser.add_argument("--runs", type=int, default=3, help="of each program in each case")
    parser.add_argument("--threads", type=int, default=8, help="photos at a time")
    parser.add_argument("--peers", default=",".join(peer.name for peer in PEERS), help="comma-separated, or none")
    parser.add_argument("--quick", action="store_true", help="a little of everything, to see that it works")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
