"""What a chaos run prints when it is over: the verdicts, and what there was to be judged."""

from collections import Counter
from collections.abc import Mapping, Sequence

from sandbox.chaos.judge.verdicts import NAMES
from sandbox.demo.show import write_bytes


def show_verdicts(findings: Mapping[str, Sequence[str]]) -> None:
    """Print each verdict with its count, nought too, and then everything that was found, uncut."""
    say("verdicts")
    for name in NAMES:
        print(f"{len(findings.get(name, ())):5}  {name}")
    for name in NAMES:
        for finding in findings.get(name, ()):
            print(f"{name.upper()}: {finding}")


def show_faults(struck: Counter[str]) -> None:
    """Print what went wrong, and how often."""
    say("faults survived")
    for name, count in sorted(struck.items()):
        print(f"{count:5}  {name}")


def show_figures(figures: Mapping[str, str]) -> None:
    """Print what there was."""
    say("figures")
    for name, value in figures.items():
        print(f"{name:14} {value}")


def tell_bytes(size: int, received: int) -> dict[str, str]:
    """Return what was stored, and how much more was sent."""
    again = 100 * (received - size) / max(size, 1)
    return {"bytes": f"{size} ({write_bytes(size)})", "sent again": f"{again:.1f} % of the bytes"}


def say(what: str) -> None:
    """Print a headline."""
    print(f"== {what}", flush=True)
