"""Format results, one table per case."""

from bench.cases import Case
from bench.lineup import OURS
from bench.race import Run, median_usage

_HEADINGS = (
    *("program", "s", "photos/s", "MB/s", "CPU ms/photo", "CPU s/GB", "beyond hashing", "peak MiB", "requests/photo"),
    # Ours as multiples of the program's; CPU beyond hashing.
    *("our speed", "our CPU", "our memory"),
)


def format_case(case: Case, runs: dict[str, list[Run]], hashing: float) -> str:
    """Return the table of one case.

    Args:
        case: which.
        runs: of each program, by its name.
        hashing: CPU seconds per GB that MD5 and CRC-32 cost alone; only we pay them.
    """
    rows = [_HEADINGS, *(_row(name, case, each, runs[OURS.name], hashing) for name, each in runs.items())]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
    lines = [" | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    lines.insert(1, " | ".join("-" * width for width in widths))
    return f"({case.letter}) {case.title}\n" + "\n".join(f"| {line} |" for line in lines)


def format_trouble(case: Case, run: Run) -> str:
    """Return what a run says of a case in which something goes wrong; empty for the others."""
    requests = run.gallery["requests"] + run.drive["requests"]
    if case.conditions.creates:
        reached = case.photos.count / run.usage.seconds / case.conditions.creates
        return f"{reached:.1%} of the ceiling reached, {run.drive['objections'] / requests:.1%} of requests throttled"
    if case.conditions.faults:
        again = run.drive["received"] / case.photos.total_bytes - 1
        failed = (run.gallery["mishaps"] + run.drive["mishaps"]) / requests
        return f"{failed:.1%} of requests failed, {again:.1%} of the bytes were sent again"
    return ""


def _row(name: str, case: Case, runs: list[Run], ours: list[Run], hashing: float) -> tuple[str, ...]:
    took, we_took, photos = median_usage(runs), median_usage(ours), case.photos
    gigabytes = photos.total_bytes / 1e9
    cpu, our_cpu = took.cpu_seconds / gigabytes, we_took.cpu_seconds / gigabytes - hashing
    requests = runs[0].gallery["requests"] + runs[0].drive["requests"]
    numbers = (
        f"{took.seconds:.2f}",
        f"{photos.count / took.seconds:.1f}",
        f"{photos.total_bytes / took.seconds / 1e6:.1f}",
        f"{took.cpu_seconds / photos.count * 1000:.2f}",
        f"{cpu:.2f}",
        f"{our_cpu if name == OURS.name else cpu:.2f}",
        f"{took.peak_bytes / 2**20:.0f}",
        f"{requests / photos.count:.2f}",
    )
    if name == OURS.name:
        return name, *numbers, "", "", ""
    ratios = (took.seconds / we_took.seconds, our_cpu / cpu, we_took.peak_bytes / took.peak_bytes)
    return name, *numbers, *(f"{ratio:.2f}x" for ratio in ratios)
