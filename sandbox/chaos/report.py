"""Report of a chaos run: verdicts, injected faults and figures, printed to standard output."""

from collections import Counter
from collections.abc import Mapping, Sequence

from sandbox.chaos.judge.verdicts import NAMES
from sandbox.demo.show import write_bytes


def print_verdicts(findings: Mapping[str, Sequence[str]]) -> None:
    """Print each verdict with its count, zero too, and then every finding in full."""
    print_heading("verdicts")
    for name in NAMES:
        print(f"{len(findings.get(name, ())):5}  {name}")
    for name in NAMES:
        for finding in findings.get(name, ()):
            print(f"{name.upper()}: {finding}")


def print_faults(injected: Counter[str]) -> None:
    """Print which faults were injected, and how often."""
    print_heading("faults survived")
    for name, count in sorted(injected.items()):
        print(f"{count:5}  {name}")


def print_figures(figures: Mapping[str, str]) -> None:
    """Print the run's figures."""
    print_heading("figures")
    for name, value in figures.items():
        print(f"{name:14} {value}")


def describe_bytes(size: int, received: int) -> dict[str, str]:
    """Return the bytes stored and the share that was sent again, as figures."""
    again = 100 * (received - size) / max(size, 1)
    return {"bytes": f"{size} ({write_bytes(size)})", "sent again": f"{again:.1f} % of the bytes"}


def print_heading(what: str) -> None:
    """Print a headline."""
    print(f"== {what}", flush=True)
